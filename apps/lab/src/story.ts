// The post's evening as a checked sequence: each stage applies the configuration that the post has
// at that point, verifies what must follow and says what was seen. What the real daemons do at the
// same point is in the text, so that the difference is visible (measured with BIRD 2.0.12, FRR 9.1).

import type { Tally } from './client.ts';
import { check, until, when } from './expect.ts';
import type { Lab } from './lab.ts';
import type { Narrator } from './narrator.ts';
import { BIRD_CONF, MANIFESTS, SECOND_POOL, SERVICE } from './post.ts';
import { type BfdFigures, fastDetection } from './story-bfd.ts';
import { NODES, type NodeName } from './topology.ts';

export interface Figures {
  /** From the start of the lab to the first answered request. */
  firstAnswerMs?: number;
  /** Node power-off to the end of its last route in the router's kernel. */
  detectionMs?: number;
  /** Node power-off to the last failed request, per client. */
  lastFailureMs?: { readonly lan: number; readonly wan: number };
  /** Node power-on to its next hop being back in the router's kernel. */
  returnMs?: number;
  /** The same with BFD, 300 ms x 3. */
  bfd?: BfdFigures;
}

const VIP = '192.168.2.1';
const SERVICE_KEY = { kind: 'Service', namespace: 'default', name: 'web' } as const;

/** Tells all eight stages. Later stages build on earlier ones, so a failed check does not end it. */
export async function tellStory(
  lab: Lab,
  narrator: Narrator,
  startedAtMs: number,
): Promise<Figures> {
  const figures: Figures = {};
  await minimalConfiguration(lab, narrator);
  await deviceAndFirstNode(lab, narrator);
  await allNodes(lab, narrator);
  await exportAll(lab, narrator, figures, startedAtMs);
  await mergePaths(lab, narrator);
  await nodePowerLoss(lab, narrator, figures);
  await annotation(lab, narrator);
  figures.bfd = await fastDetection(lab, narrator);
  return figures;
}

async function minimalConfiguration(lab: Lab, narrator: Narrator): Promise<void> {
  narrator.stage(1, 'The minimal bird.conf: nothing listens, every session stays in Active');
  lab.cluster!.apply(MANIFESTS);
  await narrator.fact(
    "the post's three objects are accepted, v1beta1 peer included",
    () => 'bgp-pool, bgp-router-peer, bgp-pool-advertisement',
  );
  await Promise.all([
    lab.router.start(BIRD_CONF.minimal),
    ...[...lab.nodes.values()].map((node) => node.start()),
  ]);
  await narrator.fact("the router logs the post's lines", async () => {
    const wanted = [
      'kernel6: 2600:4040:5786:ee00::/56: [alien] ignored',
      'KRT: Received route fd5c:6784:b290::/64 with unknown ifindex 12',
      'kernel6: fd5c:6784:b290::/48: [alien] ignored',
      'kernel6: Pruning table master6',
      'kernel4: Scanning routing table',
      'KRT: Received route 0.0.0.0/0 with unknown ifindex 7',
      'KRT: Received route 72.85.191.0/24 with unknown ifindex 7',
      'KRT: Received route 172.17.0.0/16 with unknown ifindex 16',
      'KRT: Received route 192.168.1.0/24 with unknown ifindex 12',
      'kernel4: Pruning table master4',
    ];
    for (const line of wanted) await lab.syslog.line(line, 5000);
    return `${wanted.length} of ${wanted.length} lines, in syslog`;
  });
  await narrator.fact('every node is in Active', async () => {
    for (const node of NODES) await sessionState(lab, node.name, 'Active', 15_000);
    return NODES.map((node) => node.name).join(', ');
  });
  await narrator.fact('nothing listens on port 179', async () => {
    check(!(await listens(lab)), 'something listens on port 179 of the router');
    return 'no socket';
  });
  await narrator.fact(
    'the router says what is missing and how to fix it',
    async () => (await lab.syslog.line(/protocol device/, 5000)).text,
  );
  narrator.show(
    'kubectl exec -it -n metallb daemonset.apps/metallb-speaker -c frr -- vtysh -c "show bgp summary"',
    firstTable(await lab.node('node1').vtysh('show bgp summary')),
  );
}

