// Writes src/schema/builtin-schemas.json: the field names and types of the built-in kinds, read from
// the type tables of the Apache-2.0 package @kubernetes/client-node. Names and types only, no prose.
// Run by hand after an update of that package: node packages/kube-embedded/tools/generate-schemas.mjs
import { readFileSync, writeFileSync } from 'node:fs';

const models = new URL(
  '../../../node_modules/@kubernetes/client-node/dist/gen/models/',
  import.meta.url,
);
const roots = (
  'V1Namespace V1Node V1Pod V1Service V1Endpoints CoreV1Event V1Secret V1ConfigMap V1ServiceAccount ' +
  'V1ResourceQuota V1LimitRange V1PersistentVolumeClaim V1DaemonSet V1Deployment V1ReplicaSet V1StatefulSet ' +
  'V1ControllerRevision V1EndpointSlice V1Lease EventsV1Event V1CustomResourceDefinition V1Role ' +
  'V1RoleBinding V1ClusterRole V1ClusterRoleBinding V1ValidatingWebhookConfiguration ' +
  'V1MutatingWebhookConfiguration V1NetworkPolicy V1PodDisruptionBudget V1Job V1TokenReview ' +
  'V1SubjectAccessReview V1SelfSubjectAccessReview V1SelfSubjectRulesReview V1SelfSubjectReview ' +
  'AuthenticationV1TokenRequest V1Scale V1Eviction V1Binding V1DeleteOptions V1Status'
).split(' ');

const out = {};
const queue = [...roots];
while (queue.length > 0) {
  const name = queue.shift();
  if (out[name] || name === 'V1JSONSchemaProps') continue;
  const js = readFileSync(new URL(`${name}.js`, models), 'utf8');
  const dts = readFileSync(new URL(`${name}.d.ts`, models), 'utf8');
  const required = new Set([...dts.matchAll(/^ {4}'([^']+)':/gm)].map((match) => match[1]));
  const table = js.match(/attributeTypeMap = (\[[\s\S]*?\n\]);/);
  if (!table) throw new Error(`no type table in ${name}`);
  const fields = {};
  for (const entry of JSON.parse(table[1])) {
    fields[entry.baseName + (required.has(entry.name) ? '!' : '')] = compact(
      entry.type,
      entry.format,
    );
  }
  out[name] = fields;
}
const sorted = Object.fromEntries(Object.entries(out).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(
  new URL('../src/schema/builtin-schemas.json', import.meta.url),
  JSON.stringify(sorted, null, 1) + '\n',
);

function compact(type, format) {
  const array = type.match(/^Array<(.*)>$/);
  if (array) return `${compact(array[1], format)}[]`;
  const map = type.match(/^\{ \[key: string\]: (.*); \}$/);
  if (map) return `${compact(map[1], format)}{}`;
  if (type === 'number') return format || 'number';
  if (type === 'Date' || type === 'V1MicroTime') return type === 'Date' ? 'time' : 'microtime';
  if (type === 'string' && format === 'byte') return 'byte';
  if (type === 'string' || type === 'boolean' || type === 'any') return type;
  if (type === 'IntOrString') return 'int-or-string';
  if (type === 'V1JSONSchemaProps') return 'any';
  queue.push(type);
  return type;
}
