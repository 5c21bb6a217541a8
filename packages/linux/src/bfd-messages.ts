// What main thread and BFD thread tell each other. Apart from both, so that a daemon without BFD
// loads none of it.

import type { Fact, LogClass, Order } from '@rookery/router';

export type BfdOrder = Extract<Order, { kind: 'bfdRequest' | 'bfdRelease' }>;
export type BfdRequest = Extract<BfdOrder, { kind: 'bfdRequest' }>;
export type BfdFact = Extract<Fact, { kind: 'bfdChanged' }>;

export type ToBfdWorker =
  | { readonly kind: 'order'; readonly order: BfdOrder }
  | { readonly kind: 'close' };

export type FromBfdWorker =
  | { readonly kind: 'facts'; readonly facts: readonly BfdFact[] }
  | { readonly kind: 'log'; readonly class: LogClass; readonly text: string };

/** What makes two orders speak of the same session. */
export function keyOf(order: BfdOrder): string {
  return `${order.remote} ${order.interface ?? ''} ${order.multihop}`;
}
