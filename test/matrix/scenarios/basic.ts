// Sessions, routes and their attributes, refresh, shutdown texts.

import assert from 'node:assert/strict';
import { until, when } from '@rookery/lab';
import type { Bench } from '../bench.ts';
import { bgpCommunityCount } from '../bird-conf.ts';
import { endsWith, OUR_AS, OUR_ROUTES, PEER_AS, PEER_ROUTES } from '../ends.ts';
import type { Origin, Path } from '../peer.ts';
import type { Scenario } from '../scenarios.ts';

const [OUR_V4, OUR_V6] = OUR_ROUTES.map((route) => route.prefix) as [string, string];
const [PEER_V4, PEER_V6] = PEER_ROUTES.map((route) => route.prefix) as [string, string];

const weDial: Scenario = {
  name: 'we dial',
  features: [
    ...['dial-out', 'ipv4', 'ipv6', 'as4', 'communities', 'large-communities'],
    ...['refresh-sent', 'refresh-received', 'enhanced-refresh'],
    ...['software-version', 'shutdown-sent', 'shutdown-received'],
  ] as Scenario['features'],
  async run(bench, cell) {
    const { us, peer } = bench;
    const { ours, theirs } = endsWith({ enhancedRefresh: true }, {}, { passive: true });
    const neighbor = theirs.neighbors[0]!;
    await bench.start(ours, theirs);
    await cell('dial-out', () => bench.bothEstablished(theirs));
    await cell('ipv4', async () => {
      assert.equal((await bench.ourPath(PEER_V4)).nextHop, neighbor.local);
      assert.equal((await bench.theirPath(OUR_V4)).nextHop, neighbor.remote);
    });
    if (!peer.needsIpv6Session) await cell('ipv6', () => ipv6Routes(bench));
    await cell('as4', async () => {
      assert.deepEqual((await bench.ourPath(PEER_V4)).asPath, [PEER_AS]);
      assert.deepEqual((await bench.theirPath(OUR_V4)).asPath, [OUR_AS]);
    });
    await cell('communities', () => sameSets(bench, 'communities'));
    await cell('large-communities', () => sameSets(bench, 'largeCommunities'));
    await cell('refresh-sent', async () => {
      await peer.sawRefresh(neighbor);
      const received = (): number => (us.log().match(/n1: Got UPDATE/g) ?? []).length;
      const before = received();
      await us.ask('reload in n1');
      await until('the peer counts our request', 5000, async () =>
        when(await peer.sawRefresh(neighbor)),
      );
      if (!peer.ignoresRefresh) {
        await until('its routes come again', 5000, () => when(received() > before));
      }
      assert.equal(await us.established(), true, 'the session stays');
    });
    await cell('refresh-received', async () => {
      const sent = (): number => (us.log().match(/n1: Sending UPDATE/g) ?? []).length;
      const before = sent();
      await peer.askForRefresh(neighbor);
      await until('we send our routes again', 5000, () => when(sent() > before));
      await bench.theirPath(OUR_V4);
    });
    await cell('enhanced-refresh', async () => {
      const marked = (who: 'Got' | 'Sending'): boolean =>
        ['BEGIN-OF-RR', 'END-OF-RR'].every((mark) => us.log().includes(`n1: ${who} ${mark}`));
      assert.ok(marked('Sending'), 'we answered with both');
      await until('the peer answered with both', 5000, () => when(marked('Got')));
    });
    await cell('software-version', async () => {
      const says = new RegExp(`received software version \\(${peer.softwareVersion}`);
      assert.match(await us.vtysh(`show bgp neighbors ${neighbor.local}`), says);
    });
    await cell('shutdown-sent', async () => {
      await us.ask('disable n1 "blue moon at nine"');
      await until('the peer reads our text', 8000, async () =>
        when((await peer.story()).includes('blue moon at nine')),
      );
    });
    await cell('shutdown-received', async () => {
      await us.ask('enable n1');
      await bench.bothEstablished(theirs, 30_000);
      await peer.shutDown(neighbor, 'red sun at ten');
      await until('we log the text', 8000, () =>
        when(/Received: Administrative shutdown.*red sun at ten/.test(us.log())),
      );
    });
  },
};

