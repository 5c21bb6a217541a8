// One row per path attribute that we understand: type, name, flags, decoder and encoder, so that the
// codec, the consoles and the filter language read the same table. RFC 4271 §4.3 and §5, RFC 1997,
// 4360, 4456, 6793, 7311, 8092, 9234; reactions RFC 7606 §7. MP_REACH_NLRI and MP_UNREACH_NLRI are
// structure rather than value and live in attribute-decode.ts.

import { addressFromBytes, addressToBytes, formatV4, readU16, readU32 } from '@rookery/net';
import type { ByteWriter, IpAddress } from '@rookery/net';
import { AS_TRANS, ATTRIBUTE, FLAG, UPDATE_ERROR } from './constants.ts';
import { as4PathOf, decodeAsPath, needsAs4, writeAsPath } from './as-path.ts';
import type { Reaction } from './fault.ts';
import type { AsPathSegment, Origin, PathAttributes, UnknownAttribute } from './path-attributes.ts';
import { SEGMENT } from './path-attributes.ts';
import type { AttributeContext } from './update-types.ts';

/** Path attributes under construction, with the two that RFC 6793 merges away. */
export type AttributeDraft = {
  -readonly [K in keyof PathAttributes]: PathAttributes[K];
} & {
  as4Path?: readonly AsPathSegment[];
  as4Aggregator?: { readonly asn: number; readonly address: IpAddress };
  unknown?: UnknownAttribute[];
};

/** What a row's decoder found wrong. */
export interface ValueFault {
  readonly reaction: Reaction;
  readonly subcode: number;
  readonly section: string;
  readonly detail: string;
}

export interface EncodeContext {
  readonly as4: boolean;
  /** False when the next hop travels in MP_REACH_NLRI. */
  readonly nextHop: boolean;
}

export interface AttributeRow {
  readonly type: number;
  /** RFC name. */
  readonly name: string;
  /** Name in BIRD's language and in `show route all`. */
  readonly birdName: string;
  /** Optional and transitive bits as they must be, and as we write them. */
  readonly flags: number;
  readonly decode: (
    bytes: Uint8Array,
    start: number,
    end: number,
    draft: AttributeDraft,
    context: AttributeContext,
  ) => ValueFault | undefined;
  /** Writes the value and returns true; false when there is none to write. */
  readonly encode: (
    attributes: PathAttributes,
    writer: ByteWriter,
    context: EncodeContext,
  ) => boolean;
}

const WELL_KNOWN = FLAG.transitive;
const OPTIONAL = FLAG.optional;
const OPTIONAL_TRANSITIVE = FLAG.optional | FLAG.transitive;

