import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { connect } from 'node:tls';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { metallbCrds } from './metallb/crds.ts';
import { listAt, type KubeObject, numberAt, textAt, valueAt } from './object.ts';
import { type ApiServer, createApiServer } from './server.ts';
import { clientFor } from './test-client.ts';

let server: ApiServer;
let client: ReturnType<typeof clientFor>;
const faults: unknown[] = [];

before(async () => {
  server = await createApiServer({
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
    historyLimit: 400,
    onFault: (error) => faults.push(error),
  });
  server.apply(...metallbCrds(), {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'metallb' },
  });
  client = clientFor(server);
});
after(async () => {
  await server.close();
  assert.deepEqual(faults, []);
});

const peers = '/apis/metallb.io/v1beta2/namespaces/metallb/bgppeers';
const oldPeers = '/apis/metallb.io/v1beta1/namespaces/metallb/bgppeers';
const maps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, extra: Record<string, unknown> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...extra },
  data: { a: '1' },
});

test('who is unknown gets 401, health and version are open', async () => {
  const none = await client.call('/api/v1/nodes', { token: undefined });
  assert.deepEqual(
    [none.code, none.body['reason'], none.body['kind']],
    [401, 'Unauthorized', 'Status'],
  );
  assert.equal((await client.call('/api/v1/nodes', { token: 'wrong' })).code, 401);
  for (const path of ['/healthz', '/livez', '/readyz', '/version']) {
    assert.equal((await client.call(path, { token: undefined })).code, 200);
  }
  assert.equal(
    (await client.call('/api/v1/nodes', { token: server.tokenFor('metallb', 'speaker') })).code,
    200,
  );
});

