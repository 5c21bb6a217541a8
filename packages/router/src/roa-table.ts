// Route origin authorisations (RFC 6811): a small table of (prefix, maximum length, AS), filled by
// static protocols, asked by filters. Not a route table: nothing is ever best here.

import { formatPrefix, parsePrefix } from '@rookery/net';
import type { Prefix } from '@rookery/net';
import type { NetCursor } from '@rookery/rib';

export interface Roa {
  readonly net: Prefix;
  readonly maxLength: number;
  readonly asn: number;
  readonly protocol: string;
  readonly changedMs: number;
}

export class RoaTable {
  readonly name: string;
  readonly netType: 'roa4' | 'roa6';
  readonly #byNet = new Map<Prefix, Roa[]>();

  constructor(name: string, netType: 'roa4' | 'roa6') {
    this.name = name;
    this.netType = netType;
  }

  get count(): number {
    let count = 0;
    for (const list of this.#byNet.values()) count += list.length;
    return count;
  }

  add(roa: Roa): void {
    const list = this.#byNet.get(roa.net);
    if (list) list.push(roa);
    else this.#byNet.set(roa.net, [roa]);
  }

  removeAllOf(protocol: string): void {
    for (const [net, list] of this.#byNet) {
      const kept = list.filter((roa) => roa.protocol !== protocol);
      if (kept.length > 0) this.#byNet.set(net, kept);
      else this.#byNet.delete(net);
    }
  }

  all(): readonly Roa[] {
    return [...this.#byNet.values()].flat();
  }

  /** RFC 6811 §2: valid with a covering match of AS and length, invalid with only others. */
  check(net: NetCursor, asn: number): 'unknown' | 'valid' | 'invalid' {
    const words = net.family === 'ipv4' ? [net.a] : [net.a, net.b, net.c, net.d];
    const wanted = this.netType === 'roa4' ? 'ipv4' : 'ipv6';
    if (net.family !== wanted || this.#byNet.size === 0) return 'unknown';
    let covered = false;
    for (let length = net.length; length >= 0; length--) {
      const list = this.#byNet.get(formatPrefix(words, length));
      for (const roa of list ?? []) {
        covered = true;
        if (roa.asn === asn && asn !== 0 && net.length <= roa.maxLength) return 'valid';
      }
    }
    return covered ? 'invalid' : 'unknown';
  }
}

/** True when a prefix fits the table. */
export function fitsRoaTable(table: RoaTable, net: Prefix): boolean {
  return parsePrefix(net)?.family === (table.netType === 'roa4' ? 'ipv4' : 'ipv6');
}
