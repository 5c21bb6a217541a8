// One side of the load: a process with all generator sessions, or one with all receivers. Does what
// the parent says over the IPC channel and answers with times of the shared clock. The parent never
// takes part in what is measured.

import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createPolicy } from './policy.ts';
import type { BenchPolicy } from './policy.ts';
import { Replay, hexOf } from './replay.ts';
import type { CheckOptions } from './replay.ts';
import { nowMs } from './clock.ts';
import { Session } from './session.ts';
import { addressBytes, encodeAnnouncements, encodeTable, encodeWithdrawals } from './stream.ts';
import { createRouteSet, seededRandom } from './table.ts';
import type { RouteSet, TableOptions } from './table.ts';

export interface SideSetup {
  readonly role: 'generator' | 'receiver';
  readonly table: TableOptions;
  readonly dut: { readonly address: string; readonly as: number };
  readonly sessions: readonly { readonly address: string; readonly as: number }[];
  /** Addresses of all generators, in order: next hops are checked against them. */
  readonly generators: readonly string[];
  /** Generators share the table out among them; else each announces all of it. */
  readonly disjoint: boolean;
  /** Where the daemon runs the policy of `policy.ts`, made for this table. */
  readonly policyOn?: 'import' | 'export' | undefined;
  /** Self-test: nobody puts an AS number of its own before the path. */
  readonly noDaemon?: boolean;
  /** Self-test: wait for the generator's connections instead of dialling a daemon. */
  readonly serve?: boolean;
}

export type SideCommand =
  | { readonly command: 'setup'; readonly setup: SideSetup }
  | { readonly command: 'connect' }
  | { readonly command: 'join'; readonly address: string; readonly as: number }
  | { readonly command: 'announce' }
  | { readonly command: 'withdraw' }
  | { readonly command: 'churn'; readonly kind: 'withdraw' | 'announce'; readonly round: number }
  /** Whether the kernel tells when something arrived. */
  | { readonly command: 'stamp'; readonly on: boolean }
  /** Wait until every session got so many prefixes more than at the last `expect`, then silence. */
  | {
      readonly command: 'expect';
      readonly kind: 'announced' | 'withdrawn';
      readonly count: number;
      readonly quietMs: number;
      readonly limitMs: number;
    }
  | { readonly command: 'check'; readonly state: 'full' | 'empty' }
  | { readonly command: 'cpu' };

export interface SideAnswer {
  readonly command: string;
  readonly [figure: string]: unknown;
}

export const CHURN_PREFIXES = 10;
/** Longer than an echo takes. */
const ECHO_MS = 3;

let setup: SideSetup;
let routes: RouteSet;
let policy: BenchPolicy | undefined;
let sessions: Session[] = [];
let replays: Replay[] = [];
let streams: Uint8Array[] = [];
/** Counters at the end of the last `expect`. */
let bases: { announced: number; withdrawn: number }[] = [];

process.on('message', (message: SideCommand) => {
  void perform(message).then((figures) => process.send!({ command: message.command, ...figures }));
});
process.on('disconnect', () => process.exit(0));

async function perform(message: SideCommand): Promise<object> {
  switch (message.command) {
    case 'setup':
      return prepare(message.setup);
    case 'connect':
      return connect();
    case 'join':
      return join(message.address, message.as);
    case 'announce':
      return sendAll(streams);
    case 'withdraw':
      return sendAll(sessions.map((_, peer) => encodeWithdrawals(routes, prefixesOf(peer))));
    case 'churn':
      return churn(message.kind, message.round);
    case 'stamp':
      for (const session of sessions) {
        if (message.on) session.readStamped();
        else session.readAtOnce();
      }
      return {};
    case 'expect':
      return expectPrefixes(message.kind, message.count, message.quietMs, message.limitMs);
    case 'check':
      return check(message.state);
    case 'cpu': {
      const { user, system } = process.cpuUsage();
      return { cpuSec: (user + system) / 1e6 };
    }
  }
}

function prepare(next: SideSetup): object {
  setup = next;
  routes = createRouteSet(setup.table);
  if (setup.policyOn && setup.role === 'receiver') policy = createPolicy(routes);
  for (const { address, as } of setup.sessions) addSession(address, as);
  if (setup.role === 'receiver') {
    const sets = routes.starts.length - 1;
    return { wanted: replays[0]!.wanted, sets, policyText: policy?.text };
  }
  streams = setup.sessions.map(({ address }, peer) => {
    const [from, to] = groupsOf(peer);
    return encodeTable(routes, peer, addressBytes(address), from, to);
  });
  return { bytes: streams.reduce((sum, stream) => sum + stream.length, 0) };
}

function addSession(address: string, as: number): Session {
  const session = new Session({
    family: setup.table.family,
    local: address,
    remote: setup.dut.address,
    as,
    // Of equally good paths the one with the lowest router id wins: the first generator's.
    routerId: routerIdFor(as),
    record: setup.role === 'receiver',
  });
  sessions.push(session);
  bases.push({ announced: 0, withdrawn: 0 });
  if (setup.role === 'receiver') replays.push(new Replay(session, checkOptions()));
  return session;
}

async function connect(): Promise<object> {
  const up = Promise.all(
    sessions.map((session) => new Promise<void>((resolve) => (session.onUp = resolve))),
  );
  if (setup.serve) {
    const waiting = [...sessions];
    const options = { pauseOnConnect: true, noDelay: true };
    net.createServer(options, (socket) => waiting.shift()?.accept(socket)).listen(179);
  } else for (const session of sessions) session.connect();
  await up;
  const times = sessions.map((session) => Number(session.upNs) / 1e6);
  return { firstUpMs: Math.min(...times), allUpMs: Math.max(...times) };
}

