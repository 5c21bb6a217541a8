// Faults of the transport, live: a peer that vanishes, one that never reads, floods of connections
// and resets, a quarrel of NOTIFICATIONs, a wall clock that jumps. Each stays between the router and
// that peer: an honest neighbor keeps session and route, memory, descriptors and log stay bounded.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { after, before, test } from 'node:test';
import { until, when } from '@rookery/lab';
import { markerUpdate, octetsOf, openOf } from '@rookery/testkit';
import {
  HostileBench,
  insideNeighbor,
  KEEPALIVE,
  unprintableLines,
  WireSocket,
} from '../support/hostile-bench.ts';
import { skipWithout } from '../support/sandbox.ts';

const skip = skipWithout();
const state = skip ? '' : await insideNeighbor();
const HONEST = '10.0.9.1';
const FEEDER = '10.0.9.2';
const READER = '10.0.9.3';
const SLOW = '10.0.9.4';
const VANISHING = '10.0.9.5';
const RUDE = '10.0.9.6';
const SERVED = '10.0.9.7';
const QUIET = '10.0.9.8';
const DEAF = '10.0.9.9';

let bench: HostileBench;
let honest: WireSocket;
let chatter: NodeJS.Timeout;

before(async () => {
  if (skip) return;
  bench = await HostileBench.build(state);
  // What waits in the kernel for a slow reader is not what is measured.
  for (const key of ['tcp_wmem', 'tcp_rmem']) {
    const command = `echo "4096 65536 262144" > /proc/sys/net/ipv4/${key}`;
    await bench.host.run(['sh', '-c', command]);
    execFileSync('sh', ['-c', command]);
  }
  await bench.start(renderConf());
  honest = new WireSocket(HONEST);
  await honest.establish(openOf('external', 3));
  // Its hold time is 3 s: it would notice a router that has no time for it, and the reverse.
  chatter = setInterval(() => honest.send(KEEPALIVE), 900);
  honest.send(markerUpdate('external', 255));
  await honestUnharmed();
});

after(async () => {
  clearInterval(chatter);
  honest?.end();
  if (bench) await bench.stop();
});

test('a peer that vanishes without a word is given up after its hold time', { skip }, async () => {
  const peer = new WireSocket(VANISHING);
  await peer.establish(openOf('external', 3));
  peer.send(markerUpdate('external', 1));
  await untilRoute('10.77.1.0/24', true);
  // Power lost: nothing comes from that address any more, and nothing answers for it.
  const cut = `table inet gone {
    chain out { type filter hook output priority 0; ip saddr ${VANISHING} drop; }
  }\n`;
  execFileSync('nft', ['-f', '-'], { input: cut });
  const startedAtMs = performance.now();
  await untilRoute('10.77.1.0/24', false, 8000);
  const tookMs = performance.now() - startedAtMs;
  assert.ok(tookMs > 1900 && tookMs < 5000, `${tookMs} ms with a hold time of 3 s`);
  assert.match(bench.log(), /vanishing: Error: Hold timer expired/);
  execFileSync('nft', ['delete', 'table', 'inet', 'gone']);
  peer.end();
  await honestUnharmed();
});

test('a peer that never reads is closed and costs nobody anything', { skip }, async () => {
  const before = bench.residentMib();
  const slow = new WireSocket(SLOW);
  await slow.establish(openOf('external', 240));
  slow.socket.pause();
  const reader = new WireSocket(READER);
  await reader.establish(openOf('external', 240));
  let bytesRead = 0;
  reader.socket.on('data', (chunk: Buffer) => (bytesRead += chunk.length));
  const feeder = new WireSocket(FEEDER);
  await feeder.establish(openOf('external', 240));
  for (let i = 0; i < ROUTES; i++) feeder.send(heavyRoute(i));
  await until('the other reader to have the table', 12_000, () => when(bytesRead > ROUTES * 3800));
  await until('the slow one to be given up', 20_000, () =>
    when(/slow: Error: Send hold timer expired/i.test(bench.log())),
  );
  const grownMib = bench.residentMib() - before;
  // The table itself is 12 MB, once; a copy for every slow peer would show.
  assert.ok(grownMib < 150, `${grownMib} MiB more`);
  assert.equal(reader.closed, false);
  assert.equal(feeder.closed, false);
  for (const socket of [slow, reader, feeder]) socket.end();
  await honestUnharmed();
});

