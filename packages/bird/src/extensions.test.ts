// What docs/extensions.md says: options that BIRD does not have, and that a file without them means
// what it means to BIRD.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BgpConfig } from '@rookery/router';
import { parseConfig } from './index.ts';

function bgpOf(body: string, neighbor = 'neighbor 192.0.2.2 as 64497;'): BgpConfig {
  const text = `protocol device { }\nprotocol bgp b { local as 64496; ${neighbor}\n${body}\n}\n`;
  const { config, issues } = parseConfig('bird.conf', {
    readFile: () => ({ text }),
    glob: () => ({ error: 'none' }),
  });
  const bgp = config?.protocols.find((p) => p.kind === 'bgp');
  assert.ok(bgp, issues.map(({ message }) => message).join('\n'));
  return bgp;
}

const policies = (bgp: BgpConfig): readonly string[] =>
  bgp.channels.flatMap((channel) => [channel.importPolicy.kind, channel.exportPolicy.kind]);

const OPEN = 'ipv4 { import all; export all; };';

test('every option of the document is read, and off without it', () => {
  const document = readFileSync(join(import.meta.dirname, '../../../docs/extensions.md'), 'utf8');
  const options = [...document.matchAll(/^\| `([a-z ]+) SWITCH` \| `protocol bgp` \| off/gm)];
  assert.ok(options.length >= 3);
  const plain = bgpOf(OPEN);
  for (const [, option = ''] of options) {
    assert.deepEqual(bgpOf(`${option} off; ${OPEN}`), plain, option);
    // Without policies `default reject` is what makes the file acceptable at all.
    const channel = option === 'default reject' ? 'ipv4;' : OPEN;
    assert.notDeepEqual(bgpOf(`${option} on; ${channel}`), plain, option);
  }
});

test('link bandwidth weights belong to protocol kernel and are off without being asked for', () => {
  for (const [option, wanted] of [
    ['', false],
    ['link bandwidth weights;', true],
    ['link bandwidth weights off;', false],
  ] as const) {
    const text = `protocol device { }\nprotocol kernel { ipv4; merge paths on; ${option} }\n`;
    const { config } = parseConfig('bird.conf', {
      readFile: () => ({ text }),
      glob: () => ({ error: 'none' }),
    });
    const kernel = config?.protocols.find((p) => p.kind === 'kernel');
    assert.equal(kernel?.linkBandwidthWeights, wanted, option);
  }
});

test('default reject: an external channel without a policy passes nothing', () => {
  assert.deepEqual(policies(bgpOf('default reject; ipv4; ipv6 { import all; };')), [
    'none',
    'none',
    'all',
    'none',
  ]);
  const member = 'confederation 65100; confederation member;';
  assert.deepEqual(policies(bgpOf(`${member} ipv4;`)), ['all', 'none'], 'as in BIRD');
  assert.deepEqual(policies(bgpOf(`${member} default reject; ipv4;`)), ['none', 'none']);
  const internal = bgpOf('default reject; ipv4;', 'neighbor 192.0.2.2 internal;');
  assert.deepEqual(policies(internal), ['all', 'none'], 'RFC 8212 is about external neighbors');
});

test('restart and stale times: of the protocol, of a channel, bounds for the neighbor’s', () => {
  const bgp = bgpOf(`min graceful restart time 10; max graceful restart time 60;
    long lived stale time 100; min long lived stale time 20; max long lived stale time 200;
    ipv4 { import all; export all; };
    ipv6 { import all; export all; long lived stale time 50; max long lived stale time 70; };`);
  assert.deepEqual([bgp.minGracefulRestartTimeSec, bgp.maxGracefulRestartTimeSec], [10, 60]);
  assert.equal(bgp.longLivedStaleTimeSec, 100);
  assert.deepEqual(
    bgp.channels.map((c) => [
      c.longLivedStaleTimeSec,
      c.minLongLivedStaleTimeSec,
      c.maxLongLivedStaleTimeSec,
    ]),
    [
      [undefined, 20, 200],
      [50, 20, 70],
    ],
  );
});
