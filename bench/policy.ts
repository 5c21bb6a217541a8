// A policy of fifty terms as a transit network has it: lists of prefixes with ranges, AS paths,
// communities; few of them match a given route. One text in BIRD's language for every daemon that
// reads it, and beside it what each term means, so that the check owes nothing to either of them.

import { attributesOf, seededRandom } from './table.ts';
import type { GroupAttributes, RouteSet } from './table.ts';

export interface BenchPolicy {
  /** Definitions and `filter policy`, in BIRD's language. */
  readonly text: string;
  /** Equal for prefixes that the policy cannot tell apart. */
  classOf(prefix: number): number;
  /** What becomes of what a peer says about a group; `undefined`: rejected. */
  outcome(peer: number, group: number, prefixClass: number): GroupAttributes | undefined;
}

/** MED values from here on were set by the policy. */
export const FIRST_POLICY_MED = 2000;

const TERMS = 50;
const SET_SIZE = 1000;
/** AS number in communities and paths that the policy adds. */
const OWN = 64500;

type Test = (a: GroupAttributes) => boolean;
type Change = (a: GroupAttributes) => GroupAttributes;

interface Condition {
  readonly text: string;
  readonly test: Test;
}

interface Term extends Condition {
  /** The prefix must be in this set; -1: any prefix. */
  readonly set: number;
  readonly action: Action;
}

interface Action {
  readonly text: string;
  /** `undefined` rejects. */
  readonly change: Change | undefined;
}

/** One entry of a prefix set: lengths low to high of high/length. */
interface Entry {
  readonly high: number;
  readonly length: number;
  readonly min: number;
  readonly max: number;
}

/** The policy for an IPv4 table; seeded by the table. */
export function createPolicy(routes: RouteSet): BenchPolicy {
  const random = seededRandom(routes.seed, 50, 4);
  const sets: Entry[][] = [];
  const terms: Term[] = [];
  for (let i = 0; i < TERMS; i++) {
    const action = actionOf(i, random);
    if (i % 5 < 2) {
      const extra = i % 5 === 1 ? conditionOf(i, sampleOf(routes, random)) : undefined;
      terms.push({
        set: sets.length,
        text: `net ~ SET${sets.length}${extra ? ` && ${extra.text}` : ''}`,
        test: extra?.test ?? (() => true),
        action,
      });
      sets.push(createSet(routes, random));
    } else {
      terms.push({ set: -1, ...conditionOf(i, sampleOf(routes, random)), action });
    }
  }
  const classes = classify(routes, sets);
  const known = new Map<number, GroupAttributes | undefined>();
  const groups = routes.starts.length;
  return {
    text: render(sets, terms),
    classOf: (prefix) => classes[prefix]!,
    outcome(peer, group, prefixClass) {
      const key = (prefixClass * groups + group) * 1024 + peer;
      if (!known.has(key)) {
        known.set(key, evaluate(terms, attributesOf(routes, peer, group), prefixClass));
      }
      return known.get(key);
    },
  };
}

function evaluate(
  terms: readonly Term[],
  attributes: GroupAttributes,
  prefixClass: number,
): GroupAttributes | undefined {
  let a = attributes;
  for (const { set, test, action } of terms) {
    if (set >= 0 && (prefixClass & (1 << set)) === 0) continue;
    if (!test(a)) continue;
    if (!action.change) return undefined;
    a = action.change(a);
  }
  return a;
}

/** Attributes of some group that has communities and large communities. */
function sampleOf(routes: RouteSet, random: () => number): GroupAttributes {
  let sample = attributesOf(routes, 0, 0);
  for (let tries = 0; tries < 200; tries++) {
    sample = attributesOf(routes, 0, random() % (routes.starts.length - 1));
    if (sample.communities.length > 1 && sample.largeCommunities.length > 0) break;
  }
  return sample;
}

function conditionOf(kind: number, sample: GroupAttributes): Condition {
  const { asPath, communities, largeCommunities } = sample;
  const origin = asPath.at(-1)!;
  // The transit networks in the middle of a path are those that everybody uses: not those.
  const [first, second] = [asPath[0]!, asPath.at(-2)!];
  switch (kind % 6) {
    case 0:
      return {
        text: `bgp_path ~ [= * ${origin} =]`,
        test: (a) => a.asPath.at(-1) === origin,
      };
    case 1: {
      const asn = communities[0]! >>> 16;
      const data = communities[0]! & 0xffff;
      return {
        text: `bgp_community ~ [(${asn}, ${data}..${data + 200}), (${asn + 1}, *)]`,
        test: (a) =>
          a.communities.some(
            (c) =>
              (c >>> 16 === asn && (c & 0xffff) >= data && (c & 0xffff) <= data + 200) ||
              c >>> 16 === asn + 1,
          ),
      };
    }
    case 2:
      return {
        text: `bgp_path ~ [= * ${second} ${origin} * =]`,
        test: (a) => a.asPath.some((as, i) => as === second && a.asPath[i + 1] === origin),
      };
    case 3:
      return {
        text: `bgp_path ~ [= ${first} ? [${origin}, ${origin + 1}..${origin + 40}] * =]`,
        test: (a) => a.asPath[0] === first && a.asPath[2]! >= origin && a.asPath[2]! <= origin + 40,
      };
    case 4: {
      const owner = largeCommunities[0] ?? OWN;
      return {
        text: `bgp_large_community ~ [(${owner}, *, *)]`,
        test: (a) => a.largeCommunities.some((word, i) => i % 3 === 0 && word === owner),
      };
    }
    default:
      return {
        text: `bgp_path ~ [= * ${origin} * =]`,
        test: (a) => a.asPath.includes(origin),
      };
  }
}