test(
  'a peer that talks but takes nothing is closed, however little waits for it',
  { skip },
  async () => {
    const deaf = new WireSocket(DEAF);
    await deaf.establish(openOf('external', 3));
    deaf.socket.pause();
    const talk = setInterval(() => deaf.send(KEEPALIVE), 900);
    const feeder = new WireSocket(FEEDER);
    await feeder.establish(openOf('external', 240));
    try {
      // More than the kernel holds for it, less than would stop the router from queueing more.
      for (let i = 0; i < 250; i++) feeder.send(heavyRoute(i));
      await until('it to be given up', 20_000, () =>
        when(/deaf: Error: Send hold timer expired/i.test(bench.log())),
      );
      assert.equal(feeder.closed, false);
    } finally {
      clearInterval(talk);
      for (const socket of [deaf, feeder]) socket.end();
    }
    await honestUnharmed();
  },
);

test('hundreds of strangers leave ten lines and no descriptor', { skip }, async () => {
  const descriptors = bench.descriptors();
  const logBefore = bench.log().length;
  for (let round = 0; round < 10; round++) {
    const strangers = Array.from(
      { length: 50 },
      (_, i) => new WireSocket(`10.0.${11 + round}.${1 + i}`),
    );
    await until('all to be turned away', 10_000, () => when(strangers.every((s) => s.closed)));
    for (const stranger of strangers) assert.equal(stranger.frames().length, 0);
  }
  const lines =
    bench
      .log()
      .slice(logBefore)
      .match(/Unexpected connect/g) ?? [];
  assert.ok(lines.length >= 10 && lines.length <= 30, `${lines.length} lines for 500 strangers`);
  await until('descriptors to be free', 8000, () => when(bench.descriptors() <= descriptors + 1));
  await honestUnharmed();
});

test('a neighbor that calls a hundred times at once gets one connection', { skip }, async () => {
  const descriptors = bench.descriptors();
  const calls = Array.from({ length: 100 }, () => new WireSocket(RUDE));
  await until('all but one to be refused', 10_000, () =>
    when(calls.filter((call) => call.closed).length === calls.length - 1),
  );
  await until('the refused to be gone', 8000, () => when(bench.descriptors() <= descriptors + 2));
  for (const call of calls) call.end();
  await until('descriptors to be free', 8000, () => when(bench.descriptors() <= descriptors + 1));
  await honestUnharmed();
});

test('a storm of resets leaves nothing behind', { skip }, async () => {
  const descriptors = bench.descriptors();
  for (let i = 0; i < 60; i++) {
    const peer = new WireSocket(RUDE);
    await until('the end', 5000, () => when(peer.connected || peer.closed));
    if (i % 2 === 0) peer.send(openOf('external', 9), KEEPALIVE);
    peer.socket.resetAndDestroy();
  }
  await until('descriptors to be free', 8000, () => when(bench.descriptors() <= descriptors + 1));
  await until('a session after the storm', 15_000, async () => {
    const peer = new WireSocket(RUDE);
    const up = await peer.establish(openOf('external', 0)).then(
      () => true,
      () => false,
    );
    peer.end();
    return when(up);
  });
  await honestUnharmed();
});

test('an OPEN that arrives octet by octet for ever is not waited for', { skip }, async () => {
  const peer = new WireSocket(QUIET);
  await until('a connection', 5000, () => when(peer.connected));
  const open = openOf('external', 9);
  let sent = 0;
  const drip = setInterval(() => peer.send(open.subarray(sent, ++sent)), 400);
  await until('the end', 8000, () => when(peer.closed));
  clearInterval(drip);
  assert.ok(sent < open.length, 'it ended before the OPEN was whole');
  assert.equal(peer.notification(), '4/0');
  await honestUnharmed();
});

