import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  announcementsFor,
  announcementText,
  peersOfAnnouncement,
  renderWithheld,
  upstreamReason,
} from './announcements.ts';
import type { ServiceAnnouncement } from './announcements.ts';
import { EXCLUDE_LABEL } from './kubernetes.ts';
import type { EndpointSlice, Node } from './kubernetes.ts';
import { NodePlan, planFor } from './node-plan.ts';
import {
  advertisement,
  configOf,
  node,
  nodeJson,
  peer,
  pool,
  service,
  slice,
} from './objects.fixture.ts';
import type { ServiceOptions } from './objects.fixture.ts';
import type { RawResources } from './resources.ts';

type Json = Record<string, unknown>;

const NODES = [nodeJson('n1', { zone: 'a' }), nodeJson('n2', { zone: 'b' })];
const BASE: RawResources = {
  nodes: NODES,
  pools: [pool('default', ['10.20.30.0/24'])],
  peers: [peer('peer1')],
  bgpAdvertisements: [advertisement('adv')],
};
const held: ServiceOptions = { ingress: ['10.20.30.1'] };
const local: ServiceOptions = { ...held, spec: { externalTrafficPolicy: 'Local' } };
const endpoint = (nodeName: string, conditions: Json = { ready: true }): Json => ({
  nodeName,
  addresses: ['2.3.4.5'],
  conditions,
});
const READY = [slice('web', [endpoint('n2')])];

function decide(
  options: ServiceOptions,
  slices: readonly EndpointSlice[] = READY,
  more: RawResources = {},
  on: Node = node('n1', { zone: 'a' }),
  ignoreExcludeLabel = false,
): ServiceAnnouncement {
  const config = configOf({ ...BASE, ...more });
  return announcementsFor(service(options), slices, on, config, {
    lbClass: '',
    ignoreExcludeLabel,
  });
}

function reasonOf(announcement: ServiceAnnouncement): string {
  return announcement.announced ? 'announced' : announcement.reason.kind;
}

const ROWS: readonly [string, ServiceAnnouncement, string][] = [
  ['Cluster, endpoint elsewhere', decide(held), 'announced'],
  ['ClusterIP service', decide({ ...held, spec: { type: 'ClusterIP' } }), 'notLoadBalancer'],
  ['other class', decide({ ...held, spec: { loadBalancerClass: 'x' } }), 'otherClass'],
  ['no address', decide({}), 'noIPAllocated'],
  ['nonsense address', decide({ ingress: ['hat'] }), 'invalidIP'],
  ['address of no pool', decide({ ingress: ['9.9.9.9'] }), 'ipNotAllowed'],
  ['Local without local endpoint', decide(local), 'noLocalEndpoints'],
  ['Local with one', decide(local, [slice('web', [endpoint('n1')])]), 'announced'],
  [
    'Local, one of two entries ready',
    decide(local, [slice('web', [endpoint('n1', { ready: false }), endpoint('n1')])]),
    'announced',
  ],
  ['no slices', decide(held, []), 'noEndpoints'],
  ['only unready', decide(held, [slice('web', [endpoint('n1', { ready: false })])]), 'noEndpoints'],
  [
    'serving, not ready',
    decide(held, [slice('web', [endpoint('n1', { ready: false, serving: true })])]),
    'announced',
  ],
  [
    'ready, not serving',
    decide(held, [slice('web', [endpoint('n1', { ready: true, serving: false })])]),
    'announced',
  ],
  [
    'pool without advertisement',
    decide(held, READY, { bgpAdvertisements: [] }),
    'poolWithoutAdvertisement',
  ],
  [
    'advertisement for another node',
    decide(held, READY, {
      bgpAdvertisements: [
        advertisement('adv', { nodeSelectors: [{ matchLabels: { zone: 'b' } }] }),
      ],
    }),
    'nodeNotSelected',
  ],
  [
    'serviceSelectors that do not match',
    decide(held, READY, {
      bgpAdvertisements: [
        advertisement('adv', { serviceSelectors: [{ matchLabels: { a: 'b' } }] }),
      ],
    }),
    'noMatchingAdvertisement',
  ],
  [
    'serviceSelectors, one of two matches',
    decide({ ...held, labels: { a: 'b' } }, READY, {
      bgpAdvertisements: [
        advertisement('adv', {
          serviceSelectors: [{ matchLabels: { x: 'y' } }, { matchLabels: { a: 'b' } }],
        }),
      ],
    }),
    'announced',
  ],
  [
    'localPref conflict of two matching advertisements',
    decide({ ...held, labels: { a: 'b' } }, READY, {
      bgpAdvertisements: [
        advertisement('one', { localPref: 100, serviceSelectors: [{ matchLabels: { a: 'b' } }] }),
        advertisement('two', { localPref: 200 }),
      ],
    }),
    'conflictingAdvertisements',
  ],
  [
    'peers of another node only',
    decide(held, READY, { bgpAdvertisements: [advertisement('adv', { peers: ['elsewhere'] })] }),
    'noPeers',
  ],
  [
    'NetworkUnavailable',
    decide(
      held,
      READY,
      {},
      node('n1', {}, { conditions: [{ type: 'NetworkUnavailable', status: 'True' }] }),
    ),
    'nodeNetworkUnavailable',
  ],
  [
    'exclude label',
    decide(held, READY, {}, node('n1', { [EXCLUDE_LABEL]: '' })),
    'nodeLabeledExcludeBalancers',
  ],
  [
    'exclude label ignored',
    decide(held, READY, {}, node('n1', { [EXCLUDE_LABEL]: '' }), true),
    'announced',
  ],
];

