import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Allocator } from './allocator.ts';
import { convergeService, handlesClass } from './converge.ts';
import type { Convergence } from './converge.ts';
import type { Service } from './kubernetes.ts';
import { pool, poolsOf, service } from './objects.fixture.ts';
import type { ServiceOptions } from './objects.fixture.ts';

type Json = Record<string, unknown>;

const team = { serviceSelectors: [{ matchLabels: { team: 'metallb' } }] };
const reserved = (priority: number, more: Json): Json => ({
  serviceAllocation: { priority, ...more },
});

const POOLS: Parameters<typeof pool>[] = [
  ['p1', ['1.2.3.0/31']],
  ['p2', ['3.4.5.6/32'], { autoAssign: false }],
  ['p3', ['1000::/127']],
  ['p4', ['2000::1/128'], { autoAssign: false }],
  ['p6', ['7.8.9.0/31'], reserved(10, { namespaces: ['ns1'] })],
  ['p7', ['10.11.12.0/31'], reserved(11, { namespaces: ['ns1'] })],
  ['p8', ['13.14.15.0/31'], reserved(9, team)],
  ['p9', ['16.17.18.0/31'], reserved(0, { namespaces: ['ns2'] })],
  ['p10', ['19.20.21.0/31'], reserved(8, team)],
  ['p11', ['22.23.24.0/31'], reserved(8, { namespaces: ['ns1'], ...team })],
  ['p12', ['25.26.27.0/31'], reserved(5, { namespaces: ['ns1'], ...team })],
];
/** The dual-stack variant of the table: p5 covers what p1 and p3 have in the other. */
const DUAL_POOLS: Parameters<typeof pool>[] = [
  ['p5', ['1.2.3.0/31', '1000::/127']],
  ...POOLS.filter(([name]) => name !== 'p1' && name !== 'p3'),
];

const annotated = (name: string, value: string): Json => ({ [`metallb.io/${name}`]: value });
const dual = (policy: string, more: Json = {}): Json => ({
  clusterIP: '10.0.0.1',
  clusterIPs: ['10.0.0.1', 'fd00::1'],
  ipFamilyPolicy: policy,
  ...more,
});
const six: Json = { clusterIP: 'fd00::1', clusterIPs: ['fd00::1'] };

interface Case {
  readonly name: string;
  readonly input: ServiceOptions;
  readonly expect: readonly string[];
  /** Reason of the Warning event that must come. */
  readonly warning?: string;
  readonly pools?: Parameters<typeof pool>[];
}

