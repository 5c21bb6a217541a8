import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEndpointSlice, readNode, readResources, readService } from '@rookery/metallb';
import type { EndpointSlice, Node, RawResources, Service } from '@rookery/metallb';
import { withRouteChanges } from '@rookery/router';
import type { RouterConfig } from '@rookery/router';
import type { ClusterLog } from './cluster-log.ts';
import { NodeAnnouncer } from './node-announcer.ts';
import type { NodeSource } from './node-announcer.ts';

type Json = Record<string, unknown>;

/** A cluster that the test edits, and what a speaker on node1 makes of it. */
class World implements NodeSource {
  readonly services = new Map<string, Service>();
  readonly nodes = new Map<string, Node>();
  readonly slices = new Map<string, EndpointSlice>();
  raw: RawResources = {};
  /** Configurations in force, one after the other. */
  readonly applied: RouterConfig[] = [];
  changes = 0;
  /** How often the configuration was read. */
  reads = 0;
  /** How often a service was looked at. */
  looks = 0;
  readonly decided: string[] = [];
  readonly announced: string[] = [];
  readonly issues: string[] = [];
  readonly lines: string[] = [];
  readonly announcer: NodeAnnouncer;

  constructor() {
    const note = (fields: object, message: string): void => {
      this.lines.push(`${message} ${JSON.stringify(fields)}`);
    };
    const log: ClusterLog = { debug: note, info: note, warn: note, error: note };
    this.node('node1');
    this.announcer = new NodeAnnouncer(
      'node1',
      this,
      {
        apply: (router) => this.applied.push(router),
        change: (routes) => {
          this.changes += routes.length;
          this.applied.push(withRouteChanges(this.applied.at(-1)!, routes));
        },
        decided: (service, announcement) =>
          this.decided.push(`${service} ${announcement?.announced ?? 'gone'}`),
        announced: (service) => this.announced.push(service.metadata.name),
        configured: (_config, issue) => {
          if (issue) this.issues.push(issue.message);
        },
      },
      { lbClass: '', ignoreExcludeLabel: false },
      log,
    );
  }

  slicesOf(service: string): readonly EndpointSlice[] {
    this.looks++;
    const found = this.slices.get(service);
    return found ? [found] : [];
  }

  resources(): ReturnType<NodeSource['resources']> {
    this.reads++;
    const read = readResources(this.raw);
    return { ...read, resources: { ...read.resources, nodes: [...this.nodes.values()] } };
  }

  node(name: string, labels: Json = {}): void {
    const read = readNode({
      metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
      status: { addresses: [{ type: 'InternalIP', address: '192.168.1.32' }] },
    });
    assert.ok(read.ok);
    this.nodes.set(name, read.value);
  }

  service(name: string, ip: string | undefined, spec: Json = {}): void {
    const read = readService({
      metadata: { name, namespace: 'default' },
      spec: { type: 'LoadBalancer', clusterIP: '10.96.0.1', ...spec },
      status: { loadBalancer: { ingress: ip === undefined ? [] : [{ ip }] } },
    });
    assert.ok(read.ok);
    this.services.set(`default/${name}`, read.value);
  }

  endpoints(service: string, ...entries: readonly [node: string, ready: boolean][]): void {
    const read = readEndpointSlice({
      metadata: { name: `${service}-x`, labels: { 'kubernetes.io/service-name': service } },
      endpoints: entries.map(([nodeName, ready]) => ({
        nodeName,
        addresses: ['10.2.7.5'],
        conditions: { ready },
      })),
    });
    assert.ok(read.ok);
    this.slices.set(`default/${service}`, read.value);
  }

  changed(...services: readonly string[]): void {
    const keys = new Set(services.map((name) => `default/${name}`));
    this.announcer.onChange({ config: false, nodes: new Set(), services: keys });
  }

  configured(): void {
    this.announcer.onChange({ config: true, nodes: new Set(), services: new Set() });
  }

  /** Prefixes of the last configuration applied. */
  get routes(): readonly string[] {
    return (this.applied.at(-1)?.protocols ?? []).flatMap((protocol) =>
      protocol.kind === 'static' ? protocol.routes.map((route) => route.net) : [],
    );
  }

  get sessions(): readonly string[] {
    return (this.applied.at(-1)?.protocols ?? []).flatMap((protocol) =>
      protocol.kind === 'bgp' ? [protocol.name] : [],
    );
  }
}

