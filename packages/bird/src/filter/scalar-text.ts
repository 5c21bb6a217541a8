// Text of prefixes, communities and route distinguishers, as `print` and `show route all` spell them.

import { formatV4, formatWords } from '@rookery/net';
import type { LargeCommunity, PrefixValue, WordPair } from './types.ts';

/** `10.0.0.0/8`, with `-24 AS65000` for a ROA. */
export function formatPrefixValue(net: PrefixValue): string {
  const words = net.family === 'ipv4' ? [net.a] : [net.a, net.b, net.c, net.d];
  const text = `${formatWords(words)}/${net.length}`;
  return net.maxLength === undefined ? text : `${text}-${net.maxLength} AS${net.asn}`;
}

/** `(1,2)` */
export function formatPair(value: number): string {
  return `(${value >>> 16},${value & 0xffff})`;
}

/** `(rt, 65000, 1)`; what has no name prints as generic with raw words. */
export function formatEc(value: WordPair): string {
  const { hi, lo } = value;
  const type = hi >>> 24;
  const subtype = (hi >>> 16) & 0xff;
  const name = subtype === 2 ? 'rt' : subtype === 3 ? 'ro' : undefined;
  if (name !== undefined) {
    // RFC 4360 §3, RFC 5668 §2: 2-octet AS, IPv4 address, 4-octet AS.
    if (type === 0) return `(${name}, ${hi & 0xffff}, ${lo})`;
    const key = (((hi & 0xffff) << 16) | (lo >>> 16)) >>> 0;
    if (type === 1) return `(${name}, ${formatV4(key)}, ${lo & 0xffff})`;
    if (type === 2) return `(${name}, ${key}, ${lo & 0xffff})`;
  }
  return `(generic, 0x${hi.toString(16)}, 0x${lo.toString(16)})`;
}

/** `(1, 2, 3)` */
export function formatLc(value: LargeCommunity): string {
  return `(${value.a}, ${value.b}, ${value.c})`;
}

/** RFC 4364 §4.2: type 0 `asn:n`, type 1 `a.b.c.d:n`, type 2 `asn4:n`. */
export function formatRd(value: WordPair): string {
  const { hi, lo } = value;
  const type = hi >>> 16;
  const key = (((hi & 0xffff) << 16) | (lo >>> 16)) >>> 0;
  if (type === 0) return `${hi & 0xffff}:${lo}`;
  if (type === 1) return `${formatV4(key)}:${lo & 0xffff}`;
  return key > 0xffff ? `${key}:${lo & 0xffff}` : `2:${key}:${lo & 0xffff}`;
}

/** The inverse of `formatRd`, with an optional type in front: `0:asn:n`. */
export function parseRd(text: string): WordPair {
  const parts = text.split(':');
  const data = Number(parts[parts.length - 1]);
  const key = parts[parts.length - 2]!;
  if (key.includes('.')) return wideRd(1, ipNumber(key), data);
  const asn = Number(key);
  const type = parts.length === 3 ? Number(parts[0]) : asn > 0xffff ? 2 : 0;
  return type === 0 ? { hi: asn & 0xffff, lo: data >>> 0 } : wideRd(type, asn, data);
}

function wideRd(type: number, key: number, data: number): WordPair {
  return {
    hi: ((type << 16) | (key >>> 16)) >>> 0,
    lo: (((key & 0xffff) << 16) | (data & 0xffff)) >>> 0,
  };
}

/** The number of a dotted quad. */
export function ipNumber(text: string): number {
  return text.split('.').reduce((word, octet) => word * 256 + Number(octet), 0);
}
