// Capabilities (RFC 5492), one row each: code, name, decoder, encoder. Rows are in the order in
// which BIRD writes them. Display-only capabilities with broken values are passed over; those that
// change the meaning of the session are an OPEN error. What nobody here knows is kept for display.

import {
  ByteWriter,
  copyBytes,
  decodePeerText,
  encodeTextWithin,
  readU16,
  readU32,
} from '@rookery/net';
import type { Family } from '@rookery/net';
import { CAPABILITY } from './constants.ts';
import { afiSafiOf, familyOfAfiSafi } from './family.ts';
import type { CapabilitySet } from './capability-set.ts';

export type CapabilityDraft = { -readonly [K in keyof CapabilitySet]: CapabilitySet[K] };

export interface CapabilityRow {
  readonly code: number;
  readonly name: string;
  /** Returns false when the value is malformed and matters. A repeated capability adds to the first. */
  readonly decode: (
    bytes: Uint8Array,
    start: number,
    end: number,
    draft: CapabilityDraft,
  ) => boolean;
  /** One value per capability to write; none when the set does not have it. */
  readonly encode: (
    set: CapabilitySet,
    emit: (write: (writer: ByteWriter) => void) => void,
  ) => void;
}

export const CAPABILITY_TABLE: readonly CapabilityRow[] = [
  {
    code: CAPABILITY.multiprotocol,
    name: 'Multiprotocol',
    decode: (bytes, start, end, draft) => {
      if (end - start !== 4) return false;
      const afi = readU16(bytes, start);
      const safi = bytes[start + 3]!;
      const family = familyOfAfiSafi(afi, safi);
      if (!family) draft.otherFamilies = [...draft.otherFamilies, { afi, safi }];
      else if (!draft.families.includes(family)) draft.families = [...draft.families, family];
      return true;
    },
    encode: (set, emit) => {
      for (const pair of [...set.families.map(afiSafiOf), ...set.otherFamilies]) {
        emit((writer) => {
          writer.u16(pair.afi);
          writer.u16(pair.safi);
        });
      }
    },
  },
  flagRow(CAPABILITY.routeRefreshOld, 'Route refresh (old)', 'routeRefreshOld'),
  flagRow(CAPABILITY.routeRefresh, 'Route refresh', 'routeRefresh'),
  {
    code: CAPABILITY.extendedNextHop,
    name: 'Extended next hop',
    decode: (bytes, start, end, draft) => {
      if ((end - start) % 6 !== 0) return false;
      for (let at = start; at < end; at += 6) {
        // RFC 8950 §4: AFI and SAFI of the prefixes, two octets each, then the next hop's AFI.
        const family = familyOfAfiSafi(readU16(bytes, at), readU16(bytes, at + 2));
        if (!family || readU16(bytes, at + 4) !== 2 || draft.extendedNextHop.includes(family)) {
          continue;
        }
        draft.extendedNextHop = [...draft.extendedNextHop, family];
      }
      return true;
    },
    encode: (set, emit) => {
      if (set.extendedNextHop.length === 0) return;
      emit((writer) => {
        for (const family of set.extendedNextHop) {
          const { afi, safi } = afiSafiOf(family);
          writer.u16(afi);
          writer.u16(safi);
          writer.u16(2);
        }
      });
    },
  },
  flagRow(CAPABILITY.extendedMessage, 'Extended message', 'extendedMessages'),
  {
    code: CAPABILITY.role,
    name: 'Role',
    decode: (bytes, start, end, draft) => {
      if (end - start !== 1) return false;
      // RFC 9234 §4.2: several equal roles are one; different ones contradict each other.
      if (draft.role !== undefined && draft.role !== bytes[start]) return false;
      draft.role = bytes[start]!;
      return true;
    },
    encode: ({ role }, emit) => {
      if (role !== undefined) emit((writer) => writer.u8(role));
    },
  },
  {
    code: CAPABILITY.gracefulRestart,
    name: 'Graceful restart',
    decode: (bytes, start, end, draft) => {
      if (end - start < 2 || (end - start - 2) % 4 !== 0) return false;
      const head = readU16(bytes, start);
      const families: { family: Family; forwardingPreserved: boolean }[] = [];
      for (let at = start + 2; at < end; at += 4) {
        const family = familyOfAfiSafi(readU16(bytes, at), bytes[at + 2]!);
        if (!family || families.some((known) => known.family === family)) continue;
        families.push({ family, forwardingPreserved: (bytes[at + 3]! & 0x80) !== 0 });
      }
      // RFC 4724 §3: when it repeats, only the last one counts.
      draft.gracefulRestart = {
        restarting: (head & 0x8000) !== 0,
        notification: (head & 0x4000) !== 0,
        restartTimeSec: head & 0x0fff,
        families,
      };
      return true;
    },
    encode: ({ gracefulRestart: graceful }, emit) => {
      if (!graceful) return;
      emit((writer) => {
        const flags = (graceful.restarting ? 0x8000 : 0) | (graceful.notification ? 0x4000 : 0);
        writer.u16(flags | Math.min(graceful.restartTimeSec, 0x0fff));
        for (const { family, forwardingPreserved } of graceful.families) {
          const { afi, safi } = afiSafiOf(family);
          writer.u16(afi);
          writer.u8(safi);
          writer.u8(forwardingPreserved ? 0x80 : 0);
        }
      });
    },
  },
  {
    code: CAPABILITY.as4,
    name: '4-octet AS numbers',
    decode: (bytes, start, end, draft) => {
      if (end - start !== 4) return false;
      draft.as4 = readU32(bytes, start);
      return true;
    },
    encode: ({ as4 }, emit) => {
      if (as4 !== undefined) emit((writer) => writer.u32(as4));
    },
  },
  {
    code: CAPABILITY.addPath,
    name: 'ADD-PATH',
    decode: (bytes, start, end, draft) => {
      if ((end - start) % 4 !== 0) return false;
      for (let at = start; at < end; at += 4) {
        const family = familyOfAfiSafi(readU16(bytes, at), bytes[at + 2]!);
        const mode = bytes[at + 3]!;
        // RFC 7911 §4: other values are ignored; of a repeated pair the first counts.
        if (!family || mode < 1 || mode > 3) continue;
        if (draft.addPath.some((known) => known.family === family)) continue;
        draft.addPath = [...draft.addPath, { family, rx: (mode & 1) !== 0, tx: (mode & 2) !== 0 }];
      }
      return true;
    },
    encode: ({ addPath }, emit) => {
      if (addPath.length === 0) return;
      emit((writer) => {
        for (const { family, rx, tx } of addPath) {
          const { afi, safi } = afiSafiOf(family);
          writer.u16(afi);
          writer.u8(safi);
          writer.u8((rx ? 1 : 0) | (tx ? 2 : 0));
        }
      });
    },
  },
  flagRow(CAPABILITY.enhancedRouteRefresh, 'Enhanced refresh', 'enhancedRouteRefresh'),
  {
    code: CAPABILITY.longLivedGracefulRestart,
    name: 'Long-lived graceful restart',
    decode: (bytes, start, end, draft) => {
      if ((end - start) % 7 !== 0) return false;
      const families: {
        family: Family;
        forwardingPreserved: boolean;
        staleTimeSec: number;
      }[] = [];
      for (let at = start; at < end; at += 7) {
        const family = familyOfAfiSafi(readU16(bytes, at), bytes[at + 2]!);
        if (!family || families.some((known) => known.family === family)) continue;
        families.push({
          family,
          forwardingPreserved: (bytes[at + 3]! & 0x80) !== 0,
          staleTimeSec: (bytes[at + 4]! << 16) | readU16(bytes, at + 5),
        });
      }
      draft.longLived = { families };
      return true;
    },
    encode: ({ longLived }, emit) => {
      if (!longLived) return;
      emit((writer) => {
        for (const { family, forwardingPreserved, staleTimeSec } of longLived.families) {
          const { afi, safi } = afiSafiOf(family);
          const stale = Math.min(staleTimeSec, 0xffffff);
          writer.u16(afi);
          writer.u8(safi);
          writer.u8(forwardingPreserved ? 0x80 : 0);
          writer.u8(stale >>> 16);
          writer.u16(stale & 0xffff);
        }
      });
    },
  },
  {
    code: CAPABILITY.fqdn,
    name: 'Hostname',
    decode: (bytes, start, end, draft) => {
      const host = readText(bytes, start, end);
      if (!host) return true;
      const domain = readText(bytes, host.next, end);
      draft.hostname = host.text;
      if (domain && domain.text !== '') draft.domainName = domain.text;
      return true;
    },
    encode: ({ hostname, domainName }, emit) => {
      if (hostname === undefined) return;
      emit((writer) => {
        writeText(writer, hostname, 64);
        writeText(writer, domainName ?? '', 64);
      });
    },
  },
  {
    code: CAPABILITY.softwareVersion,
    name: 'Software version',
    decode: (bytes, start, end, draft) => {
      const version = readText(bytes, start, end);
      if (version && version.text !== '') draft.softwareVersion = version.text;
      return true;
    },
    encode: ({ softwareVersion }, emit) => {
      if (softwareVersion !== undefined) emit((writer) => writeText(writer, softwareVersion, 64));
    },
  },
  {
    code: CAPABILITY.pathsLimit,
    name: 'Paths limit',
    decode: (bytes, start, end, draft) => {
      for (let at = start; at + 5 <= end; at += 5) {
        const family = familyOfAfiSafi(readU16(bytes, at), bytes[at + 2]!);
        if (!family || draft.pathsLimit.some((known) => known.family === family)) continue;
        draft.pathsLimit = [...draft.pathsLimit, { family, limit: readU16(bytes, at + 3) }];
      }
      return true;
    },
    encode: ({ pathsLimit }, emit) => {
      if (pathsLimit.length === 0) return;
      emit((writer) => {
        for (const { family, limit } of pathsLimit) {
          const { afi, safi } = afiSafiOf(family);
          writer.u16(afi);
          writer.u8(safi);
          writer.u16(limit);
        }
      });
    },
  },
  flagRow(CAPABILITY.dynamic, 'Dynamic', 'dynamic'),
];