test('a client certificate from the kubeconfig is enough', async () => {
  const config: unknown = parse(await server.kubeconfig());
  const pem = (...path: (string | number)[]) =>
    Buffer.from(textAt(config, ...path), 'base64').toString();
  const code = await new Promise((resolve, reject) => {
    const outgoing = request(
      new URL('/api/v1/namespaces', server.url),
      {
        agent: false,
        ca: pem('clusters', 0, 'cluster', 'certificate-authority-data'),
        cert: pem('users', 0, 'user', 'client-certificate-data'),
        key: pem('users', 0, 'user', 'client-key-data'),
      },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
  assert.equal(code, 200);
});

test('a v1beta1 peer without timers is stored as v1beta2 without timers, and both versions read it', async () => {
  const spec = { myASN: 64497, peerASN: 64496, peerAddress: '192.168.1.1' };
  const body = {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'BGPPeer',
    metadata: { name: 'router' },
    spec,
  };
  const created = await client.call(oldPeers, { method: 'POST', body });
  assert.equal(created.code, 201);
  assert.match(String(created.headers['warning']), /v1beta1 is deprecated/);
  const fresh = await client.call(`${peers}/router`);
  assert.equal(fresh.body['apiVersion'], 'metallb.io/v1beta2');
  assert.deepEqual(fresh.body['spec'], spec);
  assert.deepEqual((await client.call(`${oldPeers}/router`)).body['spec'], spec);
});

test('a v1beta2 peer gets its defaults; unknown fields are pruned with a warning, or refused', async () => {
  const spec = { myASN: 64497, peerASN: 64496, peerAddress: '192.168.1.1', colour: 'red' };
  const body = {
    apiVersion: 'metallb.io/v1beta2',
    kind: 'BGPPeer',
    metadata: { name: 'second' },
    spec,
  };
  const strict = await client.call(`${peers}?fieldValidation=Strict`, { method: 'POST', body });
  assert.equal(strict.code, 400);
  assert.match(
    textAt(strict.body, 'message'),
    /strict decoding error: unknown field "spec.colour"/,
  );
  const created = await client.call(peers, { method: 'POST', body });
  assert.match(String(created.headers['warning']), /unknown field \\"spec.colour\\"/);
  const { colour: _colour, ...known } = spec;
  const defaults = { peerPort: 179, disableMP: false, dualStackAddressFamily: false };
  assert.deepEqual(created.body['spec'], { ...known, ...defaults });
});

const refusedPeers: [
  name: string,
  spec: Record<string, unknown>,
  field: string,
  message: RegExp,
][] = [
  ['text for a number', { myASN: 'x' }, 'spec.myASN', /must be of type integer: "string"/],
  ['no AS number', {}, 'spec.myASN', /Required value/],
  ['port too high', { myASN: 1, peerPort: 70000 }, 'spec.peerPort', /less than or equal to 16384/],
  [
    'unknown mode',
    { myASN: 1, dynamicASN: 'both' },
    'spec.dynamicASN',
    /supported values: "internal", "external"/,
  ],
  [
    'connect time of a fraction',
    { myASN: 1, connectTime: '1500ms' },
    'spec.connectTime',
    /whole number of seconds/,
  ],
];
for (const [name, spec, field, message] of refusedPeers) {
  test(`a peer is refused with 422: ${name}`, async () => {
    const body = {
      apiVersion: 'metallb.io/v1beta2',
      kind: 'BGPPeer',
      metadata: { name: 'bad' },
      spec,
    };
    const answer = await client.call(peers, { method: 'POST', body });
    assert.equal(answer.code, 422);
    const cause = listAt(answer.body, 'details', 'causes').find(
      (item) => textAt(item, 'field') === field,
    );
    assert.match(textAt(cause, 'message'), message);
  });
}

test('graceful restart cannot be changed after creation', async () => {
  const spec = { myASN: 1, peerASN: 2, peerAddress: '192.0.2.1', enableGracefulRestart: true };
  const body = {
    apiVersion: 'metallb.io/v1beta2',
    kind: 'BGPPeer',
    metadata: { name: 'graceful' },
    spec,
  };
  await client.call(peers, { method: 'POST', body });
  const patch = { spec: { enableGracefulRestart: false } };
  const type = 'application/merge-patch+json';
  const answer = await client.call(`${peers}/graceful`, { method: 'PATCH', body: patch, type });
  assert.equal(answer.code, 422);
  assert.match(textAt(answer.body, 'message'), /cannot be changed after creation/);
});

test('updates need the current revision: a stale one is 409, none is 422 for custom resources', async () => {
  const first = await client.call(maps, { method: 'POST', body: configMap('race') });
  const changed = { ...first.body, data: { a: '2' } };
  assert.equal((await client.call(`${maps}/race`, { method: 'PUT', body: changed })).code, 200);
  const stale = await client.call(`${maps}/race`, {
    method: 'PUT',
    body: { ...changed, data: { a: '3' } },
  });
  assert.deepEqual([stale.code, stale.body['reason']], [409, 'Conflict']);
  const peer = (await client.call(`${peers}/router`)).body as unknown as KubeObject;
  const { resourceVersion: _rv, ...metadata } = peer.metadata;
  assert.equal(
    (await client.call(`${peers}/router`, { method: 'PUT', body: { ...peer, metadata } })).code,
    422,
  );
});

test('writing what is there already changes no revision', async () => {
  const first = await client.call(maps, { method: 'POST', body: configMap('same') });
  const again = await client.call(`${maps}/same`, { method: 'PUT', body: first.body });
  assert.equal(
    textAt(again.body, 'metadata', 'resourceVersion'),
    textAt(first.body, 'metadata', 'resourceVersion'),
  );
});

test('spec and status are written apart and only the spec counts generations', async () => {
  const path = '/apis/metallb.io/v1beta1/namespaces/metallb/ipaddresspools';
  const spec = { addresses: ['192.168.2.0/24'] };
  const status = { assignedIPv4: 1, assignedIPv6: 0, availableIPv4: 2, availableIPv6: 0 };
  const body = {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'p' },
    spec,
    status,
  };
  const created = await client.call(path, { method: 'POST', body });
  assert.equal(created.body['status'], undefined);
  assert.deepEqual(created.body['spec'], { ...spec, autoAssign: true, avoidBuggyIPs: false });
  const type = 'application/merge-patch+json';
  const both = { spec: { autoAssign: false }, status };
  const written = await client.call(`${path}/p/status`, { method: 'PATCH', body: both, type });
  assert.deepEqual(
    [written.body['status'], valueAt(written.body, 'spec', 'autoAssign')],
    [status, true],
  );
  assert.equal(numberAt(written.body, 'metadata', 'generation'), 1);
  const edited = await client.call(`${path}/p`, { method: 'PATCH', body: both, type });
  assert.deepEqual(
    [valueAt(edited.body, 'spec', 'autoAssign'), edited.body['status']],
    [false, status],
  );
  assert.equal(numberAt(edited.body, 'metadata', 'generation'), 2);
});

test('a watch from a revision sees what happened since, and selectors turn changes into arrivals and departures', async () => {
  const start = textAt((await client.call(maps)).body, 'metadata', 'resourceVersion');
  await client.call(maps, { method: 'POST', body: configMap('w1', { labels: { on: 'yes' } }) });
  const { events, stop } = await client.watch(
    `${maps}?watch=true&resourceVersion=${start}&labelSelector=on%3Dyes`,
  );
  const seen: string[] = [];
  const type = 'application/merge-patch+json';
  for await (const event of events) {
    seen.push(`${event.type} ${textAt(event.object, 'metadata', 'name')}`);
    if (seen.length === 1)
      await client.call(`${maps}/w1`, { method: 'PATCH', body: { data: { b: '2' } }, type });
    if (seen.length === 2)
      await client.call(`${maps}/w1`, {
        method: 'PATCH',
        body: { metadata: { labels: { on: 'no' } } },
        type,
      });
    if (seen.length === 3)
      await client.call(`${maps}/w1`, {
        method: 'PATCH',
        body: { metadata: { labels: { on: 'yes' } } },
        type,
      });
    if (seen.length === 4) await client.call(`${maps}/w1`, { method: 'DELETE' });
    if (seen.length === 5) stop();
  }
  assert.deepEqual(seen, ['ADDED w1', 'MODIFIED w1', 'DELETED w1', 'ADDED w1', 'DELETED w1']);
});

test('a watch from nothing starts with what is there; WatchList marks the end of it', async () => {
  await client.call(maps, { method: 'POST', body: configMap('w2') });
  const query =
    'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const { events, stop } = await client.watch(`${maps}?${query}&fieldSelector=metadata.name%3Dw2`);
  const first = await events.next();
  const second = await events.next();
  stop();
  assert.equal(first.value?.type, 'ADDED');
  assert.equal(second.value?.type, 'BOOKMARK');
  assert.deepEqual(valueAt(second.value, 'object', 'metadata', 'annotations'), {
    'k8s.io/initial-events-end': 'true',
  });
});

test('a watch from a revision that was compacted away, or is yet to come, gets 410', async () => {
  const type = 'application/merge-patch+json';
  await client.call(maps, { method: 'POST', body: configMap('busy') });
  server.api.store.compact(server.api.store.revision);
  await client.call(`${maps}/busy`, { method: 'PATCH', body: { data: { n: '1' } }, type });
  for (const revision of ['3', '99999999']) {
    const { events } = await client.watch(`${maps}?watch=true&resourceVersion=${revision}`);
    const { value } = await events.next();
    assert.deepEqual([value?.type, numberAt(value, 'object', 'code')], ['ERROR', 410]);
  }
});

test('lists come in pages when asked', async () => {
  for (const name of ['pg-a', 'pg-b', 'pg-c']) {
    await client.call(maps, { method: 'POST', body: configMap(name, { labels: { pg: '1' } }) });
  }
  const first = await client.call(`${maps}?labelSelector=pg&limit=2`);
  const names = (body: unknown) =>
    listAt(body, 'items').map((item) => textAt(item, 'metadata', 'name'));
  assert.deepEqual(names(first.body), ['pg-a', 'pg-b']);
  assert.equal(numberAt(first.body, 'metadata', 'remainingItemCount'), 1);
  const next = encodeURIComponent(textAt(first.body, 'metadata', 'continue'));
  const second = await client.call(`${maps}?labelSelector=pg&limit=2&continue=${next}`);
  assert.deepEqual(names(second.body), ['pg-c']);
  assert.equal((await client.call(`${maps}?continue=rubbish`)).code, 410);
});

test('generateName, dry run, duplicates, missing namespace', async () => {
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'gen-' } };
  const made = await client.call(maps, { method: 'POST', body });
  assert.match(textAt(made.body, 'metadata', 'name'), /^gen-[a-z0-9]{5}$/);
  assert.equal(
    (await client.call(`${maps}?dryRun=All`, { method: 'POST', body: configMap('dry') })).code,
    201,
  );
  assert.equal((await client.call(`${maps}/dry`)).code, 404);
  await client.call(maps, { method: 'POST', body: configMap('twice') });
  const twice = await client.call(maps, { method: 'POST', body: configMap('twice') });
  assert.deepEqual([twice.code, twice.body['reason']], [409, 'AlreadyExists']);
  const nowhere = await client.call('/api/v1/namespaces/nowhere/configmaps', {
    method: 'POST',
    body: configMap('x'),
  });
  assert.equal(nowhere.code, 404);
});

