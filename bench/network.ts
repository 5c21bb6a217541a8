// The test bed: two network namespaces and a veth pair, names that belong to this run only, and what
// /proc tells about the daemon under test. Everything made here is removed by `close`.

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

export interface TestBed {
  /** Namespace of the daemon. */
  readonly dut: string;
  /** Namespace of generators and receivers. */
  readonly tester: string;
  pids(): number[];
  /**
   * Whether the tester's kernel acknowledges every segment at once. A daemon that sends several small
   * ones may wait for that (Nagle's algorithm), and must not wait for a tool that is in no hurry to read.
   */
  acknowledgeAtOnce(on: boolean): void;
  /** Ends what still runs in the namespaces and deletes them. */
  close(): Promise<void>;
}

export const DUT = { as: 65000, ipv4: '10.99.0.1', ipv6: 'fd99::1' } as const;

export function generatorAddress(family: 'ipv4' | 'ipv6', i: number): string {
  return family === 'ipv6'
    ? `fd99::1:${(i + 1).toString(16)}`
    : `10.99.${1 + Math.floor(i / 250)}.${(i % 250) + 1}`;
}

export function receiverAddress(family: 'ipv4' | 'ipv6', i: number): string {
  return family === 'ipv6'
    ? `fd99::c8:${(i + 1).toString(16)}`
    : `10.99.${200 + Math.floor(i / 250)}.${(i % 250) + 1}`;
}

/** Makes the namespaces with these tester addresses; `name` makes them unique. */
export function openTestBed(name: string, addresses: readonly string[]): TestBed {
  const dut = `rkb${name}d`;
  const tester = `rkb${name}t`;
  const [inside, outside] = [`rkb${name}0`, `rkb${name}1`];
  try {
    for (const namespace of [dut, tester]) {
      ip('netns', 'add', namespace);
      const sysctl = 'net.ipv6.conf.default.accept_dad=0';
      ip('netns', 'exec', namespace, 'sysctl', '-qw', sysctl);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    ip(
      'link',
      'add',
      inside,
      'netns',
      dut,
      'type',
      'veth',
      'peer',
      'name',
      outside,
      'netns',
      tester,
    );
    ip('-n', dut, 'addr', 'add', `${DUT.ipv4}/16`, 'dev', inside);
    ip('-n', dut, 'addr', 'add', `${DUT.ipv6}/64`, 'dev', inside, 'nodad');
    const batch = addresses.map((address) =>
      address.includes(':')
        ? `addr add ${address}/64 dev ${outside} nodad\n`
        : `addr add ${address}/16 dev ${outside}\n`,
    );
    execFileSync('ip', ['-n', tester, '-batch', '-'], { input: batch.join('') });
    ip('-n', dut, 'link', 'set', inside, 'up');
    ip('-n', tester, 'link', 'set', outside, 'up');
  } catch (error) {
    void removeNamespaces([dut, tester]);
    throw error;
  }
  // Interrupted: what is here would stay for good, daemons included.
  const interrupted = (): void => {
    void removeNamespaces([dut, tester]).finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  return {
    dut,
    tester,
    pids: () => pidsIn(dut),
    acknowledgeAtOnce: (on) => {
      const route = ['10.99.0.0/16', 'dev', outside, 'proto', 'kernel', 'scope', 'link'];
      ip('-n', tester, 'route', 'change', ...route, 'quickack', on ? '1' : '0');
    },
    close: async () => {
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      await removeNamespaces([dut, tester]);
    },
  };
}

export interface ProcessFigures {
  /** User and system seconds of all processes. */
  readonly cpuSec: number;
  readonly rssKiB: number;
  readonly peakKiB: number;
  /** Calls of read and write. */
  readonly ioCalls: number;
}

export function figuresOf(pids: readonly number[]): ProcessFigures {
  let cpuSec = 0;
  let rssKiB = 0;
  let peakKiB = 0;
  let ioCalls = 0;
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // Clock ticks; USER_HZ is 100 on every Linux that we support.
      cpuSec += (Number(fields[11]) + Number(fields[12])) / 100;
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      rssKiB += Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
      peakKiB += Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
      const io = readFileSync(`/proc/${pid}/io`, 'utf8');
      for (const [, count] of io.matchAll(/^sysc[rw]: (\d+)/gm)) ioCalls += Number(count);
    } catch {
      // It ended meanwhile.
    }
  }
  return { cpuSec, rssKiB, peakKiB, ioCalls };
}

/** IPv4 prefixes in the main table of a process's namespace; cheaper than listing them. */
export function kernelPrefixes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/net/fib_triestat`, 'utf8');
  const main = text.slice(text.indexOf('Main:'));
  return Number(/Prefixes:\s+(\d+)/.exec(main)?.[1] ?? 0);
}

/** Context of the figures. */
export function loadAverage(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
}

function pidsIn(namespace: string): number[] {
  try {
    const text = execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
    return text.split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

async function removeNamespaces(namespaces: readonly string[]): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const pid of namespaces.flatMap(pidsIn)) {
      try {
        process.kill(pid, signal);
      } catch {
        // Gone already.
      }
    }
    const until = Date.now() + 4000;
    while (Date.now() < until && namespaces.some((n) => pidsIn(n).length > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const known = new Set(readdirSync('/run/netns'));
  for (const namespace of namespaces) if (known.has(namespace)) ip('netns', 'del', namespace);
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
