// BFD authentication with the keys of a configuration: the first key signs, each of them is accepted,
// so that both ends can change to a new one without losing the session.

import { createHash } from 'node:crypto';
import { encodeBfd, signBfd, verifyBfd } from '@rookery/bfd';
import type { BfdKey, BfdPacket, DecodedBfdPacket, Digests } from '@rookery/bfd';
import type { BfdAuthentication } from '@rookery/router';

/** What is sent for a packet; `sequence` is the number after the last one, unsigned 32-bit. */
export function signWith(
  packet: BfdPacket,
  authentication: BfdAuthentication | undefined,
  sequence: number,
): Uint8Array {
  const key = authentication && keysOf(authentication)[0];
  return key ? signBfd(packet, key, sequence, digests) : encodeBfd(packet);
}

/** The sequence number to remember, or `undefined` for a packet that must not count. */
export function verifyWith(
  bytes: Uint8Array,
  packet: DecodedBfdPacket,
  authentication: BfdAuthentication | undefined,
  lastSequence: number | undefined,
): number | undefined {
  const keys = authentication ? keysOf(authentication) : [];
  // RFC 5880 §4.2: the key id is the third octet of the section.
  const id = packet.auth && bytes[packet.auth.start + 2];
  const key = keys.find((one) => one.id === id) ?? keys[0];
  const verified = verifyBfd(bytes, packet, key, lastSequence, digests);
  return verified.ok ? verified.value : undefined;
}

function keysOf({ kind, keys }: BfdAuthentication): readonly BfdKey[] {
  return keys.map(({ id, secret }) => ({ kind, id, password: secret }));
}

const digests: Digests = {
  md5: (bytes) => createHash('md5').update(bytes).digest(),
  sha1: (bytes) => createHash('sha1').update(bytes).digest(),
};
