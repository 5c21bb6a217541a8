// The tool against itself: a generator straight into a receiver. What this takes is what the tool may
// at most add to a figure. The same with a relay in between that knows nothing of BGP is the floor for
// every daemon that runs on Node.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { measureChurn } from './churn.ts';
import type { Latency, LoadPair } from './churn.ts';
import { DUT, generatorAddress, openTestBed, receiverAddress } from './network.ts';
import type { TestBed } from './network.ts';
import { openSide } from './run.ts';
import type { SideSetup } from './side.ts';
import { FIRST_GENERATOR_AS } from './table.ts';

const COUNT = 1_000_000;
const CHURN_ROUNDS = 300;
const GENERATOR = generatorAddress('ipv4', 0);
const RECEIVER = receiverAddress('ipv4', 0);

/** What a million prefixes and their churn cost the tool itself, and what a relay adds. */
export async function testSelf(): Promise<string> {
  return (
    `Self-test: without a daemon ${await measure('direct')}.\n` +
    `Through a relay on Node ${await measure('relay')}.`
  );
}

async function measure(way: 'direct' | 'relay'): Promise<string> {
  const bed = openTestBed(process.pid.toString(36), [GENERATOR, RECEIVER]);
  const children: ChildProcess[] = [];
  try {
    if (way === 'relay') children.push(startRelay(bed));
    const pair = { bed, ...(await openSides(way, bed, children)) };
    await Promise.all([
      pair.source.ask({ command: 'connect' }),
      pair.sink.ask({ command: 'connect' }),
    ]);
    const load = await loadAll(pair);
    const { withdraw, announce } = await measureChurn(pair, CHURN_ROUNDS);
    return `${load}; churn: withdraw ${textOf(withdraw)}, announce ${textOf(announce)}`;
  } finally {
    for (const child of children) child.kill();
    await bed.close();
  }
}

async function openSides(
  way: 'direct' | 'relay',
  bed: TestBed,
  children: ChildProcess[],
): Promise<Pick<LoadPair, 'source' | 'sink'>> {
  const common = {
    table: { family: 'ipv4', count: COUNT, seed: 1 },
    dut: { address: DUT.ipv4, as: DUT.as },
    generators: [GENERATOR],
    disjoint: false,
    noDaemon: true,
  } as const;
  const source: SideSetup = {
    ...common,
    role: 'generator',
    sessions: [{ address: GENERATOR, as: FIRST_GENERATOR_AS }],
  };
  const serve = way === 'direct';
  const sink: SideSetup = {
    ...common,
    role: 'receiver',
    serve,
    sessions: [{ address: serve ? DUT.ipv4 : RECEIVER, as: DUT.as }],
  };
  return {
    source: await openSide(bed.tester, source, children),
    sink: await openSide(serve ? bed.dut : bed.tester, sink, children),
  };
}

function startRelay(bed: TestBed): ChildProcess {
  const script = join(import.meta.dirname, 'relay.ts');
  return spawn('ip', ['netns', 'exec', bed.dut, process.execPath, script], { stdio: 'inherit' });
}

async function loadAll({ source, sink }: LoadPair): Promise<string> {
  const cpu = async (): Promise<number> =>
    ((await source.ask({ command: 'cpu' })).cpuSec as number) +
    ((await sink.ask({ command: 'cpu' })).cpuSec as number);
  const before = await cpu();
  const waiting = sink.ask({
    command: 'expect',
    kind: 'announced',
    count: COUNT,
    quietMs: 100,
    limitMs: 20_000,
  });
  const sent = await source.ask({ command: 'announce' });
  const reached = await waiting;
  const after = await cpu();
  const checked = await sink.ask({ command: 'check', state: 'full' });
  const ms = (reached.reachedMs as number) - (sent.startMs as number);
  const problems = checked.problems as string[];
  return (
    `1,000,000 prefixes from generator to receiver in ${ms.toFixed(0)} ms ` +
    `with ${(after - before).toFixed(2)} s of CPU in both processes; ` +
    (problems.length === 0 ? 'the table was right' : `WRONG: ${problems.join('; ')}`)
  );
}

function textOf({ p50Ms, p99Ms }: Latency): string {
  return `p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms`;
}
