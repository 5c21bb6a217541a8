import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Picture } from '@rookery/doctor';
import { type FeedState, reduce } from './feed.ts';

const EMPTY: FeedState = { picture: undefined, connected: false, timeline: [] };

test('the timeline tells what changed between two pictures, newest first', () => {
  const first = reduce(EMPTY, picture(true, ['192.168.2.1'], 1));
  assert.deepEqual(first.timeline, []);
  const second = reduce(first, picture(false, ['192.168.2.1'], 2));
  const third = reduce(second, picture(true, ['192.168.3.1'], 3));
  assert.deepEqual(
    third.timeline.map((entry) => `${entry.atMs} ${entry.level} ${entry.text}`),
    [
      '3 note default/web has 192.168.3.1',
      '3 good node2 is in service',
      '2 bad node2 is out of service: BGP Error: Hold timer expired',
    ],
  );
  assert.equal(new Set(third.timeline.map((entry) => entry.key)).size, 3);
});

function picture(up: boolean, addresses: readonly string[], atMs: number): Picture {
  return {
    atMs,
    verdict: { level: 'good', sentence: '' },
    router: { name: 'router', address: '192.168.1.1', reachable: true },
    nodes: [
      {
        name: 'node2',
        address: '192.168.1.33',
        up,
        node: undefined,
        router: {
          protocol: 'node2',
          state: up ? 'Established' : 'Active',
          sinceMs: 0,
          received: 0,
          sent: 0,
          ...(up ? {} : { lastError: 'BGP Error: Hold timer expired' }),
        },
      },
    ],
    services: [
      {
        name: 'default/web',
        addresses,
        ports: ['80/TCP'],
        externalTrafficPolicy: 'Local',
        paths: [],
        reachable: true,
      },
    ],
    findings: [],
  };
}
