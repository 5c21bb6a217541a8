// What a route costs, in figures that do not depend on the machine or its load: octets of memory,
// messages, orders, copies. A change that makes the router dearer fails here, on any machine.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PrefixStore } from '@rookery/rib';
import { RouteBatch } from '@rookery/router';
import { MessageWriter } from '../packages/linux/src/netlink/message.ts';
import { encodeRoutes } from '../packages/linux/src/netlink/route.ts';
import { EngineLoad, connectionOf, generatorNextHop } from './engine-load.ts';
import { createPolicy } from './policy.ts';
import { encodeTable, encodeWithdrawals } from './stream.ts';
import { createRouteSet } from './table.ts';

const PREFIXES = 60_000;
const routes = createRouteSet({ family: 'ipv4', count: PREFIXES, seed: 7 });
const groups = routes.starts.length - 1;
const stream = encodeTable(routes, 0, generatorNextHop('ipv4', 0));

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

// The compiler of the engine has done its work when the first figures are taken.
before(() => {
  const warm = new EngineLoad('ipv4', 1, 1);
  warm.receive(0, 1, stream.subarray(0, 20_000));
  warm.settle();
});

/** Large columns, which V8 does not count. */
const shared = new Set<SharedArrayBuffer>();
globalThis.SharedArrayBuffer = class extends SharedArrayBuffer {
  constructor(byteLength: number, options?: { maxByteLength?: number }) {
    super(byteLength, options);
    shared.add(this);
  }
} as SharedArrayBufferConstructor;

/** What is in use: V8 gives buffers back some turns after it has collected them. */
async function memoryInUse(): Promise<{ arrays: number; heapUsed: number }> {
  const least = { arrays: Infinity, heapUsed: Infinity };
  const columns = [...shared].reduce((sum, { byteLength }) => sum + byteLength, 0);
  for (let look = 0; look < 8; look++) {
    collect();
    await setImmediate();
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    least.arrays = Math.min(least.arrays, arrayBuffers + columns);
    least.heapUsed = Math.min(least.heapUsed, heapUsed);
  }
  return least;
}

test('a route costs at most 80 octets, all but a few of them in typed arrays', async () => {
  const load = new EngineLoad('ipv4', 1, 1);
  const empty = await memoryInUse();
  load.receive(0, 1, stream);
  load.settle();
  const full = await memoryInUse();
  // The columns double, so that this is up to twice what is in use.
  const columns = (full.arrays - empty.arrays) / PREFIXES;
  const heap = (full.heapUsed - empty.heapUsed) / PREFIXES;
  assert.ok(columns < 80, `${columns.toFixed(1)} octets per route in typed arrays`);
  assert.ok(shared.size > 0, 'no column is as large as it should be');
  assert.ok(heap < 16, `${heap.toFixed(1)} octets per route in objects`);
  assert.equal(load.router.tables[0]?.rib.netCount, PREFIXES);
});

test('a table leaves as it came: one UPDATE per attribute set', () => {
  const load = new EngineLoad('ipv4', 1, 1);
  load.receive(0, 1, stream);
  load.settle();
  assert.ok(load.counts.updates >= groups, 'fewer messages than attribute sets');
  assert.ok(
    load.counts.updates < groups * 1.01,
    `${load.counts.updates} UPDATEs for ${groups} attribute sets`,
  );
});

test('messages go out in large pieces, not one by one', () => {
  const load = new EngineLoad('ipv4', 1, 1);
  load.receive(0, 1, stream);
  load.settle();
  const { bytes, sends } = load.counts;
  assert.ok(bytes / sends > 12_000, `${Math.round(bytes / sends)} octets per send`);
});

test('receivers with equal rules are sent the same octets, encoded once', () => {
  const receivers = 10;
  const load = new EngineLoad('ipv4', 1, receivers);
  const buffers = new Set<ArrayBufferLike>();
  let octets = 0;
  load.onSend = (_connection, bytes) => {
    buffers.add(bytes.buffer);
    octets += bytes.length;
  };
  load.receive(0, receivers, stream);
  load.settle();
  const encoded = [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0);
  assert.ok(octets > stream.length * 0.9 * receivers, 'not everybody was told everything');
  assert.ok(encoded < stream.length * 1.2, `${encoded} octets encoded for ${octets} sent`);
});