for (const [name, announcement, expected] of ROWS) {
  test(`announce: ${name}`, () => {
    assert.equal(reasonOf(announcement), expected);
    if (announcement.announced) return;
    assert.notEqual(renderWithheld(announcement.reason, 'n1'), '');
    assert.notEqual(upstreamReason(announcement.reason), '');
  });
}

test('several advertisements make several prefixes, with their own attributes and peers', () => {
  const announcement = decide(held, READY, {
    peers: [peer('peer1'), peer('peer2', { peerAddress: '192.168.1.2' })],
    bgpAdvertisements: [
      advertisement('host', { localPref: 100, communities: ['0:2345', '0:1234'] }),
      advertisement('sum', { aggregationLength: 24, localPref: 1000, peers: ['peer2'] }),
    ],
  });
  assert.equal(
    announcementText(announcement),
    '10.20.30.0/24 to peer2 lp 1000 c ; 10.20.30.1/32 to peer1,peer2 lp 100 c 0:1234,0:2345',
  );
  assert.deepEqual(peersOfAnnouncement(announcement), ['peer1', 'peer2']);
});

test('the plan of a node: shared addresses once, aggregates stand while one service is inside', () => {
  const more: RawResources = {
    bgpAdvertisements: [
      advertisement('one', { communities: ['1:1'] }),
      advertisement('two', { communities: ['large:1:2:3'] }),
      advertisement('sum', { aggregationLength: 24 }),
    ],
  };
  const a = decide({ ...held, name: 'a' }, READY, more);
  const b = decide({ ...held, name: 'b' }, READY, more);
  const plan = planFor([a, b]).prefixes();
  assert.deepEqual(
    plan.map((planned) => planned.prefix),
    ['10.20.30.0/24', '10.20.30.1/32'],
  );
  assert.deepEqual(plan[1]!.services, ['default/a', 'default/b']);
  assert.equal(plan[1]!.peers.get('peer1')!.communities.length, 2, 'union of communities');
  assert.deepEqual(
    planFor([b])
      .prefixes()
      .map((planned) => planned.prefix),
    ['10.20.30.0/24', '10.20.30.1/32'],
  );
  assert.deepEqual(planFor([]).prefixes(), []);
});

test('a plan kept current service by service is the plan of all of them', () => {
  const terms = [
    { communities: ['1:1'] },
    { communities: ['2:2'], localPref: 7, aggregationLength: 28 },
    { aggregationLength: 24, peers: ['peer1'] },
  ];
  // A service has an address, or none, and is selected by some of the advertisements.
  const announced = fc
    .record({ host: fc.integer({ min: 0, max: 3 }), selected: fc.subarray([0, 1, 2]) })
    .map(({ host, selected }) =>
      decide({ ...held, ingress: host === 0 ? [] : [`10.20.30.${host}`] }, READY, {
        peers: [peer('peer1'), peer('peer2', { peerAddress: '192.168.1.2' })],
        bgpAdvertisements: selected.map((index) => advertisement(`adv${index}`, terms[index]!)),
      }),
    );
  const step = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(announced, { nil: undefined }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const plan = new NodePlan();
      const all = new Map<string, ServiceAnnouncement>();
      for (const [name, decided] of steps) {
        const after = decided && { ...decided, service: `default/${name}` };
        const touched = plan.replace(all.get(name), after);
        const before = planFor(all.values());
        if (after) all.set(name, after);
        else all.delete(name);
        const fresh = planFor(all.values());
        const bare = (whole: NodePlan): unknown =>
          whole.prefixes().map(({ pool: _pool, ...planned }) => planned);
        assert.deepEqual(bare(plan), bare(fresh));
        for (const { prefix } of [...before.prefixes(), ...fresh.prefixes()]) {
          if (touched.has(prefix)) continue;
          assert.deepEqual(before.peersOf(prefix), fresh.peersOf(prefix), 'untouched is the same');
        }
      }
    }),
  );
});

test('peer node selectors: OR of selectors, no match is no peer', () => {
  const peersWith = (nodeSelectors: Json[]): string =>
    reasonOf(decide(held, READY, { peers: [peer('peer1', { nodeSelectors })] }));
  const zone = (value: string): Json => ({ matchLabels: { zone: value } });
  assert.equal(peersWith([]), 'announced');
  assert.equal(peersWith([{}]), 'announced');
  assert.equal(peersWith([zone('a')]), 'announced');
  assert.equal(peersWith([zone('b')]), 'noPeers');
  assert.equal(peersWith([zone('b'), zone('a')]), 'announced');
});

test('dual stack announces both addresses, each with its own length', () => {
  const announcement = decide({ ingress: ['10.20.30.1', 'fd00::1'] }, READY, {
    pools: [pool('dual', ['10.20.30.0/24', 'fd00::/112'])],
  });
  assert.deepEqual(
    planFor([announcement])
      .prefixes()
      .map((planned) => planned.prefix),
    ['10.20.30.1/32', 'fd00::1/128'],
  );
});