const CASES: readonly Case[] = [
  { name: 'plain', input: {}, expect: ['1.2.3.0'] },
  {
    name: 'spec.loadBalancerIP',
    input: { spec: { loadBalancerIP: '1.2.3.1' } },
    expect: ['1.2.3.1'],
  },
  {
    name: 'annotation IP',
    input: { annotations: annotated('loadBalancerIPs', '1.2.3.1') },
    expect: ['1.2.3.1'],
  },
  {
    name: 'both forms',
    input: {
      annotations: annotated('loadBalancerIPs', '1.2.3.1'),
      spec: { loadBalancerIP: '1.2.3.1' },
    },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'unparsable field',
    input: { spec: { loadBalancerIP: 'hat' } },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'unparsable annotation',
    input: { annotations: annotated('loadBalancerIPs', 'hat') },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'annotation IP outside the annotated pool',
    input: {
      annotations: {
        ...annotated('loadBalancerIPs', '1.2.3.1'),
        ...annotated('address-pool', 'p2'),
      },
    },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'two IPv4 addresses by annotation',
    input: { annotations: annotated('loadBalancerIPs', '1.2.3.0, 1.2.3.1') },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'held, and a request for an address of no pool',
    input: { ingress: ['1.2.3.1'], spec: { loadBalancerIP: '1.2.3.4' } },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'held, and a malformed request keeps the address',
    input: { ingress: ['1.2.3.1'], spec: { loadBalancerIP: 'hat' } },
    expect: ['1.2.3.1'],
    warning: 'LoadBalancerFailed',
  },
  {
    name: 'pool annotation',
    input: { annotations: annotated('address-pool', 'p1') },
    expect: ['1.2.3.0'],
  },
  {
    name: 'legacy pool annotation',
    input: { annotations: { 'metallb.universe.tf/address-pool': 'p2' } },
    expect: ['3.4.5.6'],
    warning: 'deprecatedAnnotation',
  },
  {
    name: 'the current prefix wins',
    input: {
      annotations: { 'metallb.universe.tf/address-pool': 'p2', 'metallb.io/address-pool': 'p1' },
    },
    expect: ['1.2.3.0'],
    warning: 'deprecatedAnnotation',
  },
  {
    name: 'held, another pool by annotation',
    input: { ingress: ['1.2.3.0'], annotations: annotated('address-pool', 'p2') },
    expect: ['3.4.5.6'],
  },
  {
    name: 'unknown pool',
    input: { annotations: annotated('address-pool', 'nope') },
    expect: [],
    warning: 'AllocationFailed',
  },
  { name: 'held, in no pool', input: { ingress: ['2.3.4.5'] }, expect: ['1.2.3.0'] },
  {
    name: 'hostname and a foreign address',
    input: { ingress: [{ hostname: 'foo.bar.local' }, '10.0.0.0'] },
    expect: ['1.2.3.0'],
  },
  {
    name: 'NodePort still holding',
    input: { ingress: ['1.2.3.0'], spec: { type: 'NodePort' } },
    expect: [],
  },
  {
    name: 'a pool without autoAssign, by address',
    input: { spec: { loadBalancerIP: '3.4.5.6' } },
    expect: ['3.4.5.6'],
  },
  {
    name: 'the same with Local',
    input: { spec: { loadBalancerIP: '3.4.5.6', externalTrafficPolicy: 'Local' } },
    expect: ['3.4.5.6'],
  },
  { name: 'no clusterIP', input: { spec: { clusterIP: '' } }, expect: [] },
  {
    name: 'clusterIP v6, IPv4 asked by field',
    input: { spec: { ...six, loadBalancerIP: '1.2.3.1' } },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'clusterIP v6, IPv4 asked by annotation',
    input: { spec: six, annotations: annotated('loadBalancerIPs', '1.2.3.1') },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'clusterIP v4, IPv6 asked',
    input: { spec: { loadBalancerIP: '1000::' } },
    expect: [],
    warning: 'AllocationFailed',
  },
  { name: 'clusterIP v4 holding IPv6', input: { ingress: ['1000::'] }, expect: ['1.2.3.0'] },
  {
    name: 'clusterIP v6 holding IPv4',
    input: { spec: six, ingress: ['1.2.3.0'] },
    expect: ['1000::'],
  },
  {
    name: 'clusterIP None',
    input: { spec: { clusterIP: 'None' } },
    expect: [],
    warning: 'AllocationFailed',
  },
  {
    name: 'RequireDualStack',
    input: { spec: dual('RequireDualStack') },
    expect: ['1.2.3.0', '1000::'],
    pools: DUAL_POOLS,
  },
  {
    name: 'RequireDualStack from a pool',
    input: { spec: dual('RequireDualStack'), annotations: annotated('address-pool', 'p5') },
    expect: ['1.2.3.0', '1000::'],
    pools: DUAL_POOLS,
  },
  {
    name: 'PreferDualStack',
    input: { spec: dual('PreferDualStack') },
    expect: ['1.2.3.0', '1000::'],
    pools: DUAL_POOLS,
  },
  {
    name: 'PreferDualStack, one clusterIP, ns1',
    input: {
      namespace: 'ns1',
      spec: { clusterIPs: ['10.0.0.1'], ipFamilyPolicy: 'PreferDualStack' },
    },
    expect: ['7.8.9.0'],
    pools: DUAL_POOLS,
  },
  {
    name: 'PreferDualStack from an IPv4 pool',
    input: { spec: dual('PreferDualStack'), annotations: annotated('address-pool', 'p1') },
    expect: ['1.2.3.0'],
  },
  {
    name: 'PreferDualStack with one v6 clusterIP from p3',
    input: {
      spec: { ...six, ipFamilyPolicy: 'PreferDualStack' },
      annotations: annotated('address-pool', 'p3'),
    },
    expect: ['1000::'],
  },
  {
    name: 'PreferDualStack with one v4 clusterIP from the dual pool',
    input: {
      spec: { ipFamilyPolicy: 'PreferDualStack' },
      annotations: annotated('address-pool', 'p5'),
    },
    expect: ['1.2.3.0'],
    pools: DUAL_POOLS,
  },
  {
    name: 'RequireDualStack with one clusterIP',
    input: {
      spec: { ipFamilyPolicy: 'RequireDualStack' },
      annotations: annotated('address-pool', 'p5'),
    },
    expect: [],
    warning: 'not enough clusterips',
    pools: DUAL_POOLS,
  },
  {
    name: 'dual clusterIPs and one requested address',
    input: { spec: dual('RequireDualStack', { loadBalancerIP: '1.2.3.0' }) },
    expect: [],
    warning: 'AllocationFailed',
    pools: DUAL_POOLS,
  },
  {
    name: 'dual clusterIPs and one annotated address',
    input: { spec: dual('PreferDualStack'), annotations: annotated('loadBalancerIPs', '1.2.3.0') },
    expect: [],
    warning: 'AllocationFailed',
    pools: DUAL_POOLS,
  },
  {
    name: 'dual with both by annotation',
    input: {
      spec: dual('RequireDualStack'),
      annotations: annotated('loadBalancerIPs', '1.2.3.0,1000::'),
    },
    expect: ['1.2.3.0', '1000::'],
    pools: DUAL_POOLS,
  },
  {
    name: 'dual, v6 first, broken ingress',
    input: {
      spec: dual('RequireDualStack', { clusterIPs: ['fd00::1', '10.0.0.1'] }),
      ingress: [{ hostname: 'x' }],
    },
    expect: ['1.2.3.0', '1000::'],
    pools: DUAL_POOLS,
  },
  {
    name: 'single-stack with two annotated addresses',
    input: { annotations: annotated('loadBalancerIPs', '1.2.3.0,1000::') },
    expect: [],
    warning: 'AllocationFailed',
    pools: DUAL_POOLS,
  },
  { name: 'namespace with two pools', input: { namespace: 'ns1' }, expect: ['7.8.9.0'] },
  {
    name: 'namespace with an unprioritised pool',
    input: { namespace: 'ns2' },
    expect: ['16.17.18.0'],
  },
  { name: 'label', input: { labels: { team: 'metallb' } }, expect: ['19.20.21.0'] },
  {
    name: 'namespace and label',
    input: { namespace: 'ns1', labels: { team: 'metallb' } },
    expect: ['25.26.27.0'],
  },
  {
    name: 'three held addresses',
    input: { ingress: ['1.2.3.0', '1.2.3.1', '1.2.3.2'] },
    expect: ['1.2.3.0'],
    warning: 'nolbIPsIPFamily',
  },
];