test('finalizers hold a deleted object until the last one goes', async () => {
  await client.call(maps, { method: 'POST', body: configMap('held', { finalizers: ['a.b/c'] }) });
  const marked = await client.call(`${maps}/held`, { method: 'DELETE' });
  assert.ok(textAt(marked.body, 'metadata', 'deletionTimestamp'));
  assert.equal((await client.call(`${maps}/held`)).code, 200);
  const patch = [{ op: 'remove', path: '/metadata/finalizers' }];
  await client.call(`${maps}/held`, {
    method: 'PATCH',
    body: patch,
    type: 'application/json-patch+json',
  });
  assert.equal((await client.call(`${maps}/held`)).code, 404);
});

test('what an object owns goes with it, unless orphaned', async () => {
  const owner = await client.call(maps, { method: 'POST', body: configMap('owner') });
  const reference = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: 'owner',
    uid: textAt(owner.body, 'metadata', 'uid'),
  };
  await client.call(maps, {
    method: 'POST',
    body: configMap('child', { ownerReferences: [reference] }),
  });
  await client.call(`${maps}/owner`, { method: 'DELETE' });
  assert.equal((await client.call(`${maps}/child`)).code, 404);
});

test('deleting a namespace deletes what is in it', async () => {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'temp' } };
  await client.call('/api/v1/namespaces', { method: 'POST', body });
  await client.call('/api/v1/namespaces/temp/configmaps', { method: 'POST', body: configMap('x') });
  await client.call('/api/v1/namespaces/temp', { method: 'DELETE' });
  assert.equal((await client.call('/api/v1/namespaces/temp')).code, 404);
  assert.equal(
    listAt((await client.call('/api/v1/namespaces/temp/configmaps')).body, 'items').length,
    0,
  );
});

