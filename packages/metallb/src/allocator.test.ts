import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Allocator, renderRefusal } from './allocator.ts';
import type { Claim, FamilyWish } from './allocator.ts';
import { pool, poolsOf } from './objects.fixture.ts';
import { MAX_INT64 } from './pool-usage.ts';

const V4: FamilyWish = { kind: 'one', family: 'ipv4' };
const V6: FamilyWish = { kind: 'one', family: 'ipv6' };

function claim(key: string, more: Partial<Claim> = {}): Claim {
  return { key, namespace: 'ns', labels: {}, ports: [], sharingKey: '', backendKey: '', ...more };
}

function allocatorWith(...pools: Parameters<typeof pool>[]): Allocator {
  const allocator = new Allocator();
  allocator.setPools(poolsOf(pools.map((args) => pool(...args))));
  return allocator;
}

const SEQUENCE_POOLS: Parameters<typeof pool>[] = [
  ['test', ['1.2.3.4/31', '1000::4/127']],
  ['test2', ['1.2.4.0/24', '1000::4:0/120'], { avoidBuggyIPs: true }],
  ['test3', ['1.2.5.0/24', '1000::5:0/120'], { serviceAllocation: { namespaces: ['test-ns1'] } }],
  [
    'test4',
    ['1.2.6.0/24', '1000::6:0/120'],
    { serviceAllocation: { serviceSelectors: [{ matchLabels: { team: 'metallb' } }] } },
  ],
  [
    'test5',
    ['1.2.7.0/24', '1000::7:0/120'],
    {
      serviceAllocation: {
        priority: 20,
        namespaces: ['test-ns1'],
        serviceSelectors: [{ matchLabels: { team: 'metallb' } }],
      },
    },
  ],
  [
    'test6',
    ['1.2.8.0/24', '1000::8:0/120'],
    {
      serviceAllocation: {
        namespaces: ['test-ns2'],
        serviceSelectors: [{ matchLabels: { foo: 'bar' } }],
      },
    },
  ],
];

/** The scripted sequence; `at` turns the last octet of pool `net` into an address. */
function runSequence(at: (net: 3 | 4, host: number) => string): void {
  const allocator = allocatorWith(...SEQUENCE_POOLS);
  const yes = (c: Claim, ip: string): void => {
    const result = allocator.assign(c, [ip]);
    assert.ok(result.ok, `${c.key} <- ${ip}`);
    assert.deepEqual(allocator.allocationOf(c.key)?.ips, [ip]);
  };
  const no = (c: Claim, ip: string): void => {
    const before = allocator.allocationOf(c.key);
    assert.ok(!allocator.assign(c, [ip]).ok, `${c.key} <- ${ip} must be refused`);
    assert.equal(allocator.allocationOf(c.key), before, 'a refusal changes nothing');
  };
  yes(claim('s1'), at(3, 4));
  yes(claim('s1'), at(3, 4));
  no(claim('s2'), at(3, 4));
  yes(claim('s2'), at(3, 5));
  no(claim('s1'), at(3, 5));
  allocator.release('s1');
  yes(claim('s2'), at(3, 4));
  yes(claim('s1'), at(3, 5));
  yes(claim('s3'), at(4, 254));
  const shared = { sharingKey: 'share', backendKey: 'B' };
  yes(claim('s4', { ports: ['TCP/80'], sharingKey: 'sharing', backendKey: 'B' }), at(4, 3));
  yes(claim('s4', { ports: ['TCP/80'], ...shared }), at(4, 3));
  no(claim('s3', { ports: ['TCP/80'], ...shared }), at(4, 3));
  no(claim('s3', { ports: ['TCP/443'], ...shared, sharingKey: 'othershare' }), at(4, 3));
  no(claim('s3', { ports: ['TCP/443'], ...shared, backendKey: 'other' }), at(4, 3));
  yes(claim('s3', { ports: ['TCP/443'], ...shared }), at(4, 3));
  yes(claim('s3', { ports: ['TCP/8443'], ...shared }), at(4, 3));
  no(claim('s3', { ports: ['TCP/8443'], ...shared, sharingKey: 'x' }), at(4, 3));
  no(claim('s3', { ports: ['TCP/8443'], ...shared, backendKey: 'x' }), at(4, 3));
  yes(claim('s4', { ports: ['TCP/80'] }), at(4, 254));
}

