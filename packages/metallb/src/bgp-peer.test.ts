import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  convertBgpPeer,
  readBgpPeer,
  UNSET_TIMERS_ANNOTATION,
  V1BETA1,
  V1BETA2,
} from './bgp-peer.ts';
import { configOf, peer } from './objects.fixture.ts';
import { timersFor } from './timers.ts';

type Json = Record<string, unknown>;

/** The post's own object. */
const POST_PEER: Json = {
  apiVersion: V1BETA1,
  kind: 'BGPPeer',
  metadata: { name: 'bgp-router-peer', namespace: 'metallb' },
  spec: { peerAddress: '192.168.1.1', peerASN: 64496, myASN: 64497 },
};

function converted(json: unknown, version: string): Json {
  const result = convertBgpPeer(json, version);
  assert.ok(result.ok);
  return result.value as Json;
}

function timersLost(json: unknown): boolean {
  const result = readBgpPeer(json);
  assert.ok(result.ok);
  return result.value.timersLost;
}

test('v1beta1 without timers stays without timers through our conversion, and is known', () => {
  const v2 = converted(POST_PEER, V1BETA2);
  assert.deepEqual(v2['spec'], { ...(POST_PEER['spec'] as Json), peerPort: 179 });
  assert.equal(timersLost(v2), true);
  assert.equal(timersLost(POST_PEER), true);
  const back = converted(v2, V1BETA1);
  assert.deepEqual(back['metadata'], POST_PEER['metadata']);
  assert.equal((back['spec'] as Json)['holdTime'], undefined);
});

test('what upstream made of such an object is recognised by who wrote what', () => {
  const zeros = { holdTime: '0s', keepaliveTime: '0s' };
  const managed = (apiVersion: string, fields: Json): Json =>
    peer('p', zeros, {
      managedFields: [{ manager: 'Terraform', apiVersion, fieldsV1: { 'f:spec': fields } }],
    });
  assert.equal(timersLost(managed(V1BETA1, { 'f:peerAddress': {} })), true);
  assert.equal(timersLost(managed(V1BETA2, { 'f:peerAddress': {} })), false);
  assert.equal(timersLost(managed(V1BETA1, { 'f:peerAddress': {}, 'f:holdTime': {} })), false);
  const applied = (object: Json): Json =>
    peer('p', zeros, {
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(object) },
    });
  assert.equal(timersLost(applied(POST_PEER)), true);
  assert.equal(timersLost(applied({ ...POST_PEER, apiVersion: V1BETA2 })), false);
  const explicit = { ...POST_PEER, spec: { ...(POST_PEER['spec'] as Json), holdTime: '0s' } };
  assert.equal(timersLost(applied(explicit)), false);
  assert.equal(timersLost(peer('p', zeros)), false, 'nothing known: taken at its word');
  assert.equal(timersLost(peer('p', { holdTime: '90s' })), false);
});

test('a zero written later as v1beta2 overrules the old mark', () => {
  const marked = peer(
    'p',
    { holdTime: '0s' },
    { annotations: { [UNSET_TIMERS_ANNOTATION]: 'unset' } },
  );
  assert.equal(timersLost(marked), false);
});

test('timers in force', () => {
  const inForce = (json: Json): unknown => {
    const config = configOf({ peers: [json] });
    const [only] = config.peers.values();
    return { ...timersFor(only!), findings: config.findings.map((finding) => finding.id) };
  };
  assert.deepEqual(inForce(POST_PEER), {
    holdTimeSec: 8,
    keepaliveTimeSec: 2,
    findings: ['cfg.v1beta1-zero-timer'],
  });
  assert.deepEqual(inForce(peer('p')), { holdTimeSec: 180, keepaliveTimeSec: 60, findings: [] });
  assert.deepEqual(inForce(peer('p', { holdTime: '0s', keepaliveTime: '0s' })), {
    holdTimeSec: 0,
    keepaliveTimeSec: 0,
    findings: ['session.hold-zero'],
  });
  assert.deepEqual(inForce(peer('p', { holdTime: '90s' })), {
    holdTimeSec: 90,
    keepaliveTimeSec: 30,
    findings: [],
  });
});

test('v1beta2 to v1beta1 loses what v1beta1 cannot say, and keeps the rest', () => {
  const full = peer('p', {
    peerPort: 1179,
    holdTime: '90s',
    connectTime: '10s',
    vrf: 'red',
    enableGracefulRestart: true,
    bfdProfile: 'fast',
    nodeSelectors: [{ matchLabels: { a: 'b' } }],
  });
  assert.deepEqual(converted(full, V1BETA1)['spec'], {
    myASN: 64497,
    peerASN: 64496,
    peerAddress: '192.168.1.1',
    peerPort: 1179,
    holdTime: '90s',
    bfdProfile: 'fast',
    nodeSelectors: [{ matchLabels: { a: 'b' } }],
  });
  assert.ok(!convertBgpPeer(full, 'metallb.io/v9').ok);
  assert.ok(!convertBgpPeer('nonsense', V1BETA1).ok);
});

test('who owns a field counts more than what a file once said', () => {
  const object = peer(
    'p',
    { holdTime: '0s', keepaliveTime: '0s' },
    {
      annotations: {
        'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(POST_PEER),
      },
      managedFields: [
        { apiVersion: V1BETA1, fieldsV1: { 'f:spec': { 'f:peerAddress': {} } } },
        { apiVersion: V1BETA2, fieldsV1: { 'f:spec': { 'f:holdTime': {} } } },
      ],
    },
  );
  assert.equal(timersLost(object), false);
});