test('a definition adds a resource and takes it away again', async () => {
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const schema = {
    type: 'object',
    properties: { spec: { type: 'object', properties: { size: { type: 'integer', default: 3 } } } },
  };
  const body = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'toys.example.org' },
    spec: {
      group: 'example.org',
      scope: 'Cluster',
      names: { kind: 'Toy', plural: 'toys', shortNames: ['ty'] },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
  const created = await client.call(crds, { method: 'POST', body });
  assert.equal(created.code, 201);
  const established = listAt(created.body, 'status', 'conditions').map((item) =>
    textAt(item, 'type'),
  );
  assert.ok(established.includes('Established'));
  const toy = { apiVersion: 'example.org/v1', kind: 'Toy', metadata: { name: 't' }, spec: {} };
  const made = await client.call('/apis/example.org/v1/toys', { method: 'POST', body: toy });
  assert.deepEqual(made.body['spec'], { size: 3 });
  assert.equal(numberAt(made.body, 'metadata', 'generation'), 1);
  assert.equal((await client.call('/apis/example.org/v1')).code, 200);
  await client.call(`${crds}/toys.example.org`, { method: 'DELETE' });
  assert.equal((await client.call('/apis/example.org/v1/toys')).code, 404);
  assert.equal((await client.call('/apis/example.org/v1')).code, 404);
});

