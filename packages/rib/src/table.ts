// A routing table: every path of every net, the best one known, and who has to hear about changes.
// Structure of arrays, no object per route. Filtered routes are here only when somebody asked to
// keep them; there is no separate Adj-RIB-In unless a channel has an `import table` (another Table).
// Long work (removing a peer's routes, feeding a new consumer) is cut into slices by the caller.

import type { AttributeStore } from './attribute-store.ts';
import { FACT } from './attribute-facts.ts';
import type { AttributeFacts } from './attribute-facts.ts';
import { decidePaths, selectBest } from './best-path.ts';
import type { DecisionContext } from './best-path.ts';
import { ChangeLog } from './change-log.ts';
import { growInt32, nextCapacity } from './columns.ts';
import { EPOCH_SHIFT, FLAG_MASK, PATH_FLAG, PathColumns } from './path-columns.ts';
import type { PrefixStore } from './prefix-store.ts';
import { OPTION } from './source-table.ts';
import type { SourceTable } from './source-table.ts';
import { Feed, SourceWalk, Sweep } from './table-walks.ts';

/** What `Table.apply` did; bits. 0: nothing, because the same route was there or none. */
export const CHANGE = {
  /** A path was added, replaced or removed. */
  path: 1,
  /** The best path, or its attributes, changed; or there is none any more. */
  best: 2,
  added: 4,
  removed: 8,
} as const;

export interface SourceCounts {
  /** Paths in the table that passed import. */
  readonly imported: number;
  /** Paths kept although import refused them. */
  readonly filtered: number;
  /** Nets whose best path is this source's. */
  readonly preferred: number;
}

export interface TableOptions {
  readonly name: string;
  readonly prefixes: PrefixStore;
  readonly attributes: AttributeStore;
  readonly sources: SourceTable;
}

const EPOCHS = 8;

export class Table implements DecisionContext {
  readonly name: string;
  readonly prefixes: PrefixStore;
  readonly attributes: AttributeStore;
  readonly sources: SourceTable;
  readonly facts: AttributeFacts;
  /** Columns indexed by path; read-only for others. */
  readonly paths = new PathColumns();
  /** Nets whose best path changed: for consumers that want one route per net. */
  readonly bestChanges: ChangeLog;
  /** Nets where any path changed: for add-path, merged paths and secondary routes. */
  readonly anyChanges: ChangeLog;
  /** Grows with every change of a best path. */
  version = 0;
  #first = new Int32Array(64);
  #best = new Int32Array(64);
  #netCount = 0;
  readonly #imported: number[] = [];
  readonly #filtered: number[] = [];
  readonly #preferred: number[] = [];
  /** Current stale epoch of a source and how often it moved since its last complete sweep. */
  readonly #epochs: number[] = [];
  readonly #marks: number[] = [];

  constructor(options: TableOptions) {
    this.name = options.name;
    this.prefixes = options.prefixes;
    this.attributes = options.attributes;
    this.sources = options.sources;
    this.facts = options.attributes.facts;
    this.bestChanges = new ChangeLog(options.prefixes);
    this.anyChanges = new ChangeLog(options.prefixes);
  }

  /** Nets with at least one path. */
  get netCount(): number {
    return this.#netCount;
  }

  get pathCount(): number {
    return this.paths.count;
  }

  /**
   * Makes `attributes` the route of (source, path id) to the net; 0 withdraws it. Returns CHANGE
   * bits. The table takes its own reference to the attributes and to the net. A path id may be
   * given as a signed or an unsigned 32-bit number; `flags` are PATH_FLAG bits.
   */
  apply(
    net: number,
    source: number,
    pathId: number,
    attributes: number,
    nowMs: number,
    flags = 0,
  ): number {
    const ticks = this.paths.ticksAt(nowMs);
    return this.#apply(net, source, pathId >>> 0, attributes, ticks, flags);
  }

