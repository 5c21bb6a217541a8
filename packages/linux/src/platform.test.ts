// The platform against a real kernel: this file runs itself again inside a network namespace of its
// own, where the tests may do as they like. Without the right to make one they are skipped, visibly.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RouteBatch } from '@rookery/router';
import type {
  Fact,
  KernelChange,
  KernelNexthopObject,
  KernelRoute,
  Order,
  TcpKey,
  TcpOptions,
} from '@rookery/router';
import { openPlatform } from './platform.ts';
import type { Platform } from './platform.ts';

const insideVariable = 'ROOKERY_TEST_NETNS';

function defineTests(): void {
  ip('link set lo up');
  ip('link add v0 type veth peer name v1');
  ip('address add 192.168.1.1/24 dev v0');
  ip('address add 192.168.1.2/24 dev v0');
  ip('address add 2001:db8:1::1/64 dev v0 nodad');
  // Link-local addresses are usable at once.
  writeFileSync('/proc/sys/net/ipv6/conf/v0/accept_dad', '0');
  ip('link set v0 up');
  ip('link set v1 up');
  const world = new World();
  after(() => world.close());

  test('an interface scan has flags, addresses, scopes and sysctls', async () => {
    world.execute({ kind: 'scanInterfaces' });
    const fact = await world.next('interfacesScanned', (f) => f.because === 'scan');
    const v0 = fact.interfaces.find((i) => i.name === 'v0')!;
    assert.ok(v0.adminUp && v0.linkUp && v0.flags.broadcast && v0.flags.multicast);
    assert.equal(v0.mtu, 1500);
    assert.equal(typeof v0.sendRedirects, 'boolean');
    assert.match(v0.macAddress!, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    assert.deepEqual(
      v0.addresses.filter((a) => a.scope !== 'link'),
      [
        { address: '192.168.1.1', length: 24, scope: 'site', secondary: false },
        { address: '192.168.1.2', length: 24, scope: 'site', secondary: true },
        { address: '2001:db8:1::1', length: 64, scope: 'universe', secondary: false },
      ],
    );
    const lo = fact.interfaces.find((i) => i.name === 'lo')!;
    assert.ok(lo.flags.loopback);
    assert.equal(lo.addresses[0]!.scope, 'host');
  });

  test('a link that changes is a fact without being asked for', async () => {
    ip('link set v1 down');
    await world.next('interfacesScanned', (f) =>
      f.interfaces.some((i) => i.name === 'v0' && !i.linkUp && f.because === 'event'),
    );
    ip('link set v1 up');
    await world.next('interfacesScanned', (f) =>
      f.interfaces.some((i) => i.name === 'v0' && i.linkUp && f.because === 'event'),
    );
  });

  for (const family of ['ipv4', 'ipv6'] as const) defineRouteTests(world, family);
  defineLargeTableTest(world);
  defineOverrunTest(world);
  defineTcpTests(world);
}

function defineRouteTests(world: World, family: 'ipv4' | 'ipv6'): void {
  const v4 = family === 'ipv4';
  const net = v4 ? '192.168.2.1/32' : '2001:db8:2::1/128';
  const gateway = (n: number): string => (v4 ? `192.168.1.${n}` : `2001:db8:1::${n}`);
  const ifindex = Number(execFileSync('cat', ['/sys/class/net/v0/ifindex']));
  const route = (over: Partial<KernelRoute>): KernelRoute => ({
    family,
    table: 254,
    net,
    protocol: 12,
    metric: 32,
    dest: 'unicast',
    nexthops: [],
    ...over,
  });
  const hop = (n: number): KernelRoute['nexthops'][number] => ({ gateway: gateway(n), ifindex });
  const shapes: Readonly<Record<string, KernelRoute>> = {
    one: route({ nexthops: [hop(32)] }),
    other: route({ nexthops: [hop(33)] }),
    three: route({ nexthops: [hop(32), hop(33), hop(34)] }),
    two: route({ nexthops: [hop(33), { ...hop(34), weight: 3 }] }),
    device: route({ nexthops: [{ ifindex }], scope: v4 ? 253 : 0 }),
    blackhole: route({ dest: 'blackhole' }),
    unreachable: route({ dest: 'unreachable' }),
    object: route({ nexthopId: 21, nexthops: [hop(32)] }),
    group: route({ nexthopId: 23, nexthops: [hop(32), { ...hop(33), weight: 3 }] }),
  };
  const nexthop = (change: 'add' | 'remove', object: Omit<KernelNexthopObject, 'protocol'>) =>
    world.order((seq) => ({
      kind: 'kernelNexthop',
      seq,
      change,
      object: { protocol: 12, ...object },
    }));
  const members = [
    { id: 21, weight: 1 },
    { id: 22, weight: 3 },
  ];
  const addObjects = async (): Promise<void> => {
    assert.equal(await nexthop('add', { id: 21, hop: hop(32) }), undefined);
    assert.equal(await nexthop('add', { id: 22, hop: hop(33) }), undefined);
    assert.equal(await nexthop('add', { id: 23, members }), undefined);
  };
  const objects = async () => {
    world.execute({ kind: 'scanNexthops', seq: 1 });
    return (await world.next('nexthopsScanned', () => true)).objects;
  };

  const scan = async (table = 254): Promise<readonly KernelRoute[]> => {
    world.execute({ kind: 'scanKernel', table, family });
    const fact = await world.next('kernelScanned', (f) => f.family === family && f.table === table);
    return fact.routes.filter((r) => r.net === net);
  };
  const shapeOf = (r: KernelRoute): unknown => [
    r.dest,
    r.nexthops.map((h) => [h.gateway, h.interface, h.weight ?? 1]),
  ];
  const wanted = (r: KernelRoute): unknown => [
    r.dest,
    r.nexthops.map((h) => [h.gateway, 'v0', h.weight ?? 1]),
  ];

  test(`${family}: any kind of route replaces any other, leaving exactly one`, async () => {
    await addObjects();
    for (const [fromName, from] of Object.entries(shapes)) {
      for (const [toName, to] of Object.entries(shapes)) {
        assert.equal(await world.change('add', from), undefined, fromName);
        assert.equal(await world.change('replace', to), undefined, `${fromName}→${toName}`);
        assert.deepEqual((await scan()).map(shapeOf), [wanted(to)], `${fromName}→${toName}`);
        assert.equal(await world.change('remove', to), undefined, toName);
        assert.deepEqual(await scan(), []);
      }
    }
    for (const id of [23, 22, 21]) assert.equal(await nexthop('remove', { id }), undefined);
  });

  test(`${family}: a next hop object that goes leaves its groups, and flushes what has nothing else`, async () => {
    await addObjects();
    assert.deepEqual(
      (await objects())?.map(({ protocol, hop: one, members: of }) => [
        protocol,
        one?.gateway ?? of,
      ]),
      [
        [12, gateway(32)],
        [12, gateway(33)],
        [12, members],
      ],
    );
    assert.equal((await nexthop('add', { id: 22, hop: hop(34) }))?.code, 'EEXIST');
    assert.equal(await world.change('add', shapes.group!), undefined);
    assert.equal(await nexthop('remove', { id: 22 }), undefined);
    assert.deepEqual((await scan()).map(shapeOf), [wanted(shapes.one!)]);
    assert.equal(await nexthop('remove', { id: 21 }), undefined);
    assert.deepEqual([await scan(), await objects()], [[], []]);
    assert.equal((await world.change('add', shapes.group!))?.code, 'EINVAL');
    assert.equal((await nexthop('remove', { id: 23 }))?.code, 'ENOENT');
  });

  test(`${family}: a link without carrier takes its objects and their routes along`, async () => {
    await addObjects();
    assert.equal(await world.change('add', shapes.group!), undefined);
    world.forget('interfacesScanned');
    ip('link set v1 down');
    // The link is seen to be down before the kernel has drawn its conclusions; another event follows.
    do await world.next('interfacesScanned', () => true);
    while ((await objects())?.length !== 0);
    assert.deepEqual([await scan(), await objects()], [[], []]);
    assert.equal((await nexthop('add', { id: 21, hop: hop(32) }))?.code, 'ENETDOWN');
    world.forget('interfacesScanned');
    ip('link set v1 up');
    await world.next('interfacesScanned', (f) =>
      f.interfaces.some((i) => i.name === 'v0' && i.linkUp),
    );
  });

  test(`${family}: a route of somebody else on our prefix and metric is refused, not replaced`, async () => {
    ip(`${v4 ? '' : '-6 '}route add ${net} via ${gateway(99)} metric 32 proto static`);
    const error = await world.change('add', shapes.one!);
    assert.equal(error?.code, 'EEXIST');
    assert.equal(error?.message, 'File exists');
    const missing = await world.change('remove', shapes.one!);
    assert.equal(missing?.code, 'ESRCH');
    const [alien] = await scan();
    assert.equal(alien?.protocol, 4);
    ip(`${v4 ? '' : '-6 '}route delete ${net} via ${gateway(99)}`);
  });

  test(`${family}: one bad route in a batch fails alone, with the kernel's words`, async () => {
    const batch = new RouteBatch(family);
    for (let i = 0; i < 300; i++) {
      const bad = i === 150;
      const over = {
        table: 1000,
        net: v4 ? `10.${i >> 8}.${i & 255}.0/24` : `2001:db8:${i.toString(16)}::/64`,
        nexthops: bad
          ? [{ gateway: v4 ? '198.51.100.1' : '2001:db8:ffff::1', ifindex }]
          : [hop(32)],
      };
      batch.addRoute('add', route(over));
    }
    const seq = world.id();
    world.execute({ kind: 'kernelRoutes', seq, batch });
    const { failures } = await world.next('kernelDone', (f) => f.seq === seq);
    // IPv6 checks a gateway by route, and 2001:db8:ffff:: has none.
    assert.deepEqual(
      failures.map((f) => [f.index, f.error.code]),
      [[150, v4 ? 'ENETUNREACH' : 'EHOSTUNREACH']],
    );
    world.execute({ kind: 'scanKernel', table: 1000, family });
    const scanned = await world.next(
      'kernelScanned',
      (f) => f.family === family && f.table === 1000,
    );
    assert.equal(scanned.routes.length, 299);
    assert.ok(scanned.routes.every((r) => r.table === 1000));
  });

  test(`${family}: changes of others are facts, our own are not, an absent table is empty`, async () => {
    await scan();
    assert.deepEqual(await scan(4242), []);
    assert.equal(await world.change('add', shapes.one!), undefined);
    ip(`${v4 ? '' : '-6 '}route delete ${net} proto bird`);
    const removed = await world.next(
      'kernelRouteChanged',
      (f) => f.route.protocol === 12 && f.route.net === net,
    );
    assert.equal(removed.change, 'removed', 'the first we hear of our route is its removal');
    assert.equal(removed.route.nexthops[0]?.interface, 'v0');
    ip(`${v4 ? '' : '-6 '}route add unreachable ${net} metric 77`);
    const added = await world.next(
      'kernelRouteChanged',
      (f) => f.route.metric === 77 && f.route.net === net,
    );
    assert.deepEqual(
      [added.change, added.route.dest, added.route.metric],
      ['new', 'unreachable', 77],
    );
    ip(`${v4 ? '' : '-6 '}route delete unreachable ${net} metric 77`);
    await world.next('kernelRouteChanged', (f) => f.change === 'removed' && f.route.metric === 77);
  });

  test(`${family}: next hop objects are resolved, groups with weights`, async () => {
    ip(`nexthop add id 11 via ${gateway(32)} dev v0`);
    ip(`nexthop add id 12 via ${gateway(33)} dev v0`);
    ip('nexthop add id 13 group 11/12,3');
    ip(`${v4 ? '' : '-6 '}route add ${net} nhid 13 proto static`);
    const compat = `/proc/sys/net/ipv4/nexthop_compat_mode`;
    for (const mode of ['1', '0']) {
      execFileSync('sh', ['-c', `echo ${mode} > ${compat}`]);
      const [found] = await scan();
      assert.equal(found?.nexthopId, 13);
      assert.deepEqual(
        found?.nexthops.map((h) => [h.gateway, h.weight ?? 1]),
        [
          [gateway(32), 1],
          [gateway(33), 3],
        ],
        `compat mode ${mode}`,
      );
    }
    execFileSync('sh', ['-c', `echo 1 > ${compat}`]);
    ip('nexthop flush');
  });
}

function defineLargeTableTest(world: World): void {
  test('a large table is written meanwhile, in order with scans and small changes', async () => {
    const table = 2000;
    const shape = { family: 'ipv4', table, protocol: 12, metric: 32, nexthops: [] } as const;
    const written = (change: KernelChange, from: number, count: number) => {
      const batch = new RouteBatch('ipv4');
      for (let i = from; i < from + count; i++) {
        const net = `30.${(i >> 8) & 255}.${i & 255}.0/24`;
        batch.addRoute(change, { ...shape, dest: 'blackhole', net });
      }
      return { kind: 'kernelRoutes', seq: world.id(), batch } as const;
    };
    const scanned = async (): Promise<number> => {
      world.execute({ kind: 'scanKernel', table, family: 'ipv4' });
      return (await world.next('kernelScanned', (f) => f.table === table)).routes.length;
    };
    for (let round = 0; round < 3; round++) {
      const batches = Array.from({ length: 8 }, (_, n) => written('add', n * 1000, 1000));
      const again = Array.from({ length: 8 }, (_, n) => written('add', n * 1000, 1000));
      world.execute(...batches, ...again, written('remove', 5, 1));
      world.execute({ kind: 'scanInterfaces' });
      assert.equal(await scanned(), 7999);
      await world.next('interfacesScanned', (f) => f.because === 'scan');
      const orders = Array.from({ length: 8 }, (_, n) => written('remove', n * 1000, 1000));
      world.execute(...orders);
      assert.equal(await scanned(), 0);
      for (const { seq } of [...batches, ...orders]) {
        const { failures } = await world.next('kernelDone', (f) => f.seq === seq);
        assert.deepEqual(
          failures.map(({ index, error }) => [index, error.code]),
          seq === orders[0]!.seq ? [[5, 'ESRCH']] : [],
        );
      }
      for (const { seq } of again) {
        const { failures } = await world.next('kernelDone', (f) => f.seq === seq);
        const every = Array.from({ length: 1000 }, (_, index) => [index, 'EEXIST']);
        assert.deepEqual(
          failures.map(({ index, error }) => [index, error.code]),
          every,
        );
      }
    }
  });
}

function defineOverrunTest(world: World): void {
  test('a flood that overflows the event socket is said, and a scan then shows everything', async () => {
    world.execute({ kind: 'scanKernel', table: 254, family: 'ipv4' });
    await world.next('kernelScanned', (f) => f.table === 254 && f.family === 'ipv4');
    const flood = (verb: string): void => {
      const lines = Array.from(
        { length: 40_000 },
        (_, i) => `route ${verb} blackhole 20.${i >> 8}.${i & 255}.0/24`,
      );
      // Synchronous: nobody reads the event socket meanwhile.
      execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') });
    };
    flood('add');
    await world.next('kernelOverrun', () => true);
    world.execute({ kind: 'scanKernel', table: 254, family: 'ipv4' });
    const { routes } = await world.next('kernelScanned', (f) => f.routes.length > 40_000);
    assert.equal(routes.filter((r) => r.net.startsWith('20.')).length, 40_000);
  });
}

function defineTcpTests(world: World): void {
  test('a refused connection says so', async () => {
    const error = await failToConnect(world, '127.0.0.1', 1790, {});
    assert.deepEqual(
      [error.operation, error.code, error.message],
      ['connect', 'ECONNREFUSED', 'Connection refused'],
    );
  });

  test('an address that is not ours cannot be the source', async () => {
    const error = await failToConnect(world, '127.0.0.1', 1790, { local: '198.51.100.9' });
    assert.deepEqual([error.operation, error.code], ['bind', 'EADDRNOTAVAIL']);
  });

  for (const [local, remote] of [
    ['192.168.1.2', '192.168.1.1'],
    ['2001:db8:1::1', '::1'],
  ] as const) {
    test(`bytes both ways from ${local} with TTL, class and key`, async () => {
      const family = remote.includes(':') ? 'ipv6' : 'ipv4';
      const listener = await world.listen(family, 179, { ttl: 255, tos: 0xc0 });
      const peer = `${local}/${family === 'ipv6' ? 128 : 32}`;
      world.execute({
        kind: 'setListenerKey',
        listener,
        peer,
        key: { kind: 'md5', secret: 'secret' },
      });
      const connection = world.id();
      world.execute({
        kind: 'tcpConnect',
        connection,
        remote,
        remotePort: 179,
        options: {
          local,
          ttl: 255,
          minTtl: 255,
          tos: 0xc0,
          key: { kind: 'md5', secret: 'secret' },
        },
      });
      const accepted = await world.next('tcpAccepted', (f) => f.listener === listener);
      assert.ok(accepted.connection < 0);
      assert.equal(accepted.remote, local);
      const connected = await world.next('tcpConnected', (f) => f.connection === connection);
      assert.deepEqual(
        [connected.local, connected.remote, connected.remotePort],
        [local, remote, 179],
      );
      assert.ok(connected.mss! > 500);
      world.execute({
        kind: 'tcpConfigure',
        connection: accepted.connection,
        options: { minTtl: 255 },
      });
      world.execute({ kind: 'tcpSend', connection, bytes: new Uint8Array([1, 2, 3]) });
      const received = await world.next('tcpReceived', (f) => f.connection < 0);
      assert.deepEqual([...received.bytes], [1, 2, 3]);
      await world.next('tcpDrained', (f) => f.connection === connection);
      world.execute({
        kind: 'tcpSend',
        connection: accepted.connection,
        bytes: new Uint8Array([4]),
      });
      world.execute({ kind: 'tcpClose', connection: accepted.connection });
      const answer = await world.next('tcpReceived', (f) => f.connection === connection);
      assert.deepEqual([...answer.bytes], [4]);
      const closed = await world.next('tcpClosed', (f) => f.connection === connection);
      assert.equal(closed.error?.code, 'EOF');
      world.execute({ kind: 'tcpCloseListener', listener });
    });
  }

  test('a reset is told from an orderly end', async () => {
    const listener = await world.listen('ipv4', 1791, {});
    const connection = world.id();
    world.execute({
      kind: 'tcpConnect',
      connection,
      remote: '127.0.0.1',
      remotePort: 1791,
      options: {},
    });
    const accepted = await world.next('tcpAccepted', () => true);
    await world.next('tcpConnected', () => true);
    world.execute({ kind: 'tcpClose', connection: accepted.connection, reset: true });
    const closed = await world.next('tcpClosed', (f) => f.connection === connection);
    assert.deepEqual(
      [closed.error?.code, closed.error?.message],
      ['ECONNRESET', 'Connection reset by peer'],
    );
    world.execute({ kind: 'tcpCloseListener', listener });
  });

  test('a wrong key and a low TTL get no connection; the right ones beside them do', async () => {
    const listener = await world.listen('ipv4', 1792, { minTtl: 255 });
    world.execute({
      kind: 'setListenerKey',
      listener,
      peer: '127.0.0.0/8',
      key: { kind: 'md5', secret: 'right' },
    });
    const attempt = (options: TcpOptions): number => {
      const connection = world.id();
      world.execute({
        kind: 'tcpConnect',
        connection,
        remote: '127.0.0.1',
        remotePort: 1792,
        options,
      });
      return connection;
    };
    const silent = [
      attempt({ local: '127.0.0.2', ttl: 255, key: { kind: 'md5', secret: 'wrong' } }),
      attempt({ local: '127.0.0.3', ttl: 255 }),
      attempt({ local: '127.0.0.4', ttl: 64, key: { kind: 'md5', secret: 'right' } }),
    ];
    // Sent last, so its arrival proves that the others were dropped and not merely late.
    const good = attempt({ local: '127.0.0.5', ttl: 255, key: { kind: 'md5', secret: 'right' } });
    const accepted = await world.next('tcpAccepted', () => true);
    assert.equal(accepted.remote, '127.0.0.5');
    await world.next('tcpConnected', (f) => f.connection === good);
    assert.equal(world.count('tcpAccepted'), 0);
    for (const connection of silent) world.execute({ kind: 'tcpClose', connection });
    world.execute({ kind: 'tcpClose', connection: good });
    world.execute({ kind: 'tcpCloseListener', listener });
  });

  test('a key that the kernel refuses fails the connection, and shuts its peer out', async () => {
    const error = await failToConnect(world, '127.0.0.1', 1793, {
      key: { kind: 'md5', secret: 'x'.repeat(81) },
    });
    assert.deepEqual([error.operation, error.code], ['TCP MD5', 'EINVAL']);
    const listener = await world.listen('ipv4', 1793, {});
    world.execute({
      kind: 'setListenerKey',
      listener,
      peer: '127.0.0.1/32',
      key: { kind: 'md5', secret: 'x'.repeat(81) },
    });
    assert.match(world.logs.at(-1)!, /^error Cannot set the TCP MD5 key for 127\.0\.0\.1\/32/);
    const connection = world.id();
    world.execute({
      kind: 'tcpConnect',
      connection,
      remote: '127.0.0.1',
      remotePort: 1793,
      options: {},
    });
    // The reset may overtake the news of the connection.
    const ended = await world.next(
      ['tcpClosed', 'tcpConnectFailed'],
      (f) => f.connection === connection,
    );
    assert.equal(ended.error?.code, 'ECONNRESET');
    assert.equal(world.count('tcpAccepted'), 0);
    world.execute({ kind: 'tcpCloseListener', listener });
  });

  test('without TCP-AO in the kernel nobody gets a connection that asks for it', async (t) => {
    const keys = [{ sendId: 1, recvId: 2, algorithm: 'hmac(sha1)', secret: [1, 2, 3] }];
    const key: TcpKey = { kind: 'ao', keys };
    const listener = await world.listen('ipv4', 1794, {});
    world.execute({ kind: 'setListenerKey', listener, peer: '127.0.0.1/32', key });
    const options = { local: '127.0.0.1', key };
    const connection = world.id();
    world.execute({
      kind: 'tcpConnect',
      connection,
      remote: '127.0.0.1',
      remotePort: 1794,
      options,
    });
    const fact = await world.next(
      ['tcpConnected', 'tcpConnectFailed'],
      (f) => f.connection === connection,
    );
    if (fact.kind === 'tcpConnected') return t.skip('this kernel has TCP-AO');
    assert.equal(fact.error.operation, 'TCP-AO');
    assert.match(fact.error.message, /needs Linux 6\.7 with CONFIG_TCP_AO/);
    assert.match(world.logs.at(-1)!, /^error Cannot set the TCP-AO key for 127\.0\.0\.1\/32/);
    const plain = world.id();
    const without = { connection: plain, remote: '127.0.0.1', remotePort: 1794, options: {} };
    world.execute({ kind: 'tcpConnect', ...without });
    const ended = await world.next(
      ['tcpClosed', 'tcpConnectFailed'],
      (f) => f.connection === plain,
    );
    assert.equal(ended.error?.code, 'ECONNRESET');
    assert.equal(world.count('tcpAccepted'), 0, 'nor does its neighbor without a key');
    world.execute({ kind: 'tcpCloseListener', listener });
  });

  test('free bind listens on an address that is not there yet', async () => {
    const address = '198.51.100.77';
    const refused = world.id();
    const order = { kind: 'tcpListen', family: 'ipv4', address, port: 1796 } as const;
    world.execute({ ...order, listener: refused, options: {} });
    const failed = await world.next('tcpListenFailed', (f) => f.listener === refused);
    assert.equal(failed.error.code, 'EADDRNOTAVAIL');
    const listener = world.id();
    world.execute({ ...order, listener, options: { freeBind: true } });
    await world.next('tcpListening', (f) => f.listener === listener);
    world.execute({ kind: 'tcpCloseListener', listener });
  });

  test('binding to an interface that is not there says so', async () => {
    const error = await failToConnect(world, '127.0.0.1', 1795, { vrf: 'no-such-vrf' });
    assert.deepEqual(
      [error.operation, error.code, error.message],
      ['setsockopt SO_BINDTODEVICE', 'ENODEV', 'there is no interface or VRF no-such-vrf'],
    );
  });

  test('a port in use is reported', async () => {
    const first = await world.listen('ipv4', 1794, {});
    const second = world.id();
    world.execute({ kind: 'tcpListen', listener: second, family: 'ipv4', port: 1794, options: {} });
    const failed = await world.next('tcpListenFailed', (f) => f.listener === second);
    assert.deepEqual(
      [failed.error.code, failed.error.message],
      ['EADDRINUSE', 'Address already in use'],
    );
    world.execute({ kind: 'tcpCloseListener', listener: first });
  });

  test('a link-local neighbor is reached over its interface', async () => {
    world.execute({ kind: 'scanInterfaces' });
    const fact = await world.next('interfacesScanned', (f) => f.because === 'scan');
    const v0 = fact.interfaces.find((i) => i.name === 'v0')!;
    const own = v0.addresses.find((a) => a.scope === 'link')!.address;
    const listener = await world.listen('ipv6', 1795, {});
    const connection = world.id();
    world.execute({
      kind: 'tcpConnect',
      connection,
      remote: own,
      remotePort: 1795,
      options: { interface: 'v0', local: own },
    });
    const accepted = await world.next('tcpAccepted', () => true);
    assert.deepEqual([accepted.remote, accepted.interface], [own, 'v0']);
    await world.next('tcpConnected', (f) => f.connection === connection);
    world.execute({ kind: 'tcpClose', connection });
    world.execute({ kind: 'tcpCloseListener', listener });
  });

  test('a peer that does not read fills its own queue only, up to a bound', async () => {
    const listener = await world.listen('ipv4', 1796, {});
    const stuck = spawn(process.execPath, [
      '-e',
      "const s=require('net').connect(1796,'127.0.0.1');s.on('connect',()=>s.pause());s.on('error',()=>{})",
    ]);
    const accepted = await world.next('tcpAccepted', () => true);
    const megabyte = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 100; i++) {
      world.execute({ kind: 'tcpSend', connection: accepted.connection, bytes: megabyte });
    }
    const closed = await world.next('tcpClosed', (f) => f.connection === accepted.connection);
    assert.equal(closed.error?.code, 'ENOBUFS');
    stuck.kill();
    await once(stuck, 'close');
    world.execute({ kind: 'tcpCloseListener', listener });
  });
}

