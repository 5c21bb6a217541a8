// A next hop dies with many routes behind it: how long until the kernel sends nothing there any more,
// and what that costs the daemon. Two neighbors announce the same table (the kernel has both next
// hops) or one does. One says by BFD that its path is down; the clock starts with that packet. Sixty
// routes are looked up over and over until none leads there; in the end the whole table is checked.

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Daemon } from './daemons.ts';
import { generatorAddress, kernelPrefixes, openTestBed } from './network.ts';
import type { TestBed } from './network.ts';
import { spreadOf } from './report.ts';
import type { Outcome } from './report.ts';
import { FIRST_GENERATOR_AS, createRouteSet } from './table.ts';
import type { FailingSetup } from './failing-side.ts';
import type { ProbeTask } from './kernel-probe.ts';

export const NEXTHOP_LOSS = 'nexthop-loss';
const WHAT = 'a next hop dies, until the kernel does not use it any more';

const SIZES = [1_000, 10_000, 100_000] as const;
const KINDS = ['one of two', 'the only one'] as const;
const SAMPLES = 60;
const LIMIT_MS = 60_000;
/** The target: our CPU until then when there is another next hop, however many routes are behind it. */
const GOAL_CPU_MS = 5;
const GATEWAYS = [0, 1].map((i) => generatorAddress('ipv4', i));

export interface Loss {
  readonly daemon: string;
  readonly seed: number;
  readonly kind: (typeof KINDS)[number];
  readonly routes: number;
  /** From the packet until no sample leads to the dead next hop, and the daemon's CPU until then. */
  readonly goneMs: number;
  readonly goneCpuMs: number;
  /** CPU until the daemon was at rest again. */
  readonly restCpuMs: number;
  readonly problems: readonly string[];
}

/** One round: every size and kind, once for each daemon that reads BIRD's language. */
export async function measureNexthopLoss(
  daemons: readonly Daemon[],
  seed: number,
): Promise<Loss[]> {
  const losses: Loss[] = [];
  for (const routes of SIZES) {
    for (const kind of KINDS) {
      for (const daemon of daemons.filter(({ name }) => ['rookery', 'bird'].includes(name))) {
        const loss = await runOnce(daemon, kind, routes, seed);
        losses.push(loss);
        process.stderr.write(`${NEXTHOP_LOSS} ${JSON.stringify(loss)}\n`);
      }
    }
  }
  return losses;
}