  /**
   * `apply` for nets[0, count), each with its path id; nets that are negative are passed over. Returns
   * how many routes changed.
   */
  applyBatch(
    nets: Int32Array,
    pathIds: Int32Array,
    count: number,
    source: number,
    attributes: number,
    nowMs: number,
    flags = 0,
  ): number {
    const ticks = this.paths.ticksAt(nowMs);
    let changed = 0;
    for (let i = 0; i < count; i++) {
      const net = nets[i]!;
      if (net < 0) continue;
      if (this.#apply(net, source, pathIds[i]! >>> 0, attributes, ticks, flags) !== 0) changed++;
    }
    return changed;
  }

  #apply(
    net: number,
    source: number,
    pathId: number,
    attributes: number,
    ticks: number,
    flags: number,
  ): number {
    if (net >= this.#first.length) this.#growNets(net);
    const { paths } = this;
    const { next, source: sources } = paths;
    let previous = 0;
    let path = this.#first[net]!;
    while (
      path !== 0 &&
      (sources[path]! < source || (sources[path] === source && paths.pathIdOf(path) < pathId))
    ) {
      previous = path;
      path = next[path]!;
    }
    const found = path !== 0 && sources[path] === source && paths.pathIdOf(path) === pathId;
    if (attributes === 0) return found ? this.#remove(path, previous) : 0;
    if (!found) return this.#add(net, path, previous, source, pathId, attributes, ticks, flags);
    return this.#replace(net, path, source, attributes, ticks, flags);
  }

  #replace(
    net: number,
    path: number,
    source: number,
    attributes: number,
    ticks: number,
    flags: number,
  ): number {
    const { paths } = this;
    const oldAttributes = paths.attributes[path]!;
    const oldFlags = paths.flags[path]! & FLAG_MASK;
    paths.flags[path] = flags | (this.epochOf(source) << EPOCH_SHIFT);
    if (oldAttributes === attributes && oldFlags === flags) return 0;
    if (oldFlags !== flags) {
      this.#count(source, oldFlags, -1);
      this.#count(source, flags, 1);
    }
    this.attributes.retain(attributes);
    paths.attributes[path] = attributes;
    paths.changedTicks[path] = ticks;
    const changes = CHANGE.path | this.#choose(net, path, oldAttributes);
    this.attributes.release(oldAttributes);
    this.anyChanges.push(net);
    return changes;
  }

  /** The path of (source, path id) to the net, or 0. */
  findPath(net: number, source: number, pathId: number): number {
    const { paths } = this;
    for (let path = this.firstPath(net); path !== 0; path = paths.next[path]!) {
      if (paths.source[path] === source && paths.pathIdOf(path) === pathId >>> 0) return path;
    }
    return 0;
  }

  /** The best path of a net, or 0. */
  bestPath(net: number): number {
    return net < this.#best.length ? this.#best[net]! : 0;
  }

  /** The first path of a net in order of source and path id, or 0; go on with `nextPath`. */
  firstPath(net: number): number {
    return net < this.#first.length ? this.#first[net]! : 0;
  }

  nextPath(path: number): number {
    return this.paths.next[path]!;
  }

  /** All paths of a net, the best first, the others in order; for consoles. */
  pathsOf(net: number): number[] {
    const best = this.bestPath(net);
    const all = best === 0 ? [] : [best];
    for (let path = this.firstPath(net); path !== 0; path = this.paths.next[path]!) {
      if (path !== best) all.push(path);
    }
    return all;
  }

  netOf(path: number): number {
    return this.paths.net[path]!;
  }

  sourceOf(path: number): number {
    return this.paths.source[path]!;
  }

  pathIdOf(path: number): number {
    return this.paths.pathIdOf(path);
  }

  attributesOf(path: number): number {
    return this.paths.attributes[path]!;
  }

  /** When the path was added or replaced, in the caller's milliseconds, rounded down to 10. */
  changedMsOf(path: number): number {
    return this.paths.changedMsOf(path);
  }

  isFiltered(path: number): boolean {
    return (this.paths.flags[path]! & PATH_FLAG.filtered) !== 0;
  }

  /** True when its source was marked stale and has not sent the route again. */
  isStale(path: number): boolean {
    const epoch = this.#epochs[this.paths.source[path]!] ?? 0;
    return this.paths.flags[path]! >>> EPOCH_SHIFT !== epoch;
  }

