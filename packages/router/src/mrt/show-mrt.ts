// MRT records as lines of fields, one line per route or event, in the order of `bgpdump -m`:
// TABLE_DUMP2|time|B|peer|AS|prefix|path|origin|next hop|local pref|MED|communities|atomic|aggregator|
// and BGP4MP|time|A or W or STATE|… Large communities follow the others, as `a:b:c`.

import {
  createNlriBatch,
  decodeNlri,
  decodePathAttributes,
  HEADER_LENGTH,
  MESSAGE,
  createUpdateSections,
  splitUpdate,
} from '@rookery/bgp';
import type { AsPathSegment, NlriBatch, PathAttributes } from '@rookery/bgp';
import { formatPrefix } from '@rookery/net';
import type { Family, Prefix } from '@rookery/net';
import type { MrtPeer, MrtRecord } from './record.ts';

/** Lines of one record; `peers` is the index table that came before it. */
export function mrtLines(record: MrtRecord, peers: readonly MrtPeer[]): string[] {
  switch (record.kind) {
    case 'peers':
    case 'other':
      return [];
    case 'rib':
      return record.entries.map((entry) => {
        const peer = peers[entry.peerIndex];
        const head = `TABLE_DUMP2|${seconds(record.timeMs)}|B|${peer?.address ?? ''}|${peer?.asn ?? ''}`;
        return `${head}|${record.net}|${attributeFields(entry.attributes)}`;
      });
    case 'state': {
      const { session, from, to } = record;
      const head = `BGP4MP|${seconds(record.timeMs)}|STATE|${session.peer}|${session.peerAs}`;
      return [`${head}|${from}|${to}`];
    }
    case 'message':
      return messageLines(record);
  }
}

function messageLines(record: Extract<MrtRecord, { kind: 'message' }>): string[] {
  const { message, session } = record;
  const head = (word: string): string =>
    `BGP4MP|${seconds(record.timeMs)}|${word}|${session.peer}|${session.peerAs}`;
  if (message.length < HEADER_LENGTH || message[HEADER_LENGTH - 1] !== MESSAGE.update) return [];
  const update = decodeUpdate(record);
  if (!update) return [`${head('MALFORMED')}`];
  return [
    ...update.withdrawn.map((net) => `${head('W')}|${net}`),
    ...update.announced.map(
      ({ net, attributes }) => `${head('A')}|${net}|${attributeFields(attributes)}`,
    ),
  ];
}

export interface MrtUpdate {
  readonly withdrawn: readonly Prefix[];
  readonly announced: readonly { readonly net: Prefix; readonly attributes: PathAttributes }[];
}

/** The prefixes of an UPDATE in a record; `undefined` when it is malformed or something else. */
export function decodeUpdate(
  record: Extract<MrtRecord, { kind: 'message' }>,
): MrtUpdate | undefined {
  const { message, as4, addPath } = record;
  if (message[HEADER_LENGTH - 1] !== MESSAGE.update) return undefined;
  const sections = createUpdateSections();
  if (splitUpdate(message, 0, message.length, sections)) return undefined;
  const { attributesStart, attributesEnd, nlriStart, nlriEnd } = sections;
  const context = {
    as4,
    peerType: 'internal',
    confederation: true,
    allowLocalPref: true,
    allowAsSets: true,
    aigp: true,
    extendedNextHop: true,
  } as const;
  const decoded = decodePathAttributes(message, attributesStart, attributesEnd, context, 'none');
  const nets = (start: number, end: number, family: Family): Prefix[] =>
    prefixesOf(message, start, end, family, addPath);
  const { mpReach, mpUnreach, attributes } = decoded;
  const withdrawn = nets(sections.withdrawnStart, sections.withdrawnEnd, 'ipv4');
  const announced = nets(nlriStart, nlriEnd, 'ipv4').map((net) => ({ net, attributes }));
  if (mpUnreach?.family) {
    withdrawn.push(...nets(mpUnreach.nlriStart, mpUnreach.nlriEnd, mpUnreach.family));
  }
  if (mpReach?.family) {
    const { nextHop } = mpReach;
    const withHop = nextHop === undefined ? attributes : { ...attributes, nextHop };
    for (const net of nets(mpReach.nlriStart, mpReach.nlriEnd, mpReach.family)) {
      announced.push({ net, attributes: withHop });
    }
  }
  return { withdrawn, announced };
}

function prefixesOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  family: Family,
  addPath: boolean,
): Prefix[] {
  const batch: NlriBatch = createNlriBatch();
  decodeNlri(bytes, start, end, family, addPath, batch);
  const stride = family === 'ipv4' ? 1 : 4;
  return Array.from({ length: batch.count }, (_, i) => {
    const words = Array.from(batch.words.subarray(i * stride, (i + 1) * stride));
    return formatPrefix(words, batch.lengths[i]!);
  });
}

const ORIGINS = ['IGP', 'EGP', 'INCOMPLETE'] as const;

function attributeFields(attributes: PathAttributes): string {
  const { origin, asPath, nextHop, localPref, med, atomicAggregate, aggregator } = attributes;
  return [
    asPath.map(segmentText).join(' '),
    ORIGINS[origin ?? 2],
    nextHop ?? '',
    localPref ?? 0,
    med ?? 0,
    communityText(attributes),
    atomicAggregate ? 'AG' : 'NAG',
    aggregator ? `${aggregator.asn} ${aggregator.address}` : '',
    '',
  ].join('|');
}

function segmentText({ type, asns }: AsPathSegment): string {
  switch (type) {
    case 1:
      return `{${asns.join(',')}}`;
    case 2:
      return asns.join(' ');
    case 3:
      return `(${asns.join(' ')})`;
    case 4:
      return `[${asns.join(',')}]`;
  }
}

function communityText({ communities = [], largeCommunities = [] }: PathAttributes): string {
  const names = communities.map((word) => `${word >>> 16}:${word & 0xffff}`);
  for (let i = 0; i + 2 < largeCommunities.length; i += 3) {
    names.push(largeCommunities.slice(i, i + 3).join(':'));
  }
  return names.join(' ');
}

function seconds(timeMs: number): string {
  return timeMs % 1000 === 0 ? String(timeMs / 1000) : (timeMs / 1000).toFixed(6);
}