const meta = (name: string): Json => ({ name, namespace: 'metallb' });
const POOL = { metadata: meta('pool'), spec: { addresses: ['10.20.30.0/24'] } };
const PEER = (name: string, address: string, spec: Json = {}): Json => ({
  apiVersion: 'metallb.io/v1beta2',
  metadata: meta(name),
  spec: { myASN: 64497, peerASN: 64496, peerAddress: address, ...spec },
});
const ADV = (name: string, spec: Json = {}): Json => ({ metadata: meta(name), spec });

test('the life of a service on a node', () => {
  const world = new World();
  world.announcer.start();
  assert.deepEqual([world.sessions, world.routes], [[], []]);

  world.raw = {
    pools: [POOL],
    peers: [PEER('one', '192.168.1.1')],
    bgpAdvertisements: [ADV('adv')],
  };
  world.configured();
  assert.deepEqual([world.sessions, world.routes], [['one'], []]);

  world.service('web', '10.20.30.1');
  world.endpoints('web', ['node2', true]);
  world.changed('web');
  assert.deepEqual(world.routes, ['10.20.30.1/32']);
  assert.deepEqual(world.announced, ['web']);

  world.service('web', '10.20.30.1', { externalTrafficPolicy: 'Local' });
  world.changed('web');
  assert.deepEqual(world.routes, [], 'no endpoint here');
  assert.ok(world.lines.some((line) => line.includes('externalTrafficPolicy is Local')));

  world.endpoints('web', ['node2', true], ['node1', true]);
  world.changed('web');
  assert.deepEqual(world.routes, ['10.20.30.1/32']);

  world.endpoints('web', ['node1', false]);
  world.changed('web');
  assert.deepEqual(world.routes, []);

  world.service('web', '10.20.30.7');
  world.endpoints('web', ['node2', true]);
  world.service('other', undefined);
  world.changed('web', 'other');
  assert.deepEqual(world.routes, ['10.20.30.7/32']);

  world.service('other', '10.20.30.7');
  world.endpoints('other', ['node2', true]);
  world.changed('other');
  assert.deepEqual(world.routes, ['10.20.30.7/32'], 'a shared address is one route');
  world.services.delete('default/web');
  world.changed('web');
  assert.deepEqual(world.routes, ['10.20.30.7/32'], 'the other one still holds it');
  world.services.delete('default/other');
  world.changed('other');
  assert.deepEqual(world.routes, []);
  assert.deepEqual(world.sessions, ['one']);

  world.raw = { ...world.raw, peers: [PEER('one', '192.168.1.1'), PEER('two', '192.168.1.2')] };
  world.configured();
  assert.deepEqual(world.sessions, ['one', 'two']);
  world.raw = { ...world.raw, peers: [] };
  world.configured();
  assert.deepEqual(world.sessions, []);
});

test('nothing is applied when nothing differs', () => {
  const world = new World();
  world.raw = {
    pools: [POOL],
    peers: [PEER('one', '192.168.1.1')],
    bgpAdvertisements: [ADV('adv')],
  };
  world.service('web', '10.20.30.1');
  world.endpoints('web', ['node2', true]);
  world.announcer.start();
  const before = world.applied.length;
  world.changed('web');
  world.configured();
  assert.equal(world.applied.length, before);
  assert.deepEqual(world.announced, ['web'], 'one event, not one per look');
});

test('a service among a thousand is one route, and no configuration is derived for it', () => {
  const world = new World();
  world.raw = {
    pools: [{ ...POOL, spec: { addresses: ['10.20.0.0/16'] } }],
    peers: [PEER('one', '192.168.1.1')],
    bgpAdvertisements: [ADV('adv')],
  };
  const names = Array.from({ length: 1000 }, (_, i) => `web${i}`);
  for (const [i, name] of names.entries()) {
    world.service(name, `10.20.${i >> 8}.${i & 255}`);
    world.endpoints(name, ['node2', true]);
  }
  world.announcer.start();
  assert.deepEqual([world.applied.length, world.changes, world.routes.length], [1, 0, 1000]);
  const read = world.reads;
  for (const name of names.slice(0, 10)) {
    world.endpoints(name, ['node2', false]);
    world.changed(name);
  }
  assert.deepEqual([world.changes, world.routes.length], [10, 990]);
  assert.equal(world.reads, read, 'the configuration is not read again');
  assert.equal(
    world.decided.length,
    1010,
    'one decision each, and one more for those that changed',
  );
});