  counts(source: number): SourceCounts {
    return {
      imported: this.#imported[source] ?? 0,
      filtered: this.#filtered[source] ?? 0,
      preferred: this.#preferred[source] ?? 0,
    };
  }

  /** A walk over all nets that have a path, for a consumer that joins. */
  feed(): Feed {
    return new Feed(this);
  }

  /** A walk over the paths of a source. */
  walkSource(source: number, options: { readonly staleOnly?: boolean } = {}): SourceWalk {
    return new SourceWalk(this, source, options.staleOnly ?? false);
  }

  /**
   * Marks every route that the source has now as stale, at once: RFC 7313 BoRR, RFC 4724 restart.
   * A route that arrives again is fresh; `sweepStale` removes the others.
   */
  markStale(source: number): void {
    // Epochs wrap: before an old mark could look fresh again, all old marks become one.
    if ((this.#marks[source] ?? 0) >= EPOCHS - 2) this.#mergeMarks(source);
    this.#marks[source] = (this.#marks[source] ?? 0) + 1;
    this.#epochs[source] = ((this.#epochs[source] ?? 0) + 1) % EPOCHS;
  }

  /** Removes, slice by slice, what is stale now; what becomes stale later stays. */
  sweepStale(source: number): Sweep {
    return new Sweep(this, source);
  }

  /** Removes, slice by slice, every route that the source has now. */
  flushSource(source: number): Sweep {
    this.markStale(source);
    return this.sweepStale(source);
  }

  /** For `Sweep`: the current epoch of a source. */
  epochOf(source: number): number {
    return this.#epochs[source] ?? 0;
  }

  /** For `Sweep`: a complete sweep leaves only paths of `epoch` and later. */
  sweptUpTo(source: number, epoch: number): void {
    this.#marks[source] = ((this.#epochs[source] ?? 0) - epoch + EPOCHS) % EPOCHS;
  }

  /** Removes one path by number. */
  removePath(path: number): number {
    if (path >= this.paths.limit || this.paths.source[path] === 0) return 0;
    const { next, net } = this.paths;
    let previous = 0;
    for (let at = this.#first[net[path]!]!; at !== path; at = next[at]!) previous = at;
    return this.#remove(path, previous);
  }

  /** Decides a net again: facts about its sources changed (router id, options). */
  reconsider(net: number): number {
    return this.#setBest(net, selectBest(this, this.firstPath(net)), false);
  }

  #add(
    net: number,
    next: number,
    previous: number,
    source: number,
    pathId: number,
    attributes: number,
    ticks: number,
    flags: number,
  ): number {
    const { paths } = this;
    if (this.#first[net] === 0) {
      this.#netCount++;
      this.prefixes.retain(net);
    }
    const path = paths.create();
    paths.net[path] = net;
    paths.source[path] = source;
    paths.attributes[path] = attributes;
    paths.flags[path] = flags | (this.epochOf(source) << EPOCH_SHIFT);
    paths.changedTicks[path] = ticks;
    paths.next[path] = next;
    if (pathId !== 0) paths.setPathId(path, pathId);
    if (previous === 0) this.#first[net] = path;
    else paths.next[previous] = path;
    this.attributes.retain(attributes);
    this.#count(source, flags, 1);
    this.anyChanges.push(net);
    return CHANGE.path | CHANGE.added | this.#choose(net, path, 0);
  }

  #remove(path: number, previous: number): number {
    const { paths } = this;
    const net = paths.net[path]!;
    const source = paths.source[path]!;
    const attributes = paths.attributes[path]!;
    const next = paths.next[path]!;
    if (previous === 0) this.#first[net] = next;
    else paths.next[previous] = next;
    this.#count(source, paths.flags[path]! & FLAG_MASK, -1);
    let changes = CHANGE.path | CHANGE.removed;
    const best = this.#best[net]!;
    if (best === path || this.#needsFullChoice(net, attributes, source)) {
      changes |= this.#setBest(net, selectBest(this, this.#first[net]!), false);
    }
    paths.free(path);
    this.anyChanges.push(net);
    this.attributes.release(attributes);
    if (this.#first[net] === 0) {
      this.#netCount--;
      this.prefixes.release(net);
    }
    return changes;
  }

  /** Chooses after `path` was added or replaced; `before` are the attributes it had, 0 for none. */
  #choose(net: number, path: number, before: number): number {
    const best = this.#best[net]!;
    const { paths } = this;
    const eligible = (paths.flags[path]! & PATH_FLAG.filtered) === 0;
    if (this.#first[net] === path && paths.next[path] === 0) {
      return this.#setBest(net, eligible ? path : 0, best === path);
    }
    if (best === path || this.#needsFullChoice(net, before, paths.source[path]!)) {
      return this.#setBest(net, selectBest(this, this.#first[net]!), best === path);
    }
    if (!eligible) return 0;
    if (best !== 0 && decidePaths(this, path, best) < 0) return 0;
    return this.#setBest(net, path, false);
  }

