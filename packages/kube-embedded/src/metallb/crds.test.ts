import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admitCrd, registerCrd } from '../crd.ts';
import {
  cloneJson,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  textAt,
  valueAt,
} from '../object.ts';
import { type ResourceDef, ResourceRegistry } from '../resource.ts';
import { fillDefaults } from '../schema/structural.ts';
import { convertBgpPeer } from './convert.ts';
import { metallbCrds } from './crds.ts';

const registry = new ResourceRegistry();
for (const crd of metallbCrds()) {
  const admitted = cloneJson(crd);
  admitCrd(admitted, '2026-01-01T00:00:00Z');
  registerCrd(registry, admitted, undefined);
}

const def = (kind: string, version = 'v1beta1'): ResourceDef => {
  const found = registry.findKind('metallb.io', version, kind);
  assert.ok(found, `${kind} ${version} is served`);
  return found;
};

/** Fields of the causes for a spec, after defaults. */
function faultsOf(kind: string, spec: JsonObject, version = 'v1beta1', old?: JsonObject): string[] {
  const found = def(kind, version);
  const object = {
    apiVersion: `metallb.io/${version}`,
    kind,
    metadata: { name: 'x' },
    spec: cloneJson(spec),
  };
  fillDefaults(object, found.schema);
  return (
    found.custom
      ?.validate(object, old && { ...object, spec: old })
      .map((cause) => cause.field ?? '') ?? []
  );
}

test('nine kinds, all namespaced, all with a status subresource; two versions of BGPPeer, v1beta2 stored', () => {
  const kinds = metallbCrds().map((crd) => textAt(crd, 'spec', 'names', 'kind'));
  assert.deepEqual(kinds, [
    'BFDProfile',
    'BGPAdvertisement',
    'BGPPeer',
    'Community',
    'ConfigurationState',
    'IPAddressPool',
    'L2Advertisement',
    'ServiceBGPStatus',
    'ServiceL2Status',
  ]);
  for (const found of registry.all()) assert.ok(found.namespaced && found.hasStatus, found.kind);
  assert.deepEqual(registry.versionsOf('metallb.io'), ['v1beta2', 'v1beta1']);
  assert.equal(def('BGPPeer').storage.apiVersion, 'metallb.io/v1beta2');
  assert.equal(def('BGPPeer').deprecation, 'v1beta1 is deprecated, please use v1beta2');
  assert.equal(def('BGPPeer', 'v1beta2').deprecation, undefined);
});

test('every caller gets definitions of its own', () => {
  const [first] = metallbCrds();
  delete first?.['spec'];
  assert.ok(valueAt(metallbCrds()[0], 'spec', 'group'));
});

const columns: Record<string, string[]> = {
  IPAddressPool: ['Name', 'Auto Assign', 'Avoid Buggy IPs', 'Addresses'],
  BGPPeer: ['Name', 'Address', 'ASN', 'BFD Profile', 'Multi Hops'],
  BGPAdvertisement: [
    'Name',
    'IPAddressPools',
    'IPAddressPool Selectors',
    'Peers',
    'Node Selectors',
  ],
  L2Advertisement: [
    'Name',
    'IPAddressPools',
    'IPAddressPool Selectors',
    'Interfaces',
    'Node Selectors',
  ],
  BFDProfile: ['Name', 'Passive Mode', 'Transmit Interval', 'Receive Interval', 'Multiplier'],
  Community: ['Name', 'Age'],
  ServiceL2Status: ['Name', 'Allocated Node', 'Service Name', 'Service Namespace'],
  ServiceBGPStatus: ['Name', 'Node', 'Service Name', 'Service Namespace'],
  ConfigurationState: ['Name', 'Result', 'ErrorSummary', 'Age'],
};
for (const [kind, names] of Object.entries(columns)) {
  test(`printer columns of ${kind}`, () => {
    assert.deepEqual(
      def(kind).columns?.map((column) => column.name),
      names,
    );
  });
}

const defaults: [kind: string, version: string, spec: JsonObject, expected: JsonObject][] = [
  [
    'IPAddressPool',
    'v1beta1',
    { addresses: [] },
    { addresses: [], autoAssign: true, avoidBuggyIPs: false },
  ],
  ['BGPAdvertisement', 'v1beta1', {}, { aggregationLength: 32, aggregationLengthV6: 128 }],
  ['BGPPeer', 'v1beta1', { myASN: 1 }, { myASN: 1 }],
  [
    'BGPPeer',
    'v1beta2',
    { myASN: 1 },
    { myASN: 1, peerPort: 179, disableMP: false, dualStackAddressFamily: false },
  ],
  ['BFDProfile', 'v1beta1', {}, {}],
  ['L2Advertisement', 'v1beta1', {}, {}],
];
for (const [kind, version, spec, expected] of defaults) {
  test(`defaults of ${kind} ${version}`, () => {
    const object = { spec: cloneJson(spec) };
    fillDefaults(object, def(kind, version).schema);
    assert.deepEqual(object.spec, expected);
  });
}

