// The outer structure of an UPDATE (RFC 4271 §4.3, errors RFC 7606 §3 to §5): section offsets, one
// quick pass over the attribute list, and the block under which a RIB interns attributes. Values are
// not looked at here; see attribute-decode.ts.

import { readU16 } from '@rookery/net';
import type { Family } from '@rookery/net';
import { ATTRIBUTE, ERROR, FLAG, HEADER_LENGTH, MESSAGE, UPDATE_ERROR } from './constants.ts';
import { NO_DATA } from './fault.ts';
import type { WireFault } from './fault.ts';
import { familyOfAfiSafi } from './family.ts';
import type { AttributeScan, UpdateSections } from './update-types.ts';

/** Empty sections to be filled and reused. */
export function createUpdateSections(): UpdateSections {
  return {
    withdrawnStart: 0,
    withdrawnEnd: 0,
    attributesStart: 0,
    attributesEnd: 0,
    nlriStart: 0,
    nlriEnd: 0,
  };
}

/**
 * Fills `sections` from the whole message bytes[start, end), header included; after a fault they
 * mean nothing.
 */
export function splitUpdate(
  bytes: Uint8Array,
  start: number,
  end: number,
  sections: UpdateSections,
): WireFault | undefined {
  const withdrawnStart = start + HEADER_LENGTH + 2;
  if (end - withdrawnStart < 2) return sectionFault(start, 'message too short');
  const withdrawnEnd = withdrawnStart + readU16(bytes, withdrawnStart - 2);
  // RFC 7606 §3 (b) and RFC 4271 §6.3: lengths that exceed the message leave nothing to trust.
  if (withdrawnEnd + 2 > end) {
    return sectionFault(withdrawnStart - 2, 'withdrawn routes exceed the message');
  }
  const attributesStart = withdrawnEnd + 2;
  const attributesEnd = attributesStart + readU16(bytes, withdrawnEnd);
  if (attributesEnd > end) {
    return sectionFault(withdrawnEnd, 'path attributes exceed the message');
  }
  sections.withdrawnStart = withdrawnStart;
  sections.withdrawnEnd = withdrawnEnd;
  sections.attributesStart = attributesStart;
  sections.attributesEnd = attributesEnd;
  sections.nlriStart = attributesEnd;
  sections.nlriEnd = end;
  return undefined;
}

/** An empty scan to be filled and reused. */
export function createAttributeScan(): AttributeScan {
  return {
    wellFormed: true,
    mpReachStart: -1,
    mpReachEnd: -1,
    mpReachAfi: 0,
    mpReachSafi: 0,
    mpReachNlriStart: -1,
    mpUnreachStart: -1,
    mpUnreachEnd: -1,
    mpUnreachAfi: 0,
    mpUnreachSafi: 0,
    mpUnreachNlriStart: -1,
    nextHopStart: -1,
    nextHopEnd: -1,
  };
}

/** Fills `scan` from the attribute section bytes[start, end). */
export function scanPathAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
  scan: AttributeScan,
): void {
  scan.wellFormed = false;
  scan.mpReachStart = scan.mpReachEnd = scan.mpReachNlriStart = -1;
  scan.mpUnreachStart = scan.mpUnreachEnd = scan.mpUnreachNlriStart = -1;
  scan.nextHopStart = scan.nextHopEnd = -1;
  let at = start;
  while (at < end) {
    if (end - at < 3) return;
    const extended = (bytes[at]! & FLAG.extended) !== 0;
    if (extended && end - at < 4) return;
    const value = at + (extended ? 4 : 3);
    const next = value + (extended ? readU16(bytes, at + 2) : bytes[at + 2]!);
    if (next > end) return;
    switch (bytes[at + 1]) {
      case ATTRIBUTE.nextHop:
        if (scan.nextHopStart < 0) {
          scan.nextHopStart = at;
          scan.nextHopEnd = next;
        }
        break;
      case ATTRIBUTE.mpReach: {
        if (scan.mpReachStart >= 0 || next - value < 5) return;
        const nlri = value + 5 + bytes[value + 3]!;
        if (nlri > next) return;
        scan.mpReachStart = at;
        scan.mpReachEnd = next;
        scan.mpReachAfi = readU16(bytes, value);
        scan.mpReachSafi = bytes[value + 2]!;
        scan.mpReachNlriStart = nlri;
        break;
      }
      case ATTRIBUTE.mpUnreach:
        if (scan.mpUnreachStart >= 0 || next - value < 3) return;
        scan.mpUnreachStart = at;
        scan.mpUnreachEnd = next;
        scan.mpUnreachAfi = readU16(bytes, value);
        scan.mpUnreachSafi = bytes[value + 2]!;
        scan.mpUnreachNlriStart = value + 3;
        break;
      default:
        break;
    }
    at = next;
  }
  scan.wellFormed = true;
}