const theyDial: Scenario = {
  name: 'the peer dials',
  features: ['dial-in'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({}, { passive: true });
    await bench.start(ours, theirs);
    await cell('dial-in', async () => {
      await bench.bothEstablished(theirs);
      await bench.ourPath(PEER_V4);
      await bench.theirPath(OUR_V4);
    });
  },
};

const ipv6Session: Scenario = {
  name: 'IPv6 alone',
  features: ['ipv6'],
  async run(bench, cell) {
    if (!bench.peer.needsIpv6Session) return;
    const { ours, theirs } = endsWith(
      { families: ['ipv6'] },
      { local: '2001:db8:1::1', remote: '2001:db8:1::2' },
      { local: '2001:db8:1::2', remote: '2001:db8:1::1' },
    );
    await bench.start(ours, theirs);
    await cell('ipv6', () => ipv6Routes(bench));
  },
};

const extendedNextHop: Scenario = {
  name: 'IPv4 over IPv6',
  features: ['extended-next-hop'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith(
      { extendedNextHop: true },
      { local: '2001:db8:1::1', remote: '2001:db8:1::2' },
      { local: '2001:db8:1::2', remote: '2001:db8:1::1' },
    );
    await bench.start(ours, theirs, { kernel: true });
    await cell('extended-next-hop', async () => {
      await bench.bothEstablished(theirs);
      assert.match((await bench.ourPath(PEER_V4)).nextHop, /^2001:db8:1::2\b/);
      assert.match((await bench.theirPath(OUR_V4)).nextHop, /^(2001:db8:1::1|fe80::1)\b/);
      await until('the route is in our kernel', 5000, async () => {
        const { stdout } = await bench.ourHost.run(['ip', 'route', 'show', PEER_V4]);
        return when(/via inet6 (2001:db8:1::2|fe80::2) dev eth0/.test(stdout));
      });
    });
  },
};

const unnumbered: Scenario = {
  name: 'link-local',
  features: ['unnumbered'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith(
      { extendedNextHop: true, link: 'eth0' },
      { local: 'fe80::1', remote: 'fe80::2' },
      { local: 'fe80::2', remote: 'fe80::1' },
    );
    await bench.start(ours, theirs, { kernel: true });
    await cell('unnumbered', async () => {
      await bench.bothEstablished(theirs, 20_000);
      for (const prefix of [PEER_V4, PEER_V6]) await bench.ourPath(prefix);
      for (const prefix of [OUR_V4, OUR_V6]) await bench.theirPath(prefix);
      await until('the route is in our kernel', 5000, async () => {
        const { stdout } = await bench.ourHost.run(['ip', 'route', 'show', PEER_V4]);
        return when(/via inet6 \S+ dev eth0/.test(stdout));
      });
    });
  },
};

const addPath: Scenario = {
  name: 'several paths',
  features: ['add-path-in', 'add-path-out'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({ addPath: true });
    const two = (origin: Origin): Origin => ({ ...origin, second: '64496:99' });
    const prefix = bench.peer.originatesOnly ? PEER_V4 : '203.0.113.64/26';
    await bench.start(
      { ...ours, originate: OUR_ROUTES.map(two) },
      {
        ...theirs,
        originate: bench.peer.originatesOnly ? PEER_ROUTES.map(two) : PEER_ROUTES,
        neighbors: [...theirs.neighbors, ...FEEDERS.map(({ atPeer }) => atPeer)],
      },
    );
    if (!bench.peer.originatesOnly) {
      await bench.third.start({
        as: 65541,
        routerId: '192.0.2.3',
        neighbors: FEEDERS.map(({ atFeeder }) => atFeeder),
        originate: [{ prefix }],
      });
    }
    await cell('add-path-in', async () => {
      await bench.bothEstablished(theirs);
      const paths = await until('two paths from the peer', 15_000, async () => {
        const found = await bench.us.paths(prefix);
        return found.length === 2 ? found : undefined;
      });
      const different = new Set(paths.map((path) => JSON.stringify(path)));
      assert.equal(different.size, 2, JSON.stringify(paths));
    });
    await cell('add-path-out', async () => {
      const paths = await until('the peer has two paths', 8000, async () => {
        // The feeders pass the best one on between them.
        const found = (await bench.peer.paths(OUR_V4)).filter(({ asPath }) => asPath.length === 1);
        return found.length === 2 ? found : undefined;
      });
      assert.equal(paths.filter((path) => path.communities.includes('64496:99')).length, 1);
    });
  },
};