test('a definition whose rule does not compile is refused, naming the place', async () => {
  const schema = {
    type: 'object',
    properties: { spec: { type: 'object', 'x-kubernetes-validations': [{ rule: 'self.a ===' }] } },
  };
  const body = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'bads.example.org' },
    spec: {
      group: 'example.org',
      scope: 'Cluster',
      names: { kind: 'Bad', plural: 'bads' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
  const answer = await client.call('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    method: 'POST',
    body,
  });
  assert.equal(answer.code, 422);
  assert.match(textAt(answer.body, 'message'), /properties\[spec\]\.x-kubernetes-validations/);
});

test('server-side apply creates, conflicts, forces and forgets', async () => {
  const path = `${maps}/applied?fieldManager`;
  const type = 'application/apply-patch+yaml';
  const apply = (manager: string, data: Record<string, string>, extra = '') =>
    client.call(`${path}=${manager}${extra}`, {
      method: 'PATCH',
      type,
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data },
    });
  assert.equal((await apply('one', { a: '1', b: '1' })).code, 201);
  const conflict = await apply('two', { a: '2' });
  assert.deepEqual(
    [conflict.code, textAt(conflict.body, 'details', 'causes', 0, 'field')],
    [409, '.data.a'],
  );
  assert.equal((await apply('two', { a: '2' }, '&force=true')).code, 200);
  const after = await apply('one', {});
  assert.deepEqual(after.body['data'], { a: '2' });
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {c: "3"}\n';
  const third = await client.call(`${path}=three`, { method: 'PATCH', type, body: yaml });
  assert.deepEqual(third.body['data'], { a: '2', c: '3' });
});

test('tables: one object, a list, and a watch whose header comes once', async () => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
  const one = await client.call(`${peers}/router`, { accept });
  assert.deepEqual(listAt(one.body, 'rows', 0, 'cells'), [
    'router',
    '192.168.1.1',
    '64496',
    null,
    null,
  ]);
  const list = await client.call('/api/v1/namespaces', { accept });
  assert.ok(listAt(list.body, 'rows').length >= 5);
  const { events, stop } = await client.watch(`${maps}?watch=true`, accept);
  const first = await events.next();
  const second = await events.next();
  stop();
  assert.ok(Array.isArray(valueAt(first.value, 'object', 'columnDefinitions')));
  assert.equal(valueAt(second.value, 'object', 'columnDefinitions'), null);
});

const badRequests: [
  name: string,
  path: string,
  options: Parameters<typeof client.call>[1],
  code: number,
][] = [
  ['no JSON', maps, { method: 'POST', body: '{' }, 400],
  ['empty body', maps, { method: 'POST', body: '' }, 400],
  ['a list for an object', maps, { method: 'POST', body: [] }, 400],
  [
    'another kind',
    maps,
    { method: 'POST', body: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } } },
    400,
  ],
  [
    'metadata that is text',
    maps,
    { method: 'POST', body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: 'x' } },
    400,
  ],
  [
    'labels that are numbers',
    maps,
    { method: 'POST', body: configMap('x', { labels: { a: 1 } }) },
    400,
  ],
  ['a bad name', maps, { method: 'POST', body: configMap('Bad_Name') }, 422],
  [
    'no name',
    maps,
    { method: 'POST', body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: {} } },
    422,
  ],
  [
    'another namespace',
    maps,
    { method: 'POST', body: configMap('x', { namespace: 'metallb' }) },
    400,
  ],
  ['unknown content type', maps, { method: 'POST', body: 'x', type: 'text/html' }, 415],
  [
    'protobuf that is none',
    maps,
    { method: 'POST', body: 'x', type: 'application/vnd.kubernetes.protobuf' },
    400,
  ],
  [
    'strategic patch on a custom resource',
    `${peers}/router`,
    { method: 'PATCH', body: {}, type: 'application/strategic-merge-patch+json' },
    415,
  ],
  [
    'apply without manager',
    `${maps}/x`,
    { method: 'PATCH', body: configMap('x'), type: 'application/apply-patch+yaml' },
    400,
  ],
  ['unknown field selector', `${maps}?fieldSelector=data.a%3D1`, {}, 400],
  ['bad label selector', `${maps}?labelSelector=a+in+b`, {}, 400],
  ['bad revision', `${maps}?watch=1&resourceVersion=abc`, {}, 400],
  ['unknown resource', '/api/v1/nothings', {}, 404],
  ['unknown group', '/apis/nothing.org/v1/things', {}, 404],
  ['bad escape', '/api/v1/%zz', {}, 404],
  ['exec without upgrade', '/api/v1/namespaces/default/pods/none/exec', {}, 404],
  ['unsupported method', `${maps}/x`, { method: 'POST', body: configMap('x') }, 405],
  ['only protobuf accepted', maps, { accept: 'application/vnd.kubernetes.protobuf' }, 406],
];
for (const [name, path, options, code] of badRequests) {
  test(`bad request answered ${code}: ${name}`, async () => {
    const answer = await client.call(path, options);
    assert.equal(answer.code, code, answer.text);
    assert.equal(answer.body['kind'], 'Status');
  });
}