/** Ascending by type, which is also the order we write. */
export const ATTRIBUTE_TABLE: readonly AttributeRow[] = [
  {
    type: ATTRIBUTE.origin,
    name: 'ORIGIN',
    birdName: 'origin',
    flags: WELL_KNOWN,
    decode: (bytes, start, end, draft) => {
      if (end - start !== 1) return lengthFault('RFC 7606 §7.1', 'ORIGIN', end - start);
      const value = bytes[start]!;
      if (value > 2) {
        return {
          reaction: 'treatAsWithdraw',
          subcode: UPDATE_ERROR.invalidOrigin,
          section: 'RFC 7606 §7.1',
          detail: `ORIGIN has the undefined value ${value}`,
        };
      }
      draft.origin = value as Origin;
      return undefined;
    },
    encode: ({ origin }, writer) => {
      if (origin === undefined) return false;
      writer.u8(origin);
      return true;
    },
  },
  {
    type: ATTRIBUTE.asPath,
    name: 'AS_PATH',
    birdName: 'as_path',
    flags: WELL_KNOWN,
    decode: (bytes, start, end, draft, context) => {
      const path = decodeAsPath(bytes, start, end, context);
      if (!path.ok) return path.error;
      draft.asPath = path.value;
      return undefined;
    },
    encode: ({ asPath }, writer, { as4 }) => {
      writeAsPath(asPath, writer, as4);
      return true;
    },
  },
  {
    type: ATTRIBUTE.nextHop,
    name: 'NEXT_HOP',
    birdName: 'next_hop',
    flags: WELL_KNOWN,
    decode: (bytes, start, end, draft) => {
      if (end - start !== 4) return lengthFault('RFC 7606 §7.3', 'NEXT_HOP', end - start);
      const word = readU32(bytes, start);
      const wrong = wrongHost(word);
      if (wrong) {
        return {
          reaction: 'treatAsWithdraw',
          subcode: UPDATE_ERROR.invalidNextHop,
          section: 'RFC 4271 §6.3',
          detail: `NEXT_HOP is ${wrong}`,
        };
      }
      draft.nextHop = formatV4(word);
      return undefined;
    },
    encode: ({ nextHop }, writer, context) => {
      if (!context.nextHop || nextHop === undefined || nextHop.includes(':')) return false;
      writer.put(addressToBytes(nextHop));
      return true;
    },
  },
  {
    type: ATTRIBUTE.med,
    name: 'MULTI_EXIT_DISC',
    birdName: 'med',
    flags: OPTIONAL,
    decode: (bytes, start, end, draft) => {
      if (end - start !== 4) return lengthFault('RFC 7606 §7.4', 'MULTI_EXIT_DISC', end - start);
      draft.med = readU32(bytes, start);
      return undefined;
    },
    encode: ({ med }, writer) => writeU32(med, writer),
  },
  {
    type: ATTRIBUTE.localPref,
    name: 'LOCAL_PREF',
    birdName: 'local_pref',
    flags: WELL_KNOWN,
    decode: (bytes, start, end, draft, context) => {
      // RFC 7606 §7.5: from an external neighbor it is discarded whatever it says.
      if (context.peerType === 'external' && !context.allowLocalPref && !context.confederation) {
        return discard('RFC 7606 §7.5', 'LOCAL_PREF from an external neighbor');
      }
      if (end - start !== 4) return lengthFault('RFC 7606 §7.5', 'LOCAL_PREF', end - start);
      draft.localPref = readU32(bytes, start);
      return undefined;
    },
    encode: ({ localPref }, writer) => writeU32(localPref, writer),
  },
  {
    type: ATTRIBUTE.atomicAggregate,
    name: 'ATOMIC_AGGREGATE',
    birdName: 'atomic_aggr',
    flags: WELL_KNOWN,
    decode: (_bytes, start, end, draft) => {
      if (end !== start) return discard('RFC 7606 §7.6', 'ATOMIC_AGGREGATE is not empty');
      draft.atomicAggregate = true;
      return undefined;
    },
    encode: ({ atomicAggregate }) => atomicAggregate === true,
  },
  {
    type: ATTRIBUTE.aggregator,
    name: 'AGGREGATOR',
    birdName: 'aggregator',
    flags: OPTIONAL_TRANSITIVE,
    decode: (bytes, start, end, draft, { as4 }) => {
      if (end - start !== (as4 ? 8 : 6)) {
        return discard('RFC 7606 §7.7', `AGGREGATOR has ${end - start} octets`);
      }
      const asn = as4 ? readU32(bytes, start) : readU16(bytes, start);
      if (asn === 0) return discard('RFC 7607 §2', 'AGGREGATOR names AS 0');
      draft.aggregator = { asn, address: addressFromBytes(bytes, end - 4, 4) };
      return undefined;
    },
    encode: ({ aggregator }, writer, { as4 }) => {
      if (!aggregator) return false;
      if (as4) writer.u32(aggregator.asn);
      else writer.u16(aggregator.asn > 0xffff ? AS_TRANS : aggregator.asn);
      writer.put(addressToBytes(aggregator.address));
      return true;
    },
  },
  {
    type: ATTRIBUTE.communities,
    name: 'COMMUNITIES',
    birdName: 'community',
    flags: OPTIONAL_TRANSITIVE,
    decode: (bytes, start, end, draft) => {
      const words = readWords(bytes, start, end, 1);
      if (!words) return lengthFault('RFC 7606 §7.8', 'COMMUNITIES', end - start);
      draft.communities = words;
      return undefined;
    },
    encode: ({ communities }, writer) => writeWords(communities, writer),
  },
  {
    type: ATTRIBUTE.originatorId,
    name: 'ORIGINATOR_ID',
    birdName: 'originator_id',
    flags: OPTIONAL,
    decode: (bytes, start, end, draft, context) => {
      if (context.peerType === 'external') {
        return discard('RFC 7606 §7.9', 'ORIGINATOR_ID from an external neighbor');
      }
      if (end - start !== 4) return lengthFault('RFC 7606 §7.9', 'ORIGINATOR_ID', end - start);
      draft.originatorId = addressFromBytes(bytes, start, 4);
      return undefined;
    },
    encode: ({ originatorId }, writer) => {
      if (originatorId === undefined) return false;
      writer.put(addressToBytes(originatorId));
      return true;
    },
  },
  {
    type: ATTRIBUTE.clusterList,
    name: 'CLUSTER_LIST',
    birdName: 'cluster_list',
    flags: OPTIONAL,
    decode: (bytes, start, end, draft, context) => {
      if (context.peerType === 'external') {
        return discard('RFC 7606 §7.10', 'CLUSTER_LIST from an external neighbor');
      }
      const words = readWords(bytes, start, end, 1);
      if (!words) return lengthFault('RFC 7606 §7.10', 'CLUSTER_LIST', end - start);
      draft.clusterList = words.map(formatV4);
      return undefined;
    },
    encode: ({ clusterList }, writer) => {
      if (!clusterList || clusterList.length === 0) return false;
      for (const id of clusterList) writer.put(addressToBytes(id));
      return true;
    },
  },
  {
    type: ATTRIBUTE.extendedCommunities,
    name: 'EXTENDED_COMMUNITIES',
    birdName: 'ext_community',
    flags: OPTIONAL_TRANSITIVE,
    decode: (bytes, start, end, draft) => {
      const words = readWords(bytes, start, end, 2);
      if (!words) return lengthFault('RFC 7606 §7.14', 'EXTENDED_COMMUNITIES', end - start);
      draft.extendedCommunities = words;
      return undefined;
    },
    encode: ({ extendedCommunities }, writer) => writeWords(extendedCommunities, writer),
  },
  {
    type: ATTRIBUTE.as4Path,
    name: 'AS4_PATH',
    birdName: 'as4_path',
    flags: OPTIONAL_TRANSITIVE,
    decode: (bytes, start, end, draft, context) => {
      // RFC 6793 §6: a speaker that knows four octets must not send it.
      if (context.as4) return discard('RFC 6793 §6', 'AS4_PATH from a four-octet speaker');
      const path = decodeAsPath(bytes, start, end, { ...context, as4: true, allowAsSets: true });
      if (!path.ok) return discard('RFC 6793 §6', `AS4_PATH: ${path.error.detail}`);
      // RFC 6793 §3: confederation segments do not belong here and are dropped.
      const segments = path.value.filter(({ type }) => type <= 2);
      if (!context.allowAsSets && segments.some(({ type }) => type === SEGMENT.asSet)) {
        return {
          reaction: 'treatAsWithdraw',
          subcode: UPDATE_ERROR.malformedAsPath,
          section: 'RFC 9774 §3',
          detail: 'AS_SET in AS4_PATH is no longer accepted',
        };
      }
      draft.as4Path = segments;
      return undefined;
    },
    encode: ({ asPath }, writer, { as4 }) => {
      if (as4 || !needsAs4(asPath)) return false;
      writeAsPath(as4PathOf(asPath), writer, true);
      return true;
    },
  },
  {
    type: ATTRIBUTE.as4Aggregator,
    name: 'AS4_AGGREGATOR',
    birdName: 'as4_aggregator',
    flags: OPTIONAL_TRANSITIVE,
    decode: (bytes, start, end, draft, { as4 }) => {
      if (as4) return discard('RFC 6793 §6', 'AS4_AGGREGATOR from a four-octet speaker');
      if (end - start !== 8) return discard('RFC 6793 §6', 'AS4_AGGREGATOR has a wrong length');
      const asn = readU32(bytes, start);
      if (asn === 0) return discard('RFC 7607 §2', 'AS4_AGGREGATOR names AS 0');
      draft.as4Aggregator = { asn, address: addressFromBytes(bytes, start + 4, 4) };
      return undefined;
    },
    encode: ({ aggregator }, writer, { as4 }) => {
      if (as4 || !aggregator || aggregator.asn <= 0xffff) return false;
      writer.u32(aggregator.asn);
      writer.put(addressToBytes(aggregator.address));
      return true;
    },
  },
  {
    type: ATTRIBUTE.aigp,
    name: 'AIGP',
    birdName: 'aigp',
    flags: OPTIONAL,
    decode: (bytes, start, end, draft, context) => {
      if (!context.aigp) return discard('RFC 7311 §3.3', 'AIGP is not enabled on this session');
      let at = start;
      while (at < end) {
        const size = end - at < 3 ? 0 : readU16(bytes, at + 1);
        if (size < 3 || size > end - at) return discard('RFC 7311 §3.1', 'AIGP TLV is malformed');
        // RFC 7311 §3.1: the first AIGP TLV counts, further ones are passed over.
        if (bytes[at] === 1 && draft.aigp === undefined) {
          if (size !== 11) return discard('RFC 7311 §3.1', 'AIGP TLV has a wrong length');
          draft.aigp = (BigInt(readU32(bytes, at + 3)) << 32n) | BigInt(readU32(bytes, at + 7));
        }
        at += size;
      }
      return undefined;
    },
    encode: ({ aigp }, writer) => {
      if (aigp === undefined) return false;
      writer.u8(1);
      writer.u16(11);
      writer.u32(Number((aigp >> 32n) & 0xffffffffn));
      writer.u32(Number(aigp & 0xffffffffn));
      return true;
    },
  },
  {
    type: ATTRIBUTE.largeCommunities,
    name: 'LARGE_COMMUNITIES',
    birdName: 'large_community',
    flags: OPTIONAL_TRANSITIVE,
    decode: (bytes, start, end, draft) => {
      const words = readWords(bytes, start, end, 3);
      if (!words) return lengthFault('RFC 8092 §6', 'LARGE_COMMUNITIES', end - start);
      draft.largeCommunities = withoutDuplicateTriples(words);
      return undefined;
    },
    encode: ({ largeCommunities }, writer) => writeWords(largeCommunities, writer),
  },
  {
    type: ATTRIBUTE.otc,
    name: 'ONLY_TO_CUSTOMER',
    birdName: 'otc',
    flags: OPTIONAL_TRANSITIVE,
    decode: (bytes, start, end, draft) => {
      if (end - start !== 4) return lengthFault('RFC 9234 §5', 'ONLY_TO_CUSTOMER', end - start);
      draft.otc = readU32(bytes, start);
      return undefined;
    },
    encode: ({ otc }, writer) => writeU32(otc, writer),
  },
];