test('assign sequence, IPv4', () => {
  runSequence((net, host) => `1.2.${net}.${host}`);
});

test('assign sequence, IPv6', () => {
  runSequence((net, host) => (net === 3 ? `1000::${host}` : `1000::4:${host.toString(16)}`));
});

test('buggy addresses, pairs and pool reservations', () => {
  const allocator = allocatorWith(...SEQUENCE_POOLS);
  const ok = (c: Claim, ...ips: string[]): boolean => allocator.assign(c, ips).ok;
  assert.equal(ok(claim('a'), '1.2.4.0'), false);
  assert.equal(ok(claim('a'), '1.2.4.255'), false);
  assert.equal(ok(claim('a'), '1.2.3.4', '1000::4'), true);
  assert.equal(ok(claim('a'), '1.2.4.5', '1000::4'), false, 'two pools');
  const ns1 = { namespace: 'test-ns1' };
  const team = { labels: { team: 'metallb' } };
  assert.equal(ok(claim('b', ns1), '1.2.5.10'), true);
  assert.equal(ok(claim('c'), '1.2.5.11'), false);
  assert.equal(ok(claim('d', team), '1.2.6.10'), true);
  assert.equal(ok(claim('e', { labels: { team: 'red' } }), '1.2.6.11'), false);
  assert.equal(ok(claim('f', { ...ns1, ...team }), '1.2.7.10'), true);
  assert.equal(ok(claim('g', { namespace: 'test-ns2', ...team }), '1.2.8.10'), false);
  assert.equal(ok(claim('h', { labels: { foo: 'bar' } }), '1.2.8.10'), false);
});

test('allocation from one pool: every address once, sharing when full', () => {
  for (const [blocks, wish] of [
    [['1.2.3.4/31', '1.2.3.10/31'], V4],
    [['1000::/127', '2000::/127'], V6],
    [['1.2.3.4/31', '1.2.3.10/31', '1000::/127', '2000::/127'], { kind: 'both' }],
  ] as const) {
    const allocator = allocatorWith(['test', [...blocks]]);
    const seen = new Set<string>();
    for (const key of ['s1', 's2', 's3', 's4']) {
      const result = allocator.allocateFromPool(claim(key), wish, 'test');
      assert.ok(result.ok);
      seen.add(result.value.ips.join());
    }
    assert.equal(seen.size, 4);
    for (const key of ['s5', 's6']) {
      const refused = allocator.allocateFromPool(claim(key), wish, 'test');
      assert.ok(!refused.ok);
      assert.equal(renderRefusal(refused.error), 'no available IPs in pool "test"');
    }
    allocator.release('s1');
    assert.ok(allocator.allocateFromPool(claim('s5'), wish, 'test').ok);
    assert.ok(!allocator.allocateFromPool(claim('s6'), wish, 'test').ok);
    const share = { sharingKey: 'share' };
    assert.ok(
      allocator.allocateFromPool(claim('s5', { ...share, ports: ['TCP/80'] }), wish, 'test').ok,
    );
    const joined = allocator.allocateFromPool(
      claim('s6', { ...share, ports: ['TCP/443'] }),
      wish,
      'test',
    );
    assert.ok(joined.ok);
    assert.deepEqual(joined.value.ips, allocator.allocationOf('s5')?.ips);
  }
});

test('family of an existing allocation, unknown pool', () => {
  const allocator = allocatorWith(['test', ['1.2.3.4/31', '1000::/127']]);
  assert.ok(allocator.allocateFromPool(claim('s1'), V4, 'test').ok);
  const wrong = allocator.allocateFromPool(claim('s1'), V6, 'test');
  assert.ok(!wrong.ok && wrong.error.kind === 'wrongFamily');
  const unknown = allocator.allocateFromPool(claim('s2'), V4, 'nope');
  assert.ok(!unknown.ok && renderRefusal(unknown.error) === 'unknown pool "nope"');
});