test('a body over 3 MiB is 413', async () => {
  const body = JSON.stringify({ ...configMap('big'), data: { a: 'x'.repeat(3 * 1024 * 1024) } });
  const answer = await client.call(maps, { method: 'POST', body }).catch((error: Error) => error);
  // The server may close while the client still sends; both ends of that are right.
  if (!(answer instanceof Error)) assert.equal(answer.code, 413);
  assert.equal((await client.call('/healthz')).code, 200);
});

test('field names that are no ASCII, or names of JavaScript, are fields like any other', async () => {
  const body = { ...configMap('names'), ключ: 1, constructor: { toString: 1 } };
  const answer = await client.call(maps, { method: 'POST', body });
  assert.equal(answer.code, 201);
  assert.match(String(answer.headers['warning']), /unknown field \\"\\u043a/);
  const text = JSON.stringify({ ...configMap('names2') }).replace(
    '"a":"1"',
    '"__proto__":{"polluted":"1"},"constructor":"2"',
  );
  assert.equal((await client.call(maps, { method: 'POST', body: text })).code, 400);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('no JSON value as a body makes a fault: every answer is a 4xx or a success', async () => {
  const types = [
    'application/json',
    'application/merge-patch+json',
    'application/json-patch+json',
    'application/strategic-merge-patch+json',
    'application/apply-patch+yaml',
  ];
  await client.call(maps, { method: 'POST', body: configMap('fuzz') });
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }),
      fc.constantFrom(...types),
      async (value, type) => {
        const merged =
          typeof value === 'object' && value !== null && !Array.isArray(value)
            ? { ...configMap('fuzz'), ...value }
            : value;
        const method = type === 'application/json' ? 'PUT' : 'PATCH';
        const answer = await client.call(`${maps}/fuzz?fieldManager=f`, {
          method,
          body: JSON.stringify(merged),
          type,
        });
        assert.ok(answer.code < 500, `${answer.code} ${answer.text}`);
      },
    ),
    { seed: 5, numRuns: 60 },
  );
});

test('no bytes as protobuf make a fault', async () => {
  const magic = Buffer.from('k8s\0');
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      const meta = Buffer.from('\n\x0f\n\x02v1\x12\x09ConfigMap');
      const raw = Buffer.concat([Buffer.of(0x12, bytes.length), bytes]);
      const body = Buffer.concat([magic, meta, raw]);
      const answer = await client.call(maps, {
        method: 'POST',
        body,
        type: 'application/vnd.kubernetes.protobuf',
      });
      assert.ok(answer.code < 500, `${answer.code} ${answer.text}`);
    }),
    { seed: 6, numRuns: 60 },
  );
});

