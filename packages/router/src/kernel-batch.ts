// Changes of kernel routes in columns: a full table is a million of them, so that nothing here is an
// object per route. What routes look like apart from their prefix (the shape) is shared.

import { formatWords, parsePrefix } from '@rookery/net';
import type { Family } from '@rookery/net';
import type { PrefixStore } from '@rookery/rib';
import type { KernelRoute, KernelRouteBatch, KernelRouteShape } from './io.ts';

/**
 * `add` fails with EEXIST when the kernel has a route for the same prefix and metric, whoever owns
 * it; `remove` matches prefix, metric and owner.
 */
export const KERNEL_CHANGE = { add: 0, replace: 1, remove: 2 } as const;
export type KernelChange = keyof typeof KERNEL_CHANGE;

const CHANGES = Object.keys(KERNEL_CHANGE) as readonly KernelChange[];
const FIRST_CAPACITY = 16;

export class RouteBatch implements KernelRouteBatch {
  readonly family: Family;
  readonly width: 1 | 4;
  readonly shapes: KernelRouteShape[] = [];
  count = 0;
  changes = new Uint8Array(FIRST_CAPACITY);
  shapeOf = new Uint16Array(FIRST_CAPACITY);
  words: Int32Array;
  lengths = new Uint8Array(FIRST_CAPACITY);

  constructor(family: Family) {
    this.family = family;
    this.width = family === 'ipv4' ? 1 : 4;
    this.words = new Int32Array(FIRST_CAPACITY * this.width);
  }

  /** A change of a prefix in the store. */
  add(change: KernelChange, prefixes: PrefixStore, net: number, shape: KernelRouteShape): void {
    const at = this.#append(change, shape, prefixes.lengthOf(net));
    for (let i = 0; i < this.width; i++) {
      this.words[at * this.width + i] = prefixes.wordOf(net, i);
    }
  }

  /** A change of a route that is an object already. */
  addRoute(change: KernelChange, { net, ...shape }: KernelRoute): void {
    const prefix = parsePrefix(net)!;
    const at = this.#append(change, shape, prefix.length);
    this.words.set(prefix.words, at * this.width);
  }

  #append(change: KernelChange, shape: KernelRouteShape, length: number): number {
    const at = this.count++;
    if (at === this.lengths.length) this.#grow(at * 4);
    // Routes through the same next hops mostly follow each other.
    if (this.shapes.at(-1) !== shape) this.shapes.push(shape);
    this.changes[at] = KERNEL_CHANGE[change];
    this.shapeOf[at] = this.shapes.length - 1;
    this.lengths[at] = length;
    return at;
  }

  #grow(capacity: number): void {
    const { changes, shapeOf, words, lengths } = this;
    this.changes = new Uint8Array(capacity);
    this.changes.set(changes);
    this.shapeOf = new Uint16Array(capacity);
    this.shapeOf.set(shapeOf);
    this.words = new Int32Array(capacity * this.width);
    this.words.set(words);
    this.lengths = new Uint8Array(capacity);
    this.lengths.set(lengths);
  }
}

/** The changes one by one, as objects; not for full tables. */
export function* routeChanges(
  batch: KernelRouteBatch,
): Iterable<{ readonly change: KernelChange; readonly route: KernelRoute }> {
  const width = batch.family === 'ipv4' ? 1 : 4;
  for (let i = 0; i < batch.count; i++) {
    const words = Array.from(batch.words.subarray(i * width, (i + 1) * width), (w) => w >>> 0);
    const net = `${formatWords(words)}/${batch.lengths[i]!}`;
    const route = { ...batch.shapes[batch.shapeOf[i]!]!, net };
    yield { change: CHANGES[batch.changes[i]!]!, route };
  }
}
