import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KernelRoute } from '@rookery/router';
import { KernelWatch } from './kernel-watch.ts';

const route = (net: string, more: Partial<KernelRoute> = {}): KernelRoute => ({
  family: 'ipv4',
  table: 254,
  net,
  protocol: 2,
  metric: 0,
  dest: 'unicast',
  nexthops: [{ ifindex: 3, interface: 'enp1s0' }],
  ...more,
});

test('keeps the main table by scans and changes, with the time of first sight', () => {
  const watch = new KernelWatch();
  assert.deepEqual(
    watch.scan().map((order) => order.kind),
    ['scanKernel', 'scanKernel'],
  );
  const scanned = (nowMs: number, ...routes: KernelRoute[]): boolean =>
    watch.observe({ kind: 'kernelScanned', table: 254, family: 'ipv4', routes }, nowMs);
  scanned(10, route('192.168.1.0/24'), route('0.0.0.0/0'));
  scanned(20, route('192.168.1.0/24'), route('10.0.0.0/8'));
  const seen = (): unknown => watch.routes('ipv4').map((view) => [view.route.net, view.sinceMs]);
  assert.deepEqual(seen(), [
    ['192.168.1.0/24', 10],
    ['10.0.0.0/8', 20],
  ]);
  watch.observe({ kind: 'kernelRouteChanged', change: 'removed', route: route('10.0.0.0/8') }, 30);
  watch.observe(
    { kind: 'kernelRouteChanged', change: 'new', route: route('10.9.0.0/16', { table: 100 }) },
    30,
  );
  assert.deepEqual(seen(), [['192.168.1.0/24', 10]]);
  assert.equal(watch.observe({ kind: 'kernelOverrun' }, 40), true, 'asks for a scan');
});
