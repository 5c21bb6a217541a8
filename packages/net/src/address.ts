// IP addresses and prefixes as plain data. In configuration, events and views an address is its
// canonical text (RFC 5952 for IPv6, dotted quad for IPv4) and a prefix is "address/length" with
// the host bits zero: comparable with ===, usable as a key, serialisable. Hot paths use the
// numeric forms below (one unsigned 32-bit word for IPv4, four for IPv6) and never text.

/** Canonical text of an IPv4 or IPv6 address, as `parseAddress` and `formatWords` return it. */
export type IpAddress = string;
/** Canonical text of a prefix: `IpAddress/length`, host bits zero. */
export type Prefix = string;
/** Address family in the words of the BIRD language and of our tables. */
export type Family = 'ipv4' | 'ipv6';

/** An address as unsigned 32-bit words in network order: one for IPv4, four for IPv6. */
export type Words = readonly number[];

export interface ParsedPrefix {
  readonly family: Family;
  readonly words: Words;
  /** 0-32 for IPv4, 0-128 for IPv6. */
  readonly length: number;
}

/** Parses any textual form into words; `undefined` when it is not an address. */
export function parseWords(text: string): Words | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

/** Canonical text of any textual form of an address, or `undefined`. */
export function parseAddress(text: string): IpAddress | undefined {
  const words = parseWords(text);
  return words && formatWords(words);
}

/** Canonical text: dotted quad for one word, RFC 5952 for four. */
export function formatWords(words: Words): IpAddress {
  return words.length === 1 ? formatV4(words[0]!) : formatV6(words);
}

/** The family of a canonical address or prefix. */
export function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** Octets in network order: 4 or 16. The argument must be canonical text. */
export function addressToBytes(address: IpAddress): Uint8Array {
  const words = parseWords(address)!;
  const bytes = new Uint8Array(words.length * 4);
  words.forEach((word, i) => {
    bytes[i * 4] = word >>> 24;
    bytes[i * 4 + 1] = (word >>> 16) & 255;
    bytes[i * 4 + 2] = (word >>> 8) & 255;
    bytes[i * 4 + 3] = word & 255;
  });
  return bytes;
}

/** Reads an address of `length` octets (4 or 16) at `offset`. */
export function addressFromBytes(bytes: Uint8Array, offset: number, length: 4 | 16): IpAddress {
  const words: number[] = [];
  for (let i = offset; i < offset + length; i += 4) words.push(readU32(bytes, i));
  return formatWords(words);
}

/** Parses "address/length"; `undefined` when malformed or when host bits are set. */
export function parsePrefix(text: string): ParsedPrefix | undefined {
  const parsed = parseCidr(text);
  if (!parsed) return undefined;
  const { words, length } = parsed;
  for (let i = 0; i < words.length; i++) {
    const bits = length - i * 32;
    const host = bits >= 32 ? 0 : bits <= 0 ? 0xffffffff : 0xffffffff >>> bits;
    if ((words[i]! & host) !== 0) return undefined;
  }
  return parsed;
}

/** Parses "address/length" keeping host bits, as on an interface; `undefined` when malformed. */
export function parseCidr(text: string): ParsedPrefix | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const length = parseLength(text, slash + 1);
  const words = parseWords(text.slice(0, slash));
  if (!words || length < 0 || length > words.length * 32) return undefined;
  return { family: words.length === 1 ? 'ipv4' : 'ipv6', words, length };
}

/** Canonical text of a prefix; host bits are cleared. */
export function formatPrefix(words: Words, length: number): Prefix {
  return `${formatWords(maskWords(words, length))}/${length}`;
}

/** The network of an address: `networkOf("192.168.1.7", 24)` is "192.168.1.0/24". */
export function networkOf(address: IpAddress, length: number): Prefix {
  return formatPrefix(parseWords(address)!, length);
}

/** True when the address lies inside the prefix. Different families never match. */
export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  const p = parsePrefix(prefix);
  const words = parseWords(address);
  if (!p || !words || words.length !== p.words.length) return false;
  return maskWords(words, p.length).every((w, i) => w === p.words[i]);
}

