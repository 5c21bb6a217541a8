import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Order } from './io.ts';
import { Listeners } from './listeners.ts';

test('a listening socket answers with the full TTL, so that peers with GTSM hear it', () => {
  const orders: Order[] = [];
  let id = 0;
  const listeners = new Listeners({
    order: (order) => orders.push(order),
    log: () => {},
    nextId: () => ++id,
    nowMs: () => 0,
  });
  const client = { name: 'n1', accepts: () => 0, accepted: () => {}, listenFailed: () => {} };
  listeners.acquire({ family: 'ipv4', port: 179 }, client);
  const [order] = orders;
  assert.equal(order?.kind, 'tcpListen');
  assert.equal(order.options.ttl, 255);
});
