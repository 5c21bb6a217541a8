// The RPKI-to-router protocol's messages (RFC 8210 §5; version 0 is RFC 6810): octets to values and
// back. Every length and every field is checked here, so that the session sees only whole and sound
// PDUs. Router keys are delimited and skipped; ASPA (version 2) is not known.

import { addressFromBytes, addressToBytes, copyBytes, readU16, readU32 } from '@rookery/net';
import { ByteWriter, err, ok } from '@rookery/net';
import type { Family, IpAddress, Result } from '@rookery/net';

/** Versions of the protocol that are spoken. */
export type RtrVersion = 0 | 1;

/** RFC 8210 §12. */
export const RTR_ERROR = {
  corruptData: 0,
  internalError: 1,
  noDataAvailable: 2,
  invalidRequest: 3,
  unsupportedVersion: 4,
  unsupportedPduType: 5,
  withdrawalOfUnknown: 6,
  duplicateAnnouncement: 7,
  unexpectedVersion: 8,
} as const;

/** The codes above as words. */
export const RTR_ERROR_TEXTS: readonly string[] = [
  'Corrupt Data',
  'Internal Error',
  'No Data Available',
  'Invalid Request',
  'Unsupported Protocol Version',
  'Unsupported PDU Type',
  'Withdrawal of Unknown Record',
  'Duplicate Announcement Received',
  'Unexpected Protocol Version',
];

/** A validated ROA payload as it travels. */
export interface Vrp {
  readonly family: Family;
  readonly address: IpAddress;
  readonly length: number;
  readonly maxLength: number;
  readonly asn: number;
}

export type RtrPdu =
  | { readonly kind: 'serialNotify'; readonly sessionId: number; readonly serial: number }
  | { readonly kind: 'serialQuery'; readonly sessionId: number; readonly serial: number }
  | { readonly kind: 'resetQuery' }
  | { readonly kind: 'cacheResponse'; readonly sessionId: number }
  | { readonly kind: 'prefix'; readonly announce: boolean; readonly vrp: Vrp }
  | {
      readonly kind: 'endOfData';
      readonly sessionId: number;
      readonly serial: number;
      /** Version 1 only. */
      readonly timers?: RtrTimers;
    }
  | { readonly kind: 'cacheReset' }
  /** BGPsec keys: of no use to origin validation. */
  | { readonly kind: 'routerKey' }
  | {
      readonly kind: 'errorReport';
      readonly code: number;
      /** What the report is about, as far as it was enclosed. */
      readonly about: Uint8Array;
      readonly text: string;
    };

export interface RtrTimers {
  readonly refreshSec: number;
  readonly retrySec: number;
  readonly expireSec: number;
}

export interface RtrFault {
  /** The code to report; RTR_ERROR. */
  readonly code: number;
  readonly text: string;
}

export interface DecodedPdu {
  readonly version: number;
  readonly pdu: RtrPdu;
}

const HEADER_LENGTH = 8;
/** RFC 8210 sets no bound; nothing sound comes near this. */
const MAX_LENGTH = 65536;

const TYPE = {
  serialNotify: 0,
  serialQuery: 1,
  resetQuery: 2,
  cacheResponse: 3,
  ipv4Prefix: 4,
  ipv6Prefix: 6,
  endOfData: 7,
  cacheReset: 8,
  routerKey: 9,
  errorReport: 10,
} as const;

/**
 * The length of the PDU at `at`: `undefined` while its header is incomplete, a fault when no PDU of
 * that length can exist (the stream cannot be resynchronised then).
 */
export function pduLengthAt(bytes: Uint8Array, at: number): Result<number, RtrFault> | undefined {
  if (bytes.length - at < HEADER_LENGTH) return undefined;
  const length = readU32(bytes, at + 4);
  if (length < HEADER_LENGTH || length > MAX_LENGTH) {
    return err({ code: RTR_ERROR.corruptData, text: `PDU length ${length} is impossible` });
  }
  return ok(length);
}

/** Decodes one whole PDU. Never throws; the fault says which Error Report is due. */
export function decodePdu(bytes: Uint8Array): Result<DecodedPdu, RtrFault> {
  if (bytes.length < HEADER_LENGTH || readU32(bytes, 4) !== bytes.length) {
    return corrupt('PDU is cut');
  }
  const version = bytes[0]!;
  const body = decodeBody(bytes, version);
  return body.ok ? ok({ version, pdu: body.value }) : body;
}

function decodeBody(bytes: Uint8Array, version: number): Result<RtrPdu, RtrFault> {
  const type = bytes[1]!;
  const field = readU16(bytes, 2);
  const hasLength = (length: number): boolean => bytes.length === length;
  switch (type) {
    case TYPE.serialNotify:
    case TYPE.serialQuery: {
      if (!hasLength(12)) return wrongLength(bytes);
      const kind = type === TYPE.serialNotify ? 'serialNotify' : 'serialQuery';
      return ok({ kind, sessionId: field, serial: readU32(bytes, 8) });
    }
    case TYPE.resetQuery:
      return hasLength(8) ? ok({ kind: 'resetQuery' }) : wrongLength(bytes);
    case TYPE.cacheResponse:
      return hasLength(8) ? ok({ kind: 'cacheResponse', sessionId: field }) : wrongLength(bytes);
    case TYPE.ipv4Prefix:
    case TYPE.ipv6Prefix:
      return decodePrefix(bytes, type === TYPE.ipv4Prefix ? 'ipv4' : 'ipv6');
    case TYPE.endOfData:
      return decodeEndOfData(bytes, version);
    case TYPE.cacheReset:
      return hasLength(8) ? ok({ kind: 'cacheReset' }) : wrongLength(bytes);
    case TYPE.routerKey:
      // RFC 8210 §5.10: exists from version 1 on; 20 octets of SKI, 4 of AS, then the key.
      if (version === 0) return unsupported(type);
      return bytes.length < 33 ? wrongLength(bytes) : ok({ kind: 'routerKey' });
    case TYPE.errorReport:
      return decodeErrorReport(bytes, field);
    default:
      return unsupported(type);
  }
}

