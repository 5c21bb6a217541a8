import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  advertisement,
  configOf,
  namespaceJson,
  nodeJson,
  outcomeOf,
  peer,
  pool,
} from './objects.fixture.ts';
import { configFor, resourcesForNode } from './config-for.ts';
import { readResources } from './resources.ts';
import type { RawResources } from './resources.ts';

type Json = Record<string, unknown>;

/** `expect`: "ok", or a part of the message; a leading "~" means transient. */
interface Row {
  readonly name: string;
  readonly raw: RawResources;
  readonly expect: string;
}

const p1 = pool('pool1', ['10.20.0.0/16'], {}, { tier: 'gold' });
const onPeer = (name: string, spec: Json, expect: string): Row => ({
  name: `peer: ${name}`,
  raw: { peers: [peer('peer1', spec)] },
  expect,
});
const onPool = (name: string, addresses: string[], expect: string, spec: Json = {}): Row => ({
  name: `pool: ${name}`,
  raw: { pools: [pool('pool1', addresses, spec)] },
  expect,
});
const onAdv = (name: string, spec: Json, expect: string, more: RawResources = {}): Row => ({
  name: `advertisement: ${name}`,
  raw: { pools: [p1], bgpAdvertisements: [advertisement('adv1', spec)], ...more },
  expect,
});
const allocation = (spec: Json): Json => ({ serviceAllocation: spec });
const label = { matchLabels: { foo: 'bar' } };
const expression = (key: string, operator: string, values?: string[]): Json => ({
  matchExpressions: [{ key, operator, ...(values ? { values } : {}) }],
});
const bfd = (name: string, spec: Json = {}): Json => ({
  metadata: { name, namespace: 'metallb' },
  spec,
});
const community = (name: string, ...entries: [string, string][]): Json => ({
  metadata: { name, namespace: 'metallb' },
  spec: { communities: entries.map(([alias, value]) => ({ name: alias, value })) },
});
const secret = (name: string, type: string, data: Json): Json => ({
  metadata: { name, namespace: 'metallb' },
  type,
  data,
});
const basic = 'kubernetes.io/basic-auth';
const prefPair = (a: Json, b: Json): RawResources => ({
  pools: [pool('pool1', ['10.20.0.0/24'])],
  nodes: [nodeJson('n1'), nodeJson('n2')],
  bgpAdvertisements: [
    advertisement('adv1', { localPref: 100, ...a }),
    advertisement('adv2', { localPref: 200, ...b }),
  ],
});
const host = (name: string): Json => ({
  nodeSelectors: [{ matchLabels: { 'kubernetes.io/hostname': name } }],
});
const twoPeers = (a: Json, b: Json): RawResources => ({
  nodes: [nodeJson('n1'), nodeJson('n2')],
  peers: [peer('a', a), peer('b', { peerAddress: '192.168.1.2', ...b })],
});

