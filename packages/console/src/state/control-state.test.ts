import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, viewOf } from '../fixtures/fixture-view.ts';
import { bfdNode } from '../fixtures/post-node.ts';
import { bfdStage } from '../fixtures/post-router.ts';
import { controlState } from './control-state.ts';

test('a router: sessions, paths with reasons, kernel, interfaces', () => {
  const state = controlState(viewOf(bfdStage));
  assert.equal(state.role, 'router');
  assert.equal(state.atMs, at('07:59:37.547'));
  assert.equal(state.sessions.length, 3);
  const first = state.sessions[0]!;
  assert.equal(first.neighbor, '192.168.1.32');
  assert.equal(first.state, 'Established');
  assert.equal(first.receivedPrefixes, 1);
  assert.equal(first.neighborHostname, 'node1.lan');
  const [network] = state.networks;
  assert.equal(network!.net, '192.168.2.1/32');
  assert.deepEqual(
    network!.routes.map((r) => [r.best, r.reason, r.gateways, r.asPath]),
    [
      [true, 'router id', ['192.168.1.32'], '64497'],
      [false, 'neighbor address', ['192.168.1.33'], '64497'],
      [false, 'neighbor address', ['192.168.1.34'], '64497'],
    ],
  );
  assert.equal(state.networksOmitted, 0);
  assert.equal(state.bfd[0]!.detectTimeMs, 900);
  assert.ok(state.interfaces.some((i) => i.addresses.includes('192.168.1.1/24')));
});

test('a speaker: times are Unix milliseconds whatever the engine clock', () => {
  const shifted = {
    ...bfdNode,
    status: { ...bfdNode.status, wallOffsetMs: 1000 },
  };
  const state = controlState(viewOf(shifted));
  assert.equal(state.role, 'speaker');
  assert.equal(state.atMs, at('07:59:22'));
  assert.equal(state.sessions[0]!.lastReset!.atMs, at('07:59:13.9'));
  assert.deepEqual(state.sessions[0]!.lastReset!.reason, { kind: 'bfd down' });
  assert.equal(state.sessions[0]!.bfd, 'Up');
  assert.deepEqual(
    state.kernel.map((k) => [k.net, k.gateways]),
    [
      ['0.0.0.0/0', ['192.168.1.1']],
      ['192.168.1.0/24', []],
    ],
  );
});

test('the document survives JSON', () => {
  const state = controlState(viewOf(bfdStage));
  assert.deepEqual(JSON.parse(JSON.stringify(state)), state);
});

test('a full table is cut and says so', () => {
  const routes = Array.from({ length: 7000 }, (_, i) => ({
    ...bfdStage.routes[0]!,
    net: `10.${i >> 8}.${i & 255}.0/24`,
  }));
  const tables = bfdStage.tables.map((t) => (t.name === 'master4' ? { ...t, networks: 7000 } : t));
  const state = controlState(viewOf({ ...bfdStage, routes, tables }));
  assert.ok(state.networks.length < 5500);
  assert.equal(state.networks.length + state.networksOmitted, 7000);
});
