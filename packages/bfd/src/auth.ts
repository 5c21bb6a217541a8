// BFD authentication (RFC 5880 §4.2 to §4.4, §6.7): simple password, keyed and meticulous keyed MD5
// and SHA1. The digests are injected, because the core has no cryptography of its own. Which keys
// are valid when is the configuration's matter.

import { copyBytes, encodeText, err, ok, readU32 } from '@rookery/net';
import type { Result } from '@rookery/net';
import { PACKET_LENGTH, encodeBfd, writeU32 } from './packet.ts';
import type { BfdPacket, DecodedBfdPacket } from './packet.ts';

export type BfdAuthKind =
  | 'simple'
  | 'keyedMd5'
  | 'meticulousKeyedMd5'
  | 'keyedSha1'
  | 'meticulousKeyedSha1';

export interface BfdKey {
  readonly kind: BfdAuthKind;
  /** 0-255. */
  readonly id: number;
  /** 1-16 octets of UTF-8 for simple and MD5, 1-20 for SHA1; longer ones are cut. */
  readonly password: string;
}

export interface Digests {
  /** 16 octets. */
  readonly md5: (bytes: Uint8Array) => Uint8Array;
  /** 20 octets. */
  readonly sha1: (bytes: Uint8Array) => Uint8Array;
}

export type BfdAuthFault =
  /** The packet is signed and we have no key, or the other way round. */
  | 'unexpected'
  | 'missing'
  | 'wrongType'
  | 'wrongKey'
  | 'badLength'
  /** An old packet was played again. */
  | 'sequence'
  | 'digest';

interface AuthRow {
  readonly type: number;
  /** Octets of key and digest; 0: the plain password. */
  readonly size: 0 | 16 | 20;
  readonly meticulous: boolean;
}

const ROWS: Readonly<Record<BfdAuthKind, AuthRow>> = {
  simple: { type: 1, size: 0, meticulous: false },
  keyedMd5: { type: 2, size: 16, meticulous: false },
  meticulousKeyedMd5: { type: 3, size: 16, meticulous: true },
  keyedSha1: { type: 4, size: 20, meticulous: false },
  meticulousKeyedSha1: { type: 5, size: 20, meticulous: true },
};

/** RFC 5880 §6.7.3: whether the sequence number must grow with every packet. */
export function isMeticulous(kind: BfdAuthKind): boolean {
  return ROWS[kind].meticulous;
}

/** The packet with its authentication section. `sequence` is unsigned 32-bit. */
export function signBfd(
  packet: BfdPacket,
  key: BfdKey,
  sequence: number,
  digests: Digests,
): Uint8Array {
  const row = ROWS[key.kind];
  const secret = secretOf(key, row);
  const bytes = encodeBfd(packet, row.size === 0 ? 3 + secret.length : 8 + row.size);
  bytes[PACKET_LENGTH] = row.type;
  bytes[PACKET_LENGTH + 1] = bytes.length - PACKET_LENGTH;
  bytes[PACKET_LENGTH + 2] = key.id;
  if (row.size === 0) {
    bytes.set(secret, PACKET_LENGTH + 3);
    return bytes;
  }
  writeU32(bytes, PACKET_LENGTH + 4, sequence);
  bytes.set(secret, PACKET_LENGTH + 8);
  bytes.set(digestOf(bytes, row, digests), PACKET_LENGTH + 8);
  return bytes;
}

/**
 * Verifies the packet that `decodeBfd` took from the same bytes. `lastSequence` is the last accepted
 * number, `undefined` when none is known. The value is the number to remember (0 for simple).
 */
export function verifyBfd(
  bytes: Uint8Array,
  packet: DecodedBfdPacket,
  key: BfdKey | undefined,
  lastSequence: number | undefined,
  digests: Digests,
): Result<number, BfdAuthFault> {
  if (!key) return packet.auth ? err('unexpected') : ok(0);
  if (!packet.auth) return err('missing');
  const { start, end } = packet.auth;
  const row = ROWS[key.kind];
  if (bytes[start] !== row.type) return err('wrongType');
  const secret = secretOf(key, row);
  if (row.size === 0) {
    if (end - start < 4 || end - start > 19) return err('badLength');
    if (bytes[start + 2] !== key.id) return err('wrongKey');
    return sameOctets(copyBytes(bytes, start + 3, end), secret) ? ok(0) : err('digest');
  }
  if (end - start !== 8 + row.size) return err('badLength');
  if (bytes[start + 2] !== key.id) return err('wrongKey');
  const sequence = readU32(bytes, start + 4);
  if (lastSequence !== undefined) {
    // RFC 5880 §6.7.3: within three detection times, circularly; meticulous ones must have grown.
    const ahead = (sequence - lastSequence) >>> 0;
    if (ahead > 3 * packet.multiplier || (row.meticulous && ahead === 0)) return err('sequence');
  }
  const signed = copyBytes(bytes, start - PACKET_LENGTH, end);
  const received = signed.slice(PACKET_LENGTH + 8);
  signed.set(secret, PACKET_LENGTH + 8);
  return sameOctets(received, digestOf(signed, row, digests)) ? ok(sequence) : err('digest');
}

function secretOf(key: BfdKey, row: AuthRow): Uint8Array {
  const password = encodeText(key.password);
  if (row.size === 0) return password.slice(0, 16);
  const secret = new Uint8Array(row.size);
  secret.set(password.slice(0, row.size));
  return secret;
}

function digestOf(bytes: Uint8Array, row: AuthRow, digests: Digests): Uint8Array {
  return row.size === 16 ? digests.md5(bytes) : digests.sha1(bytes);
}

/** Takes as long for a wrong first octet as for a wrong last one. */
function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
