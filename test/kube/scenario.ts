// One scenario for every API server: the post's objects and a service, our controller and one
// speaker as real processes, our router, and real kubectl. What holds with the real kube-apiserver
// must hold with ours, and the other way round.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { metallbCrds } from '@rookery/kube-embedded';
import {
  BIRD_CONF,
  end,
  Host,
  launch,
  MANIFESTS,
  rookeryRouter,
  rookerySpeaker,
  SECOND_POOL,
  SERVICE,
  tailOf,
  until,
  when,
  type NodeDaemon,
  type RouterDaemon,
} from '@rookery/lab';
import { Kubectl } from '../support/kubectl.ts';
import { SELF } from '../support/sandbox.ts';
import type { ApiPlace, ApiUnderTest } from './api-servers.ts';

const NODE = '192.168.1.32';
const ROUTER = '192.168.1.1';
const VIP = '192.168.2.1';
const OTHER_VIP = '192.168.3.1';
const OUTAGE_MS = Number(process.env['ROOKERY_OUTAGE_SEC'] ?? 15) * 1000;

/** Defines the tests of a server; `open` makes it in the node's host. */
export function runScenario(
  server: string,
  skip: string | false,
  state: string,
  open: (place: ApiPlace) => ApiUnderTest,
): void {
  let router: Host;
  let node: Host;
  let api: ApiUnderTest;
  let kubectl: Kubectl;
  let bird: RouterDaemon;
  let speaker: NodeDaemon;
  let controller: ChildProcess;
  const control = (): { host: Host; directory: string } => ({
    host: node,
    directory: join(state, 'control'),
  });
  const startController = (): ChildProcess =>
    launch(control(), 'controller', [
      ...SELF,
      ...['controller', '--namespace', 'metallb', '--kubeconfig', api.kubeconfig, '--port', '0'],
    ]);

  before(async () => {
    if (skip) return;
    [router, node] = await Promise.all([Host.create('router', 'k-'), Host.create('node1', 'k-')]);
    await router.ip(
      `link add br-lan type veth peer name enp1s0 netns ${node.namespace}`,
      'link set lo up',
      'link set br-lan up',
      `address add ${ROUTER}/24 dev br-lan`,
    );
    await node.ip(
      'link set lo up',
      'link set enp1s0 up',
      `address add ${NODE}/24 dev enp1s0`,
      `route add default via ${ROUTER}`,
    );
    api = open({ host: node, directory: join(state, 'api'), address: NODE });
    kubectl = new Kubectl(api.kubeconfig, state, node);
    bird = rookeryRouter({ host: router, directory: join(state, 'router') }, SELF);
    speaker = rookerySpeaker({ host: node, directory: join(state, 'node1') }, SELF, {
      kubeconfig: api.kubeconfig,
      nodeName: 'node1',
    });
    await api.start();
  });

  after(async () => {
    if (skip) return;
    await Promise.all([speaker?.stop(), bird?.stop(), end(controller)]);
    await api?.close();
  });

  test(`${server} takes our definitions of MetalLB’s resources`, { skip }, async () => {
    const applied = await kubectl.line('kubectl create -f -', list(metallbCrds()));
    assert.equal(applied.match(/ created$/gm)?.length, 9, applied);
    await kubectl.line('kubectl wait --for=condition=Established crd --all --timeout=20s');
    await kubectl.line('kubectl apply -f -', list(clusterObjects()));
    await kubectl.line(
      `kubectl patch node node1 --subresource=status --type=merge -p '${NODE_STATUS}'`,
    );
  });

  test(`${server} takes the post’s objects, and v1beta1 without a webhook`, { skip }, async () => {
    const first = await kubectl.run(['apply', '-f', '-'], MANIFESTS);
    assert.equal(first.stdout.match(/ created$/gm)?.length, 3, first.stderr);
    assert.match(first.stderr, /v1beta1 is deprecated, please use v1beta2/);
    await kubectl.line('kubectl apply -f -', SECOND_POOL);
    const unchanged = await kubectl.line('kubectl apply -f -', MANIFESTS);
    assert.equal(unchanged.match(/ unchanged$/gm)?.length, 3, unchanged);
    const peers = (version: string): Promise<string> =>
      kubectl.line(
        `kubectl get bgppeers.${version}.metallb.io bgp-router-peer -n metallb -o jsonpath=` +
          '"{.spec.peerAddress} {.spec.peerASN} {.spec.myASN} {.spec.holdTime}"',
      );
    assert.equal(await peers('v1beta1'), '192.168.1.1 64496 64497 ');
    assert.equal(await peers('v1beta2'), '192.168.1.1 64496 64497 ');
    const columns = await kubectl.line('kubectl get bgppeers,ipaddresspools -n metallb');
    assert.match(columns, /NAME +ADDRESS +ASN +BFD PROFILE +MULTI HOPS\n.*192\.168\.1\.1 +64496/);
    assert.match(columns, /NAME +AUTO ASSIGN +AVOID BUGGY IPS +ADDRESSES/);
  });

  test(`${server} refuses what MetalLB’s schemas refuse`, { skip }, async () => {
    for (const [change, problem] of [
      [{ holdTime: '9s', myASN: -1 }, /spec\.myASN/],
      [{ peerPort: 70_000 }, /spec\.peerPort/],
      [{ connectTime: '1500ms' }, /whole number of seconds/],
      [{ dynamicASN: 'both' }, /spec\.dynamicASN/],
    ] as const) {
      const refused = await kubectl.run(['create', '-f', '-'], JSON.stringify(peerWith(change)));
      assert.notEqual(refused.status, 0, JSON.stringify(change));
      assert.match(refused.stderr, problem);
    }
  });

  test(`${server}: a service gets its address and its route`, { skip }, async () => {
    controller = startController();
    await bird.start(BIRD_CONF.mergePaths);
    await speaker.start();
    await kubectl.line('kubectl apply -f -', SERVICE);
    await address(VIP);
    await route(VIP, true);
    const ingress = await kubectl.line(
      'kubectl get service web -o jsonpath="{.status.loadBalancer.ingress}"',
    );
    assert.match(ingress, /^\[\{"ip":"192\.168\.2\.1"(,"ipMode":"VIP")?\}\]$/);
  });

  test(`${server}: events and statuses are there to be seen`, { skip }, async () => {
    await until('the events', 10_000, async () => {
      const text = await kubectl.line('kubectl describe service web');
      return when(
        /IPAllocated .*metallb-controller +Assigned IP \["192\.168\.2\.1"\]/.test(text) &&
          /nodeAssigned .*announcing from node "node1" with protocol "bgp"/.test(text),
      );
    });
    await until('the lint', 10_000, async () => {
      const text = await kubectl.line('kubectl describe bgppeer bgp-router-peer -n metallb');
      return when(/Warning +TimersUnset .*hold time 0.*Cure: /.test(text));
    });
    await until('the status', 10_000, async () => {
      const text = await kubectl.line(
        'kubectl get servicebgpstatuses -n metallb -o jsonpath="{.items[*].status}"',
      );
      const status = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
      return when(
        status['node'] === 'node1' &&
          status['serviceName'] === 'web' &&
          JSON.stringify(status['peers']) === '["bgp-router-peer"]',
      );
    });
    await until('the verdicts', 10_000, async () => {
      const text = await kubectl.line('kubectl get configurationstates -n metallb');
      return when(/^controller +Valid/m.test(text) && /^speaker-node1 +Valid/m.test(text));
    });
    const pool = await kubectl.line(
      'kubectl get ipaddresspool bgp-pool -n metallb -o jsonpath="{.status}"',
    );
    assert.match(pool, /"assignedIPv4":1/);
  });

  test(
    `${server}: the annotation moves the service to another pool and back`,
    { skip },
    async () => {
      for (const [pool, wanted, old] of [
        ['other-pool', OTHER_VIP, VIP],
        ['bgp-pool', VIP, OTHER_VIP],
      ] as const) {
        await kubectl.line(
          `kubectl annotate service web metallb.io/address-pool=${pool} --overwrite`,
        );
        await address(wanted);
        await route(wanted, true);
        await route(old, false);
      }
    },
  );

  test(`${server}: a controller that restarts changes nothing`, { skip }, async () => {
    const version = 'kubectl get service web -o jsonpath="{.metadata.resourceVersion}"';
    const before = await kubectl.line(version);
    await end(controller, 'SIGKILL');
    controller = startController();
    const second = SERVICE.replace('name: web', 'name: second');
    await kubectl.line('kubectl apply -f -', second);
    await address('192.168.2.2', 'second');
    assert.equal(await kubectl.line(version), before, 'the first service was not written');
    await kubectl.line('kubectl delete service second');
  });

  test(`${server}: going away and coming back loses nothing`, { skip }, async (t) => {
    const before = await sessionSince();
    const logs = { controller: log(control(), 'controller'), speaker: speakerLog() };
    await api.stop();
    const awayAtMs = performance.now();
    await until('the outage to last', OUTAGE_MS + 5000, async () => {
      assert.ok(await hasRoute(VIP), 'the route was withdrawn');
      return when(performance.now() - awayAtMs >= OUTAGE_MS);
    });
    for (const [name, text] of [
      ['controller', log(control(), 'controller').slice(logs.controller.length)],
      ['speaker', speakerLog().slice(logs.speaker.length)],
    ] as const) {
      assert.equal(text.match(/lost contact with the API server/g)?.length, 1, `${name}: ${text}`);
      assert.ok(text.trim().split('\n').length <= 2, `${name} floods: ${text}`);
    }
    await api.start();
    const backAtMs = performance.now();
    await kubectl.line('kubectl apply -f -', SERVICE.replace('name: web', 'name: late'));
    await address('192.168.2.2', 'late', 30_000);
    t.diagnostic(`the next service: ${Math.round(performance.now() - backAtMs)} ms after`);
    assert.equal(await statusOf('web'), VIP, 'the address is kept');
    assert.ok(await hasRoute(VIP), 'the route was withdrawn');
    assert.equal(await sessionSince(), before, 'the session is the same');
  });

  test(`${server}: a deleted service is withdrawn, its objects go`, { skip }, async () => {
    await kubectl.line('kubectl delete service web');
    await route(VIP, false);
    await until('its status object to go', 10_000, async () => {
      const text = await kubectl.line('kubectl get servicebgpstatuses -n metallb -o name');
      return when(text.split('\n').filter((name) => name !== '').length <= 1);
    });
  });

  async function statusOf(service: string): Promise<string> {
    return kubectl.line(
      `kubectl get service ${service} -o jsonpath="{.status.loadBalancer.ingress[*].ip}"`,
    );
  }

  async function address(wanted: string, service = 'web', timeoutMs = 15_000): Promise<void> {
    await until(`${service} to have ${wanted}`, timeoutMs, async () =>
      when((await statusOf(service)) === wanted),
    );
  }

  async function hasRoute(destination: string): Promise<boolean> {
    const { stdout } = await router.run(['ip', 'route', 'show', `${destination}/32`]);
    return stdout.includes(`via ${NODE}`);
  }

  async function route(destination: string, wanted: boolean): Promise<void> {
    const what = `the route to ${destination} to ${wanted ? 'come' : 'go'}`;
    await until(what, 30_000, async () => when((await hasRoute(destination)) === wanted));
  }

  async function sessionSince(): Promise<string> {
    const text = await bird.birdc('show protocols node1');
    const since = /^node1 .* up +(\S+) +Established/m.exec(text)?.[1];
    assert.ok(since !== undefined, text);
    return since;
  }

  function speakerLog(): string {
    return log({ host: node, directory: join(state, 'node1') }, 'speaker');
  }
}

const NODE_STATUS = JSON.stringify({
  status: { addresses: [{ type: 'InternalIP', address: NODE }] },
});

/** What a cluster has before the post begins, of what no controller makes here. */
function clusterObjects(): readonly object[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'metallb' } },
    { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' } },
    ...['web', 'second', 'late'].map((service) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${service}-1`,
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': service },
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [{ addresses: ['10.2.32.13'], conditions: { ready: true }, nodeName: 'node1' }],
    })),
  ];
}

function peerWith(change: object): object {
  return {
    apiVersion: 'metallb.io/v1beta2',
    kind: 'BGPPeer',
    metadata: { name: 'refused', namespace: 'metallb' },
    spec: { myASN: 64497, peerASN: 64496, peerAddress: ROUTER, ...change },
  };
}

function list(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

function log(place: { readonly host: Host; readonly directory: string }, name: string): string {
  return tailOf(place, name, 100_000);
}
