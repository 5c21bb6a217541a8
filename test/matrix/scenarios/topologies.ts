// Neighbors that are not simply on the link: ranges, loopbacks, reflectors.

import assert from 'node:assert/strict';
import { until, when } from '@rookery/lab';
import { PEER, THIRD, US } from '../bench.ts';
import { endsWith, OUR_AS, OUR_ROUTES, PEER_AS, PEER_ROUTES } from '../ends.ts';
import type { Neighbor, Path, Setup } from '../peer.ts';
import type { Scenario } from '../scenarios.ts';

const OUR_V4 = OUR_ROUTES[0]!.prefix;
const PEER_V4 = PEER_ROUTES[0]!.prefix;
const OUTSIDE_AS = 65541;
const THIRD_V4 = '203.0.113.192/26';

const dynamic: Scenario = {
  name: 'neighbor range',
  features: ['dynamic'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({}, { range: '192.0.2.0/24' });
    await bench.start(ours, theirs);
    await cell('dynamic', async () => {
      await until('a session appears', 15_000, async () =>
        when(/^dynbgp\d+ .*Established/m.test(await bench.us.ask('show protocols'))),
      );
      await until('the peer is Established', 8000, async () =>
        when(await bench.peer.established(theirs.neighbors[0]!)),
      );
      await bench.ourPath(PEER_V4);
      await bench.theirPath(OUR_V4);
    });
  },
};

const multihop: Scenario = {
  name: 'multihop',
  features: ['multihop'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith(
      { multihop: 2, families: ['ipv4'] },
      { local: US.loopback, remote: PEER.loopback },
      { local: PEER.loopback, remote: US.loopback },
    );
    await bench.start(ours, theirs);
    await cell('multihop', async () => {
      await bench.bothEstablished(theirs, 20_000);
      assert.equal((await bench.ourPath(PEER_V4)).nextHop, PEER.loopback);
      assert.equal((await bench.theirPath(OUR_V4)).nextHop, US.loopback);
    });
  },
};

const reflect: Scenario = {
  name: 'we reflect',
  features: ['reflect'],
  async run(bench, cell) {
    const { ours, theirs } = internally({ reflectorClient: true }, {});
    await bench.start(
      {
        ...ours,
        neighbors: [...ours.neighbors, toThird(US.v4)],
      },
      theirs,
    );
    await bench.third.start(thirdSetup(US.v4));
    await cell('reflect', async () => {
      await bench.bothEstablished(theirs);
      const path = await bench.theirPath(THIRD_V4);
      assert.equal(path.originatorId, THIRD[0]);
      assert.deepEqual(path.clusterList, [US.v4]);
      assert.equal(path.nextHop, THIRD[0]);
      const other = await until(
        'the other client has the route',
        8000,
        async () => (await bench.third.paths(PEER_V4))[0],
      );
      assert.equal(other.originatorId, PEER.v4);
    });
  },
};

const reflected: Scenario = {
  name: 'the peer reflects',
  features: ['reflected'],
  async run(bench, cell) {
    const { ours, theirs } = internally({}, { reflectorClient: true });
    await bench.start(ours, {
      ...theirs,
      neighbors: [...theirs.neighbors, toThird(PEER.v4)],
    });
    await bench.third.start(thirdSetup(PEER.v4));
    await cell('reflected', async () => {
      await bench.bothEstablished(theirs);
      const path = await bench.ourPath(THIRD_V4);
      assert.equal(path.originatorId, THIRD[0]);
      assert.deepEqual(path.clusterList, [PEER.v4]);
      assert.equal(path.nextHop, THIRD[0]);
    });
  },
};

const byInterface: Scenario = {
  name: 'by interface',
  features: ['interface'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith(
      { extendedNextHop: true, link: 'eth0' },
      { local: 'fe80::1', range: 'fe80::/10' },
      { local: 'fe80::2', remote: 'fe80::1', byInterface: true },
    );
    await bench.start(ours, theirs, { advertise: true });
    await cell('interface', async () => {
      await until('the peer has found us', 20_000, async () =>
        when(await bench.peer.established(theirs.neighbors[0]!)),
      );
      assert.match((await bench.ourPath(PEER_V4)).nextHop, /\bfe80::2\b/);
      assert.match((await bench.theirPath(OUR_V4)).nextHop, /\bfe80::1\b/);
    });
  },
};

const CONFEDERATION = 65550;

/** The outside has a session with either member. */
const confederation: Scenario = {
  name: 'confederation',
  features: ['confederation'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({ member: true, families: ['ipv4'] });
    const outside = [ours, theirs].map((setup, i) => {
      const { local } = setup.neighbors[0]!;
      const toOutside = { local, remote: THIRD[i]!, as: OUTSIDE_AS, passive: true };
      return {
        toOutside: { ...toOutside, families: ['ipv4'] as const },
        fromOutside: { local: THIRD[i]!, remote: local, as: CONFEDERATION, families: ['ipv4'] },
      } as const;
    });
    const joined = (setup: Setup, i: number): Setup => ({
      ...setup,
      confederation: CONFEDERATION,
      neighbors: [...setup.neighbors, outside[i]!.toOutside],
    });
    await bench.start(joined(ours, 0), joined(theirs, 1));
    await bench.third.start({
      as: OUTSIDE_AS,
      routerId: THIRD[0],
      neighbors: outside.map(({ fromOutside }) => fromOutside),
      originate: [],
    });
    await cell('confederation', async () => {
      await bench.bothEstablished(theirs);
      const paths = ({ memberPath, asPath }: Path): unknown => [memberPath, asPath];
      assert.deepEqual(paths(await bench.ourPath(PEER_V4)), [[PEER_AS], []]);
      assert.deepEqual(paths(await bench.theirPath(OUR_V4)), [[OUR_AS], []]);
      for (const prefix of [OUR_V4, PEER_V4]) {
        const seen = await until('both ways out of the confederation', 15_000, async () => {
          const found = await bench.third.paths(prefix);
          return found.length === 2 ? found : undefined;
        });
        assert.deepEqual(seen.map(paths), Array(2).fill([[], [CONFEDERATION]]));
      }
    });
  },
};

export const TOPOLOGIES: readonly Scenario[] = [
  ...[dynamic, multihop, reflect, reflected, byInterface, confederation],
];

function internally(our: Partial<Neighbor>, their: Partial<Neighbor>) {
  const { ours, theirs } = endsWith({ as: OUR_AS, families: ['ipv4'] }, our, their);
  return { ours, theirs: { ...theirs, as: OUR_AS } };
}

/** A reflector's session to the third router, which dials. */
function toThird(local: string): Neighbor {
  return {
    ...{ local, remote: THIRD[0], as: OUR_AS, families: ['ipv4'] },
    ...{ passive: true, reflectorClient: true },
  };
}

function thirdSetup(reflector: string): Setup {
  return {
    as: OUR_AS,
    routerId: THIRD[0],
    originate: [{ prefix: THIRD_V4 }],
    neighbors: [{ local: THIRD[0], remote: reflector, as: OUR_AS, families: ['ipv4'] }],
  };
}