for (const row of CASES) {
  test(`convergence: ${row.name}`, () => {
    const { result } = converge(service(row.input), row.pools ?? POOLS);
    assert.deepEqual(result.ingress, row.expect);
    const warnings = result.events.filter((event) => event.type === 'Warning');
    assert.deepEqual(
      warnings.map((event) => event.reason),
      row.warning === undefined ? [] : [row.warning],
    );
  });
}

test('events carry the messages that people know', () => {
  const given = converge(service(), POOLS).result;
  assert.deepEqual(given.events, [
    { type: 'Normal', reason: 'IPAllocated', message: 'Assigned IP ["1.2.3.0"]' },
  ]);
  assert.equal(given.allocatedFrom, 'p1');
  const denied = converge(
    service({ annotations: annotated('address-pool', 'nope') }),
    POOLS,
  ).result;
  assert.equal(
    denied.events[0]?.message,
    'Failed to allocate IP for "default/web": unknown pool "nope"',
  );
});

test('the post: bgp-pool skips .0, the annotation moves the service and back', () => {
  const allocator = new Allocator();
  allocator.setPools(
    poolsOf([
      pool('bgp-pool', ['192.168.2.0/24'], { avoidBuggyIPs: true }),
      pool('other', ['192.168.3.10-192.168.3.20'], { autoAssign: false }),
    ]),
  );
  const step = (annotations: Json, ingress: readonly string[]): Convergence =>
    convergeService(service({ annotations, ingress }), allocator, 2);
  assert.deepEqual(step({}, []).ingress, ['192.168.2.1']);
  const moved = step(annotated('address-pool', 'other'), ['192.168.2.1']);
  assert.deepEqual(moved.ingress, ['192.168.3.10']);
  assert.equal(moved.allocatedFrom, 'other');
  assert.ok(moved.reprocessAll, 'the old address is free for others');
  const back = step(annotated('address-pool', 'bgp-pool'), ['192.168.3.10']);
  assert.deepEqual(back.ingress, ['192.168.2.1']);
});

