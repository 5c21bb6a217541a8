// Neighbors that are not simply on the link: ranges, loopbacks, reflectors.

import assert from 'node:assert/strict';
import { until, when } from '@rookery/lab';
import { PEER, THIRD, US } from '../bench.ts';
import { endsWith, OUR_AS, OUR_ROUTES, PEER_ROUTES } from '../ends.ts';
import type { Neighbor, Setup } from '../peer.ts';
import type { Scenario } from '../scenarios.ts';

const OUR_V4 = OUR_ROUTES[0]!.prefix;
const PEER_V4 = PEER_ROUTES[0]!.prefix;
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

export const TOPOLOGIES: readonly Scenario[] = [dynamic, multihop, reflect, reflected];

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