test('a receiver that joins late gets the table as well packed', () => {
  const load = new EngineLoad('ipv4', 1, 2, { late: 1 });
  load.receive(0, 2, stream);
  load.settle();
  load.restartCounts();
  load.open(1);
  load.settle();
  assert.ok(
    load.counts.updates < groups * 1.1,
    `${load.counts.updates} UPDATEs for ${groups} attribute sets`,
  );
});

test('a small change is one message and one order for each receiver', () => {
  const receivers = 3;
  const load = new EngineLoad('ipv4', 1, receivers);
  load.receive(0, receivers, stream);
  load.settle();
  load.restartCounts();
  const told = new Map<number, number>();
  load.onSend = (connection, bytes) => void told.set(connection, bytes.length);
  load.receive(0, receivers, encodeWithdrawals(routes, [1, 5, 900, 30_000]));
  load.settle();
  assert.deepEqual(load.counts.updates, receivers);
  assert.deepEqual(load.counts.orders, receivers);
  assert.deepEqual([...told.keys()].sort(), [0, 1, 2].map(connectionOf).sort());
});

test('the kernel gets each route once, in large orders', () => {
  const load = new EngineLoad('ipv4', 1, 1, { kernel: true });
  load.receive(0, 1, stream);
  load.settle();
  assert.equal(load.counts.kernelRoutes, PREFIXES);
  assert.equal(load.counts.kernelNexthops, 1, 'one object for the one next hop');
  const { kernelOrders } = load.counts;
  assert.ok(PREFIXES / kernelOrders > 200, `${kernelOrders} orders for ${PREFIXES} routes`);
});

test('a route to the kernel is 52 octets', () => {
  const batch = new RouteBatch('ipv4');
  const prefixes = new PrefixStore('ipv4');
  const shape = {
    family: 'ipv4',
    table: 254,
    protocol: 12,
    metric: 32,
    dest: 'unicast',
    scope: 0,
    nexthopId: 1_000_001,
    nexthops: [{ ifindex: 2, gateway: '10.99.1.1' }],
  } as const;
  for (let i = 0; i < 1024; i++) batch.add('add', prefixes, prefixes.intern4(i << 8, 24), shape);
  const writer = new MessageWriter();
  encodeRoutes(writer, batch, 0, batch.count, 1);
  assert.equal(writer.size, 1024 * 52);
  assert.equal(batch.shapes.length, 1);
});

test('a lost next hop is one message to the kernel, and routes behind it none', () => {
  const load = new EngineLoad('ipv4', 1, 1, { kernel: true });
  load.receive(0, 1, stream);
  load.settle();
  load.restartCounts();
  load.fallSilent();
  load.settle();
  assert.equal(load.router.tables[0]?.rib.netCount, 0);
  assert.equal(load.counts.kernelNexthops, 1);
  assert.ok(load.counts.kernelRoutes <= 64, `${load.counts.kernelRoutes} routes one by one`);
});

test('a warm engine allocates at most 20 octets of objects per route, kept or not', () => {
  const allocated = (): number => getHeapStatistics().total_allocated_bytes!;
  let least = Infinity;
  // The compiler moves what it can to the stack, in its own time.
  for (let round = 0; round < 4; round++) {
    const load = new EngineLoad('ipv4', 1, 1);
    const before = allocated();
    load.receive(0, 1, stream);
    load.settle();
    least = Math.min(least, (allocated() - before) / PREFIXES);
  }
  assert.ok(least < 20, `${least.toFixed(1)} octets allocated per route`);
});

test('a policy is evaluated where a term may concern attributes and prefixes, not for routes', () => {
  const policy = createPolicy(routes);
  const pairs = new Set<string>();
  for (let i = 0; i < PREFIXES; i++) pairs.add(`${routes.group[i]} ${policy.classOf(i)}`);
  for (const on of ['import', 'export'] as const) {
    const load = new EngineLoad('ipv4', 1, 1, { policy: { on, text: policy.text } });
    load.receive(0, 1, stream);
    load.settle();
    const { evaluations } = load.counts;
    assert.ok(evaluations > 0, `the policy was never asked on ${on}`);
    assert.ok(evaluations < pairs.size / 3, `${evaluations} for ${pairs.size} kinds of routes`);
  }
});
