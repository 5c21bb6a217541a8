// The malformed-message suite on the wire: every case of packages/bgp/src/wire/cases against the
// running router. Cases that end a session have a neighbor of their own, so that none waits for
// another's error wait time; the others share one session per kind of peer. Meanwhile an honest
// neighbor keeps its session and its route.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until, when } from '@rookery/lab';
import {
  goodUpdates,
  type MalformedCase,
  markerUpdate,
  openOf,
  PEER_KINDS,
  type PeerKind,
  readMalformedCases,
} from '@rookery/testkit';
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
const CASES = readMalformedCases(new URL('../../packages/bgp/src/wire/cases/', import.meta.url));
const CLASSES = [...new Set(CASES.map((item) => item.class))].sort();
const KINDS = Object.keys(PEER_KINDS) as readonly PeerKind[];
const HONEST = '10.0.9.1';

let bench: HostileBench;
let honest: WireSocket;
const sessions = new Map<PeerKind, WireSocket>();
let markers = 0;

before(async () => {
  if (skip) return;
  bench = await HostileBench.build(state);
  await bench.start(renderConf());
  honest = new WireSocket(HONEST);
  await honest.establish(openOf('external', 0));
  honest.send(markerUpdate('external', 255));
  await untilRoute('10.77.255.0/24', 'honest');
});

after(async () => {
  for (const session of sessions.values()) session.end();
  honest?.end();
  if (bench) await bench.stop();
});

for (const name of CLASSES) {
  const cases = CASES.filter((item) => item.class === name);
  test(`${name}: ${cases.length} malformed cases`, { skip }, async (t) => {
    const failures: string[] = [];
    const play = async (item: MalformedCase): Promise<void> => {
      await (staysOpen(item) ? playInSession(item) : playAlone(item)).catch((error: unknown) => {
        failures.push(`${item.name}: ${error instanceof Error ? error.message : String(error)}`);
      });
    };
    const alone = cases.filter((item) => !staysOpen(item));
    for (let from = 0; from < alone.length; from += 8) {
      await Promise.all(alone.slice(from, from + 8).map(play));
    }
    for (const item of cases) if (staysOpen(item)) await play(item);
    t.diagnostic(`${name}: ${cases.length} tried, ${cases.length - failures.length} passed`);
    assert.deepEqual(failures, []);
    await assertUnharmed();
  });
}

test('the log has no bug and no raw octets of a peer', { skip }, () => {
  const log = bench.log();
  assert.ok(log.includes('RFC 7606'), 'the log tells what was wrong');
  assert.deepEqual(unprintableLines(log), []);
  assert.doesNotMatch(log, /<BUG>|<FATAL>/);
});

/** Cases that leave an established session alone. */
function staysOpen({ state, expect }: MalformedCase): boolean {
  return state === 'established' && expect.kind !== 'reset' && expect.kind !== 'closed';
}

async function playAlone(item: MalformedCase): Promise<void> {
  const peer = new WireSocket(addressOf(CASES.indexOf(item)));
  try {
    await until('a connection', 5000, () => when(peer.connected));
    if (item.state !== 'connected') peer.send(openOf(item.peer, 90));
    if (item.state === 'established') peer.send(KEEPALIVE, ...goodUpdates(item.peer));
    peer.send(...item.send);
    const { expect } = item;
    if (expect.kind === 'accepted') {
      await until('KEEPALIVE', 5000, () => when(peer.closed || peer.types().includes(4)));
      assert.equal(peer.notification(), undefined);
      return;
    }
    await until('the end of the session', 8000, () => when(peer.closed));
    const wanted = expect.kind === 'reset' ? `${expect.code}/${expect.subcode}` : undefined;
    assert.equal(peer.notification(), wanted);
    // It was the message, not the way there.
    if (item.state === 'established') assert.ok(peer.types().includes(4));
  } finally {
    peer.end();
  }
}

async function playInSession(item: MalformedCase): Promise<void> {
  const session = await sessionOf(item.peer);
  const { expect } = item;
  const mark = markers++ % 255;
  session.send(...goodUpdates(item.peer), ...item.send, markerUpdate(item.peer, mark));
  const protocol = `kind_${item.peer}`;
  await untilRoute(`10.77.${mark}.0/24`, protocol).catch((error: unknown) => {
    sessions.delete(item.peer);
    throw new Error(`${String(error)}; NOTIFICATION ${session.notification() ?? 'none'}`);
  });
  assert.equal(session.closed, false);
  assert.equal(session.notification(), undefined);
  if (expect.kind === 'route' || expect.kind === 'withdraw') {
    const text = await bench.ask(`show route ${expect.prefix} protocol ${protocol}`);
    assert.equal(text.includes(expect.prefix), expect.kind === 'route', text);
  }
}

async function sessionOf(kind: PeerKind): Promise<WireSocket> {
  const known = sessions.get(kind);
  if (known && !known.closed) return known;
  return until(`a session as ${kind}`, 8000, async () => {
    const session = new WireSocket(`10.0.8.${KINDS.indexOf(kind) + 1}`);
    sessions.set(kind, session);
    return session.establish(openOf(kind, 0)).then(
      () => session,
      () => undefined,
    );
  });
}

async function untilRoute(prefix: string, protocol: string): Promise<void> {
  await until(`${prefix} of ${protocol}`, 5000, async () =>
    when((await bench.ask(`show route ${prefix} protocol ${protocol}`)).includes(prefix)),
  );
}

async function assertUnharmed(): Promise<void> {
  assert.ok(bench.alive, bench.log());
  assert.equal(honest.closed, false, 'the honest neighbor lost its session');
  assert.equal(honest.notification(), undefined);
  await untilRoute('10.77.255.0/24', 'honest');
}

function addressOf(index: number): string {
  return `10.0.${1 + Math.floor(index / 200)}.${1 + (index % 200)}`;
}

function renderConf(): string {
  const options: Partial<Record<PeerKind, string>> = {
    confederation: 'confederation 64500; confederation member yes;',
    noSets: 'allow as sets off;',
    extendedMessages: 'enable extended messages on;',
    role: 'local role customer;',
  };
  const protocol = (name: string, address: string, kind: PeerKind): string => {
    const channel =
      kind === 'extendedNextHop'
        ? 'extended next hop on;'
        : kind === 'addPath'
          ? 'add paths on;'
          : '';
    return `protocol bgp ${name} {
  local 10.0.0.254 as 64496; neighbor ${address} as ${PEER_KINDS[kind].as}; passive; direct;
  error wait time 1, 2; connect delay time 1; ${options[kind] ?? ''}
  ipv4 { import all; export none; ${channel} };
  ipv6 { import all; export none; };
}`;
  };
  return [
    protocol('honest', HONEST, 'external'),
    ...KINDS.map((kind, i) => protocol(`kind_${kind}`, `10.0.8.${i + 1}`, kind)),
    ...CASES.flatMap((item, i) =>
      staysOpen(item) ? [] : [protocol(`case${i}`, addressOf(i), item.peer)],
    ),
    '',
  ].join('\n');
}
