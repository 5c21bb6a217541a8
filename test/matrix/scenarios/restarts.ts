// Graceful restart in both roles and the long-lived phase. The kernel is watched all the time: a
// route that goes and comes back would have lost packets.

import assert from 'node:assert/strict';
import { until, when } from '@rookery/lab';
import type { Bench } from '../bench.ts';
import { endsWith, OUR_ROUTES, PEER_ROUTES } from '../ends.ts';
import type { Setup } from '../peer.ts';
import type { Scenario } from '../scenarios.ts';

const OUR_V4 = OUR_ROUTES[0]!.prefix;
const PEER_V4 = PEER_ROUTES[0]!.prefix;
/** Announced only before the restart. */
const PASSING = '203.0.113.128/25';

const helper: Scenario = {
  name: 'the peer restarts',
  features: ['gr-helper'],
  async run(bench, cell) {
    const { ours, theirs } = gracefully(30);
    await bench.start(ours, withPassing(theirs), { kernel: true });
    await cell('gr-helper', async () => {
      await bench.bothEstablished(theirs);
      await bench.ourPath(PASSING);
      await inKernel(bench, PEER_V4);
      const watch = bench.watchRoutes();
      await bench.peer.stop('SIGKILL');
      await until('we see it go', 8000, async () => when(!(await bench.us.established())));
      assert.equal((await bench.us.paths(PEER_V4)).length, 1, 'the route is kept');
      await bench.peer.start(bench.peerPlace, theirs, true);
      await bench.bothEstablished(theirs, 40_000);
      await until('what did not come back is gone', 15_000, async () =>
        when((await bench.us.paths(PASSING)).length === 0),
      );
      assert.equal((await bench.us.paths(PEER_V4)).length, 1);
      assert.deepEqual(await watch.deleted(PEER_V4), []);
    });
  },
};

const restarting: Scenario = {
  name: 'we restart',
  features: ['gr-restart'],
  async run(bench, cell) {
    const { ours, theirs } = gracefully(30);
    await bench.start(ours, theirs, { kernel: true });
    await cell('gr-restart', async () => {
      await bench.bothEstablished(theirs);
      await bench.theirPath(OUR_V4);
      await inKernel(bench, PEER_V4);
      const watch = bench.watchRoutes();
      await bench.us.stop('SIGKILL');
      await until('the peer sees us go', 8000, async () =>
        when(!(await bench.peer.established(theirs.neighbors[0]!))),
      );
      assert.equal((await bench.peer.paths(OUR_V4)).length, 1, 'the peer keeps our route');
      await bench.us.start(ours, { kernel: true, recover: true });
      await bench.bothEstablished(theirs, 30_000);
      await until('recovery is over', 15_000, () =>
        when(bench.us.log().includes('Graceful restart done')),
      );
      assert.equal((await bench.peer.paths(OUR_V4)).length, 1);
      await inKernel(bench, PEER_V4);
      assert.deepEqual(await watch.deleted(PEER_V4), []);
    });
  },
};

const longLived: Scenario = {
  name: 'the peer stays away',
  features: ['llgr-helper'],
  async run(bench, cell) {
    const ends = gracefully(2);
    const ours = { ...ends.ours, longLivedSec: 60 };
    const theirs = { ...ends.theirs, longLivedSec: 60 };
    await bench.start(ours, theirs, { kernel: true });
    await cell('llgr-helper', async () => {
      await bench.bothEstablished(theirs);
      await bench.ourPath(PEER_V4);
      await bench.peer.stop('SIGKILL');
      const stale = await bench.ourPath(PEER_V4, (path) => path.communities.includes('65535:6'));
      assert.ok(stale.communities.includes('64497:21'), 'its own communities stay');
      await bench.peer.start(bench.peerPlace, theirs, true);
      await bench.bothEstablished(theirs, 40_000);
      await bench.ourPath(PEER_V4, (path) => !path.communities.includes('65535:6'));
    });
  },
};

const softly: Scenario = {
  name: 'the peer says Cease',
  features: ['gr-notification'],
  async run(bench, cell) {
    const ends = gracefully(30);
    const ours = { ...ends.ours, gracefulNotification: true };
    const theirs = { ...ends.theirs, gracefulNotification: true };
    await bench.start(ours, theirs, { kernel: true });
    await cell('gr-notification', async () => {
      await bench.bothEstablished(theirs);
      await inKernel(bench, PEER_V4);
      const watch = bench.watchRoutes();
      await bench.peer.resetSoftly!(theirs.neighbors[0]!);
      await until('its Cease arrives', 8000, () =>
        when(/Received: Administrative (reset|shutdown)/.test(bench.us.log())),
      );
      assert.equal((await bench.us.paths(PEER_V4)).length, 1, 'the route is kept');
      await bench.bothEstablished(theirs, 40_000);
      await bench.theirPath(OUR_V4);
      assert.deepEqual(await watch.deleted(PEER_V4), []);
    });
  },
};

export const RESTARTS: readonly Scenario[] = [helper, restarting, longLived, softly];

function gracefully(restartTimeSec: number): { readonly ours: Setup; readonly theirs: Setup } {
  const { ours, theirs } = endsWith();
  return { ours: { ...ours, restartTimeSec }, theirs: { ...theirs, restartTimeSec } };
}

function withPassing(setup: Setup): Setup {
  return { ...setup, originate: [...setup.originate, { prefix: PASSING }] };
}

async function inKernel(bench: Bench, prefix: string): Promise<void> {
  await until(`${prefix} is in our kernel`, 5000, async () =>
    when((await bench.ourHost.run(['ip', 'route', 'show', prefix])).stdout.includes('via')),
  );
}
