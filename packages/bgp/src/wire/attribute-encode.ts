// Path attributes from values to bytes, ascending by type, flags as BIRD writes them: extended length
// only where the value needs it, the Partial bit only on what we do not know. Two-octet speakers get
// AS_TRANS with AS4_PATH and AS4_AGGREGATOR (RFC 6793 §4.2.2). What may be told to whom (LOCAL_PREF
// to external peers, MED, ORIGINATOR_ID) is the caller's policy.

import { ByteWriter, addressToBytes } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import { ATTRIBUTE_TABLE } from './attribute-table.ts';
import type { EncodeContext } from './attribute-table.ts';
import { FLAG } from './constants.ts';
import type { PathAttributes, UnknownAttribute } from './path-attributes.ts';

/** The attribute section without MP_REACH_NLRI, which `encodeReach` adds around the prefixes. */
export function encodePathAttributes(
  attributes: PathAttributes,
  context: EncodeContext,
): Uint8Array {
  const section = new ByteWriter(128);
  const value = new ByteWriter(64);
  const unknown = [...(attributes.unknown ?? [])].toSorted((a, b) => a.type - b.type);
  let u = 0;
  for (const row of ATTRIBUTE_TABLE) {
    while (u < unknown.length && unknown[u]!.type < row.type) writeUnknown(section, unknown[u++]!);
    value.reset();
    if (!row.encode(attributes, value, context)) continue;
    writeAttribute(section, row.flags, row.type, value.bytes, value.length);
  }
  while (u < unknown.length) writeUnknown(section, unknown[u++]!);
  return section.take();
}

/** Next hop octets for MP_REACH_NLRI: global, then link-local (RFC 2545 §3). */
export function encodeMpNextHop(nextHop: IpAddress, linkLocal?: IpAddress): Uint8Array {
  const first = addressToBytes(nextHop);
  if (linkLocal === undefined || first.length === 4) return first;
  const both = new Uint8Array(32);
  both.set(first);
  both.set(addressToBytes(linkLocal), 16);
  return both;
}

function writeUnknown(writer: ByteWriter, { type, flags, value }: UnknownAttribute): void {
  writeAttribute(writer, flags & ~FLAG.extended, type, value, value.length);
}

function writeAttribute(
  writer: ByteWriter,
  flags: number,
  type: number,
  value: Uint8Array,
  length: number,
): void {
  writer.u8(length > 255 ? flags | FLAG.extended : flags);
  writer.u8(type);
  if (length > 255) writer.u16(length);
  else writer.u8(length);
  writer.put(value, 0, length);
}