test('closing waits for nobody, whether connected or still shaking hands', async () => {
  const own = await createApiServer({
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
  });
  const socket = connectTcp(Number(new URL(own.url).port), '127.0.0.1');
  await once(socket, 'connect');
  const gone = once(socket, 'close');
  await own.close();
  await gone;
});

test('after a restart the state, the certificates and the tokens are those of before', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-api-'));
  try {
    const options = {
      stateFile: join(directory, 'state.db'),
      certificateDirectory: join(directory, 'pki'),
      listen: [{ host: '127.0.0.1', port: 0 }],
    };
    const one = await createApiServer(options);
    one.apply(...metallbCrds());
    await clientFor(one).call(maps, { method: 'POST', body: configMap('kept') });
    const token = one.adminToken();
    const { caPem } = one;
    await one.close();
    const two = await createApiServer(options);
    assert.equal(two.caPem, caPem);
    assert.equal(two.adminToken(), token);
    assert.equal((await clientFor(two).call(`${maps}/kept`)).code, 200);
    assert.equal((await clientFor(two).call('/apis/metallb.io/v1beta2/bgppeers')).code, 200);
    await two.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('events are one store with two shapes', async () => {
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e1' },
    involvedObject: { kind: 'Service', namespace: 'default', name: 'web' },
    reason: 'IPAllocated',
    message: 'Assigned IP',
    type: 'Normal',
    source: { component: 'metallb-controller' },
  };
  await client.call('/api/v1/namespaces/default/events', { method: 'POST', body: event });
  const other = await client.call('/apis/events.k8s.io/v1/namespaces/default/events/e1');
  assert.deepEqual(
    [other.body['note'], textAt(other.body, 'regarding', 'name')],
    ['Assigned IP', 'web'],
  );
});

test(
  'a watcher that does not read is cut off, and nobody else notices',
  { timeout: 20_000 },
  async () => {
    const { hostname, port } = new URL(server.url);
    const socket = connect({ host: hostname, port: Number(port), ca: server.caPem });
    const head = `GET ${maps}?watch=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.adminToken()}\r\n\r\n`;
    await new Promise<void>((resolve) => socket.on('secureConnect', resolve));
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.write(head);
    await new Promise<void>((resolve) => socket.once('data', () => resolve()));
    socket.pause();
    const half = 'x'.repeat(2 * 1024 * 1024);
    for (let index = 0; index < 20; index += 1) {
      server.apply({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'large', namespace: 'default' },
        data: { a: `${index}${half}` },
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Reading again ends in a close: the server has given up on this watcher.
    socket.resume();
    await closed;
    await client.call(`${maps}/large`, { method: 'DELETE' });
    assert.equal((await client.call('/healthz')).code, 200);
  },
);

test('a further listener serves the same objects under the same certificate', async () => {
  const url = await server.listenOn({ host: '127.0.0.1', port: 0 });
  assert.notEqual(url, server.url);
  const other = clientFor({ ...server, url });
  assert.equal((await other.call(`${peers}/router`)).code, 200);
});

test('events leave after an hour', async () => {
  let nowMs = Date.parse('2026-01-01T00:00:00Z');
  const clocked = await createApiServer({
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
    now: () => new Date(nowMs),
  });
  const event = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: 'default' },
    involvedObject: {},
    reason: 'r',
  });
  clocked.apply(event('old'));
  nowMs += 3_700_000;
  clocked.apply(event('new'));
  assert.deepEqual(
    clocked.api.store.list('/events').map((item) => item.metadata.name),
    ['new'],
  );
  await clocked.close();
});

test('a state file that cannot be opened and an address that cannot be used are named', async () => {
  const listen = [{ host: '127.0.0.1', port: 0 }];
  await assert.rejects(
    createApiServer({ stateFile: '/nonexistent/x.db', listen }),
    /cannot open the state file \/nonexistent\/x\.db: .*directory must exist/,
  );
  const port = Number(new URL(server.url).port);
  await assert.rejects(
    createApiServer({ stateFile: ':memory:', listen: [...listen, { host: '127.0.0.1', port }] }),
    new RegExp(`cannot listen on 127.0.0.1 port ${port}: .*EADDRINUSE`),
  );
});
