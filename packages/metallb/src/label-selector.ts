// Label selectors (metav1.LabelSelector): shape, validation as Kubernetes does it, canonical text
// and matching. An empty selector matches everything. MetalLB refuses duplicates inside a list of
// selectors; `duplicateIn` finds them by canonical text.

import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import type { ShapeReader } from './shape.ts';

export type Labels = Readonly<Record<string, string>>;

export interface LabelRequirement {
  readonly key: string;
  readonly operator: string;
  readonly values: readonly string[];
}

export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelRequirement[];
}

/** Reads one selector; wrong types become problems of the reader. */
export function readLabelSelector(reader: ShapeReader): LabelSelector {
  return {
    matchLabels: reader.textMap('matchLabels'),
    matchExpressions: reader.objects('matchExpressions', (expression) => ({
      key: expression.text('key') ?? '',
      operator: expression.text('operator') ?? '',
      values: expression.texts('values'),
    })),
  };
}

/** True when the labels satisfy every requirement. The selector must have passed `checkSelector`. */
export function selectorMatches(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels)) {
    if (labels[key] !== value) return false;
  }
  return selector.matchExpressions.every((requirement) => requirementMatches(requirement, labels));
}

/** True when the list is empty or one of its selectors matches. */
export function anySelectorMatches(selectors: readonly LabelSelector[], labels: Labels): boolean {
  return selectors.length === 0 || selectors.some((selector) => selectorMatches(selector, labels));
}

/** Canonical text: sorted "key=value" and expressions; equal texts mean equal selectors. */
export function selectorText(selector: LabelSelector): string {
  const parts = [
    ...Object.entries(selector.matchLabels).map(([key, value]) => `${key}=${value}`),
    ...selector.matchExpressions.map(requirementText),
  ];
  return parts.toSorted().join(',');
}

/** Why this selector, or this list, cannot be used; the message in MetalLB's words. */
export function checkSelectors(
  selectors: readonly LabelSelector[],
  field: string,
): Result<undefined, string> {
  const seen = new Set<string>();
  for (const selector of selectors) {
    const problem = problemOf(selector);
    if (problem !== undefined) return err(problem);
    const text = selectorText(selector);
    if (seen.has(text)) return err(`duplicate definition of ${field} "${text}"`);
    seen.add(text);
  }
  return ok(undefined);
}

function problemOf(selector: LabelSelector): string | undefined {
  const seen = new Set<string>();
  for (const requirement of selector.matchExpressions) {
    const { key, operator, values } = requirement;
    if (key === '') return 'match expression without a key';
    const needsValues = operator === 'In' || operator === 'NotIn';
    if (!needsValues && operator !== 'Exists' && operator !== 'DoesNotExist') {
      return `"${operator}" is not a valid label selector operator`;
    }
    if (needsValues && values.length === 0) {
      return `${key}: for 'in', 'notin' operators, values set can't be empty`;
    }
    if (!needsValues && values.length > 0) {
      return `${key}: values set must be empty for exists and does not exist`;
    }
    const duplicate = values.find((value, index) => values.indexOf(value) !== index);
    if (duplicate !== undefined) {
      return `duplicate definition of match expression value in label selector "${duplicate}"`;
    }
    const text = requirementText(requirement);
    if (seen.has(text)) return `duplicate definition of match expressions "${text}"`;
    seen.add(text);
  }
  return undefined;
}

function requirementMatches(requirement: LabelRequirement, labels: Labels): boolean {
  const has = Object.hasOwn(labels, requirement.key);
  const value = labels[requirement.key] ?? '';
  switch (requirement.operator) {
    case 'In':
      return has && requirement.values.includes(value);
    case 'NotIn':
      // Kubernetes: a label that is absent is "not in" every set.
      return !has || !requirement.values.includes(value);
    case 'Exists':
      return has;
    case 'DoesNotExist':
      return !has;
    default:
      return false;
  }
}

function requirementText(requirement: LabelRequirement): string {
  return `${requirement.key} ${requirement.operator} (${requirement.values.toSorted().join(',')})`;
}