function actionOf(i: number, random: () => number): Action {
  switch (random() % 7) {
    case 0:
      return { text: 'reject;', change: undefined };
    case 1:
      return { text: `bgp_local_pref = ${100 + i};`, change: (a) => a };
    case 2: {
      const med = FIRST_POLICY_MED + i;
      return { text: `bgp_med = ${med};`, change: (a) => ({ ...a, med }) };
    }
    case 3:
      return {
        text: `mark_route(${i});`,
        change: (a) => ({
          ...a,
          communities: withAdded(a.communities, OWN * 65536 + i),
          largeCommunities: [...a.largeCommunities, OWN, 1, i],
        }),
      };
    case 4: {
      const asn = 1000 + (random() % 800) * 70;
      return {
        text: `bgp_community.delete([(${asn}, *)]); bgp_community.add((${OWN}, ${1000 + i}));`,
        change: (a) => ({
          ...a,
          communities: withAdded(
            a.communities.filter((c) => c >>> 16 !== asn),
            OWN * 65536 + 1000 + i,
          ),
        }),
      };
    }
    case 5:
      return {
        text: `bgp_path.prepend(${OWN});`,
        change: (a) => ({ ...a, asPath: [OWN, ...a.asPath] }),
      };
    default:
      return {
        text: `preference = ${100 + i}; bgp_community.add((${OWN}, ${i}));`,
        change: (a) => ({ ...a, communities: withAdded(a.communities, OWN * 65536 + i) }),
      };
  }
}

function withAdded(list: readonly number[], value: number): readonly number[] {
  return list.includes(value) ? list : [...list, value];
}

/** A twentieth of it from the table, the rest from anywhere; exact, with ranges, and `+`. */
function createSet(routes: RouteSet, random: () => number): Entry[] {
  return Array.from({ length: SET_SIZE }, (_, i) => {
    let high = ((1 + (random() % 222)) << 24) | (random() & 0xffffff);
    let length = 14 + (random() % 11);
    if (i % 20 === 0) {
      const prefix = random() % routes.count;
      high = routes.high[prefix]!;
      length = routes.lengths[prefix]!;
    }
    high &= -1 << (32 - length);
    const shape = random() % 3;
    if (shape === 0) return { high, length, min: length, max: length };
    if (shape === 1) return { high, length, min: length, max: 32 };
    return { high, length, min: Math.min(length + 1, 24), max: Math.max(length, 24) };
  });
}

/** Per prefix, a bit for each set that it is in. */
function classify(routes: RouteSet, sets: readonly (readonly Entry[])[]): Int32Array {
  const entries = new Map<number, (Entry & { readonly bit: number })[]>();
  const lengths = new Set<number>();
  const keyOf = (high: number, length: number): number => (high >>> 0) * 64 + length;
  for (const [i, set] of sets.entries()) {
    for (const entry of set) {
      const key = keyOf(entry.high, entry.length);
      const list = entries.get(key) ?? [];
      entries.set(key, list);
      list.push({ ...entry, bit: 1 << i });
      lengths.add(entry.length);
    }
  }
  return Int32Array.from({ length: routes.count }, (_, prefix) => {
    const own = routes.lengths[prefix]!;
    let bits = 0;
    for (const length of lengths) {
      if (length > own) continue;
      const high = routes.high[prefix]! & (length === 0 ? 0 : -1 << (32 - length));
      for (const { min, max, bit } of entries.get(keyOf(high, length)) ?? []) {
        if (own >= min && own <= max) bits |= bit;
      }
    }
    return bits;
  });
}

function render(sets: readonly (readonly Entry[])[], terms: readonly Term[]): string {
  return [
    ...sets.map((set, i) => `define SET${i} = [\n  ${set.map(renderEntry).join(',\n  ')}\n];`),
    'function mark_route(int kind) {',
    `  bgp_community.add((${OWN}, kind));`,
    `  bgp_large_community.add((${OWN}, 1, kind));`,
    '}',
    'filter policy {',
    ...terms.map(({ text, action }) => `  if ${text} then { ${action.text} }`),
    '  accept;',
    '}',
  ].join('\n');
}

function renderEntry({ high, length, min, max }: Entry): string {
  const octets = [24, 16, 8, 0].map((shift) => (high >>> shift) & 255);
  const text = `${octets.join('.')}/${length}`;
  if (min === length && max === length) return text;
  return min === length && max === 32 ? `${text}+` : `${text}{${min},${max}}`;
}