const ROWS: readonly Row[] = [
  { name: 'no objects at all', raw: {}, expect: 'ok' },

  onPeer('plain', {}, 'ok'),
  onPeer('address is no IP', { peerAddress: '1.2.3.400' }, 'invalid BGPPeer address "1.2.3.400"'),
  onPeer('myASN 0', { myASN: 0 }, 'missing local ASN'),
  onPeer('no peerASN', { peerASN: 0 }, 'missing peer ASN and dynamicASN'),
  onPeer('multihop with equal ASNs', { peerASN: 64497, ebgpMultiHop: true }, 'ebgp-multihop'),
  onPeer('keepalive above hold', { holdTime: '9s', keepaliveTime: '10s' }, 'invalid keepaliveTime'),
  onPeer('hold 1 s', { holdTime: '1s' }, 'must be 0 or >=3s'),
  onPeer('hold 2.9 s', { holdTime: '2900ms' }, 'must be 0 or >=3s'),
  onPeer('hold garbage', { holdTime: 'soon' }, 'invalid hold time'),
  onPeer('hold 0, keepalive 0', { holdTime: '0s', keepaliveTime: '0s' }, 'ok'),
  onPeer('connectTime of half seconds', { connectTime: '1500ms' }, 'invalid connectTime'),
  onPeer('connectTime', { connectTime: '10s' }, 'ok'),
  onPeer('routerID text', { routerID: 'abc' }, 'invalid router ID "abc"'),
  onPeer('sourceAddress text', { sourceAddress: 'abc' }, 'invalid source IP "abc"'),
  onPeer('expression without key', { nodeSelectors: [expression('', 'Exists')] }, 'without a key'),
  onPeer('expression without operator', { nodeSelectors: [expression('a', '')] }, 'operator'),
  onPeer('unknown operator', { nodeSelectors: [expression('a', 'Surrounds', ['x'])] }, 'Surrounds'),
  onPeer(
    'same value twice',
    { nodeSelectors: [expression('a', 'In', ['x', 'x'])] },
    'duplicate definition',
  ),
  onPeer(
    'selectors equal',
    { nodeSelectors: [label, label] },
    'duplicate definition of nodeSelectors',
  ),
  onPeer(
    'password and secret',
    { password: 'x', passwordSecret: { name: 's' } },
    'both password and secret',
  ),
  onPeer('secret absent', { passwordSecret: { name: 's' } }, '~secret ref not found'),
  onPeer('bfdProfile missing', { bfdProfile: 'x' }, '~non existing bfd profile x'),
  onPeer('dynamicASN only', { peerASN: 0, dynamicASN: 'internal' }, 'ok'),
  onPeer('both ASN forms', { dynamicASN: 'external' }, 'both peer ASN and dynamicASN'),
  onPeer('interface only', { peerAddress: '', interface: 'eth0' }, 'ok'),
  onPeer('neither address nor interface', { peerAddress: '' }, 'no Address or Interface'),
  onPeer('address and interface', { interface: 'eth0' }, 'both Address and Interface'),
  onPeer('documentation and 32-bit ASNs', { myASN: 65536, peerASN: 4200000001 }, 'ok'),
  {
    name: 'peer: identical twice',
    raw: { peers: [peer('peer1'), peer('peer1')] },
    expect: 'already exists',
  },
  {
    name: 'peer: secret of a wrong type',
    raw: {
      peers: [peer('p', { passwordSecret: { name: 's' } })],
      secrets: [secret('s', 'Opaque', {})],
    },
    expect: 'secret type mismatch',
  },
  {
    name: 'peer: secret without password',
    raw: {
      peers: [peer('p', { passwordSecret: { name: 's' } })],
      secrets: [secret('s', basic, {})],
    },
    expect: 'password not specified in the secret',
  },

  {
    name: 'peers: same address',
    raw: twoPeers({}, { peerAddress: '192.168.1.1' }),
    expect: 'duplicate BGPPeer',
  },
  {
    name: 'peers: same address in another VRF',
    raw: twoPeers({}, { peerAddress: '192.168.1.1', vrf: 'red' }),
    expect: 'ok',
  },
  {
    name: 'peers: same address on disjoint nodes',
    raw: twoPeers(host('n1'), { peerAddress: '192.168.1.1', ...host('n2') }),
    expect: 'ok',
  },
  {
    name: 'peers: same address, overlap through the second selector',
    raw: twoPeers(host('n1'), {
      peerAddress: '192.168.1.1',
      nodeSelectors: [
        { matchLabels: { 'kubernetes.io/hostname': 'n2' } },
        { matchLabels: { 'kubernetes.io/hostname': 'n1' } },
      ],
    }),
    expect: 'duplicate BGPPeer',
  },
  {
    name: 'peers: same address, nodes unknown',
    raw: { ...twoPeers(host('n1'), { peerAddress: '192.168.1.1', ...host('n2') }), nodes: [] },
    expect: 'duplicate BGPPeer',
  },
  { name: 'peers: myASN differs', raw: twoPeers({}, { myASN: 64500 }), expect: 'different myAsn' },
  {
    name: 'peers: myASN differs across VRFs',
    raw: twoPeers({}, { myASN: 64500, vrf: 'red' }),
    expect: 'ok',
  },
  {
    name: 'peers: routerID differs',
    raw: twoPeers({ routerID: '1.1.1.1' }, {}),
    expect: 'same router ID',
  },
  {
    name: 'peers: routerID equal',
    raw: twoPeers({ routerID: '1.1.1.1' }, { routerID: '1.1.1.1' }),
    expect: 'ok',
  },

  {
    name: 'bfd: same name twice',
    raw: { bfdProfiles: [bfd('a'), bfd('a')] },
    expect: 'duplicate bfd profile',
  },
  {
    name: 'bfd: receive 2',
    raw: { bfdProfiles: [bfd('a', { receiveInterval: 2 })] },
    expect: '10-60000',
  },
  {
    name: 'bfd: receive 60001',
    raw: { bfdProfiles: [bfd('a', { receiveInterval: 60001 })] },
    expect: 'must be in',
  },
  {
    name: 'bfd: echo over an IPv6 pool',
    raw: {
      pools: [pool('six', ['1000::/120'])],
      bfdProfiles: [bfd('echo', { echoMode: true })],
      peers: [peer('p', { bfdProfile: 'echo' })],
      bgpAdvertisements: [advertisement('a')],
    },
    expect: 'echo mode enabled',
  },
  {
    name: 'bfd: echo over an IPv4 pool',
    raw: {
      pools: [p1],
      bfdProfiles: [bfd('echo', { echoMode: true })],
      peers: [peer('p', { bfdProfile: 'echo' })],
      bgpAdvertisements: [advertisement('a')],
    },
    expect: 'ok',
  },

  {
    name: 'pool: no name',
    raw: { pools: [pool('', ['1.2.3.0/24'])] },
    expect: 'missing pool name',
  },
  onPool('no addresses', [], 'pool has no prefixes'),
  onPool('no IP', ['100.200.300.400/24'], 'invalid CIDR'),
  onPool('length 33', ['1.2.3.0/33'], 'invalid CIDR'),
  onPool('bare address', ['1.2.3.4'], 'invalid CIDR'),
  onPool('leading blank', [' 1.2.3.0/24'], 'invalid CIDR'),
  onPool('reversed range', ['1.2.3.10-1.2.3.1'], 'is after the end IP'),
  onPool('range with blanks', ['1.2.3.1 - 1.2.3.10'], 'ok'),
  onPool('range of one', ['1.2.3.4-1.2.3.4'], 'ok'),
  onPool('both families', ['1.2.3.0/24', 'fd00::/64'], 'ok'),
  onPool('overlap inside', ['1.2.3.0/24', '1.2.3.128/25'], 'overlaps with already defined CIDR'),
  {
    name: 'pool: duplicate names',
    raw: { pools: [pool('a', ['1.2.3.0/24']), pool('a', ['1.2.4.0/24'])] },
    expect: 'duplicate definition of pool "a"',
  },
  {
    name: 'pool: same CIDR in two pools',
    raw: { pools: [pool('a', ['1.2.3.0/24']), pool('b', ['1.2.3.0/24'])] },
    expect: 'overlaps with already defined CIDR "1.2.3.0/24"',
  },
  onPool(
    'duplicate namespaces',
    ['1.2.3.0/24'],
    'duplicate definition in namespaces',
    allocation({ namespaces: ['a', 'a'] }),
  ),
  onPool(
    'duplicate namespace selectors',
    ['1.2.3.0/24'],
    'duplicate definition of namespaceSelectors',
    allocation({ namespaceSelectors: [label, label] }),
  ),
  onPool(
    'duplicate service selectors',
    ['1.2.3.0/24'],
    'duplicate definition of serviceSelectors',
    allocation({ serviceSelectors: [label, label] }),
  ),

  onAdv('defaults', {}, 'ok'),
  onAdv('aggregationLength 34', { aggregationLength: 34 }, 'invalid aggregation length 34'),
  onAdv('aggregationLengthV6 129', { aggregationLengthV6: 129 }, 'invalid aggregation length 129'),
  onAdv('shorter than the pool', { aggregationLength: 26 }, 'invalid aggregation length', {
    pools: [pool('a', ['10.20.30.0/24', '1.2.3.0/28'])],
  }),
  onAdv('range and 26', { aggregationLength: 26 }, 'ok', {
    pools: [pool('a', ['3.3.3.2-3.3.3.254'])],
  }),
  onAdv('range and 24', { aggregationLength: 24 }, 'invalid aggregation length', {
    pools: [pool('a', ['3.3.3.2-3.3.3.254'])],
  }),
  { name: 'localPref conflict', raw: prefPair({}, {}), expect: 'invalid local preference' },
  { name: 'localPref, other lengths', raw: prefPair({ aggregationLength: 24 }, {}), expect: 'ok' },
  {
    name: 'localPref, dual pool, one length differs',
    raw: {
      ...prefPair({ aggregationLength: 24 }, {}),
      pools: [pool('a', ['10.20.0.0/24', 'fd00::/120'])],
    },
    expect: 'invalid local preference',
  },
  {
    name: 'localPref, dual pool, both lengths differ',
    raw: {
      ...prefPair({ aggregationLength: 24, aggregationLengthV6: 120 }, {}),
      pools: [pool('a', ['10.20.0.0/24', 'fd00::/120'])],
    },
    expect: 'ok',
  },
  { name: 'localPref, disjoint nodes', raw: prefPair(host('n1'), host('n2')), expect: 'ok' },
  {
    name: 'localPref, disjoint peers',
    raw: prefPair({ peers: ['a'] }, { peers: ['b'] }),
    expect: 'ok',
  },
  {
    name: 'localPref, one peer list empty',
    raw: prefPair({ peers: ['a'] }, {}),
    expect: 'invalid local pref',
  },
  {
    name: 'localPref with serviceSelectors',
    raw: prefPair({ serviceSelectors: [label] }, {}),
    expect: 'ok',
  },
  onAdv(
    'duplicate pools',
    { ipAddressPools: ['a', 'a'] },
    'duplicate definition of ipAddressPools',
  ),
  onAdv('duplicate peers', { peers: ['a', 'a'] }, 'duplicate definition of peers'),
  onAdv(
    'duplicate communities',
    { communities: ['1:2', '1:2'] },
    'duplicate definition of community',
  ),
  onAdv('malformed community', { communities: ['flarb'] }, '~invalid community'),
  onAdv('community part too big', { communities: ['65536:0'] }, 'invalid section'),
  onAdv('community value too big', { communities: ['0:65536'] }, 'invalid section'),
  onAdv(
    'wrong marker',
    { communities: ['larg:1:2:3'] },
    'expected community to be of format large',
  ),
  onAdv('alias', { communities: ['mine'] }, 'ok', {
    communities: [community('c', ['mine', 'large:1:2:3'])],
  }),
  onAdv(
    'serviceSelectors and 24',
    { serviceSelectors: [label], aggregationLength: 24 },
    'mutually exclusive',
  ),
  onAdv(
    'serviceSelectors and v6 64',
    { serviceSelectors: [label], aggregationLengthV6: 64 },
    'mutually exclusive',
  ),
  onAdv(
    'serviceSelectors and 32/128',
    { serviceSelectors: [label], aggregationLength: 32, aggregationLengthV6: 128 },
    'ok',
  ),
  onAdv(
    'duplicate serviceSelectors',
    { serviceSelectors: [label, label] },
    'duplicate definition of serviceSelectors',
  ),
  onAdv(
    'duplicate pool selectors',
    { ipAddressPoolSelectors: [label, label] },
    'duplicate definition of ipAddressPoolSelectors',
  ),
  {
    name: 'l2: duplicate pools',
    raw: { l2Advertisements: [advertisement('l2', { ipAddressPools: ['a', 'a'] })] },
    expect: 'duplicate definition of ipAddressPools',
  },

  {
    name: 'community: malformed',
    raw: { communities: [community('c', ['a', '12345'])] },
    expect: 'invalid community format',
  },
  {
    name: 'community: too big',
    raw: { communities: [community('c', ['a', '1:99999'])] },
    expect: 'invalid section',
  },
  {
    name: 'community: same alias in two objects',
    raw: { communities: [community('c', ['a', '1:1']), community('d', ['a', '1:2'])] },
    expect: 'duplicate definition of community "a"',
  },
  {
    name: 'community: same alias twice in one',
    raw: { communities: [community('c', ['a', '1:1'], ['a', '1:2'])] },
    expect: 'duplicate definition of community "a"',
  },
];

