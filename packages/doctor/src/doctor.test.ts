import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndFacts, Facts, ServiceFacts, SessionFacts } from './facts.ts';
import { findingsFor } from './findings.ts';
import { pictureFor } from './picture.ts';
import { renderPicture } from './render.ts';

const ADDRESSES = ['192.168.1.32', '192.168.1.33', '192.168.1.34'];

test('all is well: one sentence, no finding', () => {
  const picture = pictureFor(healthy());
  assert.deepEqual(picture.findings, []);
  assert.equal(picture.verdict.level, 'good');
  assert.equal(picture.verdict.sentence, '1 service reachable through 3 nodes.');
  assert.ok(picture.services[0]!.paths.every((path) => path.inKernel && path.announced));
});

const CASES: readonly { readonly id: string; readonly make: () => Facts; readonly fix: RegExp }[] =
  [
    {
      id: 'router.no-device',
      make: () => withRouter(healthy(), { knowsInterfaces: false, sessions: [], routes: [] }),
      fix: /protocol device/,
    },
    {
      id: 'session.unknown-peer',
      make: () => withRouter(healthy(), { sessions: routerSessions().slice(0, 2) }),
      fix: /neighbor 192\.168\.1\.34 as 64497/,
    },
    {
      id: 'session.node-silent',
      make: () =>
        withRouter(healthy(), {
          sessions: routerSessions().map((s, i) =>
            i === 1 ? { ...s, state: 'Active', lastError: 'BGP Error: Hold timer expired' } : s,
          ),
        }),
      fix: /power/,
    },
    {
      id: 'session.bad-as',
      make: () =>
        withRouter(healthy(), {
          sessions: routerSessions().map((s, i) =>
            i === 0 ? { ...s, state: 'Idle', neighborAs: 64999 } : s,
          ),
        }),
      fix: /64999/,
    },
    {
      id: 'session.hold-zero',
      make: () =>
        withRouter(healthy(), {
          sessions: routerSessions().map((s) => ({ ...s, holdTimeSec: 0 })),
        }),
      fix: /holdTime/,
    },
    {
      id: 'service.no-address',
      make: () => withService(healthy(), { addresses: [] }),
      fix: /address-pool/,
    },
    {
      id: 'service.no-endpoints',
      make: () => withService(healthy(), { endpoints: { node1: 0 } }),
      fix: /endpointslices/,
    },
    {
      id: 'service.not-announced',
      make: () => withService(healthy(), { announcedBy: [] }),
      fix: /BGPAdvertisement/,
    },
    {
      id: 'route.not-received',
      make: () => withRouter(healthy(), { routes: [] }),
      fix: /filtered/,
    },
    {
      id: 'kernel.not-installed',
      make: () => withRouter(healthy(), { routes: [route([])] }),
      fix: /export all/,
    },
    {
      id: 'kernel.single-nexthop',
      make: () => withRouter(healthy(), { routes: [route(ADDRESSES.slice(0, 1))] }),
      fix: /merge paths on/,
    },
    {
      id: 'path.redirects',
      make: () =>
        withRouter(healthy(), {
          redirects: [{ interface: 'br-lan', networks: ['192.168.1.0/24'] }],
        }),
      fix: /send_redirects=0/,
    },
    {
      id: 'end.unreachable',
      make: () => withRouter(healthy(), { reachable: false, sessions: [], routes: [] }),
      fix: /log/,
    },
  ];

for (const { id, make, fix } of CASES) {
  test(`${id} is found and comes with its cure`, () => {
    const found = findingsFor(make()).find((finding) => finding.id === id);
    assert.ok(
      found,
      findingsFor(make())
        .map((f) => f.id)
        .join(', '),
    );
    assert.match(found.fix, fix);
  });
}

test('a dead node is named in the verdict while the others carry the traffic', () => {
  const silent = CASES.find((c) => c.id === 'session.node-silent')!.make();
  const { verdict } = pictureFor(
    withRouter(silent, { routes: [route([ADDRESSES[0]!, ADDRESSES[2]!])] }),
  );
  assert.equal(verdict.level, 'degraded');
  assert.equal(verdict.sentence, 'node2 is out of service; 2 nodes carry the traffic.');
});

test('as text: verdict first, both ends in one line, findings with their cure', () => {
  const text = renderPicture(pictureFor(withRouter(healthy(), { routes: [route([])] })));
  assert.match(text, /^default\/web cannot be reached\./);
  assert.match(
    text,
    /node1 +192\.168\.1\.32 +router: Established hold 9 s +node: Established hold 9 s/,
  );
  assert.match(text, /kernel\.not-installed \(broken\) default\/web\n.*\n    cure: .*export all/);
  assert.match(renderPicture(pictureFor(healthy())), /through node1, node2, node3/);
});

function healthy(): Facts {
  return {
    atMs: 0,
    router: {
      ...end('router', '192.168.1.1'),
      sessions: routerSessions(),
      routes: [route(ADDRESSES)],
    },
    nodes: ADDRESSES.map((address, i) => ({
      ...end(`node${i + 1}`, address),
      sessions: [session('bgp-router-peer', '192.168.1.1', 64496, 64497)],
    })),
    services: [
      {
        name: 'default/web',
        pool: 'bgp-pool',
        addresses: ['192.168.2.1'],
        ports: ['80/TCP'],
        externalTrafficPolicy: 'Local',
        endpoints: { node1: 1, node2: 1, node3: 1 },
        announcedBy: ['node1', 'node2', 'node3'],
      },
    ],
  };
}

function withRouter(facts: Facts, change: Partial<EndFacts>): Facts {
  return { ...facts, router: { ...facts.router, ...change } };
}

function withService(facts: Facts, change: Partial<ServiceFacts>): Facts {
  return { ...facts, services: facts.services.map((service) => ({ ...service, ...change })) };
}

function routerSessions(): readonly SessionFacts[] {
  return ADDRESSES.map((address, i) => session(`node${i + 1}`, address, 64497, 64496));
}

function session(
  protocol: string,
  neighbor: string,
  neighborAs: number,
  localAs: number,
): SessionFacts {
  return {
    protocol,
    neighbor,
    neighborAs,
    localAs,
    state: 'Established',
    sinceMs: 0,
    holdTimeSec: 9,
    received: 1,
    sent: 0,
  };
}

function route(kernel: readonly string[]): EndFacts['routes'][number] {
  return { prefix: '192.168.2.1/32', paths: ADDRESSES, kernel };
}

function end(name: string, address: string): EndFacts {
  return {
    name,
    address,
    reachable: true,
    knowsInterfaces: true,
    sessions: [],
    routes: [],
    redirects: [],
  };
}
