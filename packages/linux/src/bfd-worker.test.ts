// What the BFD thread does to run ahead of the others, by what the kernel says of the threads.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { test } from 'node:test';

/** Prints nice value and policy of a thread that runs ahead, as soon as there is one. */
const SCRIPT = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { Worker } from 'node:worker_threads';
  new Worker(new URL(${JSON.stringify(import.meta.resolve('./bfd-worker.ts'))}), { execArgv: [] });
  const look = () => {
    for (const id of readdirSync('/proc/self/task')) {
      const stat = readFileSync('/proc/self/task/' + id + '/stat', 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [nice, policy] = [Number(fields[16]), Number(fields[38])];
      if (nice === 0 && policy === 0) continue;
      console.log(nice, policy, Number(id) === process.pid ? 'main' : 'worker');
      process.exit();
    }
    setTimeout(look, 5);
  };
  look();`;
const SCHED_OTHER = 0;
const GROUPS = '/sys/fs/cgroup/cpu';
/** A new group has no share of real-time scheduling, whatever rights its members have: a container. */
const skip =
  !existsSync(`${GROUPS}/cpu.rt_runtime_us`) && 'this kernel has no groups for real-time';

test('where groups keep real-time scheduling away the thread is nice to nobody', { skip }, () => {
  const group = `${GROUPS}/rookery-${process.pid}`;
  mkdirSync(group);
  try {
    const join = ['-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh'];
    const args = [...join, process.execPath, '--input-type=module', '-e', SCRIPT];
    const printed = execFileSync('sh', args, { encoding: 'utf8', timeout: 20_000 });
    assert.equal(printed, `-20 ${SCHED_OTHER} worker\n`);
  } finally {
    rmdirSync(group);
  }
});
