// Route origin authorisations (RFC 6811): a table of (prefix, maximum length, AS), filled by static
// protocols and by RPKI caches, asked by filters. Not a route table: nothing is ever best here. A
// check costs one look-up per prefix length that occurs in the table.

import { formatPrefix, parsePrefix } from '@rookery/net';
import type { Prefix } from '@rookery/net';
import type { NetCursor } from '@rookery/rib';

export interface Roa {
  readonly net: Prefix;
  readonly maxLength: number;
  readonly asn: number;
  readonly protocol: string;
  readonly changedMs: number;
  readonly source: 'static' | 'rpki';
  readonly preference: number;
}

export class RoaTable {
  readonly name: string;
  readonly netType: 'roa4' | 'roa6';
  readonly #byNet = new Map<Prefix, Roa[]>();
  /** Prefixes per length. */
  readonly #lengths = new Int32Array(129);
  #count = 0;

  constructor(name: string, netType: 'roa4' | 'roa6') {
    this.name = name;
    this.netType = netType;
  }

  get count(): number {
    return this.#count;
  }

  add(roa: Roa): void {
    this.#count++;
    const list = this.#byNet.get(roa.net);
    if (list) {
      list.push(roa);
      return;
    }
    this.#byNet.set(roa.net, [roa]);
    this.#lengths[lengthOf(roa.net)]!++;
  }

  /** Takes away one record of one protocol; false when there is none. */
  remove({
    net,
    maxLength,
    asn,
    protocol,
  }: Omit<Roa, 'changedMs' | 'source' | 'preference'>): boolean {
    const list = this.#byNet.get(net);
    const at =
      list?.findIndex(
        (roa) => roa.maxLength === maxLength && roa.asn === asn && roa.protocol === protocol,
      ) ?? -1;
    if (!list || at < 0) return false;
    list.splice(at, 1);
    this.#count--;
    if (list.length === 0) this.#drop(net);
    return true;
  }

  removeAllOf(protocol: string): void {
    for (const [net, list] of this.#byNet) {
      const kept = list.filter((roa) => roa.protocol !== protocol);
      this.#count -= list.length - kept.length;
      if (kept.length > 0) this.#byNet.set(net, kept);
      else this.#drop(net);
    }
  }

  all(): readonly Roa[] {
    return [...this.#byNet.values()].flat();
  }

  /** RFC 6811 §2: valid with a covering match of AS and length, invalid with only others. */
  check(net: NetCursor, asn: number): 'unknown' | 'valid' | 'invalid' {
    const words = net.family === 'ipv4' ? [net.a] : [net.a, net.b, net.c, net.d];
    const wanted = this.netType === 'roa4' ? 'ipv4' : 'ipv6';
    if (net.family !== wanted || this.#count === 0) return 'unknown';
    let covered = false;
    for (let length = net.length; length >= 0; length--) {
      if (this.#lengths[length] === 0) continue;
      const list = this.#byNet.get(formatPrefix(words, length));
      for (const roa of list ?? []) {
        covered = true;
        if (roa.asn === asn && asn !== 0 && net.length <= roa.maxLength) return 'valid';
      }
    }
    return covered ? 'invalid' : 'unknown';
  }

  #drop(net: Prefix): void {
    this.#byNet.delete(net);
    this.#lengths[lengthOf(net)]!--;
  }
}

/** True when a prefix fits the table. */
export function fitsRoaTable(table: RoaTable, net: Prefix): boolean {
  return parsePrefix(net)?.family === (table.netType === 'roa4' ? 'ipv4' : 'ipv6');
}

function lengthOf(net: Prefix): number {
  return Number(net.slice(net.indexOf('/') + 1));
}
