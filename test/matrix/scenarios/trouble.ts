// What must be refused or survived: strangers, wrong keys and hops, wrong AS, silence, collisions.

import assert from 'node:assert/strict';
import { until, when } from '@rookery/lab';
import { endsWith, OUR_ROUTES, PEER_ROUTES } from '../ends.ts';
import { type Bench, THIRD } from '../bench.ts';
import type { Neighbor, Setup } from '../peer.ts';
import type { Scenario } from '../scenarios.ts';

const OUR_V4 = OUR_ROUTES[0]!.prefix;
const PEER_V4 = PEER_ROUTES[0]!.prefix;
const THIRD_AS = 65541;
const THIRD_V4 = '203.0.113.192/26';

const md5: Scenario = {
  name: 'TCP MD5',
  features: ['md5'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({ password: 'correct-horse-battery' });
    const wrong = endsWith({ password: 'staple' });
    await cell('md5', async () => {
      const failures = (): Promise<number> => bench.counter(bench.ourHost, 'TCPMD5Failure');
      const before = await failures();
      await bench.start(wrong.ours, theirs);
      await until('our kernel refuses a segment', 15_000, async () =>
        when((await failures()) > before),
      );
      assert.equal(await bench.us.established(), false);
      await bench.us.configure(ours);
      await bench.bothEstablished(theirs, 30_000);
      await bench.theirPath(OUR_V4);
    });
  },
};

function gtsm(
  name: string,
  feature: 'gtsm-out' | 'gtsm-in',
  who: Pick<Roles, 'our' | 'their'>,
): Scenario {
  return {
    name,
    features: [feature],
    async run(bench, cell) {
      const { ours, theirs } = endsWith({ ttlSecurity: true }, who.our, who.their);
      // One end sends what could come from afar, the other must drop it.
      const careless = bench.peer.ttlUnchecked
        ? endsWith({ ttlSecurity: true }, who.our, { ...who.their, ttlSecurity: false })
        : endsWith({ ttlSecurity: true }, { ...who.our, ttlSecurity: false }, who.their);
      const checking = bench.peer.ttlUnchecked ? bench.ourHost : bench.peerPlace.host;
      await cell(feature, async () => {
        const drops = (): Promise<number> => bench.counter(checking, 'TCPMinTTLDrop');
        const before = await drops();
        await bench.start(careless.ours, careless.theirs);
        await until('a segment with a low TTL is dropped', 15_000, async () =>
          when((await drops()) > before),
        );
        const fooled = bench.peer.ttlUnchecked
          ? await bench.us.established()
          : await bench.peer.established(theirs.neighbors[0]!);
        assert.equal(fooled, false);
        // Connections that are open at one end only would block the next attempt for minutes.
        await bench.stop();
        await bench.start(ours, theirs);
        await bench.bothEstablished(theirs, 30_000);
        await bench.theirPath(OUR_V4);
        await bench.ourPath(PEER_V4);
      });
    },
  };
}

interface Roles {
  readonly our: Partial<Neighbor>;
  readonly their: Partial<Neighbor>;
}

const wrongAs: Scenario = {
  name: 'wrong AS',
  features: ['wrong-as'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({}, { as: 65550 });
    await bench.start(ours, theirs);
    await cell('wrong-as', async () => {
      await until('we say why', 15_000, async () =>
        when(/Bad peer AS/.test(await bench.us.ask('show protocols all n1'))),
      );
      if (!bench.peer.silentOnRefusal) {
        await until('the peer understands', 8000, async () =>
          when(
            /bad peer as|peer AS unacceptable|AS unacceptable|2\/2|"code": ?2, ?"subcode": ?2/i.test(
              await bench.peer.story(),
            ),
          ),
        );
      }
      assert.equal(await bench.peer.established(theirs.neighbors[0]!), false);
      const right = endsWith();
      await bench.us.configure(right.ours);
      await bench.peer.tryAgain?.(theirs.neighbors[0]!);
      await bench.bothEstablished(theirs, 40_000);
    });
  },
};

const silence: Scenario = {
  name: 'silent link',
  features: ['hold-timer'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({ holdTimeSec: 3 });
    await bench.start(ours, theirs);
    await cell('hold-timer', async () => {
      await bench.bothEstablished(theirs);
      await bench.ourPath(PEER_V4);
      await bench.theirPath(OUR_V4);
      await bench.cut();
      await until('our hold timer expires', 8000, async () =>
        when(/Hold timer expired/.test(await bench.us.ask('show protocols all n1'))),
      );
      assert.deepEqual(await bench.us.paths(PEER_V4), []);
      await until('the peer ends the session', 8000, async () =>
        when(!(await bench.peer.established(theirs.neighbors[0]!))),
      );
      await bench.mend();
      await bench.bothEstablished(theirs, 40_000);
      await bench.ourPath(PEER_V4);
      await bench.theirPath(OUR_V4);
    });
  },
};

const bfd: Scenario = {
  name: 'BFD',
  features: ['bfd'],
  async run(bench, cell) {
    // The hold timer is far away.
    const { ours, theirs } = endsWith({ bfd: true, holdTimeSec: 90 });
    const neighbor = theirs.neighbors[0]!;
    const bothUp = async (): Promise<void> => {
      await until('BGP and BFD are up at both ends', 40_000, async () =>
        when(
          / Up /.test(await bench.us.ask('show bfd sessions')) &&
            (await bench.peer.bfdUp!(neighbor)) &&
            (await bench.us.established()) &&
            (await bench.peer.established(neighbor)),
        ),
      );
    };
    await bench.start(ours, theirs);
    await cell('bfd', async () => {
      await bothUp();
      await bench.ourPath(PEER_V4);
      await bench.theirPath(OUR_V4);
      await bench.cut();
      await until('our end gives up', 3000, async () =>
        when(/BFD session down/.test(await bench.us.ask('show protocols all n1'))),
      );
      assert.deepEqual(await bench.us.paths(PEER_V4), []);
      await until('the peer gives up', 3000, async () =>
        when((await bench.peer.paths(OUR_V4)).length === 0),
      );
      await bench.mend();
      await bothUp();
      await bench.ourPath(PEER_V4);
    });
  },
};

