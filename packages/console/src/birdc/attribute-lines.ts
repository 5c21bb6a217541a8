// The attribute lines of `show route all`: "\tBGP.as_path: 64497" and so on, in the order of the
// attribute codes, then the kernel's and custom ones. Names and value forms are BIRD's; long
// lists continue on lines that start with two tabs.

import { formatV4 } from '@rookery/net';
import type { AsPathSegment, PathAttributes } from '@rookery/bgp';
import type { KernelAttributes, RouteAttributes } from '@rookery/rib';

const ORIGINS = ['IGP', 'EGP', 'Incomplete'] as const;
/** Longest list on one line before it is continued. */
const LIST_WIDTH = 480;

/** Attribute lines of a route, each with its leading tab. */
export function attributeLines(attributes: RouteAttributes): string[] {
  return [
    ...(attributes.bgp ? bgpLines(attributes.bgp) : []),
    ...(attributes.kernel ? kernelLines(attributes.kernel) : []),
    ...Object.entries(attributes.custom ?? {}).map(([name, v]) => `\t${name}: ${customText(v)}`),
  ];
}

function bgpLines(bgp: PathAttributes): string[] {
  const lines: string[] = [];
  const say = (name: string, value: string | undefined): void => {
    if (value !== undefined) lines.push(`\tBGP.${name}: ${value}`);
  };
  const list = (name: string, items: readonly string[] | undefined): void => {
    if (items && items.length > 0) lines.push(...listLines(`\tBGP.${name}:`, items));
  };
  say('origin', bgp.origin === undefined ? undefined : ORIGINS[bgp.origin]);
  // A route that never was in BGP (a static one with a community) has no path to show.
  if (bgp.origin !== undefined || bgp.asPath.length > 0) say('as_path', asPathText(bgp.asPath));
  say('next_hop', nextHopText(bgp));
  say('med', numberText(bgp.med));
  say('local_pref', numberText(bgp.localPref));
  say('atomic_aggr', bgp.atomicAggregate ? '' : undefined);
  say('aggregator', bgp.aggregator && `${bgp.aggregator.address} AS${bgp.aggregator.asn}`);
  list('community', bgp.communities?.map(communityText));
  say('originator_id', bgp.originatorId);
  list('cluster_list', bgp.clusterList);
  list('ext_community', pairsOf(bgp.extendedCommunities ?? []).map(extendedCommunityText));
  say('aigp', bgp.aigp?.toString());
  list('large_community', largeCommunityTexts(bgp.largeCommunities ?? []));
  say('otc', numberText(bgp.otc));
  for (const attribute of bgp.unknown ?? []) {
    const hex = [...attribute.value].map((octet) => octet.toString(16).padStart(2, '0'));
    say(attribute.type.toString(16).padStart(2, '0'), hex.join(' '));
  }
  return lines;
}

/** "64497 64498 {1 2} (65001)": sets in braces, confederation segments in parentheses. */
export function asPathText(path: readonly AsPathSegment[]): string {
  return path
    .map(({ type, asns }) => {
      const text = asns.join(' ');
      if (type === 1) return `{${text}}`;
      if (type === 3) return `(${text})`;
      return type === 4 ? `({${text}})` : text;
    })
    .join(' ');
}

/** "(65000,1)". */
export function communityText(value: number): string {
  return `(${value >>> 16},${value & 0xffff})`;
}

function largeCommunityTexts(words: readonly number[]): string[] {
  const texts: string[] = [];
  for (let i = 0; i + 2 < words.length; i += 3) {
    texts.push(`(${words[i]}, ${words[i + 1]}, ${words[i + 2]})`);
  }
  return texts;
}

function pairsOf(words: readonly number[]): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) pairs.push([words[i]!, words[i + 1]!]);
  return pairs;
}

/** RFC 4360 §3: route target and route origin by name, everything else as two hex words. */
function extendedCommunityText([high, low]: readonly [number, number]): string {
  const type = high >>> 24;
  const subtype = (high >>> 16) & 255;
  const name = subtype === 2 ? 'rt' : subtype === 3 ? 'ro' : undefined;
  if (name === undefined || type > 2) {
    return `(generic, 0x${high.toString(16)}, 0x${low.toString(16)})`;
  }
  if (type === 0) return `(${name}, ${high & 0xffff}, ${low})`;
  const key = (((high & 0xffff) << 16) | (low >>> 16)) >>> 0;
  return `(${name}, ${type === 1 ? formatV4(key) : key}, ${low & 0xffff})`;
}

function kernelLines(kernel: KernelAttributes): string[] {
  const values: readonly (readonly [string, string | number | undefined])[] = [
    ['source', kernel.source],
    ['metric', kernel.metric],
    ['prefsrc', kernel.prefsrc],
    ['realm', kernel.realm],
    ['scope', kernel.scope],
    ...Object.entries(kernel.metrics ?? {}),
  ];
  return values.filter(([, v]) => v !== undefined).map(([name, v]) => `\tKernel.${name}: ${v}`);
}

/** The global next hop, followed by the link-local one when there is one. */
function nextHopText(bgp: PathAttributes): string | undefined {
  if (bgp.nextHop === undefined) return undefined;
  return bgp.linkLocalNextHop === undefined
    ? bgp.nextHop
    : `${bgp.nextHop} ${bgp.linkLocalNextHop}`;
}

function numberText(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

function customText(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function listLines(head: string, items: readonly string[]): string[] {
  const lines: string[] = [];
  let line = head;
  for (const item of items) {
    if (line.length + 1 + item.length > LIST_WIDTH) {
      lines.push(line);
      line = '\t';
    }
    line += line === '\t' ? `\t${item}` : ` ${item}`;
  }
  return [...lines, line];
}
