// What the UPDATE messages of one piece of a TCP stream say, before it is applied: prefixes as columns,
// in runs that share attributes or a withdrawal. A run of one message is too short to look its
// prefixes up well: memory answers many independent questions at a time. One intake per family
// serves the whole daemon, because it is empty again when the engine has dealt with the piece.

import { createNlriBatch } from '@rookery/bgp';
import type { NlriBatch } from '@rookery/bgp';
import type { Family } from '@rookery/net';
import { growInt32, nextCapacity } from '@rookery/rib';
import type { AttributeStore } from '@rookery/rib';
import type { Channel } from '../channel.ts';

/** Attributes of a run that withdraws. */
const NONE = 0;

export class Intake {
  readonly #batch: NlriBatch = createNlriBatch();
  /** Where each run ends, and its attributes, each with a reference. */
  #ends: Int32Array = new Int32Array(64);
  #attributes: Int32Array = new Int32Array(64);
  #runs = 0;
  #nets = new Int32Array(0);
  #owner: object | undefined;
  #store: AttributeStore | undefined;

  /**
   * Its prefixes, to decode behind the last one and to `add`. From now on it is filled by `owner`;
   * what somebody else failed to apply is forgotten.
   */
  openFor(owner: object, store: AttributeStore): NlriBatch {
    if (this.#owner === owner) return this.#batch;
    this.#drop();
    this.#owner = owner;
    this.#store = store;
    return this.#batch;
  }

  /** The owner is gone. */
  closeFor(owner: object): void {
    if (this.#owner !== owner) return;
    this.#drop();
    this.#owner = undefined;
    this.#store = undefined;
  }

  /** The prefixes since the last run have these attributes, whose reference it takes; 0: none. */
  add(attributes: number): void {
    const store = this.#store!;
    const last = this.#runs - 1;
    const start = last < 0 ? 0 : this.#ends[last]!;
    if (this.#batch.count === start) {
      if (attributes !== NONE) store.release(attributes);
    } else if (last >= 0 && this.#attributes[last] === attributes) {
      this.#ends[last] = this.#batch.count;
      if (attributes !== NONE) store.release(attributes);
    } else {
      if (this.#runs === this.#ends.length) this.#grow();
      this.#ends[this.#runs] = this.#batch.count;
      this.#attributes[this.#runs++] = attributes;
    }
  }

  /**
   * Gives everything to the channel, in order, until that is no longer open. The intake is empty
   * afterwards, and whatever happens in between finds it so.
   */
  applyTo(channel: Channel): void {
    const runs = this.#runs;
    if (runs === 0) return;
    const batch = this.#batch;
    const { prefixes, attributes: store } = channel.table;
    const ends = this.#ends;
    const numbers = this.#attributes;
    const { count, pathIds } = batch;
    batch.count = 0;
    this.#runs = 0;
    if (this.#nets.length < count) this.#nets = new Int32Array(pathIds.length);
    const nets = this.#nets;
    for (let i = 0, from = 0; i < runs; from = ends[i++]!) {
      const withdraws = numbers[i] === NONE;
      while (i + 1 < runs && (numbers[i + 1] === NONE) === withdraws) i++;
      if (withdraws) prefixes.findBatch(batch, from, ends[i]!, nets);
      else prefixes.internBatch(batch, from, ends[i]!, nets);
    }
    // A run may free what a later one means.
    prefixes.retainAll(nets, 0, count);
    const { source } = channel;
    for (let i = 0, from = 0; i < runs; from = ends[i++]!) {
      const to = ends[i]!;
      const number = numbers[i]!;
      if (channel.source === source && source !== 0) {
        if (number === NONE) channel.withdrawRoutes(nets, pathIds, from, to);
        else channel.importRoutes(nets, pathIds, from, to, number);
      }
      if (number !== NONE) store.release(number);
    }
    prefixes.releaseAll(nets, count);
  }

  #drop(): void {
    for (let i = 0; i < this.#runs; i++) {
      if (this.#attributes[i] !== NONE) this.#store!.release(this.#attributes[i]!);
    }
    this.#runs = 0;
    this.#batch.count = 0;
  }

  #grow(): void {
    const capacity = nextCapacity(this.#runs, this.#runs + 1);
    this.#ends = growInt32(this.#ends, capacity);
    this.#attributes = growInt32(this.#attributes, capacity);
  }
}

export const intakes: Readonly<Record<Family, Intake>> = { ipv4: new Intake(), ipv6: new Intake() };
