// BFD's echo function between our speaker and a real FRR router, then ours, in both directions at once:
// each sends echo packets by way of the other, whose kernel returns them. And what happens when one of
// the kernels stops to do so while control packets go on.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Host, type NodeDaemon, realFrr, rookeryRouter, until, when } from '@rookery/lab';
import type { ApiUnderTest } from '../kube/api-servers.ts';
import { speakerOn, startOneNode } from '../support/one-node.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/lib/frr/bfdd');
const state = skip ? '' : await insideSandbox();
const NODE = '192.168.1.32';
const ROUTER = '192.168.1.1';
/** Three of them are more than what a busy machine holds a daemon up for. */
const INTERVAL_MS = 200;

let node: Host;
let router: Host;
let api: ApiUnderTest;
let speaker: NodeDaemon;
let frr: NodeDaemon;

before(async () => {
  if (skip) return;
  [node, router] = [await Host.create('node', 'echo-'), await Host.create('router', 'echo-')];
  await node.ip(`link add eth0 type veth peer name eth0 netns ${router.namespace}`);
  for (const [host, address] of [
    [node, NODE],
    [router, ROUTER],
  ] as const) {
    await host.ip('link set lo up', 'link set eth0 up', `address add ${address}/24 dev eth0`);
    await forward(host, true);
  }
  api = await startOneNode({ host: node, directory: join(state, 'api') }, [
    {
      apiVersion: 'metallb.io/v1beta2',
      kind: 'BGPPeer',
      name: 'router',
      spec: { myASN: 64497, peerASN: 64496, peerAddress: ROUTER, bfdProfile: 'echo' },
    },
    {
      apiVersion: 'metallb.io/v1beta1',
      kind: 'BFDProfile',
      name: 'echo',
      spec: { echoMode: true, echoInterval: INTERVAL_MS },
    },
  ]);
  frr = realFrr({ host: router, directory: join(state, 'frr') }, FRR, 179);
  speaker = speakerOn(node, join(state, 'speaker'), api);
  await frr.start();
  await speaker.start();
});

after(async () => {
  if (skip) return;
  await Promise.all([speaker?.stop(), frr?.stop(), api?.close()]);
  await Promise.all([node?.destroy(), router?.destroy()]);
});

test('echo packets of both ends come back, and both sessions stay up', { skip }, async () => {
  // FRR makes its session anew when BGP is up; what counts is what follows.
  await echoesComeBack(5);
  const before = await Promise.all([speaker, frr].map(counters));
  await echoesComeBack(25);
  const now = await Promise.all([speaker, frr].map(counters));
  for (const [i, { 'echo-packet-output': sent, ...after }] of now.entries()) {
    assert.equal(after['session-down'], before[i]!['session-down']);
    const lost = sent - before[i]!['echo-packet-output'] - grown(before[i]!, after);
    assert.ok(lost <= 2, `${lost} of the last ones did not come back`);
  }
  const seen = await peer(speaker);
  assert.deepEqual(
    [seen['echo-receive-interval'], seen['echo-transmit-interval']],
    [INTERVAL_MS, INTERVAL_MS],
    'announced and in force',
  );
  assert.equal(seen['remote-echo-receive-interval'], INTERVAL_MS);
  assert.ok(seen['rtt-min'] > 0 && seen['rtt-min'] <= seen['rtt-avg']);
  assert.ok(seen['rtt-avg'] <= seen['rtt-max']);
});

test(
  'a router that returns no more echo packets has failed, though it still talks',
  { skip },
  async () => {
    await forward(router, false);
    await until('the failure', 5000, async () =>
      when((await counters(speaker))['session-down'] > 0),
    );
    // Up again by its control packets; echo packets that never came back in this session say nothing.
    await until('the session again', 15_000, async () =>
      when((await peer(speaker)).status === 'up'),
    );
    const { 'session-down': downs } = await counters(speaker);
    const { 'echo-packet-output': sent } = await counters(speaker);
    await until('echo packets without answer', 15_000, async () =>
      when((await counters(speaker))['echo-packet-output'] > sent + 10),
    );
    assert.equal((await counters(speaker))['session-down'], downs);
  },
);

test('where our kernel returns none we say so, and FRR sends none', { skip }, async () => {
  await forward(router, true);
  await forward(node, false);
  await until('our word', 15_000, async () =>
    when((await peer(frr))['remote-echo-receive-interval'] === 0),
  );
  await until('both to be up', 15_000, async () =>
    when((await peer(frr)).status === 'up' && (await peer(speaker)).status === 'up'),
  );
});

/** So many more at either end, both up. */
async function echoesComeBack(count: number, ends = [speaker, frr]): Promise<void> {
  for (const daemon of ends) {
    let before: CountersJson | undefined;
    await until('echo packets to come back', 30_000, async () => {
      if ((await peer(daemon)).status !== 'up') return undefined;
      const now = await counters(daemon);
      before ??= now;
      return when(grown(before, now) > count);
    });
  }
}

function grown(
  before: Pick<CountersJson, 'echo-packet-input'>,
  after: Pick<CountersJson, 'echo-packet-input'>,
): number {
  return after['echo-packet-input'] - before['echo-packet-input'];
}

test('our router returns and sends them too, where it is told to', { skip }, async () => {
  await frr.stop();
  await forward(node, true);
  const place = { host: router, directory: join(state, 'ours') };
  const ours = rookeryRouter(place, SELF);
  await ours.start(BIRD);
  const argv = [...SELF, 'vtysh', '--vty_socket', place.directory, '-c'];
  const console = {
    ...speaker,
    vtysh: async (command: string) => (await router.run([...argv, command])).stdout,
  };
  await echoesComeBack(25, [speaker, console]);
  await ours.stop();
});

interface PeerJson {
  readonly status: string;
  readonly 'echo-receive-interval': number;
  readonly 'echo-transmit-interval': number;
  readonly 'remote-echo-receive-interval': number;
  readonly 'rtt-min': number;
  readonly 'rtt-avg': number;
  readonly 'rtt-max': number;
}

interface CountersJson {
  readonly 'echo-packet-input': number;
  readonly 'echo-packet-output': number;
  readonly 'session-down': number;
}

async function peer(daemon: NodeDaemon): Promise<PeerJson> {
  return JSON.parse(await daemon.vtysh('show bfd peers json'))[0] ?? { status: 'none' };
}

async function counters(daemon: NodeDaemon): Promise<CountersJson> {
  return JSON.parse(await daemon.vtysh('show bfd peers counters json'))[0];
}

async function forward(host: Host, on: boolean): Promise<void> {
  await host.sysctl({ 'net.ipv4.ip_forward': Number(on) });
}

/** Each daemon reads all of it, and an `exit` would end the reading in one that does not know the block. */
const FRR = `
hostname router
router bgp 64496
 bgp router-id ${ROUTER}
 no bgp ebgp-requires-policy
 neighbor ${NODE} remote-as 64497
 neighbor ${NODE} bfd
 neighbor ${NODE} bfd profile echo
bfd
 profile echo
  echo-mode
  echo transmit-interval ${INTERVAL_MS}
  echo receive-interval ${INTERVAL_MS}
`;

const BIRD = `
router id ${ROUTER};
protocol device { }
protocol bfd {
  interface "eth0" {
    interval 300 ms;
    echo rx interval ${INTERVAL_MS} ms;
    echo tx interval ${INTERVAL_MS} ms;
  };
}
protocol bgp node { local as 64496; neighbor ${NODE} as 64497; bfd; ipv4 { import all; export none; }; }
`;
