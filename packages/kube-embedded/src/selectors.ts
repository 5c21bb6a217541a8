// Label selectors (equality and set based) and field selectors as the list and watch calls take
// them. A selector that does not parse, or a field that the resource does not support, is 400.

import { badRequest } from './api-error.ts';
import { type KubeObject, isObject, listAt, textAt, valueAt } from './object.ts';

export type Predicate = (object: KubeObject) => boolean;

interface LabelTerm {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  values: string[];
}

/** "a=b,c!=d,e in (x,y),f notin (z),g,!h"; throws 400 when it does not parse. */
export function parseLabelSelector(text: string): Predicate {
  const terms = splitTerms(text).map(parseLabelTerm);
  return (object) => matchesTerms(terms, object.metadata.labels);
}

/** A metav1.LabelSelector; an absent one matches nothing, an empty one everything. */
export function matchesLabelSelector(
  selector: unknown,
  labels: Record<string, string> | undefined,
): boolean {
  if (!isObject(selector)) return false;
  const terms: LabelTerm[] = [];
  const matchLabels = selector['matchLabels'];
  if (isObject(matchLabels)) {
    for (const [key, value] of Object.entries(matchLabels)) {
      terms.push({ key, operator: 'In', values: [String(value)] });
    }
  }
  for (const expression of listAt(selector, 'matchExpressions')) {
    const operator = textAt(expression, 'operator') as LabelTerm['operator'];
    const values = listAt(expression, 'values').map(String);
    terms.push({ key: textAt(expression, 'key'), operator, values });
  }
  return matchesTerms(terms, labels);
}

function matchesTerms(
  terms: readonly LabelTerm[],
  labels: Record<string, string> | undefined,
): boolean {
  return terms.every((term) => {
    const value = labels?.[term.key];
    switch (term.operator) {
      case 'In':
        return value !== undefined && term.values.includes(value);
      case 'NotIn':
        return value === undefined || !term.values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      case 'Gt':
        return value !== undefined && Number(value) > Number(term.values[0]);
      case 'Lt':
        return value !== undefined && Number(value) < Number(term.values[0]);
      default:
        return false;
    }
  });
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let current = '';
  for (const char of text) {
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === ',' && depth === 0) {
      terms.push(current);
      current = '';
    } else current += char;
  }
  terms.push(current);
  return terms.map((term) => term.trim()).filter((term) => term !== '');
}

function parseLabelTerm(term: string): LabelTerm {
  const set = term.match(/^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/);
  if (set) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    return {
      key: checkKey(set[1] ?? '', term),
      operator: set[2] === 'in' ? 'In' : 'NotIn',
      values,
    };
  }
  const order = term.match(/^([^\s<>=!]+)\s*([<>])\s*(-?\d+)$/);
  if (order) {
    return {
      key: checkKey(order[1] ?? '', term),
      operator: order[2] === '>' ? 'Gt' : 'Lt',
      values: [order[3] ?? ''],
    };
  }
  const equal = term.match(/^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/);
  if (equal) {
    const operator = equal[2] === '!=' ? 'NotIn' : 'In';
    return { key: checkKey(equal[1] ?? '', term), operator, values: [equal[3] ?? ''] };
  }
  if (term.startsWith('!')) {
    return { key: checkKey(term.slice(1).trim(), term), operator: 'DoesNotExist', values: [] };
  }
  return { key: checkKey(term, term), operator: 'Exists', values: [] };
}

function checkKey(key: string, term: string): string {
  if (/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(key))
    return key;
  throw badRequest(`unable to parse requirement: "${term}" is not a label requirement`);
}

/** Fields beyond metadata.name and metadata.namespace, by "group/plural". */
const selectableFields: Record<string, readonly string[]> = {
  '/pods': [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  '/nodes': ['spec.unschedulable'],
  '/namespaces': ['status.phase'],
  '/secrets': ['type'],
  '/services': ['spec.clusterIP', 'spec.type'],
  '/events': [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  'apps/replicasets': ['status.replicas'],
};

/** "metadata.name=x,spec.nodeName!=y" for one resource. `resource` is "group/plural" of the store. */
export function parseFieldSelector(
  text: string,
  resource: string,
  extra: readonly string[] = [],
): Predicate {
  const allowed = new Set([
    'metadata.name',
    'metadata.namespace',
    ...(selectableFields[resource] ?? []),
    ...extra,
  ]);
  const terms = text
    .split(',')
    .filter((term) => term.trim() !== '')
    .map((term) => {
      const parts = term.match(/^\s*([^=!]+?)\s*(==|=|!=)(.*)$/);
      if (!parts) throw badRequest(`invalid field selector: "${term}"; can't understand it`);
      const field = (parts[1] ?? '').replace(/^regarding\./, 'involvedObject.');
      if (!allowed.has(field)) {
        throw badRequest(
          `Unable to find "${resource}" that match field selector "${text}": field label not supported: ${field}`,
        );
      }
      return { path: field.split('.'), negated: parts[2] === '!=', value: (parts[3] ?? '').trim() };
    });
  return (object) =>
    terms.every((term) => (fieldText(object, term.path) === term.value) !== term.negated);
}

function fieldText(object: KubeObject, path: string[]): string {
  if (path[0] === 'source') return textAt(object, 'source', 'component');
  const value = valueAt(object, ...path);
  if (value === undefined && path.at(-1) === 'unschedulable') return 'false';
  return textAt(object, ...path);
}