const peer = { myASN: 64497, peerASN: 64496, peerAddress: '192.168.1.1' };
const specs: [kind: string, version: string, spec: JsonObject, faults: string[]][] = [
  ['BGPPeer', 'v1beta1', peer, []],
  ['BGPPeer', 'v1beta1', { myASN: 1 }, ['spec.peerASN', 'spec.peerAddress']],
  ['BGPPeer', 'v1beta1', { ...peer, peerPort: 0 }, []],
  ['BGPPeer', 'v1beta2', { ...peer, peerPort: 0 }, ['spec.peerPort']],
  ['BGPPeer', 'v1beta2', { ...peer, peerPort: 16385 }, ['spec.peerPort']],
  ['BGPPeer', 'v1beta2', { ...peer, myASN: 4294967295, localASN: 4294967295 }, []],
  ['BGPPeer', 'v1beta2', { ...peer, myASN: 4294967296 }, ['spec.myASN']],
  ['BGPPeer', 'v1beta2', { ...peer, localASN: 0 }, ['spec.localASN']],
  ['BGPPeer', 'v1beta2', { ...peer, connectTime: '10s' }, []],
  ['BGPPeer', 'v1beta2', { ...peer, connectTime: '0s' }, ['spec.connectTime']],
  ['BGPPeer', 'v1beta2', { ...peer, connectTime: '65536s' }, ['spec.connectTime']],
  ['BGPPeer', 'v1beta2', { ...peer, dynamicASN: 'external' }, []],
  ['IPAddressPool', 'v1beta1', {}, ['spec.addresses']],
  ['BFDProfile', 'v1beta1', { receiveInterval: 10, detectMultiplier: 255, minimumTtl: 254 }, []],
  [
    'BFDProfile',
    'v1beta1',
    { receiveInterval: 9, transmitInterval: 60001, detectMultiplier: 1 },
    ['spec.detectMultiplier', 'spec.receiveInterval', 'spec.transmitInterval'],
  ],
  ['BGPAdvertisement', 'v1beta1', { aggregationLength: 0 }, ['spec.aggregationLength']],
  ['BGPAdvertisement', 'v1beta1', { aggregationLength: 24, serviceSelectors: [] }, []],
  [
    'BGPAdvertisement',
    'v1beta1',
    { aggregationLength: 24, serviceSelectors: [{ matchLabels: { a: 'b' } }] },
    ['spec'],
  ],
  ['BGPAdvertisement', 'v1beta1', { serviceSelectors: [{ matchLabels: { a: 'b' } }] }, []],
  [
    'L2Advertisement',
    'v1beta1',
    { preferredNodeSelectors: [{ weight: 101, preference: {} }] },
    ['spec.preferredNodeSelectors[0].weight'],
  ],
  [
    'L2Advertisement',
    'v1beta1',
    { preferredNodeSelectors: [{ weight: 100 }] },
    ['spec.preferredNodeSelectors[0].preference'],
  ],
];
for (const [kind, version, spec, faults] of specs) {
  test(`${kind} ${version} ${JSON.stringify(spec)}: ${faults.length === 0 ? 'accepted' : faults.join(', ')}`, () => {
    assert.deepEqual(faultsOf(kind, spec, version).sort(), faults);
  });
}

test('graceful restart is fixed once set', () => {
  const on = { ...peer, enableGracefulRestart: true };
  assert.deepEqual(faultsOf('BGPPeer', on, 'v1beta2', on), []);
  const off = { ...peer, enableGracefulRestart: false };
  assert.deepEqual(faultsOf('BGPPeer', off, 'v1beta2', on), ['spec.enableGracefulRestart']);
});

const object = (version: string, spec: JsonObject): KubeObject => ({
  apiVersion: `metallb.io/${version}`,
  kind: 'BGPPeer',
  metadata: { name: 'p' },
  spec,
});

test('conversion: shared fields and selectors survive the round trip, absent timers stay absent', () => {
  const spec = { ...peer, peerPort: 1179, nodeSelectors: [{ matchLabels: { a: 'b' } }] };
  const up = convertBgpPeer(object('v1beta1', spec), 'metallb.io/v1beta2');
  assert.deepEqual(up?.['spec'], spec);
  assert.equal(valueAt(up, 'spec', 'holdTime'), undefined);
  const down = up && convertBgpPeer(up, 'metallb.io/v1beta1');
  assert.deepEqual(down, object('v1beta1', spec));
});

test('conversion: v1beta1 does not show what it cannot express; other versions are unknown', () => {
  const spec = { ...peer, vrf: 'red', connectTime: '10s', dynamicASN: 'internal' };
  const down = convertBgpPeer(object('v1beta2', spec), 'metallb.io/v1beta1');
  assert.deepEqual(objectAt(down, 'spec'), peer);
  assert.equal(convertBgpPeer(object('v1beta2', spec), 'metallb.io/v1'), undefined);
});

test('the definitions stand in deploy order and name their resources', () => {
  for (const crd of metallbCrds()) {
    const plural = textAt(crd, 'spec', 'names', 'plural');
    assert.equal(crd.metadata.name, `${plural}.metallb.io`);
    assert.equal(
      listAt(crd, 'spec', 'versions').filter((version) => valueAt(version, 'storage') === true)
        .length,
      1,
    );
  }
});