for (const row of ROWS) {
  test(`config: ${row.name}`, () => {
    const outcome = outcomeOf(row.raw);
    if (row.expect === 'ok') {
      assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.message);
      return;
    }
    assert.ok(!outcome.ok, 'must be refused');
    const transient = row.expect.startsWith('~');
    assert.equal(outcome.error.kind, transient ? 'transient' : 'invalid');
    assert.ok(
      outcome.error.message.includes(transient ? row.expect.slice(1) : row.expect),
      outcome.error.message,
    );
  });
}

test('timers: the missing one follows', () => {
  const timers = (spec: Json): unknown =>
    configOf({ peers: [peer('p', spec)] }).peers.get('p')?.timers;
  assert.deepEqual(timers({ holdTime: '180s' }), { holdTimeSec: 180, keepaliveTimeSec: 60 });
  assert.deepEqual(timers({ keepaliveTime: '1m' }), { holdTimeSec: 180, keepaliveTimeSec: 60 });
  assert.deepEqual(timers({ holdTime: '0s', keepaliveTime: '0s' }), {
    holdTimeSec: 0,
    keepaliveTimeSec: 0,
  });
  assert.equal(timers({}), undefined);
});

test('a password comes from the secret', () => {
  const config = configOf({
    peers: [peer('p', { passwordSecret: { name: 's' } })],
    secrets: [secret('s', basic, { password: 'bm9wYXNzd8Ok' })],
  });
  assert.equal(config.peers.get('p')?.password, 'nopasswä');
});