const collision: Scenario = {
  name: 'both dial at once',
  features: ['collision'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith();
    await cell('collision', async () => {
      await bench.cut();
      await bench.start(ours, theirs);
      for (const host of [bench.ourHost, bench.peerPlace.host]) {
        await until(`${host.name} dials`, 15_000, async () =>
          when((await connections(bench, host, 'syn-sent')) > 0),
        );
      }
      await bench.mend();
      await bench.bothEstablished(theirs, 30_000);
      await until('one connection is left', 15_000, async () =>
        when(
          (await connections(bench, bench.ourHost, 'established')) === 1 &&
            (await connections(bench, bench.ourHost, 'syn-sent')) === 0,
        ),
      );
      await bench.ourPath(PEER_V4);
      await bench.theirPath(OUR_V4);
      assert.equal(await bench.us.established(), true);
      assert.equal(await bench.peer.established(theirs.neighbors[0]!), true);
    });
  },
};

const roles: Scenario = {
  name: 'roles',
  features: ['roles'],
  async run(bench, cell) {
    const mismatch = endsWith({ role: 'customer' });
    const { ours } = endsWith({ role: 'provider' });
    const { theirs } = mismatch;
    await bench.start(mismatch.ours, theirs);
    await cell('roles', async () => {
      await until('two customers are refused', 15_000, async () =>
        when(/Role mismatch/i.test(await bench.us.ask('show protocols all n1'))),
      );
      await until('the peer knows why', 8000, async () =>
        when(/role mismatch|2\/11/i.test(await bench.peer.story())),
      );
      await bench.us.configure(ours);
      await bench.peer.tryAgain?.(theirs.neighbors[0]!);
      await bench.bothEstablished(theirs, 40_000);
      await bench.ourPath(PEER_V4);
    });
  },
};

/** Either end in the middle between two providers, the third router being the second of them. */
const leaks: Scenario = {
  name: 'leaks',
  features: ['otc'],
  async run(bench, cell) {
    const { ours, theirs } = endsWith({ families: ['ipv4'] });
    const between = (setup: Setup, address: string): readonly [Setup, Setup] => {
      const toThird = { local: setup.neighbors[0]!.local, remote: address, as: THIRD_AS };
      const third = { local: address, remote: toThird.local, as: setup.as };
      const families = ['ipv4'] as const;
      return [
        {
          ...setup,
          neighbors: [
            { ...setup.neighbors[0]!, role: 'customer' },
            { ...toThird, families, role: 'customer', passive: true },
          ],
        },
        {
          as: THIRD_AS,
          routerId: address,
          originate: [{ prefix: THIRD_V4 }],
          neighbors: [{ ...third, families, role: 'provider' }],
        },
      ];
    };
    const provider = (setup: Setup): Setup => ({
      ...setup,
      neighbors: [{ ...setup.neighbors[0]!, role: 'provider' }],
    });
    await cell('otc', async () => {
      const [oursBetween, oneSide] = between(ours, THIRD[0]);
      await bench.start(oursBetween, provider(theirs));
      await bench.third.start(oneSide);
      await bench.bothEstablished(theirs);
      await bench.ourPath(PEER_V4);
      await bench.ourPath(THIRD_V4);
      await until('the other provider has our route', 8000, async () =>
        when((await bench.third.paths(OUR_V4)).length === 1),
      );
      assert.deepEqual(await bench.third.paths(PEER_V4), [], 'we leak nothing to it');
      assert.deepEqual(await bench.peer.paths(THIRD_V4), [], 'nor to the peer');

      await bench.stop();
      const [theirsBetween, otherSide] = between(theirs, THIRD[1]);
      await bench.start(provider(ours), theirsBetween);
      await bench.third.start(otherSide);
      await bench.bothEstablished(theirs);
      await bench.theirPath(THIRD_V4);
      await bench.theirPath(OUR_V4);
      await bench.ourPath(PEER_V4);
      await until("the other provider has the peer's route", 8000, async () =>
        when((await bench.third.paths(PEER_V4)).length === 1),
      );
      assert.deepEqual(await bench.us.paths(THIRD_V4), [], 'the peer leaks nothing to us');
      assert.deepEqual(await bench.third.paths(OUR_V4), [], 'nor to the other provider');
    });
  },
};

export const TROUBLE: readonly Scenario[] = [
  md5,
  gtsm('GTSM, we dial', 'gtsm-out', { our: {}, their: { passive: true } }),
  gtsm('GTSM, the peer dials', 'gtsm-in', { our: { passive: true }, their: {} }),
  ...[wrongAs, silence, bfd, collision, roles, leaks],
];

async function connections(
  _bench: Bench,
  host: Bench['ourHost'],
  state: 'established' | 'syn-sent',
): Promise<number> {
  const ports = '( sport = :179 or dport = :179 )';
  const { stdout } = await host.run(['ss', '-Htn', 'state', state, ports]);
  return stdout.split('\n').filter((line) => line !== '').length;
}