  /**
   * Whether being better than the best is not enough. MED counts within a neighbor AS only, so that a
   * loser may decide who wins elsewhere; peers with different options compare differently. `gone`
   * are attributes that were among the paths of the net until now, 0 for none, and `goneSource` is
   * the source that changed.
   */
  #needsFullChoice(net: number, gone: number, goneSource: number): boolean {
    const { paths, facts, sources } = this;
    const first = this.#first[net]!;
    const options = sources.options[goneSource]!;
    if ((options & OPTION.deterministicMed) !== 0) return true;
    for (let path = first; path !== 0; path = paths.next[path]!) {
      const source = paths.source[path]!;
      if (sources.options[source] !== options) return true;
      const attributes = paths.attributes[path]!;
      const hasMed =
        (facts.flagsOf(attributes) & FACT.med) !== 0 || (options & OPTION.defaultMed) !== 0;
      const goneMed = gone !== 0 && (facts.flagsOf(gone) & FACT.med) !== 0;
      if (!hasMed && !goneMed) continue;
      const group = facts.neighborAsOf(attributes);
      if (gone !== 0 && facts.neighborAsOf(gone) === group) return true;
      if (!hasMed) continue;
      for (let other = first; other !== 0; other = paths.next[other]!) {
        if (other !== path && facts.neighborAsOf(paths.attributes[other]!) === group) return true;
      }
    }
    return false;
  }

  /** `touched`: the old best path itself has new attributes. */
  #setBest(net: number, best: number, touched: boolean): number {
    const old = this.#best[net]!;
    if (old === best && !(touched && best !== 0)) return 0;
    if (old !== best) {
      // A freed path keeps its source until after this.
      if (old !== 0) this.#preferred[this.paths.source[old]!]!--;
      if (best !== 0) {
        const source = this.paths.source[best]!;
        this.#preferred[source] = (this.#preferred[source] ?? 0) + 1;
      }
      this.#best[net] = best;
    }
    this.version++;
    this.bestChanges.push(net);
    return CHANGE.best;
  }

  #count(source: number, flags: number, step: number): void {
    const counts = (flags & PATH_FLAG.filtered) !== 0 ? this.#filtered : this.#imported;
    counts[source] = (counts[source] ?? 0) + step;
  }

  #mergeMarks(source: number): void {
    const { paths } = this;
    const epoch = this.#epochs[source] ?? 0;
    const old = ((epoch + EPOCHS - 1) % EPOCHS) << EPOCH_SHIFT;
    for (let path = 1; path < paths.limit; path++) {
      if (paths.source[path] === source && paths.flags[path]! >>> EPOCH_SHIFT !== epoch) {
        paths.flags[path] = (paths.flags[path]! & FLAG_MASK) | old;
      }
    }
    this.#marks[source] = 1;
  }

  #growNets(net: number): void {
    const capacity = nextCapacity(this.#first.length, Math.max(net + 1, this.prefixes.limit));
    this.#first = growInt32(this.#first, capacity);
    this.#best = growInt32(this.#best, capacity);
  }
}
