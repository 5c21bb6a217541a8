import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AttributeStore } from './attribute-store.ts';
import { comparePaths } from './best-path.ts';
import type { ChangeCursor, ChangeLog } from './change-log.ts';
import { PATH_FLAG } from './path-columns.ts';
import { PrefixStore } from './prefix-store.ts';
import type { RouteAttributes } from './route.ts';
import { DEFAULT_BEST_PATH_OPTIONS, SourceTable } from './source-table.ts';
import type { BestPathOptions } from './source-table.ts';
import { CHANGE, Table } from './table.ts';
import type { Sweep } from './table-walks.ts';

const SOURCES = 4;
const NETS = 6;

function attributesOf(choice: number): RouteAttributes {
  return {
    source: 'bgp',
    scope: 'universe',
    dest: 'unicast',
    nexthops: [{ gateway: '192.0.2.1', interface: 'eth0', ifindex: 2 }],
    preference: 100,
    bgp: {
      origin: 0,
      // Neighbor AS and MED vary, so that MED matters within some pairs only.
      asPath: [{ type: 2, asns: [64500 + (choice % 3), 1] }],
      localPref: choice > 8 ? 200 : 100,
      ...(choice % 4 !== 0 && { med: choice % 4 }),
    },
  };
}

interface Held {
  attributes: number;
  flags: number;
  stale: boolean;
}

/** A table, a naive model of it, and two consumers that keep copies from the change logs. */
class Bench {
  readonly prefixes = new PrefixStore('ipv4');
  readonly attributes = new AttributeStore();
  readonly sources = new SourceTable();
  readonly table: Table;
  readonly model = new Map<string, Held>();
  readonly sweeps: { sweep: Sweep; keys: Set<string> }[] = [];
  readonly consumers: {
    cursor: ChangeCursor;
    log: ChangeLog;
    any: boolean;
    copy: Map<string, string>;
  }[] = [];
  nowMs = 0;

  constructor(options: Partial<BestPathOptions> = {}) {
    for (let i = 1; i <= SOURCES; i++) {
      this.sources.add({
        protocol: `bgp${i}`,
        kind: 'bgp',
        peer: {
          type: i % 2 === 0 ? 'internal' : 'external',
          remoteAs: 64500 + i,
          routerId: 10 - i,
          address: `192.0.2.${i}`,
          options: { ...DEFAULT_BEST_PATH_OPTIONS, ...options },
        },
      });
    }
    const { prefixes, attributes, sources } = this;
    this.table = new Table({ name: 'master4', prefixes, attributes, sources });
  }

  consume(any: boolean): void {
    const log = any ? this.table.anyChanges : this.table.bestChanges;
    const copy = new Map<string, string>();
    this.consumers.push({ cursor: log.subscribe(), log, any, copy });
    const out = new Int32Array(2);
    const feed = this.table.feed();
    while (!feed.done) this.note(copy, any, out.subarray(0, feed.next(out)));
  }

  note(copy: Map<string, string>, any: boolean, nets: Int32Array): void {
    for (const net of nets) {
      assert.ok(this.prefixes.isLive(net), 'a net in a batch is a valid number');
      const text = this.prefixes.textOf(net);
      const state = any ? this.describe(net) : this.describeBest(net);
      if (state === '') copy.delete(text);
      else copy.set(text, state);
    }
  }

  describe(net: number): string {
    return this.table
      .pathsOf(net)
      .map(
        (p) => `${this.table.sourceOf(p)}.${this.table.pathIdOf(p)}=${this.table.attributesOf(p)}`,
      )
      .sort()
      .join();
  }

  describeBest(net: number): string {
    const best = this.table.bestPath(net);
    if (best === 0) return '';
    return `${this.table.sourceOf(best)}.${this.table.pathIdOf(best)}=${this.table.attributesOf(best)}`;
  }

  read(index: number, size: number): void {
    const consumer = this.consumers[index % Math.max(1, this.consumers.length)];
    if (!consumer) return;
    const out = new Int32Array(size);
    const count = consumer.log.read(consumer.cursor, out);
    const nets = out.subarray(0, count);
    assert.equal(new Set(nets).size, count);
    this.note(consumer.copy, consumer.any, nets);
  }