test('PreferDualStack takes what the pool can give', () => {
  const prefer: FamilyWish = { kind: 'prefer', primary: 'ipv4' };
  const allocator = allocatorWith(
    ['dual', ['1.2.3.4/31', '1000::4/127']],
    ['four', ['1.2.4.4/31']],
    ['six', ['2000::4/127']],
  );
  const count = (key: string, name: string): number => {
    const result = allocator.allocateFromPool(claim(key), prefer, name);
    return result.ok ? result.value.ips.length : 0;
  };
  assert.equal(count('a', 'dual'), 2);
  assert.equal(count('b', 'four'), 1);
  assert.equal(count('c', 'six'), 1);
  allocator.release('b');
  assert.equal(count('b', 'dual'), 2);
});

test('automatic allocation uses every autoAssign pool and no other', () => {
  const allocator = allocatorWith(
    ['test1', ['1.2.3.4/31', '1000::4/127'], { autoAssign: false }],
    ['test2', ['1.2.3.10/31', '1000::10/127']],
  );
  for (const wish of [V4, V6, { kind: 'both' } as const]) {
    for (const key of ['s1', 's2']) {
      const result = allocator.allocate(claim(key), wish);
      assert.ok(result.ok && result.value.pool === 'test2');
    }
    const third = allocator.allocate(claim('s3'), wish);
    assert.ok(!third.ok && renderRefusal(third.error) === 'no available IPs');
    for (const key of ['s1', 's2']) allocator.release(key);
  }
});

test('avoidBuggyIPs leaves .0 and .255 of its own pool only', () => {
  const allocator = allocatorWith(
    ['normal', ['1.2.3.0/31', '1.2.3.254/31']],
    ['picky', ['1.2.4.0/31', '1.2.4.254/31'], { avoidBuggyIPs: true }],
  );
  const given = new Set<string>();
  for (let i = 0; i < 6; i++) {
    const result = allocator.allocate(claim(`s${i}`), V4);
    assert.ok(result.ok);
    given.add(result.value.ips[0]!);
  }
  const all = ['1.2.3.0', '1.2.3.1', '1.2.3.254', '1.2.3.255', '1.2.4.1', '1.2.4.254'];
  assert.deepEqual([...given].toSorted(), all);
  assert.ok(!allocator.allocate(claim('s7'), V4).ok);
});

test('configuration reload keeps, moves or frees what is held', () => {
  const cases: [Parameters<typeof pool>[], string | undefined, string | undefined][] = [
    [[['test', ['1.2.3.0/30', '1000::/126']]], 'test', 'test'],
    [[['test', ['1.2.3.0/24', '1000::/120']]], 'test', 'test'],
    [[['test', ['1.2.3.2/31', '1000::/126']]], undefined, 'test'],
    [[['test', ['1.2.3.0/30', '1000::2/127']]], 'test', undefined],
    [[['test2', ['1.2.3.0/30', '1000::/126']]], 'test2', 'test2'],
    [
      [
        ['test', ['1.2.3.0/31', '1000::2/127']],
        ['test2', ['1.2.3.2/31', '1000::/127']],
      ],
      'test',
      'test2',
    ],
    [[['test2', ['1.2.3.0/31', '1000::/127'], { avoidBuggyIPs: true }]], undefined, 'test2'],
  ];
  for (const [pools, first, second] of cases) {
    const allocator = allocatorWith(['test', ['1.2.3.0/30', '1000::/126']]);
    assert.ok(allocator.assign(claim('s1'), ['1.2.3.0']).ok);
    assert.ok(allocator.assign(claim('s2'), ['1000::']).ok);
    const released = allocator.setPools(poolsOf(pools.map((args) => pool(...args))));
    assert.equal(allocator.allocationOf('s1')?.pool, first);
    assert.equal(allocator.allocationOf('s2')?.pool, second);
    assert.deepEqual(released, [
      ...(first === undefined ? ['s1'] : []),
      ...(second === undefined ? ['s2'] : []),
    ]);
  }
});

test('counts', () => {
  const cases: [string[], boolean, bigint, bigint, bigint][] = [
    [['1.2.3.0/24'], false, 256n, 256n, 0n],
    [['1.2.3.0/24', '2.3.4.128/25'], false, 384n, 384n, 0n],
    [['1.2.3.0/24', '2.3.4.128/25'], true, 381n, 381n, 0n],
    [['1.2.3.0/24', '2.3.4.128/25', '1000::/64'], true, MAX_INT64, 381n, MAX_INT64],
    [['1.2.3.0/31', '1000::/127'], true, 3n, 1n, 2n],
  ];
  for (const [addresses, avoidBuggyIPs, total, v4, v6] of cases) {
    const { capacity } = allocatorWith(['p', addresses, { avoidBuggyIPs }]).usage().get('p')!;
    assert.deepEqual(capacity, { total, ipv4: v4, ipv6: v6 });
  }
});