async function deviceAndFirstNode(lab: Lab, narrator: Narrator): Promise<void> {
  narrator.stage(2, 'protocol device, the template and node1: one node comes up, the others knock');
  await lab.router.configure(BIRD_CONF.firstNode);
  await narrator.fact('node1 is Established', async () => {
    await sessionState(lab, 'node1', 'Established', 15_000);
    return protocolLine(await lab.router.birdc('show protocols'), 'node1');
  });
  for (const node of NODES.slice(1)) {
    await narrator.fact(
      `${node.name} is turned away by name`,
      async () =>
        (
          await lab.syslog.line(
            `BGP: Unexpected connect from unknown address ${node.address}`,
            30_000,
          )
        ).text,
    );
  }
}

async function allNodes(lab: Lab, narrator: Narrator): Promise<void> {
  narrator.stage(
    3,
    'All nodes and the service: routes in the table, none in the kernel, no answer',
  );
  await lab.router.configure(BIRD_CONF.allNodes);
  lab.cluster!.apply(SERVICE);
  await narrator.fact('the service gets its address from bgp-pool', async () => {
    await until(`the address ${VIP}`, 10_000, async () => when(serviceAddress(lab) === VIP));
    return `${VIP} (192.168.2.0 is skipped: avoidBuggyIPs)`;
  });
  await narrator.fact('all three nodes are Established', async () => {
    for (const node of NODES) await sessionState(lab, node.name, 'Established', 30_000);
    return `${NODES.length} sessions`;
  });
  await narrator.fact('the router holds one route per node', async () => {
    const routes = await until('three routes', 10_000, async () => {
      const text = await lab.router.birdc(`show route for ${VIP}`);
      return when(NODES.every((node) => text.includes(`via ${node.address} on br-lan`))) && text;
    });
    narrator.show(`birdc show route for ${VIP}`, routes);
    return 'three paths in master4';
  });
  await narrator.fact('the kernel has none of them (export none)', async () => {
    check((await kernelRoute(lab)) === '', `the kernel has ${await kernelRoute(lab)}`);
    return 'ip route show proto bird: empty';
  });
  await narrator.fact('neither client gets an answer', async () => {
    const [lan, wan] = await Promise.all([lab.lan.ask(VIP), lab.wan.ask(VIP)]);
    check(lan.answer === undefined && wan.answer === undefined, 'a client got an answer');
    return `LAN: ${lan.error}; beyond the router: ${wan.error}`;
  });
}

async function exportAll(
  lab: Lab,
  narrator: Narrator,
  figures: Figures,
  startedAtMs: number,
): Promise<void> {
  narrator.stage(4, 'kernel export all: "And with that, it works!"');
  await lab.router.configure(BIRD_CONF.exportAll);
  await narrator.fact('the kernel has the route', async () =>
    until('the kernel route', 5000, async () => {
      const route = await kernelRoute(lab);
      return when(route.includes('via')) && route;
    }),
  );
  for (const [name, client] of [
    ['the LAN client', lab.lan],
    ['the client beyond the router', lab.wan],
  ] as const) {
    await narrator.fact(`${name} is answered`, async () => {
      const report = await until('an answer', 5000, async () => {
        const answer = await client.ask(VIP);
        return answer.answer === undefined ? undefined : answer;
      });
      figures.firstAnswerMs ??= Date.now() - startedAtMs;
      return `by ${report.answer} in ${report.durationMs.toFixed(1)} ms`;
    });
  }
  await narrator.fact(
    'what the post did not see: one next hop, so one node carries everything',
    async () => {
      const tally = await askMany(lab, 'wan', 60);
      check(tally.failed === 0, `${tally.failed} requests failed`);
      check(tally.byNode.size === 1, `answers came from ${spread(tally)}`);
      return `60 requests: ${spread(tally)}`;
    },
  );
  await narrator.fact('the v1beta1 peer without timers keeps its liveness', async () => {
    const text = await lab.node('node1').vtysh('show ip bgp neighbor');
    const hold = /Hold time is (\d+) seconds/.exec(text)?.[1];
    check(hold !== undefined && hold !== '0', `negotiated hold time is ${hold}`);
    return `hold time ${hold} s; upstream renders "timers 0 0" here and would never notice a dead node`;
  });
}

