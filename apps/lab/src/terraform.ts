// `rookery lab apply main.tf`: reads `kubernetes_manifest` resources through HashiCorp's own HCL
// parser (compiled to WASM, loaded only here) and resolves the references between them. What cannot
// be resolved (variables without default, functions, data sources) is reported with the
// expression, never guessed; for those `terraform show -json` is the way.

import { type Result, err, ok } from '@rookery/net';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

/** Parses one Terraform file. The error is one text that names file, place, cause and cure. */
export async function parseTerraform(
  fileName: string,
  source: string,
): Promise<Result<readonly Manifest[], string>> {
  const { parse } = await import('@cdktn/hcl2json');
  let document: Document;
  try {
    document = (await parse(fileName, source)) as Document;
  } catch (error) {
    return err(
      `${fileName}: not valid HCL: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const resources = document.resource?.['kubernetes_manifest'] ?? {};
  const problems: string[] = [];
  const manifests = Object.entries(resources).map(([name, blocks]) =>
    resolve(blocks[0]?.['manifest'], {
      document,
      fileName,
      place: `kubernetes_manifest.${name}.manifest`,
      problems,
      depth: 0,
    }),
  );
  for (const type of Object.keys(document.resource ?? {})) {
    if (type !== 'kubernetes_manifest') {
      problems.push(
        `${fileName}: resource "${type}" is not a kubernetes_manifest; apply it with terraform`,
      );
    }
  }
  if (manifests.length === 0 && problems.length === 0) {
    problems.push(`${fileName}: no resource "kubernetes_manifest" found`);
  }
  return problems.length > 0 ? err(problems.join('\n')) : ok(manifests as Manifest[]);
}

interface Document {
  readonly resource?: Readonly<
    Record<string, Readonly<Record<string, readonly Record<string, unknown>[]>>>
  >;
  readonly locals?: readonly Readonly<Record<string, unknown>>[];
  readonly variable?: Readonly<Record<string, readonly { readonly default?: unknown }[]>>;
}

interface Scope {
  readonly document: Document;
  readonly fileName: string;
  readonly place: string;
  readonly problems: string[];
  readonly depth: number;
}

/** References may chain, but a cycle must end. */
const MAX_DEPTH = 16;

function resolve(value: unknown, scope: Scope): unknown {
  if (typeof value === 'string') return resolveText(value, scope);
  if (Array.isArray(value)) {
    return value.map((item, i) => resolve(item, { ...scope, place: `${scope.place}[${i}]` }));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        resolve(item, { ...scope, place: `${scope.place}.${key}` }),
      ]),
    );
  }
  return value;
}

/** A string that is one expression keeps the expression's type; inside text it becomes text. */
function resolveText(text: string, scope: Scope): unknown {
  const whole = /^\$\{([^{}]*)\}$/.exec(text);
  if (whole) return evaluate(whole[1]!.trim(), scope);
  return text.replaceAll(/\$\{([^{}]*)\}/g, (_, expression: string) =>
    String(evaluate(expression.trim(), scope)),
  );
}

function evaluate(expression: string, scope: Scope): unknown {
  const target = lookUp(expression.split('.'), scope.document);
  if (target === undefined || scope.depth >= MAX_DEPTH) {
    scope.problems.push(
      `${scope.fileName}: ${scope.place}: cannot resolve "${expression}"; ` +
        'write the value, or feed the output of "terraform show -json"',
    );
    return '';
  }
  return resolve(target, { ...scope, depth: scope.depth + 1 });
}

function lookUp(path: readonly string[], document: Document): unknown {
  const [head = '', ...rest] = path;
  switch (head) {
    case 'local':
      return descend(Object.assign({}, ...(document.locals ?? [])), rest);
    case 'var':
      return descend(document.variable?.[rest[0] ?? '']?.[0]?.default, rest.slice(1));
    default:
      return descend(document.resource?.[head]?.[rest[0] ?? '']?.[0], rest.slice(1));
  }
}

function descend(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined,
    value,
  );
}
