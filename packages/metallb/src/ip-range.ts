// Address ranges of a pool: "192.168.2.0/24" or "192.168.2.10-192.168.2.20", the latter as the
// minimal cover by CIDR blocks. Addresses are big integers here (a pool may be an IPv6 /64);
// text is canonical at the surface.

import { err, formatWords, ok, parseWords } from '@rookery/net';
import type { Family, IpAddress, Prefix, Result } from '@rookery/net';

export interface CidrBlock {
  readonly family: Family;
  /** 0-32 or 0-128. */
  readonly length: number;
  readonly first: bigint;
  readonly last: bigint;
  readonly text: Prefix;
}

/** Parses one entry of `spec.addresses`; messages are MetalLB's. */
export function parseAddresses(text: string): Result<readonly CidrBlock[], string> {
  if (!text.includes('-')) {
    const block = parseBlock(text);
    return block ? ok([block]) : err(`invalid CIDR "${text}"`);
  }
  const dash = text.indexOf('-');
  const startText = text.slice(0, dash);
  const endText = text.slice(dash + 1);
  const start = parseWords(startText.trim());
  if (!start) return err(`invalid IP range "${text}": invalid start IP "${startText}"`);
  const end = parseWords(endText.trim());
  if (!end) return err(`invalid IP range "${text}": invalid end IP "${endText}"`);
  if (start.length !== end.length) {
    return err(`invalid IP range "${text}": start and end are of different families`);
  }
  const from = fromWords(start);
  const to = fromWords(end);
  if (from > to) {
    const [a, b] = [formatWords(start), formatWords(end)];
    return err(`invalid IP range "${text}": start IP "${a}" is after the end IP "${b}"`);
  }
  return ok(coverRange(start.length === 1 ? 'ipv4' : 'ipv6', from, to));
}

/** The number behind an address's text; the argument must be an address. */
export function addressValue(address: IpAddress): bigint {
  return fromWords(parseWords(address)!);
}

/** Canonical text of a number of that family. */
export function addressText(family: Family, value: bigint): IpAddress {
  if (family === 'ipv4') return formatWords([Number(value)]);
  return formatWords([96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffffffffn)));
}

/** True when the two share an address. */
export function blocksOverlap(a: CidrBlock, b: CidrBlock): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

export function blockContains(block: CidrBlock, family: Family, value: bigint): boolean {
  return block.family === family && value >= block.first && value <= block.last;
}

/** IPv4 addresses ending in .0 or .255, which some routers drop as smurf protection. */
export function isBuggyAddress(family: Family, value: bigint): boolean {
  if (family === 'ipv6') return false;
  const octet = value & 255n;
  return octet === 0n || octet === 255n;
}

/** How many addresses a block offers; with `avoidBuggy` without the .0 and .255 ones. */
export function blockCapacity(block: CidrBlock, avoidBuggy: boolean): bigint {
  const size = block.last - block.first + 1n;
  if (!avoidBuggy || block.family === 'ipv6') return size;
  if (block.length <= 24) return size - (size / 256n) * 2n;
  const buggyFirst = isBuggyAddress('ipv4', block.first) ? 1n : 0n;
  const buggyLast = block.last !== block.first && isBuggyAddress('ipv4', block.last) ? 1n : 0n;
  return size - buggyFirst - buggyLast;
}

function parseBlock(text: string): CidrBlock | undefined {
  const slash = text.indexOf('/');
  if (slash < 0 || !/^\d{1,3}$/.test(text.slice(slash + 1))) return undefined;
  const words = parseWords(text.slice(0, slash));
  const length = Number(text.slice(slash + 1));
  if (!words || length > words.length * 32) return undefined;
  return blockAt(words.length === 1 ? 'ipv4' : 'ipv6', fromWords(words), length);
}

function blockAt(family: Family, address: bigint, length: number): CidrBlock {
  const hostBits = BigInt((family === 'ipv4' ? 32 : 128) - length);
  const first = (address >> hostBits) << hostBits;
  const last = first + (1n << hostBits) - 1n;
  return { family, length, first, last, text: `${addressText(family, first)}/${length}` };
}

/** Greedy from below: each step takes the largest aligned block that fits. */
function coverRange(family: Family, from: bigint, to: bigint): readonly CidrBlock[] {
  const width = family === 'ipv4' ? 32 : 128;
  const blocks: CidrBlock[] = [];
  for (let at = from; at <= to;) {
    let hostBits = 0;
    while (hostBits < width) {
      const size = 1n << BigInt(hostBits + 1);
      if (at % size !== 0n || at + size - 1n > to) break;
      hostBits++;
    }
    blocks.push(blockAt(family, at, width - hostBits));
    at += 1n << BigInt(hostBits);
  }
  return blocks;
}

function fromWords(words: readonly number[]): bigint {
  return words.reduce((value, word) => (value << 32n) | BigInt(word), 0n);
}
