// How punctual BFD is while the main thread works: gaps between the packets that a session of 50 ms x 3
// puts on the wire, by the kernel's timestamps, with the main thread idle, loading a million routes again
// and again in turns of whole seconds, and collecting a large heap's garbage without a pause; with and
// without the rights to real-time scheduling and to a better nice value. Also counts what must be zero: changes of state seen by
// the other end (status 1).
//
//   node bench/bfd-jitter.ts [SECONDS] [PREFIXES]      needs root, ip, setpriv and tcpdump

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BfdService } from '@rookery/linux';
import { EngineLoad, generatorNextHop } from './engine-load.ts';
import { DUT, generatorAddress, openTestBed } from './network.ts';
import { quantilesOf } from './quantiles.ts';
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

type Work = 'nothing' | 'routes' | 'garbage';

/** A group without a share of real-time scheduling, as containers are. */
const GROUP = `/sys/fs/cgroup/cpu/rookery-jitter-${process.pid}`;
/** What the BFD thread may do to run ahead, and the command that takes the rest away. */
const RIGHTS = {
  'real-time': [],
  nice: ['sh', '-c', `echo $$ > ${GROUP}/cgroup.procs && exec "$@"`, 'sh'],
  none: ['setpriv', '--bounding-set', '-sys_nice'],
} as const;
type Right = keyof typeof RIGHTS;

const CASES: readonly (readonly [Work, Right])[] = [
  ['nothing', 'real-time'],
  ['routes', 'real-time'],
  ['garbage', 'real-time'],
  ['routes', 'nice'],
  ['routes', 'none'],
];

/** Objects that stay alive while garbage is collected. */
const LIVE_OBJECTS = 3_000_000;

const [role = '20', first = '1000000', work, prefixes] = process.argv.slice(2);
if (role === 'end') await runEnd(first, work as Work, Number(prefixes));
else await measure(Number(role), Number(first));

async function measure(seconds: number, prefixes: number): Promise<void> {
  console.log(`${describeMachine()}; ${INTERVAL_US / 1000} ms x 3, ${seconds} s each`);
  console.log('| main thread | right | packets | p50, ms | p99, ms | max, ms | state changes |');
  console.log('|---|---|---|---|---|---|---|');
  const grouped = existsSync(`${dirname(GROUP)}/cpu.rt_runtime_us`);
  if (grouped) mkdirSync(GROUP);
  process.on('exit', () => grouped && rmdirSync(GROUP));
  for (const [work, right] of CASES) {
    if (right === 'nice' && !grouped) continue;
    const { gapsMs, changes } = await runCase(seconds, { work, prefixes }, right);
    const gapAt = quantilesOf(gapsMs);
    const at = (share: number): string => gapAt(share).toFixed(1);
    const name = {
      nothing: 'idle',
      routes: `loads ${prefixes} routes`,
      garbage: 'collects garbage',
    }[work];
    console.log(
      `| ${name} | ${right} | ${gapsMs.length + 1} | ${at(0.5)} | ${at(0.99)} | ` +
        `${at(1)} | ${changes} |`,
    );
    if (right === 'real-time' && changes > 0) process.exitCode = 1;
  }
}

interface Load {
  readonly work: Work;
  readonly prefixes: number;
}

async function runCase(
  seconds: number,
  load: Load,
  right: Right,
): Promise<{ gapsMs: readonly number[]; changes: number }> {
  const bed = openTestBed(`j${process.pid % 10_000}`, [PEER]);
  try {
    const peer = startEnd(bed.tester, DUT.ipv4, { work: 'nothing', prefixes: 0 }, 'real-time');
    const dut = startEnd(bed.dut, PEER, load, right);
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
    await Promise.all([dut, peer].map((child) => once(child, 'exit')));
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
  { work: busyWith, prefixes: count }: Load,
  right: Right,
): ChildProcess {
  const role = ['end', remote, busyWith, String(count)];
  const self = [process.execPath, import.meta.filename, ...role];
  const [file, ...args] = [...RIGHTS[right], 'ip', 'netns', 'exec', namespace, ...self];
  return spawn(file, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

function message(child: ChildProcess, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (text) => text === wanted && resolve());
    child.once('exit', (status) => reject(new Error(`an end ended with ${status}`)));
  });
}

/** A process with a BFD session; tells each state, and gets busy once it is told to go. */
async function runEnd(remote: string, busyWith: Work, count: number): Promise<void> {
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
  if (busyWith === 'routes') await loadRoutes(count);
  else if (busyWith === 'garbage') await collectGarbage();
}

async function loadRoutes(count: number): Promise<never> {
  const routes = createRouteSet({ family: 'ipv4', count, seed: 1 });
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

/** Whole collections, each as long as it takes to mark the live objects. */
async function collectGarbage(): Promise<never> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const live = Array.from({ length: LIVE_OBJECTS }, (_, i) => ({ i, text: String(i) }));
  for (;;) {
    collect();
    live[0]!.i++;
    await turn();
  }
}