test('pool selection: names and selectors are a union, neither is everything, no match is nothing', () => {
  const pools = [
    p1,
    pool('pool2', ['10.30.0.0/16'], {}, { tier: 'silver' }),
    pool('pool3', ['10.40.0.0/16']),
  ];
  const attachedTo = (spec: Json): string[] =>
    [...configOf({ pools, bgpAdvertisements: [advertisement('a', spec)] }).pools.values()]
      .filter((candidate) => candidate.bgpAdvertisements.length > 0)
      .map((candidate) => candidate.name);
  assert.deepEqual(attachedTo({}), ['pool1', 'pool2', 'pool3']);
  const silver = { ipAddressPoolSelectors: [expression('tier', 'In', ['silver'])] };
  assert.deepEqual(attachedTo({ ipAddressPools: ['pool3'], ...silver }), ['pool2', 'pool3']);
  assert.deepEqual(attachedTo({ ipAddressPools: ['pool2'], ...silver }), ['pool2']);
  assert.deepEqual(attachedTo({ ipAddressPoolSelectors: [label] }), []);
  assert.deepEqual(attachedTo({ ipAddressPools: ['unknown'] }), []);
});

test('nodes of an advertisement: selectors are OR, none is all', () => {
  const nodes = [nodeJson('n1'), nodeJson('n2'), nodeJson('n3')];
  const selected = (spec: Json): string[] => [
    ...configOf({ pools: [p1], nodes, bgpAdvertisements: [advertisement('a', spec)] }).pools.get(
      'pool1',
    )!.bgpAdvertisements[0]!.nodes,
  ];
  assert.deepEqual(selected({}), ['n1', 'n2', 'n3']);
  assert.deepEqual(selected(host('n2')), ['n2']);
});

