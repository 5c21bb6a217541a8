// x-kubernetes-validations: the rules of a schema, compiled once and checked on every write. Rules
// that mention oldSelf are transition rules and run on updates where an old value exists.
// The expression language is the subset of CEL in cel.ts; what it does not know refuses the CRD.

import { fieldInvalid, type StatusCause } from '../api-error.ts';
import { isObject, type JsonObject } from '../object.ts';
import { compileCel, type CelProgram } from './cel.ts';
import { resolveSchema, type Schema, type ValidationRule } from './schema.ts';

interface CompiledRule {
  program: CelProgram;
  rule: ValidationRule;
  transition: boolean;
}

interface RuleNode {
  rules: CompiledRule[];
  fields: Map<string, RuleNode>;
  items: RuleNode | undefined;
  keys: readonly string[] | undefined;
}

export interface RuleFault {
  path: string;
  rule: string;
  message: string;
}

export interface RuleSet {
  root: RuleNode | undefined;
  faults: RuleFault[];
}

/** Compiles all rules below a schema; faults name those that do not compile. */
export function compileRules(schema: Schema): RuleSet {
  const faults: RuleFault[] = [];
  return { root: nodeFor(schema, '', faults), faults };
}

function nodeFor(schema: Schema, path: string, faults: RuleFault[]): RuleNode | undefined {
  const rules: CompiledRule[] = [];
  for (const rule of schema['x-kubernetes-validations'] ?? []) {
    const program = compileCel(rule.rule);
    if (typeof program === 'string') faults.push({ path, rule: rule.rule, message: program });
    else rules.push({ program, rule, transition: /\boldSelf\b/.test(rule.rule) });
  }
  const fields = new Map<string, RuleNode>();
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (property.allOf || property.$ref) continue;
    const node = nodeFor(property, `${path}.properties[${name}]`, faults);
    if (node) fields.set(name, node);
  }
  const items = schema.items ? nodeFor(schema.items, `${path}.items`, faults) : undefined;
  if (rules.length === 0 && fields.size === 0 && !items) return undefined;
  return { rules, fields, items, keys: resolveSchema(schema)?.['x-kubernetes-list-map-keys'] };
}

/** Checks an object, and its change from a previous state, against the rules. */
export function checkRules(
  rules: RuleSet,
  object: JsonObject,
  previous: JsonObject | undefined,
): StatusCause[] {
  return rules.root ? check(rules.root, object, previous, '') : [];
}

function check(node: RuleNode, value: unknown, old: unknown, path: string): StatusCause[] {
  if (value === undefined || value === null) return [];
  const causes: StatusCause[] = [];
  for (const { program, rule, transition } of node.rules) {
    if (transition && (old === undefined || old === null)) continue;
    const result = program({ self: value, oldSelf: old });
    if (result === true) continue;
    const message =
      typeof result === 'string' ? result : (rule.message ?? `failed rule: ${rule.rule}`);
    const shown = isObject(value) ? 'object' : Array.isArray(value) ? 'array' : value;
    causes.push(fieldInvalid(`${path}${rule.fieldPath ?? ''}`, shown, message));
  }
  for (const [name, child] of node.fields) {
    if (!isObject(value)) break;
    const oldChild = isObject(old) ? old[name] : undefined;
    causes.push(...check(child, value[name], oldChild, path === '' ? name : `${path}.${name}`));
  }
  if (node.items && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      causes.push(...check(node.items, item, oldItem(node.keys, item, old), `${path}[${index}]`));
    }
  }
  return causes;
}

/** Only items of a keyed list have an old value, as in Kubernetes. */
function oldItem(keys: readonly string[] | undefined, item: unknown, old: unknown): unknown {
  if (!keys || !Array.isArray(old) || !isObject(item)) return undefined;
  return old.find((other) => isObject(other) && keys.every((key) => other[key] === item[key]));
}
