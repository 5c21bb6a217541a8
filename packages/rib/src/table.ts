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
import { EPOCH_SHIFT, FLAG_MASK, PATH_FLAG, PathColumns } from './path-columns.ts';
import { nextCapacity } from './columns.ts';
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
  #netCount = 0;
  readonly #imported: number[] = [];
  readonly #filtered: number[] = [];
  readonly #preferred: number[] = [];
  /** Current stale epoch of a source and how often it moved since its last complete sweep. */
  readonly #epochs: number[] = [];
  readonly #marks: number[] = [];
  /** Nets of a batch by what happens to them: their path changed, is new, could be best before. */
  #changed = new Int32Array(64);
  #created = new Int32Array(64);
  #eligible = new Int32Array(64);

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
   * `apply` for nets[from, to), each with its path id; nets that are negative are passed over.
   * Returns how many routes changed.
   */
  applyBatch(
    nets: Int32Array,
    pathIds: Int32Array,
    from: number,
    to: number,
    source: number,
    attributes: number,
    nowMs: number,
    flags = 0,
  ): number {
    const ticks = this.paths.ticksAt(nowMs);
    const only = this.paths.reachOnly(source, nets, pathIds, from, to, this.prefixes.limit);
    this.#makeRoom(only - from);
    let changed =
      attributes === 0
        ? this.#removeOnly(nets, from, only, source)
        : this.#setOnly(nets, from, only, source, attributes, ticks, flags);
    for (let i = only; i < to; i++) {
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
    const { paths } = this;
    paths.reach(net, this.prefixes.limit);
    let previous = 0;
    let path = paths.firstOf(net);
    while (path !== 0) {
      const other = paths.sourceOf(path);
      if (other > source || (other === source && paths.pathIdOf(path) >= pathId)) break;
      previous = path;
      path = paths.nextOf(path);
    }
    const found = path !== 0 && paths.sourceOf(path) === source && paths.pathIdOf(path) === pathId;
    if (attributes === 0) return found ? this.#remove(path, previous) : 0;
    if (found) return this.#replace(net, path, attributes, ticks, flags);
    return this.#add(net, previous, source, pathId, attributes, ticks, flags);
  }

  /** The path of (source, path id) to the net, or 0. */
  findPath(net: number, source: number, pathId: number): number {
    const { paths } = this;
    for (let path = paths.firstOf(net); path !== 0; path = paths.nextOf(path)) {
      if (paths.sourceOf(path) === source && paths.pathIdOf(path) === pathId >>> 0) return path;
    }
    return 0;
  }

  /** The best path of a net, or 0. */
  bestPath(net: number): number {
    return this.paths.bestOf(net);
  }

  /** The first path of a net in order of source and path id, or 0; go on with `nextPath`. */
  firstPath(net: number): number {
    return this.paths.firstOf(net);
  }

  nextPath(path: number): number {
    return this.paths.nextOf(path);
  }

  /** All paths of a net, the best first, the others in order; for consoles. */
  pathsOf(net: number): number[] {
    const best = this.bestPath(net);
    const all = best === 0 ? [] : [best];
    for (let path = this.firstPath(net); path !== 0; path = this.nextPath(path)) {
      if (path !== best) all.push(path);
    }
    return all;
  }

  netOf(path: number): number {
    return this.paths.netOf(path);
  }

  sourceOf(path: number): number {
    return this.paths.sourceOf(path);
  }

  pathIdOf(path: number): number {
    return this.paths.pathIdOf(path);
  }

  attributesOf(path: number): number {
    return this.paths.attributesOf(path);
  }

  /** When the path was added or replaced, in the caller's milliseconds, rounded down to 10. */
  changedMsOf(path: number): number {
    return this.paths.changedMsOf(path);
  }

  isFiltered(path: number): boolean {
    return (this.paths.flagsOf(path) & PATH_FLAG.filtered) !== 0;
  }

  /** True when its source was marked stale and has not sent the route again. */
  isStale(path: number): boolean {
    return this.paths.flagsOf(path) >>> EPOCH_SHIFT !== this.epochOf(this.paths.sourceOf(path));
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
    const { paths } = this;
    if (!paths.sourceOf(path)) return 0;
    let previous = 0;
    for (let at = paths.firstOf(paths.netOf(path)); at !== path; at = paths.nextOf(at))
      previous = at;
    return this.#remove(path, previous);
  }

  /** Decides a net again: facts about its sources changed (router id, options). */
  reconsider(net: number): number {
    const best = this.paths.bestOf(net);
    return this.#setBest(
      net,
      best,
      this.#sourceOrNone(best),
      selectBest(this, this.firstPath(net)),
    );
  }

  /** Room in the lists for what happens to a batch. */
  #makeRoom(count: number): void {
    if (this.#changed.length >= count) return;
    const capacity = nextCapacity(this.#changed.length, count);
    this.#changed = new Int32Array(capacity);
    this.#created = new Int32Array(capacity);
    this.#eligible = new Int32Array(capacity);
  }

  /**
   * `#apply` for nets that have no path but the source's: the path is the best one as soon as it is
   * not filtered. Most of a full table goes here; one list of nets per effect, one loop per effect.
   */
  #setOnly(
    nets: Int32Array,
    from: number,
    to: number,
    source: number,
    attributes: number,
    ticks: number,
    flags: number,
  ): number {
    const { paths } = this;
    const { source: sources, attributes: numbers, flags: states, ticks: times } = paths.own;
    const changed = this.#changed;
    const created = this.#created;
    const eligible = this.#eligible;
    const state = flags | (this.epochOf(source) << EPOCH_SHIFT);
    let changes = 0;
    let creations = 0;
    let wereEligible = 0;
    for (let i = from; i < to; i++) {
      const net = nets[i]!;
      if (net < 0) continue;
      const index = net + 1;
      const before = states[index]! & FLAG_MASK;
      states[index] = state;
      if (sources[index] === 0) {
        sources[index] = source;
        created[creations++] = net;
      } else {
        const old = numbers[index]!;
        if (old === attributes && before === flags) continue;
        if (before !== flags) {
          this.#count(source, before, -1);
          this.#count(source, flags, 1);
        }
        this.attributes.release(old);
        if ((before & PATH_FLAG.filtered) === 0) eligible[wereEligible++] = net;
      }
      numbers[index] = attributes;
      times[index] = ticks;
      changed[changes++] = net;
    }
    if (changes === 0) return 0;
    this.attributes.retain(attributes, changes);
    if (creations > 0) {
      paths.countPaths(creations);
      this.#netCount += creations;
      this.prefixes.retainAll(created, 0, creations);
      this.#count(source, flags, creations);
    }
    this.anyChanges.pushAll(changed, changes);
    if ((flags & PATH_FLAG.filtered) === 0) {
      this.#bestChanged(changed, changes, source, changes - wereEligible);
    } else this.#bestChanged(eligible, wereEligible, source, -wereEligible);
    return changes;
  }

  /** `#setOnly` for the withdrawal of those paths. */
  #removeOnly(nets: Int32Array, from: number, to: number, source: number): number {
    const { paths } = this;
    const { source: sources, attributes: numbers, flags: states } = paths.own;
    const changed = this.#changed;
    const eligible = this.#eligible;
    let changes = 0;
    let wereEligible = 0;
    for (let i = from; i < to; i++) {
      const index = nets[i]! + 1;
      if (index === 0 || sources[index] === 0) continue;
      sources[index] = 0;
      this.attributes.release(numbers[index]!);
      numbers[index] = 0;
      if ((states[index]! & PATH_FLAG.filtered) === 0) eligible[wereEligible++] = index - 1;
      changed[changes++] = index - 1;
    }
    if (changes === 0) return 0;
    paths.countPaths(-changes);
    this.#netCount -= changes;
    this.#count(source, 0, -wereEligible);
    this.#count(source, PATH_FLAG.filtered, wereEligible - changes);
    this.anyChanges.pushAll(changed, changes);
    this.#bestChanged(eligible, wereEligible, source, -wereEligible);
    this.prefixes.releaseAll(changed, changes);
    return changes;
  }

  /** The best paths of nets[0, count) changed, all within one source. */
  #bestChanged(nets: Int32Array, count: number, source: number, preferred: number): void {
    this.#preferred[source] = (this.#preferred[source] ?? 0) + preferred;
    this.version += count;
    this.bestChanges.pushAll(nets, count);
  }

  #replace(net: number, path: number, attributes: number, ticks: number, flags: number): number {
    const { paths } = this;
    const columns = paths.columnsOf(path);
    const index = path >> 1;
    const source = columns.source[index]!;
    const oldAttributes = columns.attributes[index]!;
    const oldFlags = columns.flags[index]! & FLAG_MASK;
    const best = paths.bestOf(net);
    columns.flags[index] = flags | (this.epochOf(source) << EPOCH_SHIFT);
    if (oldAttributes === attributes && oldFlags === flags) return 0;
    if (oldFlags !== flags) {
      this.#count(source, oldFlags, -1);
      this.#count(source, flags, 1);
    }
    this.attributes.retain(attributes);
    columns.attributes[index] = attributes;
    columns.ticks[index] = ticks;
    const changes = CHANGE.path | this.#choose(net, path, best, oldAttributes);
    this.attributes.release(oldAttributes);
    this.anyChanges.push(net);
    return changes;
  }

  #add(
    net: number,
    previous: number,
    source: number,
    pathId: number,
    attributes: number,
    ticks: number,
    flags: number,
  ): number {
    const { paths } = this;
    const best = paths.bestOf(net);
    if (paths.firstOf(net) === 0) {
      this.#netCount++;
      this.prefixes.retain(net);
    }
    const path = paths.create(net, previous);
    const columns = paths.columnsOf(path);
    const index = path >> 1;
    columns.source[index] = source;
    columns.attributes[index] = attributes;
    columns.flags[index] = flags | (this.epochOf(source) << EPOCH_SHIFT);
    columns.ticks[index] = ticks;
    columns.setPathId(index, pathId);
    this.attributes.retain(attributes);
    this.#count(source, flags, 1);
    this.anyChanges.push(net);
    return CHANGE.path | CHANGE.added | this.#choose(net, path, best, 0);
  }

  #remove(path: number, previous: number): number {
    const { paths } = this;
    const net = paths.netOf(path);
    const source = paths.sourceOf(path);
    const attributes = paths.attributesOf(path);
    const best = paths.bestOf(net);
    const bestSource = this.#sourceOrNone(best);
    this.#count(source, paths.flagsOf(path) & FLAG_MASK, -1);
    paths.free(path, previous);
    let changes = CHANGE.path | CHANGE.removed;
    if (best === path || this.#needsFullChoice(net, attributes, source)) {
      changes |= this.#setBest(net, best, bestSource, selectBest(this, paths.firstOf(net)));
    }
    this.anyChanges.push(net);
    this.attributes.release(attributes);
    if (paths.firstOf(net) === 0) {
      this.#netCount--;
      this.prefixes.release(net);
    }
    return changes;
  }

  /**
   * Chooses after `path` was added or replaced. `best` was the best path before; `gone` are the
   * attributes that `path` had, 0 for none.
   */
  #choose(net: number, path: number, best: number, gone: number): number {
    const { paths } = this;
    const eligible = (paths.flagsOf(path) & PATH_FLAG.filtered) === 0;
    const bestSource = this.#sourceOrNone(best);
    if (paths.firstOf(net) === path && paths.nextOf(path) === 0) {
      return this.#setBest(net, best, bestSource, eligible ? path : 0, best === path);
    }
    if (best === path || this.#needsFullChoice(net, gone, paths.sourceOf(path))) {
      const chosen = selectBest(this, paths.firstOf(net));
      return this.#setBest(net, best, bestSource, chosen, best === path);
    }
    if (!eligible) return 0;
    if (best !== 0 && decidePaths(this, path, best) < 0) return 0;
    return this.#setBest(net, best, bestSource, path);
  }

  /**
   * Whether being better than the best is not enough. MED counts within a neighbor AS only, so that a
   * loser may decide who wins elsewhere; peers with different options compare differently. `gone`
   * are attributes that were among the paths of the net until now, 0 for none, and `goneSource` is
   * the source that changed.
   */
  #needsFullChoice(net: number, gone: number, goneSource: number): boolean {
    const { paths, facts, sources } = this;
    const first = paths.firstOf(net);
    const options = sources.options[goneSource]!;
    if ((options & OPTION.deterministicMed) !== 0) return true;
    for (let path = first; path !== 0; path = paths.nextOf(path)) {
      const source = paths.sourceOf(path);
      if (sources.options[source] !== options) return true;
      const attributes = paths.attributesOf(path);
      const hasMed =
        (facts.flagsOf(attributes) & FACT.med) !== 0 || (options & OPTION.defaultMed) !== 0;
      const goneMed = gone !== 0 && (facts.flagsOf(gone) & FACT.med) !== 0;
      if (!hasMed && !goneMed) continue;
      const group = facts.neighborAsOf(attributes);
      if (gone !== 0 && facts.neighborAsOf(gone) === group) return true;
      if (!hasMed) continue;
      for (let other = first; other !== 0; other = paths.nextOf(other)) {
        if (other !== path && facts.neighborAsOf(paths.attributesOf(other)) === group) return true;
      }
    }
    return false;
  }

  /** `old` was the best path until now, of `oldSource`; `touched`: it has new attributes. */
  #setBest(net: number, old: number, oldSource: number, best: number, touched = false): number {
    if (old === best && !(touched && best !== 0)) return 0;
    if (old !== best) {
      if (old !== 0) this.#preferred[oldSource]!--;
      if (best !== 0) {
        const source = this.paths.sourceOf(best);
        this.#preferred[source] = (this.#preferred[source] ?? 0) + 1;
      }
      if (!this.paths.isPlain) this.paths.setBest(net, best);
    }
    this.version++;
    this.bestChanges.push(net);
    return CHANGE.best;
  }

  #sourceOrNone(path: number): number {
    return path === 0 ? 0 : this.paths.sourceOf(path);
  }

  #count(source: number, flags: number, step: number): void {
    const counts = (flags & PATH_FLAG.filtered) !== 0 ? this.#filtered : this.#imported;
    counts[source] = (counts[source] ?? 0) + step;
  }

  #mergeMarks(source: number): void {
    const { paths } = this;
    const epoch = this.epochOf(source);
    const old = ((epoch + EPOCHS - 1) % EPOCHS) << EPOCH_SHIFT;
    for (const columns of [paths.own, paths.further]) {
      for (let index = 0; index < columns.capacity; index++) {
        const flags = columns.flags[index]!;
        if (columns.source[index] === source && flags >>> EPOCH_SHIFT !== epoch) {
          columns.flags[index] = (flags & FLAG_MASK) | old;
        }
      }
    }
    this.#marks[source] = 1;
  }
}