async function mergePaths(lab: Lab, narrator: Narrator): Promise<void> {
  narrator.stage(5, 'merge paths on: three next hops, and what the LAN client still does');
  await lab.router.configure(BIRD_CONF.mergePaths);
  await narrator.fact('the kernel spreads over three next hops', async () => {
    const nextHops = await until('three next hops', 5000, async () => {
      const found = await kernelNextHops(lab);
      return found.size === NODES.length ? found : undefined;
    });
    return [...nextHops].join(', ');
  });
  await narrator.fact('requests from beyond the router reach all three nodes', async () => {
    const tally = await askMany(lab, 'wan', 120);
    check(tally.failed === 0, `${tally.failed} requests failed`);
    check(tally.byNode.size === NODES.length, `answers came from ${spread(tally)}`);
    return `120 requests: ${spread(tally)}`;
  });
  await narrator.fact('the LAN client is redirected to one node and stays there', async () => {
    const cached = await until('a redirect in its cache', 5000, async () => {
      // A DNS query, say. TCP on one machine is too fast to be redirected: the answer of the router
      // arrives while connect() still holds the socket.
      lab.lan.sendDatagram(VIP, 53);
      const { stdout } = await lab.hosts.client.run(['ip', 'route', 'get', VIP]);
      return stdout.includes('redirected') ? stdout : undefined;
    });
    return cached
      .split('\n')
      .map((line) => line.trim())
      .join(' ')
      .trim();
  });
  await narrator.fact(
    'the router says so, with the cure',
    async () => (await lab.syslog.line(/send_redirects/, 5000)).text,
  );
  await lab.hosts.router.sysctl({
    'net.ipv4.conf.all.send_redirects': 0,
    'net.ipv4.conf.br-lan.send_redirects': 0,
  });
  await lab.hosts.client.run(['ip', 'route', 'flush', 'cache']);
  await narrator.fact('with the cure applied the LAN client spreads too', async () => {
    const tally = await askMany(lab, 'lan', 120);
    check(tally.failed === 0, `${tally.failed} requests failed`);
    check(tally.byNode.size === NODES.length, `answers came from ${spread(tally)}`);
    return `120 requests: ${spread(tally)}`;
  });
}

async function nodePowerLoss(lab: Lab, narrator: Narrator, figures: Figures): Promise<void> {
  narrator.stage(6, 'node2 loses power: nothing is closed, nobody is told');
  const victim = NODES[1];
  lab.lan.keepAsking(VIP, 20);
  lab.wan.keepAsking(VIP, 20);
  await until('requests on their way', 5000, () => when(lab.wan.tally().total > 50));
  const offAtMs = Date.now();
  await lab.powerOff(victim.name);
  await narrator.fact(
    'the router stops using it within 9 s (the real pair: never; with hold 9: 127 s)',
    async () => {
      await until('the next hop to go', 12_000, async () =>
        when(!(await kernelNextHops(lab)).has(victim.address)),
      );
      figures.detectionMs = Date.now() - offAtMs;
      check(figures.detectionMs <= 9000, `it took ${seconds(figures.detectionMs)}`);
      return seconds(figures.detectionMs);
    },
  );
  const movedAtMs = Date.now();
  await until('more requests', 5000, () => when(Date.now() - movedAtMs > 2500));
  const [lan, wan] = [lab.lan.tally(offAtMs), lab.wan.tally(offAtMs)];
  figures.lastFailureMs = {
    lan: (lan.lastFailureAtMs ?? offAtMs) - offAtMs,
    wan: (wan.lastFailureAtMs ?? offAtMs) - offAtMs,
  };
  for (const [name, tally, lastMs] of [
    ['the LAN client', lan, figures.lastFailureMs.lan],
    ['the client beyond the router', wan, figures.lastFailureMs.wan],
  ] as const) {
    await narrator.fact(`${name} is served by the others`, () => {
      const after = (name === 'the LAN client' ? lab.lan : lab.wan).tally(movedAtMs + 1000);
      check(after.failed === 0, `${after.failed} of ${after.total} requests failed after the move`);
      check(
        !after.byNode.has(victim.name) && after.byNode.size === 2,
        `answers came from ${spread(after)}`,
      );
      return `${tally.failed} of ${tally.total} requests failed, the last one ${seconds(lastMs)} after the power loss`;
    });
  }
  const onAtMs = Date.now();
  await lab.powerOn(victim.name);
  await narrator.fact(
    'back in service within seconds of its return (the real pair: 60 to 120 s)',
    async () => {
      await until('its next hop to return', 20_000, async () =>
        when((await kernelNextHops(lab)).has(victim.address)),
      );
      figures.returnMs = Date.now() - onAtMs;
      await until('an answer from it', 5000, () =>
        when(lab.wan.tally(onAtMs).byNode.has(victim.name)),
      );
      return seconds(figures.returnMs);
    },
  );
  lab.lan.rest();
  lab.wan.rest();
}

