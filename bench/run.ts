// One run: a daemon, a scenario, a seed. Starts everything, lets the two sides of the load work,
// collects figures, checks the table, and cleans up whatever happens.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { measureChurn } from './churn.ts';
import type { LoadPair } from './churn.ts';
import { nowMs } from './clock.ts';
import type { Daemon, DaemonTask } from './daemons.ts';
import {
  DUT,
  figuresOf,
  generatorAddress,
  kernelPrefixes,
  loadAverage,
  openTestBed,
  receiverAddress,
} from './network.ts';
import type { TestBed } from './network.ts';
import type { Scenario } from './scenarios.ts';
import { FIRST_GENERATOR_AS } from './table.ts';
import type { SideAnswer, SideCommand, SideSetup } from './side.ts';

export interface RunResult {
  readonly daemon: string;
  readonly scenario: string;
  readonly seed: number;
  /** Seconds, milliseconds, counts: the unit is in the name. */
  readonly figures: Readonly<Record<string, number>>;
  /** Empty: the receivers had exactly the right table. */
  readonly problems: readonly string[];
}

const RECEIVER_AS = 64600;
/** Silence that ends a phase; longer where the same prefixes come again and again. */
const QUIET_MS = 800;
const REPEATS_QUIET_MS = 3000;

/** `limitMs` bounds each phase. */
export async function runOnce(
  daemon: Daemon,
  scenario: Scenario,
  seed: number,
  limitMs: number,
): Promise<RunResult> {
  const problems: string[] = [];
  const figures: Record<string, number> = { loadAverage: loadAverage() };
  const result = { daemon: daemon.name, scenario: scenario.name, seed, figures, problems };
  const { family } = scenario;
  const generators = addresses(scenario.generators, family, generatorAddress);
  const receivers = addresses(
    scenario.receivers + (scenario.lateJoiner ? 1 : 0),
    family,
    receiverAddress,
  );
  const unique = process.pid.toString(36);
  const bed = openTestBed(unique, [...generators, ...receivers]);
  const dir = mkdtempSync(join(tmpdir(), 'rookery-bench-'));
  const children: ChildProcess[] = [];
  try {
    const setup = (role: SideSetup['role']): SideSetup => ({
      role,
      table: {
        family,
        seed,
        count: scenario.prefixes,
        ...(scenario.length !== undefined && { length: scenario.length }),
      },
      dut: { address: DUT[family], as: DUT.as },
      sessions:
        role === 'generator'
          ? generators.map((address, i) => ({ address, as: FIRST_GENERATOR_AS + i }))
          : receivers
              .slice(0, scenario.receivers)
              .map((address, i) => ({ address, as: RECEIVER_AS + i })),
      generators,
      disjoint: scenario.disjoint ?? false,
      policyOn: scenario.policyOn,
    });
    const [source, sink] = await Promise.all([
      openSide(bed.tester, setup('generator'), children),
      openSide(bed.tester, setup('receiver'), children),
    ]);
    const { policyOn: on } = scenario;
    const task: DaemonTask = {
      family,
      kernel: scenario.kernel ?? false,
      peers: [
        ...receivers.map((address, i) => ({ name: `receiver${i}`, address, as: RECEIVER_AS + i })),
        ...generators.map((address, i) => ({
          name: `generator${i}`,
          address,
          as: FIRST_GENERATOR_AS + i,
        })),
      ],
      policy: on && { on, text: sink.ready.policyText as string },
    };
    const startMs = startDaemon(daemon, task, bed, dir, children);
    const run = { bed, scenario, source, sink, figures, problems, limitMs };
    const alive = setInterval(() => {
      if (bed.pids().length > 0) return;
      problems.push(`the daemon ended: ${logOf(dir)}`);
      for (const child of children) child.kill();
    }, 2000);
    try {
      await measure(run, startMs, receivers);
    } finally {
      clearInterval(alive);
    }
  } catch (error) {
    problems.push(`${error instanceof Error ? error.message : String(error)}; ${logOf(dir)}`);
  } finally {
    for (const child of children) child.kill();
    await bed.close();
    rmSync(dir, { recursive: true, force: true });
  }
  return result;
}

interface Run extends LoadPair {
  readonly scenario: Scenario;
  readonly figures: Record<string, number>;
  readonly problems: string[];
  readonly limitMs: number;
}