async function failToConnect(
  world: World,
  remote: string,
  remotePort: number,
  options: TcpOptions,
): Promise<{ operation: string; code: string; message: string }> {
  const connection = world.id();
  world.execute({ kind: 'tcpConnect', connection, remote, remotePort, options });
  const fact = await world.next('tcpConnectFailed', (f) => f.connection === connection);
  return fact.error;
}

type FactOf<K extends Fact['kind']> = Extract<Fact, { kind: K }>;

/** A platform whose facts can be waited for, in order. */
class World {
  readonly logs: string[] = [];
  readonly #platform: Platform;
  #facts: Fact[] = [];
  #wake: (() => void) | undefined;
  #ids = 1;

  constructor() {
    const opened = openPlatform({
      emit: (fact) => {
        this.#facts.push(
          fact.kind === 'tcpReceived' ? { ...fact, bytes: fact.bytes.slice() } : fact,
        );
        this.#wake?.();
      },
      log: (logClass, text) => this.logs.push(`${logClass} ${text}`),
    });
    assert.ok(opened.ok);
    this.#platform = opened.value;
  }

  close(): Promise<void> {
    return this.#platform.close();
  }

  id(): number {
    return this.#ids++;
  }

  execute(...orders: Order[]): void {
    this.#platform.execute(orders);
  }

  /** Facts of the past say nothing about what comes. */
  forget(kind: Fact['kind']): void {
    this.#facts = this.#facts.filter((f) => f.kind !== kind);
  }

  count(kind: Fact['kind']): number {
    return this.#facts.filter((f) => f.kind === kind).length;
  }

  /** Takes the first matching fact; waits for it at most five seconds. */
  async next<K extends Fact['kind']>(
    kind: K | readonly K[],
    matches: (fact: FactOf<K>) => boolean,
  ): Promise<FactOf<K>> {
    const signal = AbortSignal.timeout(5000);
    for (;;) {
      const index = this.#facts.findIndex(
        (f) => [kind].flat().includes(f.kind as K) && matches(f as FactOf<K>),
      );
      if (index >= 0) return this.#facts.splice(index, 1)[0] as FactOf<K>;
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal.onabort = () => {
          const kinds = this.#facts.map((f) => f.kind).join(' ');
          reject(
            new Error(`no ${String(kind)}; there are: ${kinds}; log: ${this.logs.join(' | ')}`),
          );
        };
      });
    }
  }

  async listen(
    family: 'ipv4' | 'ipv6',
    port: number,
    options: { ttl?: number; minTtl?: number; tos?: number },
  ): Promise<number> {
    const listener = this.id();
    this.execute({ kind: 'tcpListen', listener, family, port, options });
    await this.next('tcpListening', (f) => f.listener === listener);
    return listener;
  }

  async change(
    change: KernelChange,
    route: KernelRoute,
  ): Promise<{ code: string; message: string } | undefined> {
    const batch = new RouteBatch(route.family);
    batch.addRoute(change, route);
    return this.order((seq) => ({ kind: 'kernelRoutes', seq, batch }));
  }

  /** Executes a change; what went wrong. */
  async order(
    make: (seq: number) => Order,
  ): Promise<{ code: string; message: string } | undefined> {
    const seq = this.id();
    this.execute(make(seq));
    const { failures } = await this.next('kernelDone', (f) => f.seq === seq);
    return failures[0]?.error;
  }
}

function ip(args: string): void {
  execFileSync('ip', args.split(' '), { stdio: 'pipe' });
}

if (process.env[insideVariable] === undefined) {
  test('the platform in a namespace of its own', async (t) => {
    const name = `rk-linux-${process.pid}`;
    const added = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
    if (added.status !== 0) {
      t.skip(`cannot make a network namespace: ${added.stderr || String(added.error)}`);
      return;
    }
    try {
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const child = spawn(
        'ip',
        ['netns', 'exec', name, process.execPath, fileURLToPath(import.meta.url)],
        { env: { ...env, [insideVariable]: name }, stdio: 'pipe' },
      );
      let output = '';
      child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
      child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
      const [code] = (await once(child, 'close')) as [number];
      assert.equal(code, 0, output);
      assert.match(output, /pass [1-9]/);
    } finally {
      spawnSync('ip', ['netns', 'delete', name]);
    }
  });
} else {
  defineTests();
}