/**
 * Writes the block that identifies the attributes of the classic or of the multiprotocol prefixes
 * into `into` at 0 and returns its length: the section without MP_UNREACH_NLRI, for `classic` also
 * without MP_REACH_NLRI, for `mp` without NEXT_HOP and with MP_REACH_NLRI reduced to pair and next
 * hop. The block is itself an attribute section and decodes to the same values. `into` needs
 * `end - start + 1` octets. Only for a well-formed scan.
 */
export function copyAttributeBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  scan: AttributeScan,
  reach: 'classic' | 'mp',
  into: Uint8Array,
): number {
  let length = 0;
  let at = start;
  while (at < end) {
    const extended = (bytes[at]! & FLAG.extended) !== 0;
    const next = extended ? at + 4 + readU16(bytes, at + 2) : at + 3 + bytes[at + 2]!;
    const type = bytes[at + 1];
    if (at === scan.mpReachStart) {
      if (reach === 'mp') length = copyMpReach(bytes, at, scan.mpReachNlriStart, into, length);
    } else if (type !== ATTRIBUTE.mpUnreach && !(reach === 'mp' && type === ATTRIBUTE.nextHop)) {
      for (let i = at; i < next; i++) into[length++] = bytes[i]!;
    }
    at = next;
  }
  return length;
}

/**
 * RFC 4724 §2: the family whose End-of-RIB this UPDATE is, `undefined` when it is none. Cheap: looks
 * at the message length first.
 */
export function endOfRibFamily(bytes: Uint8Array, start: number, end: number): Family | undefined {
  const length = end - start;
  if (length === HEADER_LENGTH + 4) {
    return readU16(bytes, start + 19) === 0 && readU16(bytes, start + 21) === 0
      ? 'ipv4'
      : undefined;
  }
  if (length !== 29 && length !== 30) return undefined;
  if (bytes[start + 18] !== MESSAGE.update || readU16(bytes, start + 19) !== 0) return undefined;
  if (readU16(bytes, start + 21) !== length - 23) return undefined;
  if (bytes[start + 24] !== ATTRIBUTE.mpUnreach) return undefined;
  const extended = (bytes[start + 23]! & FLAG.extended) !== 0;
  const value = extended ? start + 27 : start + 26;
  const size = extended ? readU16(bytes, start + 25) : bytes[start + 25]!;
  // A length that lies makes it a malformed UPDATE, not a marker.
  if (size !== 3 || value + 3 !== end) return undefined;
  return familyOfAfiSafi(readU16(bytes, value), bytes[value + 2]!);
}

/** Flags, type, one-octet length, then pair, next hop and the reserved octet. */
function copyMpReach(
  bytes: Uint8Array,
  at: number,
  nlriStart: number,
  into: Uint8Array,
  length: number,
): number {
  const flags = bytes[at]!;
  const value = at + ((flags & FLAG.extended) !== 0 ? 4 : 3);
  let out = length;
  // The next hop length is one octet, so the reduced value can pass 255 only in hostile input.
  const size = nlriStart - value;
  into[out++] = size > 255 ? flags | FLAG.extended : flags & ~FLAG.extended;
  into[out++] = ATTRIBUTE.mpReach;
  if (size > 255) into[out++] = size >>> 8;
  into[out++] = size;
  for (let i = value; i < nlriStart; i++) into[out++] = bytes[i]!;
  return out;
}

function sectionFault(offset: number, detail: string): WireFault {
  return {
    reaction: 'sessionReset',
    notification: {
      code: ERROR.update,
      subcode: UPDATE_ERROR.malformedAttributeList,
      data: NO_DATA,
    },
    offset,
    section: 'RFC 7606 §3 (b)',
    detail,
  };
}