test('two sides that answer OPEN with NOTIFICATION do not spin', { skip }, async () => {
  let opens = 0;
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      opens++;
      socket.end(Buffer.from(octetsOf('notification 0202')));
    });
  });
  await new Promise<void>((resolve) => server.listen(179, SERVED, resolve));
  await until('the router to call', 15_000, () => when(opens > 0));
  // It calls us and we call it, and neither likes the other, for six seconds.
  const endMs = performance.now() + 6000;
  let calls = 0;
  let answers = 0;
  await until('six seconds', 10_000, async () => {
    const peer = new WireSocket(SERVED);
    calls++;
    await until('an answer', 2000, () => when(peer.closed || peer.types().includes(1)));
    if (peer.types().includes(1)) {
      answers++;
      peer.send(octetsOf('notification 0202'));
      await until('the end', 2000, () => when(peer.closed));
    }
    peer.end();
    return when(performance.now() > endMs);
  });
  server.close();
  assert.ok(
    opens + answers <= 10,
    `${opens} calls made and ${answers} of ${calls} answered in 6 s`,
  );
  await honestUnharmed();
});

test('a wall clock that jumps ends no session and delays no timer', { skip }, async () => {
  const quiet = new WireSocket(VANISHING);
  await until('a session', 15_000, async () => {
    if (quiet.closed) throw new Error('closed');
    return when(quiet.connected);
  });
  await quiet.establish(openOf('external', 3));
  const startedAtMs = performance.now();
  process.kill(bench.pid, 'SIGUSR2');
  await until('a session that ends by its hold time', 8000, () => when(quiet.closed));
  const tookMs = performance.now() - startedAtMs;
  assert.equal(quiet.notification(), '4/0');
  assert.ok(tookMs > 1900 && tookMs < 5000, `${tookMs} ms with a hold time of 3 s`);
  const year = new Date().getUTCFullYear();
  assert.ok(bench.log().includes(`${year + 1}-`), 'the clock did jump');
  await honestUnharmed();
});

test('the log has no bug and no raw octets of a peer', { skip }, () => {
  const log = bench.log();
  assert.deepEqual(unprintableLines(log), []);
  assert.doesNotMatch(log, /<BUG>|<FATAL>/);
});

const ROUTES = 3000;

const hex4 = (value: number): string => value.toString(16).padStart(4, '0');
const COMMUNITIES = Array.from({ length: 950 }, (_, j) => `fde9${hex4(j)}`).join('');
const HEAVY = octetsOf(
  `update / 40010100 400200 4003040a000001 d008 0ed8 ${COMMUNITIES} / 180b0000`,
);

/** A route with 950 communities, one of them its own: no two can share their attributes. */
function heavyRoute(i: number): Uint8Array {
  const route = HEAVY.slice();
  for (const at of [route.length - 6, route.length - 2]) route.set([i >> 8, i & 255], at);
  return route;
}

async function honestUnharmed(): Promise<void> {
  assert.ok(bench.alive, bench.log());
  assert.equal(honest.closed, false, `honest neighbor: ${honest.notification() ?? 'closed'}`);
  await untilRoute('10.77.255.0/24', true);
}

async function untilRoute(prefix: string, present: boolean, timeoutMs = 5000): Promise<void> {
  await until(`${prefix} ${present ? 'there' : 'gone'}`, timeoutMs, async () =>
    when((await bench.ask(`show route ${prefix}`)).includes(prefix) === present),
  );
}

function renderConf(): string {
  const protocol = (name: string, address: string, more: string, exports = 'none'): string =>
    `protocol bgp ${name} { local 10.0.0.254 as 64496; neighbor ${address} as 64497; direct;
  error wait time 1, 2; connect delay time 1; connect retry time 2; ${more}
  ipv4 { import all; export ${exports}; }; }\n`;
  return [
    protocol('honest', HONEST, 'passive;'),
    protocol('feeder', FEEDER, 'passive;'),
    protocol('reader', READER, 'passive;', 'all'),
    protocol('slow', SLOW, 'passive; send hold time 4;', 'all'),
    protocol('deaf', DEAF, 'passive; send hold time 4;', 'all'),
    protocol('vanishing', VANISHING, 'passive;'),
    protocol('rude', RUDE, 'passive;'),
    protocol('served', SERVED, ''),
    protocol('quiet', QUIET, 'passive; startup hold time 3;'),
  ].join('');
}
