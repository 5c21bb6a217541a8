// OPEN (RFC 4271 §4.2, §6.2) with capabilities (RFC 5492) and extended optional parameters
// (RFC 9072). Decoding checks form only; whether the peer is the right one is the session's matter.

import {
  ByteWriter,
  addressFromBytes,
  addressToBytes,
  copyBytes,
  err,
  ok,
  readU16,
} from '@rookery/net';
import type { IpAddress, Result } from '@rookery/net';
import { NO_CAPABILITIES, decodeCapabilities, encodeCapabilities } from './capabilities.ts';
import type { CapabilityDraft } from './capabilities.ts';
import { AS_TRANS, ERROR, HEADER_LENGTH, MESSAGE, OPEN_ERROR } from './constants.ts';
import { NO_DATA } from './fault.ts';
import type { Notification } from './fault.ts';
import { frameMessage } from './frame-message.ts';
import type { CapabilitySet } from './capability-set.ts';

export interface Open {
  /** The four-octet AS when capability 65 tells it, else the two-octet field. */
  readonly asn: number;
  readonly holdTimeSec: number;
  readonly id: IpAddress;
  readonly capabilities: CapabilitySet;
}

export interface DecodedOpen extends Open {
  readonly version: number;
  /** The two-octet field as received. */
  readonly as2: number;
  /** RFC 9072 format was used. */
  readonly extendedParameters: boolean;
}

const CAPABILITIES_PARAMETER = 2;
const EXTENDED_MARK = 255;

/** Decodes a whole message of at least 29 octets; the error is the NOTIFICATION to answer with. */
export function decodeOpen(
  bytes: Uint8Array,
  start: number,
  end: number,
): Result<DecodedOpen, Notification> {
  const body = start + HEADER_LENGTH;
  const version = bytes[body]!;
  // RFC 4271 §6.2: the data is the largest version that we support.
  if (version !== 4) return refuse(OPEN_ERROR.unsupportedVersion, Uint8Array.of(0, 4));
  const holdTimeSec = readU16(bytes, body + 3);
  if (holdTimeSec === 1 || holdTimeSec === 2) {
    return refuse(OPEN_ERROR.unacceptableHoldTime, copyBytes(bytes, body + 3, body + 5));
  }
  const parameters = decodeParameters(bytes, body + 9, end);
  if (!parameters.ok) return parameters;
  const { capabilities, extended } = parameters.value;
  const as2 = readU16(bytes, body + 1);
  return ok({
    version,
    as2,
    asn: capabilities.as4 ?? as2,
    holdTimeSec,
    id: addressFromBytes(bytes, body + 5, 4),
    capabilities,
    extendedParameters: extended,
  });
}

/** All capabilities go into one optional parameter, as BIRD does. */
export function encodeOpen({ asn, holdTimeSec, id, capabilities }: Open): Uint8Array {
  const body = new ByteWriter(128);
  body.u8(4);
  body.u16(asn > 0xffff ? AS_TRANS : asn);
  body.u16(holdTimeSec);
  body.put(addressToBytes(id));
  const value = encodeCapabilities(capabilities);
  if (value.length === 0) {
    body.u8(0);
  } else if (value.length + 2 <= 254) {
    body.u8(value.length + 2);
    body.u8(CAPABILITIES_PARAMETER);
    body.u8(value.length);
  } else {
    // RFC 9072 §2: 255 and 255 mark two-octet lengths.
    body.u8(EXTENDED_MARK);
    body.u8(EXTENDED_MARK);
    body.u16(value.length + 3);
    body.u8(CAPABILITIES_PARAMETER);
    body.u16(value.length);
  }
  body.put(value);
  return frameMessage(MESSAGE.open, body.take());
}

/** Optional parameters from the length octet at `at` to the end of the message. */
function decodeParameters(
  bytes: Uint8Array,
  at: number,
  end: number,
): Result<{ readonly capabilities: CapabilitySet; readonly extended: boolean }, Notification> {
  const capabilities: CapabilityDraft = { ...NO_CAPABILITIES };
  let length = bytes[at]!;
  let offset = at + 1;
  // RFC 9072 §2: a first parameter of type 255 announces the extended format, whatever the length
  // octet says, as long as it is not zero.
  const extended = length !== 0 && end - offset >= 3 && bytes[offset] === EXTENDED_MARK;
  if (extended) {
    length = readU16(bytes, offset + 1);
    offset += 3;
  }
  // The parameters must fill the message exactly: neither a short read nor trailing octets.
  if (offset + length !== end) return refuse(OPEN_ERROR.unspecific, NO_DATA);
  const header = extended ? 3 : 2;
  while (offset < end) {
    if (end - offset < header) return refuse(OPEN_ERROR.unspecific, NO_DATA);
    const type = bytes[offset]!;
    const value = offset + header;
    const next = value + (extended ? readU16(bytes, offset + 1) : bytes[offset + 1]!);
    if (next > end) return refuse(OPEN_ERROR.unspecific, NO_DATA);
    if (type !== CAPABILITIES_PARAMETER) return refuse(OPEN_ERROR.unsupportedParameter, NO_DATA);
    if (!decodeCapabilities(bytes, value, next, capabilities)) {
      return refuse(OPEN_ERROR.unspecific, NO_DATA);
    }
    offset = next;
  }
  return ok({ capabilities, extended });
}

function refuse(
  subcode: number,
  data: Uint8Array,
): { readonly ok: false; readonly error: Notification } {
  return err({ code: ERROR.open, subcode, data });
}
