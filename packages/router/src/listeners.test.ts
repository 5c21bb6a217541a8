import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Order } from './io.ts';
import { Listeners } from './listeners.ts';
import type { AcceptedFact, ListenClient } from './listeners.ts';

interface World {
  readonly listeners: Listeners;
  readonly orders: Order[];
  readonly texts: string[];
}

function world(): World {
  const orders: Order[] = [];
  const texts: string[] = [];
  let id = 1;
  const listeners = new Listeners({
    order: (order) => orders.push(order),
    log: (_class, text) => texts.push(text),
    nextId: () => id++,
    nowMs: () => 0,
  });
  return { listeners, orders, texts };
}

function client(name: string, matches: (remote: string) => number, secret?: string) {
  const accepted: string[] = [];
  const failed: string[] = [];
  const value: ListenClient = {
    name,
    accepts: (fact) => matches(fact.remote),
    accepted: (fact) => accepted.push(fact.remote),
    listenFailed: (message) => failed.push(message),
    key: secret === undefined ? undefined : { peer: '192.0.2.7/32', secret },
  };
  return { value, accepted, failed };
}

const call = (listener: number, remote: string): AcceptedFact => ({
  kind: 'tcpAccepted',
  connection: -1,
  listener,
  local: '192.0.2.1',
  localPort: 179,
  remote,
  remotePort: 40_000,
});

const IPV4 = { family: 'ipv4', port: 179 } as const;

test('one socket for all, closed with the last client', () => {
  const { listeners, orders } = world();
  const a = client('a', () => 0);
  const b = client('b', () => 0);
  listeners.acquire(IPV4, a.value);
  listeners.acquire(IPV4, b.value);
  listeners.acquire({ ...IPV4, address: '192.0.2.1' }, b.value);
  assert.deepEqual(
    orders.map((o) => o.kind),
    ['tcpListen', 'tcpListen'],
  );
  listeners.release(a.value);
  assert.equal(listeners.open().length, 2);
  listeners.release(b.value);
  assert.deepEqual(listeners.open(), []);
  assert.equal(orders.filter((o) => o.kind === 'tcpCloseListener').length, 2);
});

test('a neighbor by address comes before a range; a stranger is named and cut off', () => {
  const { listeners, orders, texts } = world();
  const exact = client('exact', (remote) => (remote === '192.0.2.7' ? 2 : 0));
  const range = client('range', (remote) => (remote.startsWith('192.0.2.') ? 1 : 0));
  listeners.acquire(IPV4, range.value);
  listeners.acquire(IPV4, exact.value);
  listeners.accepted(call(1, '192.0.2.7'));
  listeners.accepted(call(1, '192.0.2.8'));
  assert.deepEqual([exact.accepted, range.accepted], [['192.0.2.7'], ['192.0.2.8']]);
  listeners.accepted(call(1, '198.51.100.9'));
  assert.deepEqual(texts, [
    'BGP: Unexpected connect from unknown address 198.51.100.9 (port 40000)',
  ]);
  assert.deepEqual(orders.at(-1), { kind: 'tcpClose', connection: -1, reset: true });
});

test('keys follow their clients', () => {
  const { listeners, orders } = world();
  const plain = client('plain', () => 0);
  const keyed = client('keyed', () => 0, 'sesame');
  listeners.acquire(IPV4, plain.value);
  listeners.acquire(IPV4, keyed.value);
  assert.deepEqual(orders.at(-1), {
    kind: 'setListenerKey',
    listener: 1,
    peer: '192.0.2.7/32',
    key: 'sesame',
  });
  listeners.release(keyed.value);
  assert.deepEqual(orders.at(-1), {
    kind: 'setListenerKey',
    listener: 1,
    peer: '192.0.2.7/32',
  });
});

test('a socket that could not be opened is told to its clients and tried again by the next', () => {
  const { listeners, orders } = world();
  const a = client('a', () => 0);
  listeners.acquire(IPV4, a.value);
  listeners.failed(1, 'Permission denied');
  assert.deepEqual(a.failed, ['Permission denied']);
  assert.deepEqual(listeners.open(), []);
  listeners.acquire(IPV4, client('b', () => 0).value);
  assert.equal(orders.filter((o) => o.kind === 'tcpListen').length, 2);
  assert.equal(listeners.open().length, 1);
});