/** No capability at all: what a peer that omits the parameter is taken to have said. */
export const NO_CAPABILITIES: CapabilitySet = {
  any: false,
  families: [],
  otherFamilies: [],
  routeRefresh: false,
  routeRefreshOld: false,
  enhancedRouteRefresh: false,
  extendedMessages: false,
  extendedNextHop: [],
  addPath: [],
  dynamic: false,
  pathsLimit: [],
  unknown: [],
};

/** Decodes the capabilities of one optional parameter into the draft; false when malformed. */
export function decodeCapabilities(
  bytes: Uint8Array,
  start: number,
  end: number,
  draft: CapabilityDraft,
): boolean {
  let at = start;
  while (at < end) {
    if (end - at < 2) return false;
    const code = bytes[at]!;
    const value = at + 2;
    const next = value + bytes[at + 1]!;
    if (next > end) return false;
    draft.any = true;
    const row = CAPABILITY_TABLE.find((candidate) => candidate.code === code);
    if (!row) {
      draft.unknown = [...draft.unknown, { code, value: copyBytes(bytes, value, next) }];
    } else if (!row.decode(bytes, value, next, draft)) {
      return false;
    }
    at = next;
  }
  return true;
}

/** Code, length and value of every capability of the set. */
export function encodeCapabilities(set: CapabilitySet): Uint8Array {
  const writer = new ByteWriter(128);
  for (const row of CAPABILITY_TABLE) {
    row.encode(set, (write) => {
      writer.u8(row.code);
      const lengthAt = writer.length;
      writer.u8(0);
      write(writer);
      writer.bytes[lengthAt] = writer.length - lengthAt - 1;
    });
  }
  for (const { code, value } of set.unknown) {
    writer.u8(code);
    writer.u8(value.length);
    writer.put(value);
  }
  return writer.take();
}

function flagRow(
  code: number,
  name: string,
  key: 'routeRefresh' | 'routeRefreshOld' | 'enhancedRouteRefresh' | 'extendedMessages' | 'dynamic',
): CapabilityRow {
  return {
    code,
    name,
    decode: (_bytes, _start, _end, draft) => {
      draft[key] = true;
      return true;
    },
    encode: (set, emit) => {
      if (set[key]) emit(() => undefined);
    },
  };
}

function readText(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly text: string; readonly next: number } | undefined {
  if (start >= end) return undefined;
  const next = start + 1 + bytes[start]!;
  return next > end ? undefined : { text: decodePeerText(bytes, start + 1, next), next };
}

function writeText(writer: ByteWriter, text: string, limit: number): void {
  const encoded = encodeTextWithin(text, limit);
  writer.u8(encoded.length);
  writer.put(encoded);
}
