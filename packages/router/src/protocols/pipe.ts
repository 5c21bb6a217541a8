// protocol pipe: passes every route of one table to another and back, through filters. A route never
// returns to the table that it came from. Attributes and source are kept; the pipe is the source in
// the target table, and paths of one net stay apart by number (bird.md §3.7).

import type { ChangeCursor, Feed, Policy } from '@rookery/rib';
import { Channel, policyContextFor } from '../channel.ts';
import type { PipeConfig, ProtocolConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import { PolicyRunner } from '../policy-runner.ts';
import { Protocol } from '../protocol.ts';
import type { RouteTable } from '../route-table.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';
import type { Task } from '../work.ts';

export class PipeProtocol extends Protocol {
  readonly kind = 'pipe';
  declare config: PipeConfig;
  /** For the console: the table side, with policies and counters. */
  readonly channel: Channel;
  readonly #peer: RouteTable;
  #forward: Direction | undefined;
  #backward: Direction | undefined;

  constructor(engine: Engine, config: PipeConfig) {
    super(engine, config);
    this.channel = new Channel(this, config.channel, { name: 'main' });
    this.channels = [this.channel];
    this.#peer = engine.table(config.peerTable);
  }

  reconfigure(next: ProtocolConfig, soft: boolean): boolean {
    if (next.kind !== 'pipe' || next.peerTable !== this.config.peerTable) return false;
    if (next.channel.table !== this.config.channel.table) return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    this.channel.config = next.channel;
    this.#forward?.replacePolicy(next.channel.exportPolicy, !soft);
    this.#backward?.replacePolicy(next.channel.importPolicy, !soft);
    return true;
  }

  override reload(direction: 'in' | 'out' | 'both'): boolean {
    if (direction !== 'in') this.#forward?.refeed();
    if (direction !== 'out') this.#backward?.refeed();
    return true;
  }

  view(): ProtocolView {
    const common = this.commonView();
    const channels = common.channels.map((channel) => ({
      ...channel,
      counts: {
        ...channel.counts,
        imported: this.#backward?.count ?? 0,
        exported: this.#forward?.count ?? 0,
      },
    }));
    return { ...common, channels, pipe: { peerTable: this.config.peerTable } };
  }

  protected onStart(): 'up' {
    this.channel.open();
    const { table } = this.channel;
    const peerSource = this.#peer.sources.add({ protocol: this.name, kind: 'pipe' });
    if (peerSource === undefined || this.channel.source === 0) {
      this.log('error', 'too many sources of routes; the pipe stays idle');
      return 'up';
    }
    const { config } = this;
    this.#forward = new Direction(this, table, this.#peer, peerSource, config.channel.exportPolicy);
    this.#backward = new Direction(
      this,
      this.#peer,
      table,
      this.channel.source,
      config.channel.importPolicy,
    );
    // Each direction must know the other's source: that is how a route would come back.
    this.#forward.start(this.channel.source);
    this.#backward.start(peerSource);
    return 'up';
  }

  protected override onShutdown(): 'flush' {
    const forward = this.#forward;
    this.#forward?.stop();
    this.#backward?.stop();
    if (forward) this.#flushPeer(forward.target, forward.source);
    this.#forward = this.#backward = undefined;
    return 'flush';
  }

  #flushPeer(target: RouteTable, source: number): void {
    const sweep = target.rib.flushSource(source);
    const task: Task = {
      owner: this,
      run: (budget) => {
        if (!sweep.step(budget)) return budget;
        target.sources.remove(source);
        return 0;
      },
    };
    this.engine.work.add(task);
  }
}

/** Routes of one table as paths of another. */
class Direction implements Task {
  readonly owner: Protocol;
  readonly from: RouteTable;
  readonly target: RouteTable;
  /** Our source number in the target table. */
  readonly source: number;
  readonly #runner: PolicyRunner;
  #ownSource = 0;
  #cursor: ChangeCursor | undefined;
  #feed: Feed | undefined;
  readonly #batch = new Int32Array(256);

  constructor(
    owner: Protocol,
    from: RouteTable,
    target: RouteTable,
    source: number,
    policy: Policy,
  ) {
    this.owner = owner;
    this.from = from;
    this.target = target;
    this.source = source;
    this.#runner = new PolicyRunner(policy, policyContextFor(owner, from));
  }

  get count(): number {
    return this.target.rib.counts(this.source).imported;
  }

  get pending(): boolean {
    if (!this.#cursor) return false;
    return this.#feed !== undefined || this.from.rib.anyChanges.pending(this.#cursor) > 0;
  }

  /** `ownSource`: under which the pipe puts routes into the table it reads. */
  start(ownSource: number): void {
    this.#ownSource = ownSource;
    this.#cursor = this.from.rib.anyChanges.subscribe();
    this.#feed = this.from.rib.feed();
    this.owner.engine.followers.add(this);
  }

  stop(): void {
    if (this.#cursor) this.from.rib.anyChanges.unsubscribe(this.#cursor);
    this.#cursor = undefined;
    this.#feed = undefined;
    this.owner.engine.followers.delete(this);
  }

  refeed(): void {
    if (this.#cursor) this.#feed = this.from.rib.feed();
  }

  replacePolicy(policy: Policy, refeed: boolean): void {
    this.#runner.replace(policy);
    if (refeed) this.refeed();
  }

  run(budget: number): number {
    let done = 0;
    while (done < budget && this.#feed) {
      const count = this.#feed.next(this.#batch);
      for (let i = 0; i < count; i++) this.#mirror(this.#batch[i]!);
      done += Math.max(count, 1);
      if (this.#feed.done) this.#feed = undefined;
    }
    while (done < budget && this.#cursor) {
      const count = this.from.rib.anyChanges.read(this.#cursor, this.#batch);
      if (count === 0) break;
      for (let i = 0; i < count; i++) this.#mirror(this.#batch[i]!);
      done += count;
    }
    return done;
  }

  /** Makes the target's paths of a net those of the table it is read from. */
  #mirror(net: number): void {
    const { rib: from } = this.from;
    const { rib: target } = this.target;
    const { nowMs } = this.owner.engine;
    const wanted = new Set<number>();
    for (let path = from.firstPath(net); path !== 0; path = from.nextPath(path)) {
      if (from.isFiltered(path) || from.sourceOf(path) === this.#ownSource) continue;
      const protocol = this.from.sources.get(from.sourceOf(path))?.protocol ?? '';
      const outcome = this.#runner.run(net, from.attributesOf(path), protocol);
      const { owned } = this.#runner;
      if (outcome === 0) continue;
      const pathId = mirrorPathId(from.sourceOf(path), from.pathIdOf(path));
      wanted.add(pathId);
      target.apply(net, this.source, pathId, outcome, nowMs);
      if (owned) this.from.attributes.release(outcome);
    }
    const gone: number[] = [];
    for (let path = target.firstPath(net); path !== 0; path = target.nextPath(path)) {
      if (target.sourceOf(path) !== this.source) continue;
      const pathId = target.pathIdOf(path);
      if (!wanted.has(pathId)) gone.push(pathId);
    }
    for (const pathId of gone) target.apply(net, this.source, pathId, 0, nowMs);
  }
}

/** Tells the paths of one net apart: sources are 16 bits wide, path ids of peers are rarely large. */
function mirrorPathId(source: number, pathId: number): number {
  return ((source << 16) ^ (Math.imul(pathId, 0x9e3779b1) >>> 16)) >>> 0;
}
