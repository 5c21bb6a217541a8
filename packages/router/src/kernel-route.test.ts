import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteAttributes } from '@rookery/rib';
import type { KernelRoute, KernelRouteShape } from './io.ts';
import { isOfNoInterest, kernelShapeFor, sameInKernel, sortNexthops } from './kernel-route.ts';

const MAIN = { table: 254, metric: 32 };

function attributes(change: Partial<RouteAttributes> = {}): RouteAttributes {
  return {
    source: 'bgp',
    scope: 'universe',
    dest: 'unicast',
    nexthops: [{ gateway: '192.168.1.32', interface: 'br-lan', ifindex: 12 }],
    preference: 100,
    ...change,
  };
}

const inKernel = (change: Partial<RouteAttributes> = {}, target = MAIN): KernelRouteShape =>
  kernelShapeFor('ipv4', attributes(change), target);

test('metric, scope and protocol of what we install', () => {
  assert.equal(inKernel().protocol, 12);
  assert.equal(inKernel().metric, 32);
  assert.equal(inKernel().scope, 0);
  assert.equal(inKernel({ nexthops: [{ interface: 'wan', ifindex: 7 }] }).scope, 253);
  assert.equal(inKernel({ dest: 'blackhole', nexthops: [] }).scope, 0);
  const own = { table: 100, metric: 0 };
  assert.equal(inKernel({ kernel: { metric: 77 } }, own).metric, 77);
  assert.equal(inKernel({}, own).metric, 0);
  assert.equal(kernelShapeFor('ipv6', attributes(), own).metric, 1024);
});

test('what the kernel has is compared by what packets see', () => {
  const wanted = inKernel();
  const cases: readonly [Partial<KernelRouteShape>, boolean][] = [
    [{}, true],
    [{ nexthops: [{ gateway: '192.168.1.33', ifindex: 12 }] }, false],
    [{ nexthops: [{ gateway: '192.168.1.32', ifindex: 7 }] }, false],
    [{ nexthops: [{ gateway: '192.168.1.32', ifindex: 12, weight: 5 }] }, true],
    [{ dest: 'blackhole', nexthops: [] }, false],
    [{ prefsrc: '192.168.1.1' }, true],
    [{ realm: 4 }, false],
  ];
  for (const [change, same] of cases) {
    assert.equal(sameInKernel(wanted, { ...wanted, ...change }), same, JSON.stringify(change));
  }
  assert.ok(!sameInKernel({ ...wanted, prefsrc: '192.168.1.1' }, wanted));
  const weighed = (weights: readonly number[]): KernelRouteShape => ({
    ...wanted,
    nexthops: weights.map((weight, i) => ({ gateway: `10.0.0.${i}`, ifindex: 12, weight })),
  });
  assert.ok(!sameInKernel(weighed([1, 2]), weighed([2, 2])));
  const { nexthops } = weighed([1, 2]);
  assert.ok(sameInKernel(weighed([1, 2]), { ...wanted, nexthops: nexthops.toReversed() }));
});

test('next hops are ordered by number, not by text', () => {
  const hop = (gateway: string) => ({ gateway, interface: 'br-lan', ifindex: 12 });
  assert.deepEqual(
    sortNexthops(['192.168.1.100', '192.168.1.9', '192.168.1.32'].map(hop)).map((n) => n.gateway),
    ['192.168.1.9', '192.168.1.32', '192.168.1.100'],
  );
});

test('routes that are nobody’s business', () => {
  const at = (net: string, change: Partial<KernelRoute> = {}): KernelRoute => ({
    ...inKernel(),
    family: net.includes(':') ? 'ipv6' : 'ipv4',
    net,
    ...change,
  });
  for (const net of ['fe80::/64', 'ff00::/8', '::1/128', '224.0.0.0/4', '127.0.0.0/8']) {
    assert.ok(isOfNoInterest(at(net)), net);
  }
  assert.ok(isOfNoInterest(at('10.0.0.0/8', { tos: 16 })));
  for (const net of ['fd5c::/64', '::/0', '0.0.0.0/0', '192.168.1.0/24']) {
    assert.ok(!isOfNoInterest(at(net)), net);
  }
});
