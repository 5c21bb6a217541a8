import assert from 'node:assert/strict';
import { once } from 'node:events';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { Fact, Order } from '@rookery/router';
import { describeBug, EngineLoop } from './daemon.ts';
import type { LoopEngine } from './daemon.ts';

const drained = (connection: number): Fact => ({ kind: 'tcpDrained', connection });
const log = (text: string): Order => ({ kind: 'log', class: 'info', text });

/** Echoes each fact as a log order; counts slices and ticks. */
class FakeEngine implements LoopEngine {
  readonly seen: number[] = [];
  slices = 0;
  work = 0;
  dueMs: number | undefined;
  ticks: number[] = [];
  orders: Order[] = [];
  broken = false;

  handle(fact: Fact): void {
    if (this.broken) throw new Error('broken');
    if (fact.kind !== 'tcpDrained') return;
    this.seen.push(fact.connection);
    this.orders.push(log(String(fact.connection)));
  }
  tick(nowMs: number): void {
    if (this.dueMs === undefined || nowMs < this.dueMs) return;
    this.ticks.push(nowMs);
    this.dueMs = undefined;
  }
  takeOrders(): Order[] {
    return this.orders.splice(0);
  }
  nextDeadlineMs(): number | undefined {
    return this.dueMs;
  }
  hasWork(): boolean {
    return this.work > 0;
  }
  runSlice(): void {
    this.slices++;
    this.work--;
  }
}

function loopOver(
  engine: FakeEngine,
  execute: (orders: readonly Order[]) => void,
): { loop: EngineLoop; bugs: string[]; turns: EventEmitter } {
  const bugs: string[] = [];
  const turns = new EventEmitter();
  const loop = new EngineLoop({
    engine,
    execute,
    log: (_, text) => bugs.push(text),
    nowMs: () => performance.now(),
    onTurn: () => turns.emit('turn'),
  });
  return { loop, bugs, turns };
}

test('a fact is handled at once, and facts that orders cause belong to the same turn', () => {
  const engine = new FakeEngine();
  const batches: number[] = [];
  const { loop } = loopOver(engine, (orders) => {
    batches.push(orders.length);
    if (engine.seen.length === 1) {
      loop.deliver(drained(2));
      loop.deliver(drained(3));
    }
  });
  loop.deliver(drained(1));
  assert.deepEqual(engine.seen, [1, 2, 3]);
  assert.deepEqual(batches, [1, 2], 'the orders of both facts are one batch');
  assert.equal(loop.metrics.turns, 1);
});

test('octets of a read that is put off are not those of the next read', async () => {
  const buffer = new Uint8Array([1]);
  const received: Fact = { kind: 'tcpReceived', connection: 1, bytes: buffer };
  const engine = new FakeEngine();
  const heard: number[] = [];
  engine.handle = (fact) => {
    if (fact.kind === 'tcpReceived') heard.push(fact.bytes[0]!);
  };
  const { loop, turns } = loopOver(engine, () => undefined);
  for (let read = 1; read <= 3; read++) {
    buffer[0] = read;
    loop.deliver(received);
  }
  buffer[0] = 0;
  await once(turns, 'turn');
  assert.deepEqual(heard, [1, 2, 3]);
  loop.stop();
});

test('background work runs in turns of its own and facts come first', async () => {
  const engine = new FakeEngine();
  engine.work = 3;
  const { loop, turns } = loopOver(engine, () => undefined);
  loop.run(() => undefined);
  assert.equal(engine.slices, 0);
  await once(turns, 'turn');
  assert.equal(engine.slices, 1);
  loop.deliver(drained(1));
  await once(turns, 'turn');
  assert.deepEqual(engine.seen, [1]);
  while (engine.work > 0) await once(turns, 'turn');
  assert.equal(engine.slices, 3);
  loop.stop();
});

test('a deadline fires, not before its time, and a nearer one replaces it', async () => {
  const engine = new FakeEngine();
  const { loop, turns } = loopOver(engine, () => undefined);
  engine.dueMs = performance.now() + 60_000;
  loop.run(() => undefined);
  const dueMs = performance.now() + 5;
  loop.run(() => {
    engine.dueMs = dueMs;
  });
  while (engine.ticks.length === 0) await once(turns, 'turn');
  assert.ok(engine.ticks[0]! >= dueMs);
  loop.stop();
});

test('what is due fires before a fact is handled, whatever the timer knows of it', () => {
  const engine = new FakeEngine();
  const { loop } = loopOver(engine, () => undefined);
  engine.dueMs = performance.now();
  loop.deliver(drained(1));
  assert.equal(engine.ticks.length, 1);
  loop.stop();
});

test('facts that follow at once are handled in one turn', async () => {
  const engine = new FakeEngine();
  const batches: number[] = [];
  const { loop, turns } = loopOver(engine, (orders) => void batches.push(orders.length));
  for (let i = 1; i <= 4; i++) loop.deliver(drained(i));
  assert.deepEqual(engine.seen, [1], 'the first one does not wait');
  await once(turns, 'turn');
  assert.deepEqual(engine.seen, [1, 2, 3, 4]);
  assert.deepEqual(batches, [1, 3], 'what follows from the others is one batch');
  loop.stop();
});

test('an exception is one BUG line, and the next fact is served', async () => {
  const engine = new FakeEngine();
  const { loop, bugs, turns } = loopOver(engine, () => undefined);
  engine.broken = true;
  loop.deliver(drained(1));
  engine.broken = false;
  loop.deliver(drained(2));
  await once(turns, 'turn');
  assert.deepEqual(engine.seen, [2]);
  assert.equal(bugs.length, 1);
  assert.match(bugs[0]!, /^Internal error: broken \(FakeEngine\.handle /);
  assert.equal(describeBug('text'), 'Internal error: text');
});

test('a flood of facts yields to the event loop', async () => {
  const engine = new FakeEngine();
  let busy = 0;
  const { loop, turns } = loopOver(engine, () => undefined);
  engine.handle = (fact) => {
    const until = performance.now() + 10;
    while (performance.now() < until) busy++;
    engine.seen.push((fact as { connection: number }).connection);
  };
  loop.run(() => {
    for (let i = 0; i < 6; i++) loop.deliver(drained(i));
  });
  assert.ok(engine.seen.length < 6, 'the rest waits for the next turn');
  while (engine.seen.length < 6) await once(turns, 'turn');
  assert.deepEqual(engine.seen, [0, 1, 2, 3, 4, 5]);
  loop.stop();
});
