// The bird.conf of the post, in the stages in which its author built it, word for word.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig, KernelConfig, RouterConfig } from '@rookery/router';
import { parseConfig, printConfig } from './index.ts';
import { memoryIo } from './test-io.ts';

const minimal = `log syslog all;
debug protocols all;
router id 192.168.1.1;
protocol kernel kernel4 {
ipv4 {
export none;
};
}
protocol kernel kernel6 {
ipv6 {
export none;
};
}
`;

const device = `# without this bird doesnt listen on anything
protocol device {
}
`;

const template = `template bgp metallb {
local as 64496;
ipv4 {
import all;
export none;
};
}
`;

const node = (number: number, address: string): string => `protocol bgp node${number} from metallb {
neighbor ${address} as 64497;
}
`;

const threeNodes = node(1, '192.168.1.32') + node(2, '192.168.1.33') + node(3, '192.168.1.34');
const exportAll = minimal.replace('export none', 'export all');
const mergePaths = exportAll.replace('kernel4 {\n', 'kernel4 {\nmerge paths on;\n');

function configOf(text: string): RouterConfig {
  const { config, issues, tokens } = parseConfig(
    '/etc/bird.conf',
    memoryIo({ '/etc/bird.conf': text }),
  );
  assert.deepEqual(issues, []);
  const printed = printConfig(tokens);
  const again = parseConfig('/etc/bird.conf', memoryIo({ '/etc/bird.conf': printed }));
  assert.deepEqual(again.config, config);
  assert.equal(printConfig(again.tokens), printed);
  return config!;
}

const ALL_FLAGS = ['states', 'routes', 'filters', 'interfaces', 'events', 'packets'];

test('stage 1: minimal, two kernel protocols that export nothing', () => {
  const config = configOf(minimal);
  assert.equal(config.routerId, '192.168.1.1');
  assert.deepEqual(config.logs, [
    {
      sink: { kind: 'syslog', name: 'bird' },
      classes: ['debug', 'trace', 'info', 'remote', 'warning', 'error', 'auth', 'fatal', 'bug'],
    },
  ]);
  assert.deepEqual(
    config.protocols.map(({ name, kind }) => [name, kind]),
    [
      ['kernel4', 'kernel'],
      ['kernel6', 'kernel'],
    ],
  );
  assert.deepEqual(config.protocols[0], {
    kind: 'kernel',
    name: 'kernel4',
    disabled: false,
    debug: ALL_FLAGS,
    channel: {
      netType: 'ipv4',
      table: 'master4',
      importPolicy: { kind: 'all' },
      exportPolicy: { kind: 'none' },
      preference: 10,
      importKeepFiltered: false,
      rpkiReload: true,
      debug: [],
    },
    persist: false,
    scanTimeSec: 60,
    learn: 'off',
    linkBandwidthWeights: false,
    kernelTable: 254,
    metric: 32,
    gracefulRestart: false,
  });
  assert.deepEqual(
    config.tables.map((table) => table.name),
    ['master4', 'master6'],
  );
});

test('stage 2: the device protocol, unnamed', () => {
  const config = configOf(minimal + device);
  const found = config.protocols[2]!;
  assert.deepEqual(found, {
    kind: 'device',
    name: 'device1',
    disabled: false,
    debug: ALL_FLAGS,
    scanTimeSec: 60,
    interfaces: [],
  });
});

test('stage 3: a template and one node', () => {
  const config = configOf(minimal + device + template + node(1, '192.168.1.32'));
  const node1 = config.protocols[3] as BgpConfig;
  assert.equal(node1.name, 'node1');
  assert.equal(node1.localAs, 64496);
  assert.equal(node1.neighborAs, 64497);
  assert.equal(node1.neighborAddress, '192.168.1.32');
  assert.equal(node1.peerType, 'external');
  assert.equal(node1.multihop, undefined);
  assert.equal(node1.holdTimeSec, 240);
  assert.equal(node1.gracefulRestart, 'aware');
  const [channel] = node1.channels;
  assert.equal(node1.channels.length, 1);
  assert.deepEqual(channel!.importPolicy, { kind: 'all' });
  assert.deepEqual(channel!.exportPolicy, { kind: 'none' });
  assert.equal(channel!.gateway, 'direct');
  assert.equal(channel!.preference, 100);
  // The template is a symbol, not a protocol.
  assert.ok(!config.protocols.some(({ name }) => name === 'metallb'));
  assert.deepEqual(
    config.symbols.filter(({ name }) => ['metallb', 'node1', 'device1'].includes(name)),
    [
      { name: 'device1', kind: 'protocol' },
      { name: 'metallb', kind: 'template' },
      { name: 'node1', kind: 'protocol' },
    ],
  );
});

test('stage 4: three nodes, and routes into the kernel', () => {
  const config = configOf(exportAll + device + template + threeNodes);
  const nodes = config.protocols.filter((p): p is BgpConfig => p.kind === 'bgp');
  assert.deepEqual(
    nodes.map(({ name, neighborAddress }) => [name, neighborAddress]),
    [
      ['node1', '192.168.1.32'],
      ['node2', '192.168.1.33'],
      ['node3', '192.168.1.34'],
    ],
  );
  const kernel = config.protocols[0] as KernelConfig;
  assert.deepEqual(kernel.channel.exportPolicy, { kind: 'all' });
  assert.equal(kernel.mergePaths, undefined);
});

test('stage 5: merge paths', () => {
  const config = configOf(mergePaths + device + template + threeNodes);
  assert.equal((config.protocols[0] as KernelConfig).mergePaths, 16);
});