async function annotation(lab: Lab, narrator: Narrator): Promise<void> {
  narrator.stage(7, 'The annotation moves the service to another pool, and back');
  const cluster = lab.cluster!;
  cluster.apply(SECOND_POOL);
  const moves = [
    { pool: 'other-pool', address: '192.168.3.1', old: VIP },
    { pool: 'bgp-pool', address: VIP, old: '192.168.3.1' },
  ];
  for (const { pool, address, old } of moves) {
    cluster.annotate(SERVICE_KEY, { 'metallb.io/address-pool': pool });
    await narrator.fact(`metallb.io/address-pool: "${pool}" re-allocates`, async () => {
      await until(`the address ${address}`, 10_000, async () =>
        when(serviceAddress(lab) === address),
      );
      const event = await until('an event', 5000, async () =>
        cluster.events(SERVICE_KEY).findLast((e) => e.message.includes(address)),
      );
      return `${address}; event ${event.reason}: ${event.message}`;
    });
    await narrator.fact(`routes follow: ${address} in, ${old} out`, async () => {
      await until('the kernel to follow', 5000, async () => {
        const hops = await kernelNextHops(lab, address);
        return when(hops.size === NODES.length && (await kernelRoute(lab, old)) === '');
      });
      const report = await until('an answer', 5000, async () => {
        const answer = await lab.wan.ask(address);
        return answer.answer === undefined ? undefined : answer;
      });
      return `three next hops; http://${address}/ answered by ${report.answer}`;
    });
  }
}

async function sessionState(
  lab: Lab,
  node: NodeName,
  state: string,
  timeoutMs: number,
): Promise<void> {
  await until(
    `${node}: session ${state}`,
    timeoutMs,
    async () => {
      const summary = JSON.parse(await lab.node(node).vtysh('show bgp ipv4 unicast summary json'));
      const peers: Record<string, { state?: string }> = summary.peers ?? {};
      return when(Object.values(peers).some((peer) => peer.state === state));
    },
    200,
  );
}

function serviceAddress(lab: Lab): string | undefined {
  const service = lab.cluster!.get(SERVICE_KEY);
  const status = service?.['status'] as
    | { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } }
    | undefined;
  return status?.loadBalancer?.ingress?.[0]?.ip;
}

async function kernelRoute(lab: Lab, address = VIP): Promise<string> {
  const { stdout } = await lab.hosts.router.run(['ip', 'route', 'show', `${address}/32`]);
  return stdout.trim().replace(/\s+/g, ' ');
}

async function kernelNextHops(lab: Lab, address = VIP): Promise<ReadonlySet<string>> {
  const route = await kernelRoute(lab, address);
  return new Set([...route.matchAll(/via (\S+)/g)].map((match) => match[1]!));
}

async function listens(lab: Lab): Promise<boolean> {
  // 00B3 is port 179 in the kernel's socket tables, 0A the state LISTEN.
  const { stdout } = await lab.hosts.router.run(['cat', '/proc/net/tcp', '/proc/net/tcp6']);
  return /:00B3 \S+ 0A/.test(stdout);
}

async function askMany(lab: Lab, from: 'lan' | 'wan', count: number): Promise<Tally> {
  const client = lab[from];
  client.keepAsking(VIP, 10);
  await until(`${count} requests`, 15_000, () => when(client.tally().total >= count));
  client.rest();
  return client.tally();
}

function spread(tally: Tally): string {
  return [...tally.byNode]
    .map(([node, count]) => `${node} ${count}`)
    .sort()
    .join(', ');
}

function protocolLine(text: string, name: string): string {
  return (
    text
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.trimEnd() ?? ''
  );
}

function firstTable(summary: string): string {
  return summary.split('\nIPv6 Unicast Summary')[0]!.trim();
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
