// How punctual BFD is while the main thread works: gaps between the packets that a session of 50 ms x 3
// puts on the wire, by the kernel's timestamps, with the main thread idle and with it loading a million
// routes again and again in turns of whole seconds; with and without the right to real-time
// scheduling. Also counts what must be zero: changes of state seen by the other end (status 1).
//
//   node bench/bfd-jitter.ts [SECONDS] [PREFIXES]      needs root, ip, setpriv and tcpdump

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { BfdService } from '@rookery/linux';
import { EngineLoad, generatorNextHop } from './engine-load.ts';
import { DUT, generatorAddress, openTestBed } from './network.ts';
import { describeMachine } from './report.ts';
import { encodeTable, encodeWithdrawals } from './stream.ts';
import { createRouteSet } from './table.ts';

const PEER = generatorAddress('ipv4', 0);
const INTERVAL_US = 50_000;
const REQUEST = {
  kind: 'bfdRequest',
  multihop: false,
  options: {
    minRxIntervalUs: INTERVAL_US,
    minTxIntervalUs: INTERVAL_US,
    idleTxIntervalUs: 1_000_000,
    multiplier: 3,
    passive: false,
  },
} as const;

const [role = '20', first = '1000000', second] = process.argv.slice(2);
if (role === 'end') await runEnd(first, Number(second));
else await measure(Number(role), Number(first));

async function measure(seconds: number, prefixes: number): Promise<void> {
  console.log(`${describeMachine()}; ${INTERVAL_US / 1000} ms x 3, ${seconds} s each`);
  console.log(
    '| main thread | real-time | packets | p50, ms | p99, ms | max, ms | state changes |',
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const [busy, realtime] of [
    [false, true],
    [true, true],
    [true, false],
  ] as const) {
    const { gapsMs, changes } = await runCase(seconds, busy ? prefixes : 0, realtime);
    const sorted = gapsMs.toSorted((a, b) => a - b);
    const at = (share: number): string =>
      (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(1);
    const name = busy ? `loads ${prefixes} routes` : 'idle';
    console.log(
      `| ${name} | ${realtime ? 'yes' : 'no'} | ${gapsMs.length + 1} | ${at(0.5)} | ${at(0.99)} | ` +
        `${at(1)} | ${changes} |`,
    );
    if (realtime && changes > 0) process.exitCode = 1;
  }
}

async function runCase(
  seconds: number,
  prefixes: number,
  realtime: boolean,
): Promise<{ gapsMs: readonly number[]; changes: number }> {
  const bed = openTestBed(`j${process.pid % 10_000}`, [PEER]);
  try {
    const peer = startEnd(bed.tester, DUT.ipv4, 0, true);
    const dut = startEnd(bed.dut, PEER, prefixes, realtime);
    await Promise.all([peer, dut].map((child) => message(child, 'Up')));
    let changes = 0;
    peer.on('message', () => changes++);
    const sniffer = spawn(
      'ip',
      [
        ...['netns', 'exec', bed.tester, 'tcpdump', '-n', '-tt', '-l', '--immediate-mode'],
        `udp dst port 3784 and src ${DUT.ipv4}`,
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    let text = '';
    sniffer.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    dut.send('go');
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    sniffer.kill();
    for (const child of [dut, peer]) child.kill('SIGKILL');
    const timesMs = text.split('\n').flatMap((line) => {
      const time = /^(\d+\.\d+) IP /.exec(line)?.[1];
      return time === undefined ? [] : [Number(time) * 1000];
    });
    return { gapsMs: timesMs.slice(1).map((time, i) => time - timesMs[i]!), changes };
  } finally {
    await bed.close();
  }
}

function startEnd(
  namespace: string,
  remote: string,
  prefixes: number,
  realtime: boolean,
): ChildProcess {
  const without = realtime ? [] : ['setpriv', '--bounding-set', '-sys_nice'];
  const self = [process.execPath, import.meta.filename, 'end', remote, String(prefixes)];
  return spawn('ip', ['netns', 'exec', namespace, ...without, ...self], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

function message(child: ChildProcess, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (text) => text === wanted && resolve());
    child.once('exit', (status) => reject(new Error(`an end ended with ${status}`)));
  });
}

/** A process with a BFD session; tells each state, and loads routes once it is told to go. */
async function runEnd(remote: string, prefixes: number): Promise<void> {
  let state = 'Down';
  const service = new BfdService({
    emit: (fact) => {
      if (fact.kind !== 'bfdChanged' || fact.state === state) return;
      state = fact.state;
      process.send?.(state);
    },
    log: (_class, text) => console.error(text),
  });
  service.execute({ ...REQUEST, remote });
  process.on('disconnect', () => process.exit(0));
  await new Promise((resolve) => process.once('message', resolve));
  if (prefixes === 0) return;
  const routes = createRouteSet({ family: 'ipv4', count: prefixes, seed: 1 });
  const table = encodeTable(routes, 0, generatorNextHop('ipv4', 0));
  const withdrawals = encodeWithdrawals(routes, routes.lengths.keys());
  const load = new EngineLoad('ipv4', 1, 1);
  for (;;) {
    for (const stream of [table, withdrawals]) {
      load.receive(0, 1, stream);
      load.settle();
      await turn();
    }
  }
}