async function measure(run: Run, startMs: number, receivers: readonly string[]): Promise<void> {
  const { bed, scenario, source, sink, figures, problems, limitMs } = run;
  const [a, b] = await Promise.all([
    source.ask({ command: 'connect' }, limitMs),
    sink.ask({ command: 'connect' }, limitMs),
  ]);
  figures.startMs = Math.min(a.firstUpMs as number, b.firstUpMs as number) - startMs;
  figures.sessionsMs = Math.max(a.allUpMs as number, b.allUpMs as number) - startMs;
  await pause(scenario.settleMs);
  figures.idleRssMiB = figuresOf(bed.pids()).rssKiB / 1024;
  await load(run);
  if (scenario.churnRounds) await churn(run, scenario.churnRounds);
  if (scenario.lateJoiner) {
    const joined = await sink.ask(
      { command: 'join', address: receivers.at(-1)!, as: RECEIVER_AS + receivers.length - 1 },
      limitMs,
    );
    await expectAll(run, sink, 'announced', scenario.prefixes);
    const late = await sink.ask({ command: 'check', state: 'full' });
    problems.push(...(late.problems as string[]));
    figures.lateSec = ((late.lastMs as number) - (joined.startMs as number)) / 1000;
    figures.lateMessages = late.messages as number;
    // One UPDATE for each attribute set is the least that can be.
    figures.lateUpdatesPerSet = figures.lateMessages / (sink.ready.sets as number);
  }
  if (scenario.withdraw) await withdraw(run);
  figures.toolCpuSec = (await cpuOf(source)) + (await cpuOf(sink)) - figures.toolCpuStartSec!;
  delete figures.toolCpuStartSec;
}

async function load(run: Run): Promise<void> {
  const { bed, scenario, source, sink, figures, problems } = run;
  const before = figuresOf(bed.pids());
  figures.toolCpuStartSec = (await cpuOf(source)) + (await cpuOf(sink));
  const toolBefore = figures.toolCpuStartSec;
  const kernelBase = scenario.kernel ? kernelPrefixes(bed.pids()[0]!) : 0;
  const receiving = expectAll(run, sink, 'announced', wantedOf(sink));
  // Each generator hears of what the others announce.
  const share = Math.floor(scenario.prefixes / scenario.generators);
  const hearing = scenario.disjoint
    ? expectAll(run, source, 'announced', scenario.prefixes - share - 100)
    : undefined;
  const sent = await source.ask({ command: 'announce' }, run.limitMs);
  const startMs = sent.startMs as number;
  figures.sentSec = ((sent.sentMs as number) - startMs) / 1000;
  if (scenario.kernel)
    await followKernel(run, kernelBase + scenario.prefixes, startMs, 'kernelSec');
  await receiving;
  const heard = await hearing;
  const after = figuresOf(bed.pids());
  figures.loadToolCpuSec = (await cpuOf(source)) + (await cpuOf(sink)) - toolBefore;
  figures.loadCpuSec = after.cpuSec - before.cpuSec;
  figures.ioCallsPer1000 = ((after.ioCalls - before.ioCalls) * 1000) / scenario.prefixes;
  figures.rssMiB = after.rssKiB / 1024;
  figures.peakMiB = after.peakKiB / 1024;
  const checked = await sink.ask({ command: 'check', state: 'full' }, run.limitMs);
  problems.push(...(checked.problems as string[]));
  if (checked.doneMs !== undefined) {
    figures.loadSec = ((checked.doneMs as number) - startMs) / 1000;
  } else problems.push(`a receiver holds ${String(checked.held)} of ${wantedOf(sink)} prefixes`);
  figures.convergedSec = ((checked.lastMs as number) - startMs) / 1000;
  figures.messages = checked.messages as number;
  if (heard?.reachedMs !== undefined) {
    const last = Math.max(heard.reachedMs as number, checked.lastMs as number);
    figures.everybodySec = (last - startMs) / 1000;
  } else if (hearing) problems.push('a generator did not hear of everything');
}

async function churn(run: Run, rounds: number): Promise<void> {
  const { bed, sink, figures, problems } = run;
  const before = figuresOf(bed.pids());
  const took = await measureChurn(run, rounds);
  figures.churnCpuSec = figuresOf(bed.pids()).cpuSec - before.cpuSec;
  figures.churnWithdrawP50Ms = took.withdraw.p50Ms;
  figures.churnWithdrawP99Ms = took.withdraw.p99Ms;
  figures.churnAnnounceP50Ms = took.announce.p50Ms;
  figures.churnAnnounceP99Ms = took.announce.p99Ms;
  figures.churnMaxMs = Math.max(took.withdraw.maxMs, took.announce.maxMs);
  const checked = await sink.ask({ command: 'check', state: 'full' }, run.limitMs);
  problems.push(...(checked.problems as string[]).map((p) => `after churn: ${p}`));
}