async function join(address: string, as: number): Promise<object> {
  const startMs = nowMs();
  const session = addSession(address, as);
  sessions = [session];
  replays = replays.slice(-1);
  bases = [{ announced: 0, withdrawn: 0 }];
  const up = new Promise<void>((resolve) => (session.onUp = resolve));
  session.connect();
  await up;
  return { startMs };
}

async function sendAll(all: readonly Uint8Array[]): Promise<object> {
  const startMs = nowMs();
  await Promise.all(sessions.map((session, i) => session.send(all[i]!)));
  return { startMs, sentMs: nowMs() };
}

async function churn(kind: 'withdraw' | 'announce', round: number): Promise<object> {
  const random = seededRandom(round, 9, 9);
  const chosen = new Set<number>();
  while (chosen.size < CHURN_PREFIXES) chosen.add(random() % routes.count);
  const address = addressBytes(setup.sessions[0]!.address);
  const bytes =
    kind === 'withdraw'
      ? encodeWithdrawals(routes, chosen)
      : encodeAnnouncements(routes, 0, address, [...chosen]);
  const startMs = sessions[0]!.sendNow(bytes);
  // The daemon has the machine to itself meanwhile: an answer would wake the parent.
  await pause(ECHO_MS);
  return { startMs };
}

/** Resolves with the time at which the last session had them; undefined when time ran out. */
async function expectPrefixes(
  kind: 'announced' | 'withdrawn',
  count: number,
  quietMs: number,
  limitMs: number,
): Promise<object> {
  const limit = nowMs() + limitMs;
  const reached: number[] = [];
  for (const session of sessions) session.bulk = count > 1000;
  const stamped = sessions.filter((session) => session.isStamped);
  const look = (): void => stamped.forEach((session) => session.look());
  const looking = stamped.length > 0 ? setInterval(look, 1) : undefined;
  await new Promise<void>((resolve) => {
    let missing = sessions.length;
    const timer = setTimeout(resolve, limitMs);
    for (const [i, session] of sessions.entries()) {
      const base = bases[i]!;
      const checkCount = (): void => {
        if (reached[i] !== undefined || session[kind] - base[kind] < count) return;
        reached[i] = session.lastMs;
        if (--missing > 0) return;
        clearTimeout(timer);
        resolve();
      };
      session.onPrefixes = checkCount;
      checkCount();
    }
  }).finally(() => clearInterval(looking));
  for (const session of sessions) session.onPrefixes = () => {};
  const lastMs = (): number => Math.max(...sessions.map((session) => session.lastMs));
  while (quietMs > 0 && nowMs() - lastMs() < quietMs && nowMs() < limit) {
    await pause(50);
  }
  bases = sessions.map(({ announced, withdrawn }) => ({ announced, withdrawn }));
  const all = reached.filter((ms) => ms !== undefined).length === sessions.length;
  return {
    ...(all && { reachedMs: Math.max(...reached), firstMs: Math.min(...reached) }),
    received: Math.min(...sessions.map((session) => session[kind])),
    lost: sessions.filter((session) => session.closed).length,
  };
}

function check(state: 'full' | 'empty'): object {
  const results = replays.map((replay) => {
    const result = replay.advance();
    const problems =
      state === 'full'
        ? replay.problems()
        : result.held === 0
          ? []
          : [`${result.held} prefixes are left`];
    return { ...result, problems };
  });
  const whole = state === 'full' ? 'fullMs' : 'emptyMs';
  const done = results.every((result) => result[whole] !== undefined);
  return {
    held: Math.min(...results.map((r) => r.held)),
    ...(done && { doneMs: Math.max(...results.map((r) => r[whole]!)) }),
    lastMs: Math.max(...results.map((r) => r.lastMs)),
    messages: results.reduce((sum, r) => sum + r.messages, 0),
    problems: [...new Set(results.flatMap((r) => r.problems))].slice(0, 5),
  };
}

function checkOptions(): CheckOptions {
  const generators = setup.generators.map((address) => hexOf(addressBytes(address)));
  const own = hexOf(addressBytes(setup.dut.address));
  return {
    routes,
    dutAs: setup.noDaemon ? undefined : setup.dut.as,
    policy,
    policyOn: setup.policyOn,
    announcers: (group) => announcersOf(group),
    // A route to a neighbor on the same network may keep its next hop (RFC 4271 §5.1.3).
    nextHops: (peer) => [generators[peer]!, own],
  };
}

function announcersOf(group: number): number[] {
  const peers = setup.generators.map((_, peer) => peer);
  if (!setup.disjoint) return peers;
  return peers.filter((peer) => {
    const [from, to] = groupsOf(peer);
    return group >= from && group < to;
  });
}

/** Groups [from, to) that a generator announces. */
function groupsOf(peer: number): [number, number] {
  const groups = routes.starts.length - 1;
  if (!setup.disjoint) return [0, groups];
  const cut = (n: number): number => {
    if (n === setup.generators.length) return groups;
    return routes.group[Math.floor((routes.count * n) / setup.generators.length)]!;
  };
  return [cut(peer), cut(peer + 1)];
}

function* prefixesOf(peer: number): Iterable<number> {
  const [from, to] = groupsOf(peer);
  for (let i = routes.starts[from]!; i < routes.starts[to]!; i++) yield i;
}

function routerIdFor(as: number): string {
  return `10.${(as >>> 16) & 255}.${(as >>> 8) & 255}.${as & 255}`;
}