test('what another node does concerns no service of this one, unless configuration says so', () => {
  const world = new World();
  world.node('node2', { rack: 'a' });
  world.raw = {
    pools: [POOL],
    peers: [PEER('one', '192.168.1.1')],
    bgpAdvertisements: [ADV('adv', { nodeSelectors: [{ matchLabels: { rack: 'a' } }] })],
  };
  world.node('node1', { rack: 'a' });
  world.service('web', '10.20.30.1');
  world.endpoints('web', ['node2', true]);
  world.announcer.start();
  assert.deepEqual(world.routes, ['10.20.30.1/32']);
  const { looks } = world;
  const relabel = (name: string, labels: Json): void => {
    world.node(name, labels);
    world.announcer.onChange({ config: false, nodes: new Set([name]), services: new Set() });
  };
  relabel('node2', { rack: 'b' });
  relabel('node3', { rack: 'a' });
  world.nodes.delete('node3');
  relabel('node2', { rack: 'a', more: 'yes' });
  assert.equal(world.looks, looks);
  relabel('node1', { rack: 'b' });
  assert.deepEqual(world.routes, []);
  assert.ok(world.looks > looks);
});

test('an invalid configuration leaves the last good one in force, and the node recovers', () => {
  const world = new World();
  const good = {
    pools: [POOL],
    peers: [PEER('one', '192.168.1.1')],
    bgpAdvertisements: [ADV('adv')],
  };
  world.raw = good;
  world.service('web', '10.20.30.1');
  world.endpoints('web', ['node2', true]);
  world.announcer.start();
  world.raw = { ...good, peers: [PEER('one', 'nonsense')] };
  world.configured();
  assert.deepEqual([world.sessions, world.routes], [['one'], ['10.20.30.1/32']]);
  assert.match(world.issues.at(-1) ?? '', /invalid BGPPeer address/);
  world.service('second', '10.20.30.2');
  world.endpoints('second', ['node2', true]);
  world.changed('second');
  assert.deepEqual(world.routes, ['10.20.30.1/32', '10.20.30.2/32'], 'services go on');
  world.node('node1', { 'node.kubernetes.io/exclude-from-external-load-balancers': '' });
  world.announcer.onChange({ config: false, nodes: new Set(['node1']), services: new Set() });
  assert.deepEqual(world.routes, [], 'and so does the node');
  world.node('node1');
  world.raw = { ...good, peers: [PEER('one', '192.168.1.9')] };
  world.configured();
  assert.equal(new Set(world.issues).size, 1);
  assert.deepEqual(world.routes, ['10.20.30.1/32', '10.20.30.2/32']);
  assert.deepEqual(world.sessions, ['one']);
});

test('node labels decide about peers and announcements; a node that is gone keeps running', () => {
  const world = new World();
  const rack = (value: string): Json => ({ nodeSelectors: [{ matchLabels: { rack: value } }] });
  world.raw = {
    pools: [POOL],
    peers: [PEER('one', '192.168.1.1', rack('a')), PEER('two', '192.168.1.2', rack('b'))],
    bgpAdvertisements: [ADV('adv')],
  };
  world.service('web', '10.20.30.1');
  world.endpoints('web', ['node2', true]);
  world.announcer.start();
  assert.deepEqual([world.sessions, world.routes], [[], []]);
  const relabel = (labels: Json): void => {
    world.node('node1', labels);
    world.announcer.onChange({ config: false, nodes: new Set(['node1']), services: new Set() });
  };
  relabel({ rack: 'a' });
  assert.deepEqual([world.sessions, world.routes], [['one'], ['10.20.30.1/32']]);
  relabel({ rack: 'b' });
  assert.deepEqual(world.sessions, ['two']);
  relabel({ rack: 'b', 'node.kubernetes.io/exclude-from-external-load-balancers': '' });
  assert.deepEqual(world.routes, []);
  relabel({ rack: 'b' });
  assert.deepEqual(world.routes, ['10.20.30.1/32']);
  world.nodes.delete('node1');
  world.announcer.onChange({ config: false, nodes: new Set(['node1']), services: new Set() });
  assert.deepEqual([world.sessions, world.routes], [['two'], ['10.20.30.1/32']]);
  assert.match(world.issues.at(-1) ?? '', /no such node/);
});
