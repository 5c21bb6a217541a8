import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admitService, defaultServiceRanges } from './admission-service.ts';
import { cloneJson, type KubeObject, numberAt, objectAt, valueAt } from './object.ts';
import { ServiceClaims } from './service-claims.ts';

const dual = { ...defaultServiceRanges, ipv6Cidr: 'fd00:10:96::/112' };

function service(spec: Record<string, unknown>, name = 'web'): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ port: 80 }], ...spec },
  };
}

function admit(
  object: KubeObject,
  previous?: KubeObject,
  others: KubeObject[] = [],
  ranges = defaultServiceRanges,
): KubeObject {
  const copy = cloneJson(object);
  admitService(
    copy,
    previous,
    new ServiceClaims(previous ? [previous, ...others] : others),
    ranges,
  );
  return copy;
}

test('a plain service gets its defaults and an address', () => {
  const { spec } = admit(service({}));
  assert.deepEqual(spec, {
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ipFamilyPolicy: 'SingleStack',
    ipFamilies: ['IPv4'],
    clusterIPs: ['10.96.0.2'],
    clusterIP: '10.96.0.2',
  });
});

test('a LoadBalancer gets node ports, Local a health check port; both survive an update without them', () => {
  const created = admit(service({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }));
  const nodePort = numberAt(created, 'spec', 'ports', 0, 'nodePort') ?? 0;
  const health = numberAt(created, 'spec', 'healthCheckNodePort') ?? 0;
  assert.ok(nodePort >= 30000 && nodePort <= 32767 && health >= 30000 && health !== nodePort);
  assert.equal(valueAt(created, 'spec', 'allocateLoadBalancerNodePorts'), true);
  const updated = admit(service({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }), created);
  assert.deepEqual(updated['spec'], created['spec']);
  const cluster = admit(
    service({ type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' }),
    updated,
  );
  assert.equal(valueAt(cluster, 'spec', 'healthCheckNodePort'), undefined);
});

test('allocateLoadBalancerNodePorts false: no node ports', () => {
  const created = admit(service({ type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }));
  assert.equal(valueAt(created, 'spec', 'ports', 0, 'nodePort'), undefined);
});

test('addresses and node ports of other services are not given out again', () => {
  const others: KubeObject[] = [];
  for (let index = 0; index < 40; index += 1)
    others.push(admit(service({ type: 'NodePort' }, `s${index}`), undefined, others));
  const addresses = new Set(others.map((other) => objectAt(other, 'spec')['clusterIP']));
  const ports = new Set(others.map((other) => numberAt(other, 'spec', 'ports', 0, 'nodePort')));
  assert.equal(addresses.size, 40);
  assert.equal(ports.size, 40);
});

test('dual stack: prefer and require give both families, IPv6 first when asked', () => {
  const both = admit(service({ ipFamilyPolicy: 'PreferDualStack' }), undefined, [], dual);
  assert.deepEqual(valueAt(both, 'spec', 'clusterIPs'), ['10.96.0.2', 'fd00:10:96::2']);
  const six = admit(
    service({ ipFamilies: ['IPv6'], ipFamilyPolicy: 'RequireDualStack' }),
    undefined,
    [],
    dual,
  );
  assert.deepEqual(valueAt(six, 'spec', 'ipFamilies'), ['IPv6', 'IPv4']);
  assert.equal(valueAt(six, 'spec', 'clusterIP'), 'fd00:10:96::2');
});

test('a headless service keeps None; ExternalName has no address', () => {
  assert.deepEqual(valueAt(admit(service({ clusterIP: 'None' })), 'spec', 'clusterIPs'), ['None']);
  const external = admit(service({ type: 'ExternalName', externalName: 'example.org', ports: [] }));
  assert.equal(valueAt(external, 'spec', 'clusterIP'), undefined);
});

const refused: [name: string, spec: Record<string, unknown>, field: string][] = [
  ['no ports', { ports: [] }, 'spec.ports'],
  ['port 0', { ports: [{ port: 0 }] }, 'spec.ports[0].port'],
  ['unknown type', { type: 'Magic' }, 'spec.type'],
  ['unknown protocol', { ports: [{ port: 1, protocol: 'ICMP' }] }, 'spec.ports[0].protocol'],
  ['two ports without names', { ports: [{ port: 1 }, { port: 2 }] }, 'spec.ports[0].name'],
  [
    'unknown policy',
    { type: 'LoadBalancer', externalTrafficPolicy: 'Near' },
    'spec.externalTrafficPolicy',
  ],
  ['headless LoadBalancer', { type: 'LoadBalancer', clusterIP: 'None' }, 'spec.clusterIPs[0]'],
  ['address outside of the range', { clusterIP: '192.0.2.1' }, 'spec.clusterIPs'],
  [
    'node port outside of the range',
    { type: 'NodePort', ports: [{ port: 1, nodePort: 80 }] },
    'spec.ports[0].nodePort',
  ],
  [
    'dual stack on a single-stack cluster',
    { ipFamilyPolicy: 'RequireDualStack' },
    'spec.ipFamilyPolicy',
  ],
];
for (const [name, spec, field] of refused) {
  test(`refused with 422: ${name}`, () => {
    assert.throws(
      () => admit(service(spec)),
      (error: { code: number; details: { causes: { field: string }[] } }) => {
        assert.equal(error.code, 422);
        assert.ok(
          error.details.causes.some((cause) => cause.field === field),
          JSON.stringify(error.details.causes),
        );
        return true;
      },
    );
  });
}

test('the cluster address is immutable', () => {
  const created = admit(service({}));
  assert.throws(() => admit(service({ clusterIP: '10.96.0.77' }), created), {
    code: 422,
    message: /immutable/,
  });
});