/** True when `inner` is equal to or more specific than `outer`. */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  const i = parsePrefix(inner);
  const o = parsePrefix(outer);
  if (!i || !o || i.length < o.length) return false;
  return prefixContains(outer, formatWords(i.words));
}

/** Numeric order, IPv4 before IPv6: negative, zero or positive. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  return compareWords(parseWords(a)!, parseWords(b)!);
}

/** Numeric order of words, shorter (IPv4) first. */
export function compareWords(a: Words, b: Words): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  }
  return 0;
}

/** Clears the bits after `length`. */
export function maskWords(words: Words, length: number): Words {
  return words.map((word, i) => {
    const bits = length - i * 32;
    if (bits >= 32) return word;
    return bits <= 0 ? 0 : (word & (0xffffffff << (32 - bits))) >>> 0;
  });
}

/** RFC 4291 §2.5.6, RFC 3927: fe80::/10 or 169.254.0.0/16. */
export function isLinkLocal(address: IpAddress): boolean {
  return address.includes(':') ? /^fe[89ab]/.test(address) : address.startsWith('169.254.');
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(address: IpAddress): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** Dotted quad of an unsigned (or `|0`) 32-bit word. */
export function formatV4(word: number): IpAddress {
  return `${(word >>> 24) & 255}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}

/** One to three digits up to the end of the text, or -1. */
function parseLength(text: string, from: number): number {
  if (text.length === from || text.length > from + 3) return -1;
  let length = 0;
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return -1;
    length = length * 10 + code - 48;
  }
  return length;
}

function parseV4(text: string): Words | undefined {
  let word = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (digits === 0 || dots === 3) return undefined;
      word = (word << 8) | octet;
      octet = digits = 0;
      dots++;
      continue;
    }
    // A leading zero is octal to some resolvers and decimal to others, so it is no address.
    if (code < 48 || code > 57 || (digits > 0 && octet === 0)) return undefined;
    octet = octet * 10 + code - 48;
    digits++;
    if (octet > 255) return undefined;
  }
  if (dots !== 3 || digits === 0) return undefined;
  return [((word << 8) | octet) >>> 0];
}

function parseV6(text: string): Words | undefined {
  const groups: number[] = [];
  /** How many groups stand before "::". */
  let gap = text.startsWith('::') ? 0 : -1;
  let at = gap === 0 ? 2 : 0;
  while (at < text.length) {
    const start = at;
    let group = 0;
    for (let digit; (digit = hexDigit(text.charCodeAt(at))) >= 0; at++) group = group * 16 + digit;
    if (at === start || at > start + 4) return undefined;
    if (text[at] === '.') {
      const v4 = parseV4(text.slice(start));
      if (!v4) return undefined;
      groups.push(v4[0]! >>> 16, v4[0]! & 0xffff);
      break;
    }
    groups.push(group);
    if (at === text.length) break;
    if (text[at++] !== ':' || at === text.length) return undefined;
    if (text[at] !== ':') continue;
    if (gap >= 0) return undefined;
    gap = groups.length;
    at++;
  }
  const missing = 8 - groups.length;
  if (gap < 0 ? missing !== 0 : missing < 1) return undefined;
  while (groups.length < 8) groups.splice(gap, 0, 0);
  return [0, 2, 4, 6].map((i) => ((groups[i]! << 16) | groups[i + 1]!) >>> 0);
}

/** Value of a hexadecimal digit by its code, or -1. */
function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of zero groups (two or more) as "::". */
function formatV6(words: Words): IpAddress {
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  // RFC 5952 §5: an IPv4-mapped address keeps its dotted quad.
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatV4(words[3]!)}`;
  }
  let best = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > bestLength) {
      best = start;
      bestLength = end - start;
    }
    start = Math.max(start, end - 1);
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(':');
  return best < 0 ? text(0, 8) : `${text(0, best)}::${text(best + bestLength, 8)}`;
}
