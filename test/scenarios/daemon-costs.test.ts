// What a route costs the whole daemon in system calls: octets come and go in large pieces, so that
// reads and writes are few. Counted by the kernel for the process, over real sockets.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownDaemons } from '../../bench/daemons.ts';
import { runOnce } from '../../bench/run.ts';

const skip = process.getuid?.() === 0 ? false : 'it makes network namespaces: needs root';

test(
  'a thousand routes take a few reads and writes, and arrive as they were sent',
  { skip },
  async () => {
    const daemon = knownDaemons().find(({ name }) => name === 'rookery')!;
    const scenario = {
      name: 'costs',
      what: '100,000 prefixes to three receivers',
      family: 'ipv4',
      prefixes: 100_000,
      generators: 1,
      receivers: 3,
      // The rehearsal is over: its compiler threads wake the main one with a write each.
      settleMs: 4000,
      targets: [],
    } as const;
    const { figures, problems } = await runOnce(daemon, scenario, 7, 60_000);
    assert.deepEqual(problems, []);
    const calls = figures['ioCallsPer1000']!;
    assert.ok(calls < 4, `${calls.toFixed(1)} reads and writes for 1,000 routes`);
  },
);
