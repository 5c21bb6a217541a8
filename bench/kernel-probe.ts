// Looks from inside the namespace of the daemon under test where the kernel would send packets, and
// what the daemon uses of the processors meanwhile. The kernel is asked for the whole matching route,
// not for the one of its next hops that some flow would take.

import { readFileSync, readdirSync } from 'node:fs';
import { AF_INET, MSG_DONTWAIT } from '../packages/linux/src/constants.ts';
import {
  MessageWriter,
  NLM_F_REQUEST,
  readMessages,
} from '../packages/linux/src/netlink/message.ts';
import { RTM_GETROUTE, decodeRoute } from '../packages/linux/src/netlink/route.ts';
import { openNetlink } from '../packages/linux/src/netlink/socket.ts';
import { receiveBytes, sendBytes, setRealtimePriority } from '../packages/linux/src/sys.ts';
import { nowMs } from './clock.ts';

export interface ProbeTask {
  /** The daemon. */
  readonly pid: number;
  /** IPv4 addresses, as words. */
  readonly addresses: readonly number[];
  readonly gateways: readonly string[];
}

type Command = ProbeTask & {
  /**
   * `used`: until every address leads to all gateways. `gone`: until none leads to any. `rest`: until
   * the daemon does nothing.
   */
  readonly command: 'used' | 'gone' | 'rest';
};

const RTA_DST = 1;
const RTM_F_FIB_MATCH = 0x2000;
const LOOK_EVERY_MS = 1;
/** So much of a processor, in this time, is rest. */
const REST_MS = 300;
const REST_CPU_MS = 6;

const opened = openNetlink(0);
if (!opened.ok) throw new Error(opened.error.message);
const fd = opened.value;
// A look that comes late would be counted as the daemon's time.
setRealtimePriority(1);
const buffer = new Uint8Array(65536);
const sleeper = new Int32Array(new SharedArrayBuffer(4));

process.on('message', (task: Command) => {
  const startCpuMs = cpuMsOf(task.pid);
  process.send!({ event: 'looking', figures: {} }, () => {
    if (task.command === 'rest') waitForRest(task.pid);
    else while (!isReached(task)) Atomics.wait(sleeper, 0, 0, LOOK_EVERY_MS);
    const figures = { atMs: nowMs(), cpuMs: cpuMsOf(task.pid) - startCpuMs };
    process.send!({ event: task.command, figures });
  });
});
process.on('disconnect', () => process.exit(0));

function isReached({ command, addresses, gateways }: Command): boolean {
  return lookUp(addresses).every((found) =>
    command === 'used'
      ? gateways.every((gateway) => found.includes(gateway))
      : !gateways.some((gateway) => found.includes(gateway)),
  );
}

/** The gateways of the route that matches each address. */
function lookUp(addresses: readonly number[]): (string | undefined)[][] {
  const writer = new MessageWriter();
  addresses.forEach((address, i) => {
    writer.begin(RTM_GETROUTE, NLM_F_REQUEST, i);
    writer.u8(AF_INET);
    writer.u8(32);
    for (let octet = 2; octet < 8; octet++) writer.u8(0);
    writer.u32(RTM_F_FIB_MATCH);
    writer.attribute(
      RTA_DST,
      Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address),
    );
    writer.end();
  });
  const found = addresses.map((): (string | undefined)[] => []);
  // The kernel answers within send(2), message by message.
  sendBytes(fd, writer.bytes(), 0);
  for (;;) {
    const received = receiveBytes(fd, buffer, MSG_DONTWAIT);
    if (!received.ok) return found;
    for (const message of readMessages(buffer, received.value)) {
      const route = decodeRoute(buffer, message);
      if (route) found[message.seq] = route.nexthops.map(({ gateway }) => gateway);
    }
  }
}

function waitForRest(pid: number): void {
  let before = cpuMsOf(pid);
  for (;;) {
    Atomics.wait(sleeper, 0, 0, REST_MS);
    const now = cpuMsOf(pid);
    if (now - before < REST_CPU_MS) return;
    before = now;
  }
}

/** Processor time of all threads, from the scheduler: to the nanosecond, unlike /proc/PID/stat. */
function cpuMsOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const ns = tasks.map((task) => {
    const text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8');
    return Number(text.slice(0, text.indexOf(' ')));
  });
  return ns.reduce((sum, value) => sum + value, 0) / 1e6;
}