async function withdraw(run: Run): Promise<void> {
  const { bed, scenario, source, sink, figures, problems } = run;
  const before = figuresOf(bed.pids());
  const waiting = expectAll(run, sink, 'withdrawn', wantedOf(sink));
  const sent = await source.ask({ command: 'withdraw' }, run.limitMs);
  const startMs = sent.startMs as number;
  if (scenario.kernel) await followKernel(run, 2, startMs, 'kernelEmptySec');
  await waiting;
  figures.withdrawCpuSec = figuresOf(bed.pids()).cpuSec - before.cpuSec;
  const checked = await sink.ask({ command: 'check', state: 'empty' }, run.limitMs);
  problems.push(...(checked.problems as string[]));
  if (checked.doneMs !== undefined) {
    figures.withdrawSec = ((checked.doneMs as number) - startMs) / 1000;
  }
}

/** Waits until the kernel's table has passed the wanted size, in the direction that it moves. */
async function followKernel(
  run: Run,
  wanted: number,
  startMs: number,
  figure: string,
): Promise<void> {
  const pid = run.bed.pids()[0]!;
  const growing = kernelPrefixes(pid) < wanted;
  const until = nowMs() + run.limitMs;
  while (nowMs() < until) {
    const at = nowMs();
    const size = kernelPrefixes(pid);
    if (growing ? size >= wanted : size <= wanted + 8) {
      run.figures[figure] = (at - startMs) / 1000;
      return;
    }
    await pause(Math.max(30, 2 * (nowMs() - at)));
  }
  run.problems.push(`the kernel has ${kernelPrefixes(pid)} prefixes, not ${wanted}`);
}

function expectAll(
  run: Run,
  side: Side,
  kind: 'announced' | 'withdrawn',
  count: number,
): Promise<SideAnswer> {
  const { limitMs, scenario } = run;
  const repeats = scenario.generators > 1 && !scenario.disjoint;
  const quietMs = repeats ? REPEATS_QUIET_MS : QUIET_MS;
  const command = { command: 'expect', kind, count, quietMs, limitMs } as const;
  return side.ask(command, limitMs + 5000);
}

/** One process of the load tool. */
export interface Side {
  /** What it said when it was ready. */
  readonly ready: SideAnswer;
  ask(command: SideCommand, limitMs?: number): Promise<SideAnswer>;
}

/** Starts a side in a namespace; ready when its table and octets are. */
export async function openSide(
  namespace: string,
  setup: SideSetup,
  children: ChildProcess[],
): Promise<Side> {
  const script = join(import.meta.dirname, 'side.ts');
  const child = spawn(
    'ip',
    ['netns', 'exec', namespace, process.execPath, '--max-semi-space-size=64', script],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  children.push(child);
  const waiting = new Map<string, (answer: SideAnswer) => void>();
  let ended: (() => void) | undefined;
  const end = new Promise<never>((_, reject) => {
    ended = () => reject(new Error(`the ${setup.role} ended`));
  });
  end.catch(() => undefined);
  child.on('exit', () => ended!());
  child.on('message', (answer: SideAnswer) => waiting.get(answer.command)?.(answer));
  const ask: Side['ask'] = (command, limitMs = 20_000) => {
    const answer = new Promise<SideAnswer>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer to "${command.command}" in ${limitMs} ms`)),
        limitMs,
      );
      waiting.set(command.command, (value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
    if (child.connected) child.send(command);
    return Promise.race([answer, end]);
  };
  return { ask, ready: await ask({ command: 'setup', setup }, 60_000) };
}

/** Prefixes that a receiver has to hold in the end. */
function wantedOf(sink: Side): number {
  return sink.ready.wanted as number;
}

function startDaemon(
  daemon: Daemon,
  task: DaemonTask,
  bed: TestBed,
  dir: string,
  children: ChildProcess[],
): number {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  writeFileSync(join(dir, 'conf'), daemon.configure(task), { mode: 0o644 });
  const log = openSync(join(dir, 'log'), 'w');
  const startMs = nowMs();
  const command = daemon.command(dir, task);
  children.push(
    spawn('ip', ['netns', 'exec', bed.dut, 'sh', '-c', command], {
      stdio: ['ignore', log, log],
    }),
  );
  closeSync(log);
  return startMs;
}

async function cpuOf(side: Side): Promise<number> {
  return (await side.ask({ command: 'cpu' })).cpuSec as number;
}

function addresses(
  count: number,
  family: 'ipv4' | 'ipv6',
  nth: (family: 'ipv4' | 'ipv6', i: number) => string,
): string[] {
  return Array.from({ length: count }, (_, i) => nth(family, i));
}

function logOf(dir: string): string {
  try {
    return readFileSync(join(dir, 'log'), 'utf8').slice(-400);
  } catch {
    return '';
  }
}