const ROWS: readonly (AttributeRow | undefined)[] = Array.from({ length: 256 }, (_, type) =>
  ATTRIBUTE_TABLE.find((row) => row.type === type),
);

/** The row of an attribute type. */
export function attributeRow(type: number): AttributeRow | undefined {
  return ROWS[type];
}

/** Why an IPv4 address cannot be a next hop, or `undefined`. */
export function wrongHost(word: number): string | undefined {
  // 127.0.0.0/8 is left to the reachability check of the import side: sessions between daemons of one
  // machine use it.
  if (word === 0) return 'the zero address';
  if (word >>> 28 === 14) return 'a multicast address';
  return word === 0xffffffff ? 'the broadcast address' : undefined;
}

function lengthFault(section: string, name: string, length: number): ValueFault {
  return {
    reaction: 'treatAsWithdraw',
    subcode: UPDATE_ERROR.attributeLength,
    section,
    detail: `${name} has ${length} octets`,
  };
}

function discard(section: string, detail: string): ValueFault {
  return {
    reaction: 'attributeDiscard',
    subcode: UPDATE_ERROR.optionalAttribute,
    section,
    detail,
  };
}

/** Unsigned words when the length is a non-zero multiple of `per` words. */
function readWords(
  bytes: Uint8Array,
  start: number,
  end: number,
  per: number,
): number[] | undefined {
  if (end === start || (end - start) % (per * 4) !== 0) return undefined;
  const words: number[] = [];
  for (let at = start; at < end; at += 4) words.push(readU32(bytes, at));
  return words;
}

function writeWords(words: readonly number[] | undefined, writer: ByteWriter): boolean {
  if (!words || words.length === 0) return false;
  for (const word of words) writer.u32(word);
  return true;
}

function writeU32(value: number | undefined, writer: ByteWriter): boolean {
  if (value === undefined) return false;
  writer.u32(value);
  return true;
}

// RFC 8092 §5: duplicates are silently removed.
function withoutDuplicateTriples(words: readonly number[]): readonly number[] {
  const seen = new Set<string>();
  const kept: number[] = [];
  for (let i = 0; i < words.length; i += 3) {
    const key = `${words[i]}:${words[i + 1]}:${words[i + 2]}`;
    if (seen.has(key)) continue;
    seen.add(key);
    kept.push(words[i]!, words[i + 1]!, words[i + 2]!);
  }
  return kept;
}