test('a settled service stays as it is, without events', () => {
  const allocator = new Allocator();
  allocator.setPools(poolsOf([pool('p', ['1.2.3.0/31'])]));
  const settled = service({
    ingress: ['1.2.3.1'],
    annotations: annotated('ip-allocated-from-pool', 'p'),
  });
  for (let pass = 0; pass < 3; pass++) {
    const result = convergeService(settled, allocator, 1);
    assert.equal(result.changed, false);
    assert.deepEqual(result.events, []);
    assert.equal(result.reprocessAll, false);
  }
});

test('PreferDualStack gets its second family when the pool gains it, and keeps it', () => {
  const allocator = new Allocator();
  const spec = dual('PreferDualStack');
  allocator.setPools(poolsOf([pool('p', ['1.2.3.0/31'])]));
  assert.deepEqual(convergeService(service({ spec }), allocator, 1).ingress, ['1.2.3.0']);
  allocator.setPools(poolsOf([pool('p', ['1.2.3.0/31', '1000::/127'])]));
  const grown = convergeService(service({ spec, ingress: ['1.2.3.0'] }), allocator, 1);
  assert.deepEqual(grown.ingress, ['1.2.3.0', '1000::']);
  assert.equal(grown.events[0]?.message, 'Assigned additional IP "1000::"');
  const again = convergeService(service({ spec, ingress: ['1.2.3.0', '1000::'] }), allocator, 1);
  assert.deepEqual(again.ingress, ['1.2.3.0', '1000::']);
});

test('PreferDualStack on a single-stack cluster does not flip-flop', () => {
  const allocator = new Allocator();
  allocator.setPools(poolsOf([pool('p', ['1.2.3.0/31', '1000::/127'])]));
  const prefer = { clusterIPs: ['10.0.0.1'], ipFamilyPolicy: 'PreferDualStack' };
  for (let pass = 0; pass < 3; pass++) {
    const result = convergeService(service({ spec: prefer, ingress: ['1.2.3.0'] }), allocator, 1);
    assert.deepEqual(result.ingress, ['1.2.3.0']);
  }
});

test('pools that go away: the service is cleared; when they come back it gets an address', () => {
  const allocator = new Allocator();
  allocator.setPools(poolsOf([pool('p', ['1.2.3.0/32'])]));
  assert.deepEqual(convergeService(service(), allocator, 1).ingress, ['1.2.3.0']);
  assert.deepEqual(allocator.setPools(new Map()), ['default/web']);
  const cleared = convergeService(service({ ingress: ['1.2.3.0'] }), allocator, 0);
  assert.deepEqual([cleared.ingress, cleared.state, cleared.changed], [[], 'noPools', true]);
});

test('a freed address goes to the service that waits', () => {
  const allocator = new Allocator();
  allocator.setPools(poolsOf([pool('p', ['1.2.3.0/32'])]));
  convergeService(service({ name: 'a' }), allocator, 1);
  const waiting = service({ name: 'b' });
  assert.equal(convergeService(waiting, allocator, 1).state, 'noAddress');
  const gone = convergeService(service({ name: 'a', spec: { type: 'ClusterIP' } }), allocator, 1);
  assert.ok(gone.reprocessAll);
  assert.deepEqual(convergeService(waiting, allocator, 1).ingress, ['1.2.3.0']);
});

test('loadBalancerClass against --lb-class', () => {
  const plain = service();
  const classed = service({ spec: { loadBalancerClass: 'x' } });
  assert.deepEqual(
    [
      handlesClass(plain, ''),
      handlesClass(classed, ''),
      handlesClass(plain, 'x'),
      handlesClass(classed, 'x'),
      handlesClass(classed, 'y'),
    ],
    [true, false, false, true, false],
  );
});

function converge(
  subject: Service,
  pools: Parameters<typeof pool>[],
): { readonly result: Convergence; readonly allocator: Allocator } {
  const allocator = new Allocator();
  allocator.setPools(poolsOf(pools.map((args) => pool(...args))));
  return { result: convergeService(subject, allocator, pools.length), allocator };
}
