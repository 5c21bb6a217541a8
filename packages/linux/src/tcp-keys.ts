// Keys of TCP segments: MD5 (RFC 2385) for a peer or a prefix, and the Authentication Option (RFC
// 5925) for a peer. Set before connect or listen; whoever asks for a key that the kernel does not
// take gets an error and no connection, never one that is not signed.

import { familyOf, parsePrefix } from '@rookery/net';
import type { IpAddress, Prefix } from '@rookery/net';
import type { PlatformError, TcpAoKey, TcpKey } from '@rookery/router';
import * as c from './constants.ts';
import { encodeSocketAddress } from './sockaddr.ts';
import * as sys from './sys.ts';

/** Where a key applies: one peer, or every peer of a prefix. */
export interface KeyScope {
  readonly peer: Prefix;
  /** Interface index of a link-local peer. */
  readonly scopeId?: number;
}

/** Sets the key for connections with the peers; `undefined` when the kernel took all of it. */
export function setTcpKey(fd: number, scope: KeyScope, key: TcpKey): PlatformError | undefined {
  if (key.kind === 'md5') return setMd5(fd, scope, key.secret);
  for (const [i, part] of key.keys.entries()) {
    const set = sys.setOption(
      fd,
      c.IPPROTO_TCP,
      c.TCP_AO_ADD_KEY,
      encodeAoKey(scope, part, i === 0),
    );
    if (!set.ok) return aoError(set.errno);
  }
  return undefined;
}

/** Connections with the peers are accepted without this key again. */
export function removeTcpKey(fd: number, scope: KeyScope, key: TcpKey): void {
  if (key.kind === 'md5') return void setMd5(fd, scope, undefined);
  for (const part of key.keys) {
    sys.setOption(fd, c.IPPROTO_TCP, c.TCP_AO_DEL_KEY, encodeAoRemoval(scope, part));
  }
}

/** struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length, interface, key. Pure. */
export function encodeMd5Key(scope: KeyScope, key: string | undefined): Uint8Array {
  const { address, length, isHost } = peersOf(scope);
  const bytes = new Uint8Array(216);
  const view = new DataView(bytes.buffer);
  const octets = new TextEncoder().encode(key ?? '');
  bytes.set(encodeSocketAddress(address, 0, scope.scopeId ?? 0), 0);
  view.setUint8(128, isHost ? 0 : c.TCP_MD5SIG_FLAG_PREFIX);
  view.setUint8(129, isHost ? 0 : length);
  view.setUint16(130, octets.length, true);
  bytes.set(octets.subarray(0, c.TCP_MD5SIG_MAXKEYLEN), 136);
  return bytes;
}

/** struct tcp_ao_add. `first`: signs at once, and is what we ask the peer to sign with. Pure. */
export function encodeAoKey(scope: KeyScope, key: TcpAoKey, first: boolean): Uint8Array {
  const { address, length } = peersOf(scope);
  const bytes = new Uint8Array(288);
  const view = new DataView(bytes.buffer);
  bytes.set(encodeSocketAddress(address, 0, scope.scopeId ?? 0), 0);
  bytes.set(new TextEncoder().encode(key.algorithm), 128);
  view.setUint32(196, first ? SET_CURRENT | SET_RNEXT : 0, true);
  view.setUint8(202, length);
  view.setUint8(203, key.sendId);
  view.setUint8(204, key.recvId);
  view.setUint8(207, key.secret.length);
  bytes.set(key.secret.slice(0, c.TCP_AO_MAXKEYLEN), 208);
  return bytes;
}

/** struct tcp_ao_del. Pure. */
export function encodeAoRemoval(scope: KeyScope, key: TcpAoKey): Uint8Array {
  const { address, length } = peersOf(scope);
  const bytes = new Uint8Array(144);
  bytes.set(encodeSocketAddress(address, 0, scope.scopeId ?? 0), 0);
  bytes[138] = length;
  bytes[139] = key.sendId;
  bytes[140] = key.recvId;
  return bytes;
}

/** Bits of the flags of struct tcp_ao_add. */
const SET_CURRENT = 1;
const SET_RNEXT = 2;
const ENOENT = 2;
const ENOPROTOOPT = 92;

function setMd5(fd: number, scope: KeyScope, key: string | undefined): PlatformError | undefined {
  const option = peersOf(scope).isHost ? c.TCP_MD5SIG : c.TCP_MD5SIG_EXT;
  const set = sys.setOption(fd, c.IPPROTO_TCP, option, encodeMd5Key(scope, key));
  if (set.ok || (!key && set.errno === ENOENT)) return undefined;
  return sys.platformError('TCP MD5', set.errno);
}

function aoError(errno: number): PlatformError {
  const error = sys.platformError('TCP-AO', errno);
  if (errno !== ENOPROTOOPT) return error;
  const message =
    'this kernel has no TCP-AO; it needs Linux 6.7 with CONFIG_TCP_AO, or "authentication md5"';
  return { ...error, message };
}

function peersOf({ peer }: KeyScope): { address: IpAddress; length: number; isHost: boolean } {
  const address = peer.slice(0, peer.indexOf('/'));
  const { length } = parsePrefix(peer)!;
  return { address, length, isHost: length === (familyOf(address) === 'ipv6' ? 128 : 32) };
}
