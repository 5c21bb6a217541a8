// What must be refused or survived: strangers, wrong keys and hops, wrong AS, silence, collisions.

import assert from 'node:assert/strict';
import { until, when } from '@rookery/lab';
import { endsWith, OUR_ROUTES, PEER_ROUTES } from '../ends.ts';
import type { Bench } from '../bench.ts';
import type { Neighbor } from '../peer.ts';
import type { Scenario } from '../scenarios.ts';

const OUR_V4 = OUR_ROUTES[0]!.prefix;
const PEER_V4 = PEER_ROUTES[0]!.prefix;

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
      await bench.bothEstablished(theirs, 40_000);
      await bench.ourPath(PEER_V4);
    });
  },
};

export const TROUBLE: readonly Scenario[] = [
  md5,
  gtsm('GTSM, we dial', 'gtsm-out', { our: {}, their: { passive: true } }),
  gtsm('GTSM, the peer dials', 'gtsm-in', { our: { passive: true }, their: {} }),
  ...[wrongAs, silence, collision, roles],
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