  apply(index: number, source: number, pathId: number, choice: number, filtered: boolean): void {
    const text = `10.0.${index}.0/24`;
    const key = `${text} ${source} ${pathId}`;
    const known = this.model.get(key);
    this.nowMs += 10;
    if (choice === 0) {
      const net = this.prefixes.findText(text);
      const changes = net < 0 ? 0 : this.table.apply(net, source, pathId, 0, this.nowMs);
      assert.equal((changes & CHANGE.removed) !== 0, known !== undefined);
      this.model.delete(key);
      return;
    }
    const net = this.prefixes.internText(text);
    const n = this.attributes.intern(attributesOf(choice));
    const flags = filtered ? PATH_FLAG.filtered : 0;
    const before = this.describeBest(net);
    const changes = this.table.apply(net, source, pathId, n, this.nowMs, flags);
    const same = known !== undefined && known.attributes === n && known.flags === flags;
    assert.equal(changes !== 0, !same);
    assert.equal((changes & CHANGE.added) !== 0, known === undefined);
    assert.equal((changes & CHANGE.best) !== 0, this.describeBest(net) !== before);
    this.model.set(key, { attributes: n, flags, stale: false });
    this.attributes.release(n);
  }

  markStale(source: number): void {
    this.table.markStale(source);
    for (const [key, held] of this.model) {
      if (key.split(' ')[1] === String(source)) held.stale = true;
    }
  }

  beginSweep(source: number): void {
    const keys = new Set(
      [...this.model]
        .filter(([key, held]) => held.stale && key.split(' ')[1] === String(source))
        .map(([key]) => key),
    );
    this.sweeps.push({ sweep: this.table.sweepStale(source), keys });
  }

  /** Runs a sweep to its end: what was stale when it began and is still stale is gone. */
  finishSweep(): void {
    const entry = this.sweeps.shift();
    if (!entry) return;
    while (!entry.sweep.step(1));
    for (const [key, held] of this.model) {
      if (entry.keys.has(key) && held.stale) this.model.delete(key);
    }
  }

  check(): void {
    const { table, prefixes } = this;
    const expected = [...this.model].map(
      ([key, held]) => `${key} ${held.attributes} ${held.flags} ${held.stale}`,
    );
    const actual: string[] = [];
    let preferred = 0;
    for (const net of prefixes.sortedNets((net) => table.firstPath(net) !== 0)) {
      for (const path of table.pathsOf(net)) {
        assert.equal(table.netOf(path), net);
        actual.push(
          `${prefixes.textOf(net)} ${table.sourceOf(path)} ${table.pathIdOf(path)} ` +
            `${table.attributesOf(path)} ${table.isFiltered(path) ? 1 : 0} ${table.isStale(path)}`,
        );
      }
      preferred += table.bestPath(net) === 0 ? 0 : 1;
      this.checkBest(net);
    }
    assert.deepEqual(actual.sort(), expected.sort());
    assert.equal(table.pathCount, expected.length);
    const counts = Array.from({ length: SOURCES }, (_, i) => table.counts(i + 1));
    const sum = (pick: (c: (typeof counts)[0]) => number): number =>
      counts.reduce((total, c) => total + pick(c), 0);
    assert.equal(
      sum((c) => c.imported + c.filtered),
      expected.length,
    );
    assert.equal(
      sum((c) => c.preferred),
      preferred,
    );
  }

  /** The best path does not depend on the order of arrival: a fresh table agrees. */
  checkBest(net: number): void {
    const { table, prefixes, attributes, sources } = this;
    const fresh = new Table({ name: 'fresh', prefixes, attributes, sources });
    const paths = table.pathsOf(net).toSorted((a, b) => b - a);
    for (const path of paths) {
      fresh.apply(
        net,
        table.sourceOf(path),
        table.pathIdOf(path),
        table.attributesOf(path),
        table.changedMsOf(path),
        table.isFiltered(path) ? PATH_FLAG.filtered : 0,
      );
    }
    const chosen = fresh.bestPath(net);
    const best = table.bestPath(net);
    assert.equal(chosen === 0, best === 0);
    if (best !== 0) {
      assert.equal(fresh.sourceOf(chosen), table.sourceOf(best));
      assert.equal(fresh.pathIdOf(chosen), table.pathIdOf(best));
      assert.equal(table.isFiltered(best), false);
    }
    for (const path of paths) {
      fresh.apply(net, table.sourceOf(path), table.pathIdOf(path), 0, 0);
    }
  }

