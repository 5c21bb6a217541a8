// The stage that the post does not have: BFD on a running set-up. A node without power is noticed
// after three missed packets instead of a hold time, and a speaker that starts anew is back in
// seconds (the real pair loses a minute or two to BIRD's error wait: lab notes, "start-up trap").

import { check, until, when } from './expect.ts';
import type { Lab } from './lab.ts';
import type { Narrator } from './narrator.ts';
import { BFD_MANIFESTS, BIRD_CONF } from './post.ts';
import { NODES, type NodeName } from './topology.ts';

export interface BfdFigures {
  /** Node power-off to the end of its last route in the router's kernel. */
  detectionMs?: number;
  /** Node power-off to the start of the last request that failed, per client. */
  lastFailureMs?: { readonly lan: number; readonly wan: number };
  /** Node power-on to its next hop being back in the router's kernel. */
  returnMs?: number;
  /** Start of a speaker with BFD to its next hop being back in the router's kernel. */
  startMs?: number;
}

const VIP = '192.168.2.1';
/** 300 ms x 3, and the time that a route takes into the kernel. */
const DETECTION_LIMIT_MS = 1000;
const PROBE_EVERY_MS = 20;

export async function fastDetection(lab: Lab, narrator: Narrator): Promise<BfdFigures> {
  narrator.stage(8, 'BFDProfile and "bfd on": 300 ms x 3 on the running sessions');
  const figures: BfdFigures = {};
  await adopt(lab, narrator);
  await loseNode(lab, narrator, figures);
  await startSpeaker(lab, narrator, figures);
  return figures;
}

async function adopt(lab: Lab, narrator: Narrator): Promise<void> {
  const before = await sessionsMade(lab);
  lab.cluster!.apply(BFD_MANIFESTS);
  await lab.router.configure(BIRD_CONF.bfd);
  await narrator.fact('BFD is Up with every node, at both ends', async () => {
    const rows = await until('three BFD sessions', 10_000, async () => {
      const found = await bfdRows(lab);
      return found.length === NODES.length && found.every((row) => / Up /.test(row))
        ? found
        : undefined;
    });
    for (const node of NODES) {
      await until(`${node.name} agrees`, 5000, async () =>
        when(/ up /.test(await lab.node(node.name).vtysh('show bfd peers brief'))),
      );
    }
    narrator.show('birdc show bfd sessions', rows.join('\n'));
    return `${rows.length} sessions`;
  });
  await narrator.fact('no BGP session was reset for it', async () => {
    check((await sessionsMade(lab)).join() === before.join(), 'a session was made anew');
    return `${NODES.length} sessions went on`;
  });
}

async function loseNode(lab: Lab, narrator: Narrator, figures: BfdFigures): Promise<void> {
  const victim = NODES[1];
  for (const client of [lab.lan, lab.wan]) client.keepAsking(VIP, PROBE_EVERY_MS);
  await until('requests on their way', 5000, () => when(lab.wan.tally().total > 50));
  const routeChange = watchRoute(lab);
  const offAtMs = Date.now();
  await lab.powerOff(victim.name);
  await narrator.fact('node2 loses power: the router stops using it within 1 s', async () => {
    await leaves(lab, victim.address);
    const detectionMs = (routeChange.firstAtMs() ?? Date.now()) - offAtMs;
    routeChange.end();
    figures.detectionMs = detectionMs;
    check(detectionMs <= DETECTION_LIMIT_MS, `it took ${seconds(detectionMs)}`);
    return seconds(detectionMs);
  });
  await narrator.fact('traffic has moved within 1 s, for both clients', async () => {
    const settledAtMs = Date.now() + 500;
    // A request that fails is known to have failed after a second.
    await until('their outcomes', 5000, () => when(Date.now() > settledAtMs + 1500));
    const [lan, wan] = [lab.lan, lab.wan].map((client) => {
      const { lastFailureAtMs } = client.tally(offAtMs);
      const later = client.tally(settledAtMs);
      check(later.failed === 0, `${later.failed} of ${later.total} later requests failed`);
      check(!later.byNode.has(victim.name), 'node2 still answers');
      return (lastFailureAtMs ?? offAtMs) - offAtMs;
    }) as [number, number];
    figures.lastFailureMs = { lan, wan };
    check(Math.max(lan, wan) <= DETECTION_LIMIT_MS, `${seconds(lan)} and ${seconds(wan)}`);
    return `last failed requests ${seconds(lan)} and ${seconds(wan)} after the power loss`;
  });
  const onAtMs = Date.now();
  await lab.powerOn(victim.name);
  await narrator.fact('and it is back within seconds (the real pair: 60 to 120 s)', async () => {
    figures.returnMs = (await returns(lab, victim.address)) - onAtMs;
    return seconds(figures.returnMs);
  });
  for (const client of [lab.lan, lab.wan]) client.rest();
}

async function startSpeaker(lab: Lab, narrator: Narrator, figures: BfdFigures): Promise<void> {
  const node = NODES[2];
  await lab.node(node.name).stop();
  await leaves(lab, node.address);
  await narrator.fact('a speaker that starts with BFD loses no session to it', async () => {
    const startedAtMs = Date.now();
    await lab.node(node.name).start();
    figures.startMs = (await returns(lab, node.address)) - startedAtMs;
    await until('BFD with it', 10_000, async () =>
      when((await bfdRows(lab)).filter((row) => / Up /.test(row)).length === NODES.length),
    );
    const [made, dropped] = await neighborCounts(lab, node.name);
    check(made === 1 && dropped === 0, `${made} sessions made, ${dropped} dropped`);
    return `in service ${seconds(figures.startMs)} after its start, first session`;
  });
}

async function bfdRows(lab: Lab): Promise<readonly string[]> {
  const text = await lab.router.birdc('show bfd sessions');
  return text.split('\n').filter((line) => line.startsWith('192.168.1.'));
}

/** BGP sessions that each node has had so far. */
async function sessionsMade(lab: Lab): Promise<readonly number[]> {
  return Promise.all(NODES.map(async (node) => (await neighborCounts(lab, node.name))[0]));
}

async function neighborCounts(lab: Lab, node: NodeName): Promise<readonly [number, number]> {
  const text = await lab.node(node).vtysh('show bgp neighbors json');
  const [peer] = Object.values<Record<string, number>>(JSON.parse(text));
  return [peer?.['connectionsEstablished'] ?? 0, peer?.['connectionsDropped'] ?? 0];
}

/** The kernel's own report of a change: asking it again and again takes longer than the change. */
function watchRoute(lab: Lab): { firstAtMs(): number | undefined; end(): void } {
  const child = lab.hosts.router.spawn(['ip', 'monitor', 'route'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let firstAtMs: number | undefined;
  child.stdout!.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes(VIP)) firstAtMs ??= Date.now();
  });
  return { firstAtMs: () => firstAtMs, end: () => void child.kill() };
}

/** Waits until the router's kernel no longer uses a node. */
async function leaves(lab: Lab, address: string): Promise<void> {
  await until(`the next hop ${address} to go`, 10_000, async () =>
    when(!(await usesNextHop(lab, address))),
  );
}

async function returns(lab: Lab, address: string): Promise<number> {
  return until(`the next hop ${address} to return`, 20_000, async () =>
    (await usesNextHop(lab, address)) ? Date.now() : undefined,
  );
}

async function usesNextHop(lab: Lab, address: string): Promise<boolean> {
  const { stdout } = await lab.hosts.router.run(['ip', 'route', 'show', `${VIP}/32`]);
  return `${stdout.replace(/\s+/g, ' ')} `.includes(`via ${address} `);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