/** Two sessions that bring the peer the same prefix from two ASes. */
const FEEDERS = [
  { address: '192.0.2.3', as: 65541 },
  { address: '192.0.2.4', as: 65542 },
].map(({ address, as }) => ({
  atPeer: {
    ...{ local: '192.0.2.2', remote: address, as },
    ...{ families: ['ipv4'] as const, passive: true },
  },
  atFeeder: {
    ...{ local: address, remote: '192.0.2.2', as: PEER_AS, localAs: as },
    families: ['ipv4'] as const,
  },
}));

const extendedMessages: Scenario = {
  name: 'long messages',
  features: ['extended-messages'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({ extendedMessages: true });
    const many = (as: number): readonly string[] =>
      Array.from({ length: 1200 }, (_, i) => `${as}:${i + 1}`);
    await bench.start(
      { ...ours, originate: [{ prefix: OUR_V4, communities: many(64496) }] },
      { ...theirs, originate: [{ prefix: PEER_V4, communities: many(64497) }] },
    );
    await cell('extended-messages', async () => {
      await bench.bothEstablished(theirs);
      await bench.ourPath(PEER_V4);
      assert.equal(await bgpCommunityCount((command) => bench.us.ask(command), PEER_V4), 1200);
      const { communities } = await bench.theirPath(OUR_V4);
      const count = await bench.peer.communityCount?.(OUR_V4);
      assert.equal(count ?? communities.length, 1200);
    });
  },
};

const gracefulShutdown: Scenario = {
  name: 'graceful shutdown',
  features: ['graceful-shutdown'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith();
    const communities = ['65535:0'];
    await bench.start(
      { ...ours, originate: [{ prefix: OUR_V4, communities }] },
      { ...theirs, originate: [{ prefix: PEER_V4, communities }, PEER_ROUTES[1]!] },
    );
    await cell('graceful-shutdown', async () => {
      await bench.bothEstablished(theirs);
      const leaving = await bench.ourPath(PEER_V4);
      assert.deepEqual([leaving.communities, leaving.localPref], [communities, 0]);
      assert.deepEqual((await bench.theirPath(OUR_V4)).communities, communities);
    });
  },
};

export const BASIC: readonly Scenario[] = [
  ...[weDial, theyDial, ipv6Session, extendedNextHop, unnumbered, addPath, extendedMessages],
  gracefulShutdown,
];

async function ipv6Routes(bench: Bench): Promise<void> {
  assert.match((await bench.ourPath(PEER_V6)).nextHop, /^2001:db8:1::2\b/);
  assert.match((await bench.theirPath(OUR_V6)).nextHop, /^2001:db8:1::1\b/);
}

async function sameSets(bench: Bench, which: 'communities' | 'largeCommunities'): Promise<void> {
  const sorted = (values: readonly string[] = []): readonly string[] => [...values].sort();
  const check = (path: Path, origin: Origin): void =>
    assert.deepEqual(sorted(path[which]), sorted(origin[which]));
  check(await bench.ourPath(PEER_V4), PEER_ROUTES[0]!);
  check(await bench.theirPath(OUR_V4), OUR_ROUTES[0]!);
}
