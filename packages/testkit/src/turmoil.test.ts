// Random trouble on the post's network, then peace: after everything that was broken is whole again
// the router's kernel must hold exactly what the nodes announce, whatever happened on the way. A
// failure names its seed; the same seed fails again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouterConfig } from '@rookery/router';
import {
  ALL,
  bgpChannelConfig,
  bgpConfig,
  blackhole,
  deviceConfig,
  kernelConfig,
  routerConfig,
  staticConfig,
} from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import { seededRandom } from './virtual-clock.ts';

const NODES = [1, 2, 3] as const;
const NETS = ['192.168.2.1/32', '192.168.2.2/32', '192.168.2.3/32', '192.168.2.0/28'];
const quiet = { debug: [] };

function hub(mergePaths: boolean): RouterConfig {
  return routerConfig(
    [
      kernelConfig('ipv4', ALL, { ...quiet, ...(mergePaths ? { mergePaths: 16 } : {}) }),
      deviceConfig(quiet),
      ...NODES.map((n) =>
        bgpConfig(
          `node${n}`,
          `192.168.1.${31 + n}`,
          { local: 64496, remote: 64497 },
          {
            ...quiet,
            errorWaitTimeMinSec: 1,
            errorWaitTimeMaxSec: 4,
            channels: [bgpChannelConfig('ipv4', quiet)],
          },
        ),
      ),
    ],
    { routerId: '192.168.1.1' },
  );
}

function speaker(n: number, nets: ReadonlySet<string>, med: number): RouterConfig {
  return routerConfig(
    [
      deviceConfig(quiet),
      staticConfig([...nets].map(blackhole), quiet),
      bgpConfig(
        'router',
        '192.168.1.1',
        { local: 64497, remote: 64496 },
        {
          ...quiet,
          holdTimeSec: 9,
          connectDelayTimeSec: 1,
          errorWaitTimeMinSec: 1,
          errorWaitTimeMaxSec: 4,
          channels: [
            bgpChannelConfig('ipv4', {
              ...quiet,
              exportPolicy: {
                kind: 'filter',
                name: 'med',
                text: `med ${med}`,
                filter: {
                  reads: { net: false, protocol: false },
                  run: (_net, route) => ({ ...route, bgp: { asPath: [], ...route.bgp, med } }),
                },
              },
            }),
          ],
        },
      ),
    ],
    { routerId: `192.168.1.${31 + n}` },
  );
}

function run(seed: number): void {
  const random = seededRandom(seed * 7919);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const lan = new SimLan(seed);
  let merge = true;
  const router = lan.add({
    name: 'router',
    config: hub(merge),
    interfaces: [
      lanInterface('lo', 1, ['127.0.0.1/8']),
      lanInterface('br-lan', 12, ['192.168.1.1/24']),
    ],
  });
  const nets = new Map(NODES.map((n) => [n, new Set<string>([pick(NETS)])]));
  const med = new Map<number, number>(NODES.map((n) => [n, 0]));
  const dead = new Set<number>();
  const nodeOf = (n: number) => lan.routers.get(`node${n}`)!;
  const configOf = (n: (typeof NODES)[number]): RouterConfig =>
    speaker(n, nets.get(n)!, med.get(n)!);
  for (const n of NODES) {
    lan.add({
      name: `node${n}`,
      config: configOf(n),
      interfaces: [lanInterface('enp1s0', 2, [`192.168.1.${31 + n}/24`])],
    });
  }
  lan.network.setQuality('lan', { delayMs: 5, loss: random() * 0.3 });
  const happened: string[] = [];
  for (let step = 0; step < 40; step++) {
    const n = pick(NODES);
    const node = nodeOf(n);
    const what = Math.floor(random() * 11);
    happened.push(`${lan.clock.nowMs} ${what} node${n}`);
    switch (what) {
      case 0:
      case 1: {
        const net = pick(NETS);
        const own = nets.get(n)!;
        if (!own.delete(net)) own.add(net);
        if (!dead.has(n)) node.configure(configOf(n));
        break;
      }
      case 2:
        med.set(n, pick([0, 5]));
        if (!dead.has(n)) node.configure(configOf(n));
        break;
      case 3:
        lan.network.setPartition(router.host, node.host, random() < 0.5);
        break;
      case 4:
        if (!dead.has(n)) node.kill();
        dead.add(n);
        break;
      case 5:
        if (!dead.has(n)) node.powerOff();
        dead.add(n);
        break;
      case 6:
        if (dead.delete(n)) node.boot(configOf(n));
        break;
      case 7:
        router.host.setInterface('br-lan', { adminUp: random() < 0.5 });
        break;
      case 8:
        router.command((r, now) => void r.restart([`node${n}`], undefined, now));
        break;
      case 9:
        router.kill();
        router.boot();
        break;
      case 10:
        merge = !merge;
        router.configure(hub(merge));
        break;
    }
    lan.advance(random() * 6000);
  }
  router.host.setInterface('br-lan', { adminUp: true });
  for (const n of NODES) {
    lan.network.setPartition(router.host, nodeOf(n).host, false);
    if (dead.has(n)) nodeOf(n).boot(configOf(n));
  }
  lan.network.setQuality('lan', { delayMs: 1, loss: 0 });
  const expected = NETS.flatMap((net) => {
    const holders = NODES.filter((n) => nets.get(n)!.has(net));
    // All are of one neighbor AS, so the lowest MED wins before anything else.
    const lowest = Math.min(...holders.map((n) => med.get(n)!));
    const best = holders.filter((n) => med.get(n) === lowest);
    const hops = (merge ? best : best.slice(0, 1)).map((n) => `192.168.1.${31 + n}`);
    return hops.length > 0 ? [`${net} via ${hops.join()} metric 32`] : [];
  }).toSorted();
  lan.advance(400_000);
  const bugs = [...lan.routers.values()].flatMap((r) => r.log.filter((l) => l.class === 'bug'));
  assert.deepEqual(bugs, [], `seed ${seed}`);
  assert.deepEqual(router.fib.owned(), expected, `seed ${seed}\n${happened.join('\n')}`);
}

test('after random trouble the kernel holds exactly what the nodes announce', () => {
  for (let seed = 1; seed <= 12; seed++) run(seed);
});