function decodePrefix(bytes: Uint8Array, family: Family): Result<RtrPdu, RtrFault> {
  const width = family === 'ipv4' ? 4 : 16;
  if (bytes.length !== 16 + width) return wrongLength(bytes);
  const flags = bytes[8]!;
  const length = bytes[9]!;
  const maxLength = bytes[10]!;
  // RFC 8210 §5.6, §5.7: both lengths within the family, the maximum not below the prefix.
  if (length > width * 8 || maxLength > width * 8 || maxLength < length) {
    return corrupt(`prefix length ${length} with maximum ${maxLength}`);
  }
  const vrp: Vrp = {
    family,
    address: addressFromBytes(bytes, 12, width),
    length,
    maxLength,
    asn: readU32(bytes, 12 + width),
  };
  return ok({ kind: 'prefix', announce: (flags & 1) === 1, vrp });
}

function decodeEndOfData(bytes: Uint8Array, version: number): Result<RtrPdu, RtrFault> {
  if (bytes.length !== (version === 0 ? 12 : 24)) return wrongLength(bytes);
  const end = {
    kind: 'endOfData',
    sessionId: readU16(bytes, 2),
    serial: readU32(bytes, 8),
  } as const;
  if (version === 0) return ok(end);
  const timers: RtrTimers = {
    refreshSec: readU32(bytes, 12),
    retrySec: readU32(bytes, 16),
    expireSec: readU32(bytes, 20),
  };
  return ok({ ...end, timers });
}

function decodeErrorReport(bytes: Uint8Array, code: number): Result<RtrPdu, RtrFault> {
  if (bytes.length < 16) return wrongLength(bytes);
  const aboutLength = readU32(bytes, 8);
  if (aboutLength > bytes.length - 16) return corrupt('enclosed PDU is longer than its report');
  const textAt = 12 + aboutLength;
  const textLength = readU32(bytes, textAt);
  if (textAt + 4 + textLength !== bytes.length) return corrupt('error text has a wrong length');
  return ok({
    kind: 'errorReport',
    code,
    about: copyBytes(bytes, 12, textAt),
    text: readText(bytes, textAt + 4, bytes.length),
  });
}

/** One whole PDU. */
export function encodePdu(pdu: RtrPdu, version: RtrVersion): Uint8Array {
  const out = new ByteWriter(64);
  const header = (type: number, field: number, length: number): void => {
    out.u8(version);
    out.u8(type);
    out.u16(field);
    out.u32(length);
  };
  switch (pdu.kind) {
    case 'serialNotify':
    case 'serialQuery':
      header(TYPE[pdu.kind], pdu.sessionId, 12);
      out.u32(pdu.serial);
      break;
    case 'resetQuery':
    case 'cacheReset':
      header(TYPE[pdu.kind], 0, 8);
      break;
    case 'cacheResponse':
      header(TYPE.cacheResponse, pdu.sessionId, 8);
      break;
    case 'prefix': {
      const { family, address, length, maxLength, asn } = pdu.vrp;
      if (family === 'ipv4') header(TYPE.ipv4Prefix, 0, 20);
      else header(TYPE.ipv6Prefix, 0, 32);
      out.u8(pdu.announce ? 1 : 0);
      out.u8(length);
      out.u8(maxLength);
      out.u8(0);
      out.put(addressToBytes(address));
      out.u32(asn);
      break;
    }
    case 'endOfData':
      header(TYPE.endOfData, pdu.sessionId, version === 0 ? 12 : 24);
      out.u32(pdu.serial);
      if (version > 0) {
        out.u32(pdu.timers?.refreshSec ?? 3600);
        out.u32(pdu.timers?.retrySec ?? 600);
        out.u32(pdu.timers?.expireSec ?? 7200);
      }
      break;
    case 'routerKey':
      header(TYPE.routerKey, 0, 33);
      out.put(new Uint8Array(25));
      break;
    case 'errorReport': {
      const text = asciiBytes(pdu.text);
      header(TYPE.errorReport, pdu.code, 16 + pdu.about.length + text.length);
      out.u32(pdu.about.length);
      out.put(pdu.about);
      out.u32(text.length);
      out.put(text);
      break;
    }
  }
  return out.take();
}

function corrupt(text: string): Result<never, RtrFault> {
  return err({ code: RTR_ERROR.corruptData, text });
}

function wrongLength(bytes: Uint8Array): Result<never, RtrFault> {
  return corrupt(`PDU type ${bytes[1]} has a length of ${bytes.length}`);
}

function unsupported(type: number): Result<never, RtrFault> {
  return err({ code: RTR_ERROR.unsupportedPduType, text: `PDU type ${type} is not known` });
}

/** Printable characters only: the text goes into a log. */
function readText(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < Math.min(end, start + 256); i++) {
    const octet = bytes[i]!;
    text += octet >= 32 && octet < 127 ? String.fromCharCode(octet) : '?';
  }
  return text;
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f);
}