test('namespaces and their selectors are expanded; priority alone admits everything', () => {
  const allocationOf = (spec: Json): unknown =>
    configOf({
      pools: [pool('p', ['1.2.3.0/24'], allocation(spec))],
      namespaces: [namespaceJson('a', { foo: 'bar' }), namespaceJson('b')],
    }).pools.get('p')?.allocation;
  assert.deepEqual(allocationOf({ namespaces: ['x'], namespaceSelectors: [label] }), {
    priority: 0,
    serviceSelectors: [],
    namespaces: new Set(['x', 'a']),
  });
  assert.deepEqual(allocationOf({ priority: 7 }), { priority: 7, serviceSelectors: [] });
  assert.deepEqual(allocationOf({ namespaceSelectors: [{ matchLabels: { no: 'where' } }] }), {
    priority: 0,
    serviceSelectors: [],
    namespaces: new Set(),
  });
});

test('a range becomes its minimal cover', () => {
  const blocks = configOf({ pools: [pool('p', ['3.3.3.2-3.3.3.254'])] })
    .pools.get('p')!
    .ranges[0]!.blocks.map((block) => block.text);
  assert.equal(blocks.length, 13);
  assert.deepEqual([blocks[0], blocks.at(-1)], ['3.3.3.2/31', '3.3.3.254/32']);
  assert.ok(blocks.includes('3.3.3.64/26'));
});

test('L2 advertisements that say the same attach once', () => {
  const l2 = (name: string, spec: Json): Json => advertisement(name, spec);
  const count = (...advertisements: Json[]): number =>
    configOf({ pools: [p1], l2Advertisements: advertisements }).pools.get('pool1')!.l2Advertisements
      .length;
  assert.equal(count(l2('a', {}), l2('b', {})), 1);
  assert.equal(count(l2('a', {}), l2('b', { interfaces: ['eth0'] })), 2);
  assert.equal(count(l2('a', { interfaces: ['x', 'y'] }), l2('b', { interfaces: ['y', 'x'] })), 1);
});

test('a speaker does not look at peers of other nodes', () => {
  const { resources } = readResources({
    nodes: [nodeJson('n1')],
    peers: [peer('mine'), peer('theirs', { peerAddress: 'nonsense', ...host('n2') })],
  });
  assert.ok(!configFor(resources).ok);
  const own = configFor(resourcesForNode(resources, { 'kubernetes.io/hostname': 'n1' }));
  assert.ok(own.ok);
  assert.deepEqual([...own.value.peers.keys()], ['mine']);
});

test('garbage in an object is one issue that names it', () => {
  const { resources, issues } = readResources({
    pools: [
      {
        metadata: { name: 'bad', namespace: 'metallb' },
        spec: { addresses: [7, 'x'], avoidBuggyIPs: 'no' },
      },
      null,
      p1,
    ],
  });
  assert.equal(resources.pools.length, 1);
  assert.deepEqual(
    issues.map((issue) => issue.object),
    ['IPAddressPool metallb/bad', 'IPAddressPool (unnamed)'],
  );
  assert.match(issues[0]!.message, /spec\.addresses\[0\]: expected a string, found a number/);
  assert.match(issues[0]!.message, /spec\.avoidBuggyIPs: expected true or false, found a string/);
});