test('usage counts an address once, however many share it', () => {
  const allocator = allocatorWith(['p', ['1.2.3.4/30', '1000::4/126']]);
  const inUse = (): bigint => allocator.usage().get('p')!.inUse.total;
  for (const [key, port] of [
    ['a', 'TCP/1'],
    ['b', 'TCP/2'],
    ['c', 'TCP/3'],
  ] as const) {
    assert.ok(allocator.assign(claim(key, { ports: [port], sharingKey: 'k' }), ['1.2.3.4']).ok);
    assert.equal(inUse(), 1n);
  }
  assert.ok(allocator.assign(claim('d'), ['1000::5']).ok);
  assert.equal(inUse(), 2n);
  assert.equal(allocator.usage().get('p')!.available.ipv4, 3n);
  for (const key of ['a', 'b', 'd']) allocator.release(key);
  assert.equal(inUse(), 1n);
  allocator.release('c');
  assert.equal(inUse(), 0n);
});

test('property: no address is given twice except by the rules of sharing', () => {
  const service = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    port: fc.constantFrom('TCP/80', 'TCP/443', 'UDP/53'),
    sharing: fc.constantFrom('', '', 'k1', 'k2'),
    backend: fc.constantFrom('', 'app=x'),
  });
  const wish = fc.constantFrom<FamilyWish>(
    V4,
    V6,
    { kind: 'both' },
    { kind: 'prefer', primary: 'ipv6' },
  );
  const step = fc.oneof(
    fc.record({ op: fc.constant('allocate' as const), service, wish }),
    fc.record({ op: fc.constant('fromPool' as const), service, wish }),
    fc.record({
      op: fc.constant('assign' as const),
      service,
      ip: fc.constantFrom('10.0.0.0', '10.0.0.1', '10.0.0.2', 'fd00::1'),
    }),
    fc.record({ op: fc.constant('release' as const), service }),
    fc.record({ op: fc.constant('pools' as const), small: fc.boolean() }),
  );
  const big = poolsOf([
    pool('p', ['10.0.0.0/30', 'fd00::/127']),
    pool('q', ['10.0.1.1-10.0.1.2', 'fd00:1::/127'], { avoidBuggyIPs: true }),
  ]);
  const small = poolsOf([pool('p', ['10.0.0.0/31', 'fd00::/127'])]);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const allocator = new Allocator();
      let pools = big;
      allocator.setPools(pools);
      const known = new Set<string>();
      for (const action of steps) {
        if (action.op === 'pools') {
          pools = action.small ? small : big;
          allocator.setPools(pools);
        } else {
          const { name, port, sharing, backend } = action.service;
          known.add(name);
          const c = claim(name, { ports: [port], sharingKey: sharing, backendKey: backend });
          if (action.op === 'release') allocator.release(name);
          else if (action.op === 'assign') allocator.assign(c, [action.ip]);
          else if (action.op === 'allocate') allocator.allocate(c, action.wish);
          else allocator.allocateFromPool(c, action.wish, 'p');
        }
        checkInvariants(allocator, known, new Set(pools.keys()));
      }
    }),
    { seed: 2026, numRuns: 300 },
  );
});

function checkInvariants(
  allocator: Allocator,
  known: ReadonlySet<string>,
  pools: ReadonlySet<string>,
): void {
  const held = [...known].flatMap((key) => {
    const holding = allocator.allocationOf(key);
    return holding ? [{ key, ...holding }] : [];
  });
  for (const a of held) {
    assert.ok(pools.has(a.pool));
    for (const ip of a.ips) assert.ok(allocator.holdersOf(ip).includes(a.key));
    for (const b of held) {
      if (a.key >= b.key || !a.ips.some((ip) => b.ips.includes(ip))) continue;
      assert.notEqual(a.claim.sharingKey, '');
      assert.equal(a.claim.sharingKey, b.claim.sharingKey);
      assert.equal(a.claim.backendKey, b.claim.backendKey);
      assert.ok(!a.claim.ports.some((port) => b.claim.ports.includes(port)));
    }
  }
}