async function runOnce(
  daemon: Daemon,
  kind: Loss['kind'],
  routes: number,
  seed: number,
): Promise<Loss> {
  const bed = openTestBed(process.pid.toString(36), GATEWAYS);
  const dir = mkdtempSync(join(tmpdir(), 'rookery-bench-'));
  const children: ChildProcess[] = [];
  try {
    const pid = await startDaemon(daemon, bed, dir, children);
    const side = helper(bed.tester, 'failing-side.ts', children);
    const announcers = kind === 'the only one' ? 1 : 2;
    const setup: FailingSetup = { table: tableOf(routes, seed), gateways: GATEWAYS, announcers };
    const base = kernelPrefixes(pid);
    await side.ask('connect', setup);
    await side.ask('announce');
    await until(() => kernelPrefixes(pid) >= base + routes, 'the table is in the kernel');
    const probe = helper(bed.dut, 'kernel-probe.ts', children);
    const task: ProbeTask = {
      pid,
      addresses: samplesOf(routes, seed),
      gateways: GATEWAYS.slice(0, announcers),
    };
    await probe.ask('used', task);
    await probe.ask('rest', task);
    const gone = probe.ask('gone', { ...task, gateways: GATEWAYS.slice(0, 1) });
    // The probe says when it looks, so that its start is not part of the time.
    await probe.next('looking');
    const { atMs } = await side.ask('fail');
    const reached = await gone;
    const left = announcers === 1 ? base : base + routes;
    await until(() => Math.abs(kernelPrefixes(pid) - left) <= 2, 'the table is what it is to be');
    const rest = await probe.ask('rest', task);
    return {
      daemon: daemon.name,
      seed,
      kind,
      routes,
      goneMs: reached.atMs! - atMs!,
      goneCpuMs: reached.cpuMs!,
      restCpuMs: reached.cpuMs! + rest.cpuMs!,
      problems: problemsOf(bed, announcers === 1 ? 0 : routes),
    };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const log = readFileSync(join(dir, 'log'), 'utf8').slice(-300);
    const none = { goneMs: NaN, goneCpuMs: NaN, restCpuMs: NaN };
    return { daemon: daemon.name, seed, kind, routes, ...none, problems: [`${text}; ${log}`] };
  } finally {
    for (const child of children) child.kill();
    await bed.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function startDaemon(
  daemon: Daemon,
  bed: TestBed,
  dir: string,
  children: ChildProcess[],
): Promise<number> {
  const peers = GATEWAYS.map((address, i) => ({
    name: `n${i}`,
    address,
    as: FIRST_GENERATOR_AS + i,
  }));
  const task = { family: 'ipv4', peers, kernel: true } as const;
  writeFileSync(
    join(dir, 'conf'),
    daemon
      .configure(task)
      .replace('protocol kernel {', 'protocol kernel { merge paths on;')
      .replaceAll('passive on;', 'passive on; bfd on;')
      .replaceAll('export all; };\n}', 'export none; };\n}')
      .concat('protocol bfd { interface "*" { interval 100 ms; multiplier 30; }; }\n'),
  );
  const log = openSync(join(dir, 'log'), 'w');
  const command = daemon.command(dir, task);
  children.push(
    spawn('ip', ['netns', 'exec', bed.dut, 'sh', '-c', command], { stdio: ['ignore', log, log] }),
  );
  closeSync(log);
  await until(() => bed.pids().length > 0, 'the daemon runs');
  return bed.pids()[0]!;
}

interface Helper {
  ask(command: string, argument?: object): Promise<Record<string, number>>;
  next(event: string): Promise<Record<string, number>>;
}

/** A process of ours in a namespace that answers commands. */
function helper(namespace: string, script: string, children: ChildProcess[]): Helper {
  const child = spawn(
    'ip',
    ['netns', 'exec', namespace, process.execPath, join(import.meta.dirname, script)],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  children.push(child);
  const next = (event: string): Promise<Record<string, number>> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${script}: no "${event}"`)), LIMIT_MS);
      const look = (message: { event: string; figures: Record<string, number> }): void => {
        if (message.event !== event) return;
        clearTimeout(timer);
        child.off('message', look);
        resolve(message.figures);
      };
      child.on('message', look);
    });
  return {
    next,
    ask: (command, argument = {}) => {
      const answer = next(command);
      child.send({ command, ...argument });
      return answer;
    },
  };
}

/** Nothing may lead to the dead next hop, and nothing else may be missing. */
function problemsOf(bed: TestBed, expected: number): string[] {
  const args = ['-n', bed.dut, 'route', 'show', 'proto', 'bird'];
  const text = execFileSync('ip', args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const count = (gateway: string): number => text.split(`via ${gateway} `).length - 1;
  const [dead, alive] = GATEWAYS.map(count);
  const problems: string[] = [];
  if (dead !== 0) problems.push(`${dead} routes lead to the dead next hop`);
  if (alive !== expected) problems.push(`${alive} routes lead to the other one, not ${expected}`);
  return problems;
}

function tableOf(count: number, seed: number) {
  return { family: 'ipv4', count, seed } as const;
}

/** Addresses from all over the table. */
function samplesOf(count: number, seed: number): readonly number[] {
  const { high } = createRouteSet(tableOf(count, seed));
  return Array.from(
    { length: SAMPLES },
    (_, n) => high[Math.floor(((n + 0.5) * count) / SAMPLES)]!,
  );
}

/** The target, for every size that was measured. */
export function outcomesOfLosses(losses: readonly Loss[]): Outcome[] {
  const ours = losses.filter(
    (loss) => loss.daemon === 'rookery' && loss.kind === 'one of two' && isGood(loss),
  );
  return SIZES.flatMap((routes) => {
    const runs = ours.filter((loss) => loss.routes === routes);
    const spread = spreadOf(runs.map(({ goneCpuMs }) => goneCpuMs));
    if (!spread) return [];
    return {
      scenario: { name: NEXTHOP_LOSS, what: WHAT },
      label: `CPU with ${routes.toLocaleString('en')} routes, ms`,
      peer: undefined,
      spread,
      goal: GOAL_CPU_MS,
      met: spread.median <= GOAL_CPU_MS,
    };
  });
}

function isGood({ problems }: Loss): boolean {
  return problems.length === 0;
}

/** The figures as Markdown. */
export function renderLosses(losses: readonly Loss[]): string {
  const lines = [
    `### ${NEXTHOP_LOSS}: ${WHAT}`,
    '',
    '| routes behind | which | daemon | until unused, ms | CPU until then, ms | CPU until at rest, ms |',
    '|---|---|---|---|---|---|',
  ];
  const keyOf = (loss: Loss): string =>
    `${loss.routes.toLocaleString('en')} | ${loss.kind} | ${loss.daemon}`;
  for (const key of new Set(losses.map(keyOf))) {
    const runs = losses.filter((loss) => keyOf(loss) === key && isGood(loss));
    const cell = (figure: 'goneMs' | 'goneCpuMs' | 'restCpuMs'): string => {
      const spread = spreadOf(runs.map((run) => run[figure]));
      if (!spread) return '-';
      const [min, median, max] = [spread.min, spread.median, spread.max].map((v) => v.toFixed(1));
      return `${median} [${min}-${max}]`;
    };
    lines.push(`| ${key} | ${cell('goneMs')} | ${cell('goneCpuMs')} | ${cell('restCpuMs')} |`);
  }
  for (const { daemon, kind, routes, problems } of losses) {
    for (const problem of problems)
      lines.push(`- WRONG: ${daemon}, ${kind}, ${routes}: ${problem}`);
  }
  return `${lines.join('\n')}\n`;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = Date.now() + LIMIT_MS;
  while (!condition()) {
    if (Date.now() > limit) throw new Error(`it did not happen that ${what}`);
    await pause(20);
  }
}
