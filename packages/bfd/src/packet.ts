// The BFD control packet (RFC 5880 §4.1) and the checks that need no session (§6.8.6). The
// authentication section is only delimited here; auth.ts fills and verifies it.

import { err, ok, readU32 } from '@rookery/net';
import type { Result } from '@rookery/net';

export type BfdState = 'AdminDown' | 'Down' | 'Init' | 'Up';

/** RFC 5880 §4.1, the texts of FRR. */
export const DIAGNOSTICS = [
  'ok',
  'control detection time expired',
  'echo function failed',
  'neighbor signaled session down',
  'forwarding plane reset',
  'path down',
  'concatenated path down',
  'administratively down',
  'reverse concatenated path down',
] as const;

export const DIAGNOSTIC = {
  none: 0,
  detectionTimeExpired: 1,
  echoFailed: 2,
  neighborSignaledDown: 3,
  pathDown: 5,
  administrativelyDown: 7,
} as const;

export interface BfdPacket {
  /** 0-31; see DIAGNOSTICS. */
  readonly diagnostic: number;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  readonly controlPlaneIndependent: boolean;
  readonly demand: boolean;
  /** 1-255. */
  readonly multiplier: number;
  /** Never 0. */
  readonly myDiscriminator: number;
  readonly yourDiscriminator: number;
  /** Microseconds. */
  readonly desiredMinTxUs: number;
  /** Microseconds; 0: send me nothing. */
  readonly requiredMinRxUs: number;
  readonly requiredMinEchoRxUs: number;
}

export interface DecodedBfdPacket extends BfdPacket {
  /** [start, end) of the authentication section in the given bytes; absent without the A bit. */
  readonly auth?: { readonly start: number; readonly end: number };
}

/** Why a packet is dropped, in the order of RFC 5880 §6.8.6. */
export type BfdPacketFault =
  | 'tooShort'
  | 'badVersion'
  | 'badLength'
  | 'zeroMultiplier'
  | 'multipoint'
  | 'zeroDiscriminator'
  | 'zeroYourDiscriminator'
  | 'badAuthSection';

export const PACKET_LENGTH = 24;

const STATES: readonly BfdState[] = ['AdminDown', 'Down', 'Init', 'Up'];

/** Decodes one UDP payload, bytes[start, end). */
export function decodeBfd(
  bytes: Uint8Array,
  start: number = 0,
  end: number = bytes.length,
): Result<DecodedBfdPacket, BfdPacketFault> {
  if (end - start < PACKET_LENGTH) return err('tooShort');
  if (bytes[start]! >>> 5 !== 1) return err('badVersion');
  const flags = bytes[start + 1]!;
  const authenticated = (flags & 0x04) !== 0;
  const length = bytes[start + 3]!;
  if (length < (authenticated ? 26 : PACKET_LENGTH) || length > end - start) {
    return err('badLength');
  }
  const multiplier = bytes[start + 2]!;
  if (multiplier === 0) return err('zeroMultiplier');
  if ((flags & 0x01) !== 0) return err('multipoint');
  const myDiscriminator = readU32(bytes, start + 4);
  if (myDiscriminator === 0) return err('zeroDiscriminator');
  const yourDiscriminator = readU32(bytes, start + 8);
  const state = STATES[flags >>> 6]!;
  if (yourDiscriminator === 0 && (state === 'Init' || state === 'Up')) {
    return err('zeroYourDiscriminator');
  }
  const auth = { start: start + PACKET_LENGTH, end: start + length };
  if (authenticated && bytes[auth.start + 1] !== auth.end - auth.start) {
    return err('badAuthSection');
  }
  return ok({
    diagnostic: bytes[start]! & 0x1f,
    state,
    poll: (flags & 0x20) !== 0,
    final: (flags & 0x10) !== 0,
    controlPlaneIndependent: (flags & 0x08) !== 0,
    demand: (flags & 0x02) !== 0,
    multiplier,
    myDiscriminator,
    yourDiscriminator,
    desiredMinTxUs: readU32(bytes, start + 12),
    requiredMinRxUs: readU32(bytes, start + 16),
    requiredMinEchoRxUs: readU32(bytes, start + 20),
    ...(authenticated && { auth }),
  });
}

/** Encodes with room for an authentication section of `authLength` octets; 0: none. */
export function encodeBfd(packet: BfdPacket, authLength = 0): Uint8Array {
  const bytes = new Uint8Array(PACKET_LENGTH + authLength);
  bytes[0] = 0x20 | (packet.diagnostic & 0x1f);
  bytes[1] =
    (STATES.indexOf(packet.state) << 6) |
    (packet.poll ? 0x20 : 0) |
    (packet.final ? 0x10 : 0) |
    (packet.controlPlaneIndependent ? 0x08 : 0) |
    (authLength > 0 ? 0x04 : 0) |
    (packet.demand ? 0x02 : 0);
  bytes[2] = packet.multiplier;
  bytes[3] = bytes.length;
  writeU32(bytes, 4, packet.myDiscriminator);
  writeU32(bytes, 8, packet.yourDiscriminator);
  writeU32(bytes, 12, packet.desiredMinTxUs);
  writeU32(bytes, 16, packet.requiredMinRxUs);
  writeU32(bytes, 20, packet.requiredMinEchoRxUs);
  return bytes;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