  finish(): void {
    while (this.sweeps.length > 0) this.finishSweep();
    this.check();
    for (const consumer of this.consumers) {
      for (let i = 0; consumer.log.pending(consumer.cursor) > 0; i++) {
        assert.ok(i < 1000);
        this.read(this.consumers.indexOf(consumer), 3);
      }
      const expected = new Map<string, string>();
      for (const net of this.prefixes.sortedNets(() => true)) {
        const state = consumer.any ? this.describe(net) : this.describeBest(net);
        if (state !== '') expected.set(this.prefixes.textOf(net), state);
      }
      assert.deepEqual([...consumer.copy].sort(), [...expected].sort());
    }
    for (let source = 1; source <= SOURCES; source++) {
      const sweep = this.table.flushSource(source);
      while (!sweep.step(2));
    }
    for (const { cursor, log } of this.consumers) {
      const out = new Int32Array(64);
      while (log.read(cursor, out) > 0);
      log.unsubscribe(cursor);
    }
    assert.equal(this.table.netCount, 0);
    assert.equal(this.table.pathCount, 0);
    assert.equal(this.prefixes.size, 0);
    assert.equal(this.attributes.size, 0);
  }
}

const action = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.record({
      kind: fc.constant('apply' as const),
      net: fc.nat(NETS - 1),
      source: fc.integer({ min: 1, max: SOURCES }),
      pathId: fc.nat(1),
      choice: fc.nat(11),
      filtered: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      consumer: fc.nat(3),
      size: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('consume' as const), any: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('mark' as const, 'sweep' as const),
      source: fc.integer({ min: 1, max: SOURCES }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finishSweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stepSweep' as const) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

function play(bench: Bench, actions: readonly Action[]): void {
  for (const step of actions) {
    switch (step.kind) {
      case 'apply':
        bench.apply(step.net, step.source, step.pathId, step.choice, step.filtered);
        break;
      case 'read':
        bench.read(step.consumer, step.size);
        break;
      case 'consume':
        if (bench.consumers.length < 4) bench.consume(step.any);
        break;
      case 'mark':
        // A sweep that is under way is finished first, so that the model stays simple.
        bench.finishSweep();
        bench.markStale(step.source);
        break;
      case 'sweep':
        bench.finishSweep();
        bench.beginSweep(step.source);
        break;
      case 'finishSweep':
      case 'stepSweep':
        bench.finishSweep();
        break;
    }
  }
}

describe('Table', () => {
  for (const options of [
    {},
    { deterministicMed: true },
    { medMetric: true },
    { preferOlder: true },
  ]) {
    test(`equals a naive model, with consumers: ${JSON.stringify(options)}`, () => {
      fc.assert(
        fc.property(fc.array(action, { minLength: 40, maxLength: 250, size: 'max' }), (actions) => {
          const bench = new Bench(options);
          play(bench, actions);
          bench.finish();
        }),
        { numRuns: 40 },
      );
    });
  }

  test('a mark is one step; a sweep spares what came again and what was marked later', () => {
    const bench = new Bench();
    for (let i = 0; i < 5; i++) bench.apply(i, 1, 0, 1, false);
    bench.markStale(1);
    bench.apply(0, 1, 0, 1, false);
    const sweep = bench.table.sweepStale(1);
    bench.apply(1, 1, 0, 2, false);
    bench.table.markStale(1);
    while (!sweep.step(1));
    assert.equal(sweep.removed, 3);
    assert.equal(bench.table.counts(1).imported, 2);
    const stale = bench.table.walkSource(1, { staleOnly: true });
    const out = new Int32Array(8);
    assert.equal(stale.next(out), 2);
    assert.equal(stale.done, true);
  });

  test('marking again and again without a sweep keeps the oldest stale', () => {
    const bench = new Bench();
    bench.apply(0, 1, 0, 1, false);
    for (let i = 0; i < 40; i++) {
      bench.table.markStale(1);
      assert.equal(bench.table.isStale(bench.table.firstPath(0)), true, `after ${i + 1} marks`);
    }
  });

  test('a withdrawal of what is not there changes nothing', () => {
    const bench = new Bench();
    bench.apply(0, 1, 0, 1, false);
    const net = bench.prefixes.findText('10.0.0.0/24');
    assert.equal(bench.table.apply(net, 2, 0, 0, 5), 0);
    assert.equal(bench.table.apply(net, 1, 7, 0, 5), 0);
    assert.equal(bench.table.removePath(99), 0);
    assert.equal(bench.table.bestPath(5000), 0);
    assert.equal(bench.table.firstPath(5000), 0);
  });

  test('path ids are unsigned, however they are written', () => {
    const bench = new Bench();
    const net = bench.prefixes.internText('10.0.0.0/24');
    const n = bench.attributes.intern(attributesOf(1));
    bench.table.apply(net, 1, -1, n, 0);
    bench.table.apply(net, 1, 1, n, 0);
    assert.equal(bench.table.pathCount, 2);
    const path = bench.table.findPath(net, 1, 0xffffffff);
    assert.equal(bench.table.pathIdOf(path), 0xffffffff);
    assert.notEqual(bench.table.apply(net, 1, 0xffffffff, 0, 0), 0);
    assert.equal(bench.table.findPath(net, 1, -1), 0);
  });

  test('the time of the last change stays when the same route comes again', () => {
    const bench = new Bench();
    const net = bench.prefixes.internText('10.0.0.0/24');
    const n = bench.attributes.intern(attributesOf(1));
    bench.table.apply(net, 1, 0, n, 1_780_000_000_000);
    bench.table.apply(net, 1, 0, n, 1_780_000_009_000);
    const path = bench.table.firstPath(net);
    assert.equal(bench.table.changedMsOf(path), 1_780_000_000_000);
    const m = bench.attributes.intern(attributesOf(2));
    bench.table.apply(net, 1, 0, m, 1_780_000_009_000);
    assert.equal(bench.table.changedMsOf(path), 1_780_000_009_000);
  });

  test('times survive the wrap of the clock column', () => {
    const bench = new Bench();
    const dayMs = 86_400_000;
    const start = 1_780_000_000_000;
    const net = bench.prefixes.internText('10.0.0.0/24');
    for (let day = 0; day <= 900; day += 100) {
      const n = bench.attributes.intern(attributesOf(1));
      bench.table.apply(net, 1, day, n, start + day * dayMs);
    }
    const age = (day: number): number =>
      bench.table.changedMsOf(bench.table.findPath(net, 1, day)) - start;
    assert.equal(age(900), 900 * dayMs);
    assert.equal(age(800), 800 * dayMs);
    // Very old ones only keep their order.
    assert.ok(age(0) <= age(100) && age(100) <= age(800));
    // A clock that steps back does not break anything.
    bench.table.apply(net, 1, 5, bench.attributes.intern(attributesOf(1)), 17);
    assert.equal(bench.table.changedMsOf(bench.table.findPath(net, 1, 5)), 10);
  });

  test('new facts about a source take effect when the net is reconsidered', () => {
    const bench = new Bench();
    bench.apply(0, 1, 0, 4, false);
    bench.apply(0, 3, 0, 4, false);
    const net = bench.prefixes.findText('10.0.0.0/24');
    const best = bench.table.bestPath(net);
    assert.equal(bench.table.sourceOf(best), 3);
    const facts = bench.sources.get(3)!;
    bench.sources.update(3, { ...facts, peer: { ...facts.peer!, routerId: 99 } });
    assert.equal(bench.table.reconsider(net), CHANGE.best);
    const now = bench.table.bestPath(net);
    assert.equal(bench.table.sourceOf(now), 1);
    assert.equal(comparePaths(bench.table, now, best).reason, 'router-id');
  });
});
