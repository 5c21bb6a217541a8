// A router has its hardest minute right after it started, when its neighbors send whole tables to
// code that V8 has never seen: the interpreter would take the first 200,000 routes at two to three
// times the later cost. So an engine of the same classes, with two made-up neighbors and no socket,
// takes a small table in and out in short pieces while the real one is idle, until all of it is
// compiled. It shares nothing with the real engine but the compiled code.

import { setFlagsFromString } from 'node:v8';
import { parseConfig } from '@rookery/bird';
import {
  NO_CAPABILITIES,
  SEGMENT,
  appendNlri,
  createNlriBatch,
  encodeEndOfRib,
  encodeKeepalive,
  encodeMpNextHop,
  encodeOpen,
  encodePathAttributes,
  encodeReach,
  encodeUnreach,
} from '@rookery/bgp';
import type { NlriBatch, PathAttributes } from '@rookery/bgp';
import type { Family } from '@rookery/net';
import type { CompiledFilter, FilterEnvironment, Policy } from '@rookery/rib';
import { Router } from '@rookery/router';
import type { Fact } from '@rookery/router';

export interface RehearsalDeps {
  /** The real engine has something to do: the rehearsal waits. */
  readonly isBusy: () => boolean;
  /** It is about to begin. */
  readonly onBegin: () => void;
  /** It is over; compiler threads may have work left. */
  readonly onDone: () => void;
  /** Those of the real configuration. */
  readonly policies: readonly Policy[];
}

const startAfterMs = 400;
const lookAgainMs = 10;
/**
 * More than one engine, so that nothing is compiled for one object only; enough rounds for the
 * optimising compiler; each round's routes stay for a while, so that tables grow and shrink. The
 * first only fails: it leaves bytecode of what would otherwise be parsed when a neighbor dies.
 */
const engines: readonly Omit<RehearsalOptions, 'filtered'>[] = [
  { apart: false, kernel: true, fails: true },
  { apart: true, kernel: false, fails: false },
  { apart: false, kernel: true, fails: false },
  { apart: true, kernel: true, fails: false },
];
/**
 * After how many calls V8 optimises: as it would by itself; for the last engine, when all branches
 * have been seen, so that what is called once per message is compiled, too; and afterwards, when what
 * is not compiled yet is not called often and a compiler would take its processor from a load.
 */
const calls = 3000;
const callsInTheEnd = 1200;
const callsAfterwards = 30_000;
const rounds = 14;
const roundsKept = 4;
const setsPerRound = 160;
/** One round has more, so that one read makes more than a buffer's worth of messages. */
const largeRound = 5;
const setsInLargeRound = 800;
/** So many sets of attributes differ; the others are told a second time. */
const setsTold = 120;
/** So many that the kernel has objects for their next hops. */
const routesLost = 100;
/** Timers that a failure started have fired after this. */
const timersMs = 1000;
/** From here on prefixes have numbers that nobody else tells. */
const otherPrefixes = 1 << 19;
/** Prefixes per UPDATE, in turn. */
const setSizes = [1, 2, 5, 8, 1, 3, 100, 1, 3, 8, 16, 1, 8, 1, 40, 2];

const neighbors = [
  { address: '192.0.2.1', asn: 64501, id: '192.0.2.1' },
  { address: '192.0.2.2', asn: 64502, id: '192.0.2.2' },
] as const;
const families = ['ipv4', 'ipv6'] as const satisfies readonly Family[];
const nextHops: Readonly<Record<Family, readonly [string, string]>> = {
  ipv4: ['192.0.2.1', '192.0.2.2'],
  ipv6: ['2001:db8::1', 'fd00::2'],
};
/**
 * Terms of every common sort, for every attribute, and many of one sort; each concerns a few of the
 * made-up routes. What comes in is changed in any case, most of what goes out is left as it is.
 */
const manyTerms = Array.from(
  { length: 30 },
  (_, i) => `if bgp_path ~ [= ? * ${64_600 + i * 3} * =] then bgp_local_pref = ${100 + i};`,
);
const terms = `
  if net ~ [0.0.0.0/0{30,30}] then reject;
  if net ~ [2001:db8::/32{40,40}] then { bgp_med = 70; }
  if net ~ [0.0.0.0/4+, 144.0.0.0/4+] && bgp_path ~ [= * [64601, 64610..64640] * =] then mark(1);
  ${manyTerms.join('\n')}
  if bgp_path ~ [= * 64720 ? =] then bgp_path.prepend(64500);
  if bgp_path ~ [64730..64734] then { preference = 120; bgp_community.add((64500, 2)); }
  if bgp_community ~ [(64500, 3..9)] then {
    bgp_community.delete([(64500, *)]);
    bgp_local_pref = 150;
  }
  if bgp_large_community ~ [(64600, 1, 3..4)] then mark(3);
  if bgp_ext_community ~ [(rt, 64500, *)] then bgp_ext_community.add((rt, 64500, 1));`;
const filters = `
  function mark(int kind) {
    bgp_community.add((64500, kind));
    bgp_large_community.add((64500, 1, kind));
  }
  filter incoming { ${terms} bgp_community.add((64500, 20)); accept; }
  filter outgoing { ${terms} accept; }`;
/** The second neighbor has the filter, if any. */
const configOf = ({ filtered, kernel, fails }: RehearsalOptions): string => {
  const failing = fails ? 'on' : 'off';
  const protocols = neighbors.map(({ address, asn }, i) => {
    const policies =
      filtered && i === 1
        ? 'import filter incoming; export filter outgoing;'
        : 'import all; export all;';
    return (
      `protocol bgp n${i} { local 192.0.2.9 as 64500; neighbor ${address} as ${asn}; passive; ` +
      `bfd ${failing}; ipv4 { ${policies} }; ipv6 { ${policies} }; }`
    );
  });
  for (const family of kernel ? families : []) {
    protocols.push(`protocol kernel { merge paths ${failing}; ${family} { export all; }; }`);
  }
  return `router id 192.0.2.9; protocol device { } protocol bfd { } ${filtered ? filters : ''}
    ${protocols.join(' ')}`;
};

/**
 * The last engine stays: a collection that finds no object of a shape drops the code compiled for
 * that shape, and the real engine has no session, no group and no route yet.
 */
let kept: Rehearsal | undefined;

/** Begins shortly after the start; ends by itself after two to three seconds of processor time. */
export function rehearse({ isBusy, onBegin, onDone, policies }: RehearsalDeps): void {
  const asked = new Set(
    policies.flatMap((policy) => (policy.kind === 'filter' ? [policy.filter] : [])),
  );
  const unasked = [...asked];
  const filtered = asked.size > 0;
  const left = [...engines];
  kept = undefined;
  const next = (): void => {
    if (isBusy()) return later(lookAgainMs);
    const [engine] = left;
    if (engine) {
      if (!kept) {
        if (left.length === engines.length) onBegin();
        optimizeAfter(left.length === 1 ? callsInTheEnd : calls);
        kept = new Rehearsal({ ...engine, filtered });
      }
      if (!kept.step()) {
        left.shift();
        if (left.length > 0) kept = undefined;
      }
    } else askOnce(unasked.pop()!);
    if (left.length > 0 || unasked.length > 0) return void setImmediate(next);
    optimizeAfter(callsAfterwards);
    onDone();
  };
  const later = (delayMs: number): void => void setTimeout(next, delayMs).unref();
  later(startAfterMs);
}

function optimizeAfter(count: number): void {
  setFlagsFromString(`--invocation-count-for-turbofan=${count}`);
}

/** What a filter builds when the first prefix of a family comes is there before that. */
function askOnce({ run, classOf }: CompiledFilter): void {
  // Not empty: V8 would take an empty list for one of small integers.
  const asPath = [{ type: SEGMENT.asSequence, asns: [64500] }];
  const env: FilterEnvironment = {
    protocol: '',
    roaCheck: () => 'unknown',
    print: () => undefined,
    fail: () => undefined,
  };
  for (const family of families) {
    const net = { family, a: 0, b: 0, c: 0, d: 0, length: 0 };
    const route = { source: 'bgp', scope: 'universe', dest: 'unicast', nexthops: [] } as const;
    classOf?.(net);
    run(net, { ...route, preference: 100, bgp: { asPath } }, env);
  }
}

/** What the neighbors say in turn, so that routes are added, lose, win, change and go. */
const turns: readonly { readonly neighbor: 0 | 1; readonly says: 'reach' | 'unreach' }[] = [
  { neighbor: 0, says: 'reach' },
  { neighbor: 1, says: 'reach' },
  { neighbor: 0, says: 'reach' },
  { neighbor: 0, says: 'unreach' },
  { neighbor: 1, says: 'unreach' },
];

export interface RehearsalOptions {
  /** The second neighbor has filters. */
  readonly filtered: boolean;
  /** Routes go to the kernel, too. */
  readonly kernel: boolean;
  /**
   * The neighbors tell different prefixes, so that no net ever has two paths: tables of that kind
   * have ways of their own.
   */
  readonly apart: boolean;
  /** All that happens is that both neighbors are lost, with a few routes behind them. */
  readonly fails: boolean;
}

export class Rehearsal {
  readonly #router: Router;
  readonly #play: Generator<undefined, void>;
  readonly #apart: boolean;
  readonly #fails: boolean;
  #nowMs = 1;

  constructor(options: RehearsalOptions) {
    this.#apart = options.apart;
    this.#fails = options.fails;
    const parsed = parseConfig('rehearsal', {
      readFile: () => ({ text: configOf(options) }),
      glob: () => ({ paths: [] }),
    });
    this.#router = new Router({
      config: parsed.config!,
      hostname: 'rehearsal',
      random: () => 0.5,
      startedAtMs: 0,
      wallClockMs: 0,
    });
    this.#perform();
    this.#tell({ kind: 'interfacesScanned', interfaces: [link], because: 'scan' });
    neighbors.forEach(({ address, asn, id }, i) => {
      this.#tell({
        kind: 'tcpAccepted',
        connection: -1 - i,
        listener: 1,
        local: '192.0.2.9',
        localPort: 179,
        remote: address,
        remotePort: 1024,
      });
      const capabilities = { ...NO_CAPABILITIES, any: true, families, as4: asn };
      for (const bytes of [
        encodeOpen({ asn, holdTimeSec: 0, id, capabilities }),
        encodeKeepalive(),
        ...families.map(encodeEndOfRib),
      ]) {
        this.#tell({ kind: 'tcpReceived', connection: -1 - i, bytes });
      }
    });
    this.#play = this.#playAll();
  }

  /** Routes in the tables; none in the end. */
  get routeCount(): number {
    return this.#router.tables.reduce((sum, table) => sum + table.rib.pathCount, 0);
  }

  /** One short piece; false when the rehearsal is over. */
  step(): boolean {
    return this.#play.next().done !== true;
  }

  *#playAll(): Generator<undefined, void> {
    if (this.#fails) return yield* this.#fail();
    for (let now = 0; now < rounds + roundsKept; now++) {
      for (const [turn, { neighbor, says }] of turns.entries()) {
        const round = says === 'reach' ? now : now - roundsKept;
        if (round < 0 || round >= rounds) continue;
        const updates = this.#updates(round, neighbor, says, now * turns.length + turn);
        // Mostly little at a time, because it takes many calls to have a function compiled well; now
        // and then as much as a socket may deliver.
        yield* this.#hear(neighbor, updates, (now + turn) % 4 === 0 ? 65_536 : 300);
      }
    }
  }

  /** First one of two next hops is lost, then the only one. */
  *#fail(): Generator<undefined, void> {
    for (const neighbor of [0, 1] as const) {
      for (const family of families) {
        const update = reach(family, prefixesOf(family, 0, routesLost), neighbor, 0);
        yield* this.#hear(neighbor, update, update.length);
      }
    }
    for (const { address } of neighbors) {
      const session = { remote: address, interface: link.name, multihop: false };
      this.#tell({ kind: 'bfdChanged', ...session, state: 'Up' });
      this.#tell({ kind: 'bfdChanged', ...session, state: 'Down' });
      yield* this.#work();
      this.#nowMs += timersMs;
      this.#router.tick(this.#nowMs);
      this.#perform();
    }
  }

  #updates(round: number, neighbor: 0 | 1, says: 'reach' | 'unreach', variant: number): Uint8Array {
    const family = round % 2 === 0 ? 'ipv4' : 'ipv6';
    const updates: Uint8Array[] = [];
    const [firstSet, sets] =
      round === largeRound
        ? [rounds * setsPerRound, setsInLargeRound]
        : [round * setsPerRound, setsPerRound];
    for (let set = 0; set < sets; set++) {
      const size = setSizes[set % setSizes.length]!;
      const first = (firstSet + set) * 128 + (this.#apart ? neighbor * otherPrefixes : 0);
      const prefixes = prefixesOf(family, first, size);
      updates.push(
        says === 'reach'
          ? reach(family, prefixes, neighbor, variant * setsPerRound + (set % setsTold))
          : encodeUnreach({ ...template(family), multiprotocol: false }, prefixes, 0).bytes,
      );
    }
    return Buffer.concat(updates);
  }

  /** In pieces that end where no message does, as from a socket; then what follows from each. */
  *#hear(neighbor: number, bytes: Uint8Array, pieceBytes: number): Generator<undefined, void> {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.slice(at, at + pieceBytes);
      this.#tell({ kind: 'tcpReceived', connection: -1 - neighbor, bytes: piece });
      yield;
      yield* this.#work();
    }
  }

  *#work(): Generator<undefined, void> {
    while (this.#router.hasWork()) {
      this.#router.runSlice(++this.#nowMs);
      this.#perform();
      yield;
    }
  }

  #tell(fact: Fact): void {
    this.#router.handle(fact, ++this.#nowMs);
    this.#perform();
  }

  /** Nothing leaves: sockets take all they are given, the kernel all it is told, at once. */
  #perform(): void {
    for (;;) {
      const answers: Fact[] = [];
      const sent = new Set<number>();
      for (const order of this.#router.takeOrders()) {
        if (order.kind === 'tcpSend') sent.add(order.connection);
        else if (order.kind === 'scanKernel') {
          answers.push({ ...order, kind: 'kernelScanned', routes: [] });
        } else if (order.kind === 'scanNexthops') {
          answers.push({ kind: 'nexthopsScanned', seq: order.seq, objects: [] });
        } else if (order.kind === 'kernelRoutes' || order.kind === 'kernelNexthop') {
          answers.push({ kind: 'kernelDone', seq: order.seq, failures: [] });
        }
      }
      for (const connection of sent) answers.push({ kind: 'tcpDrained', connection });
      if (answers.length === 0) return;
      for (const answer of answers) this.#router.handle(answer, this.#nowMs);
    }
  }
}

const link = {
  name: 'rehearsal',
  ifindex: 1,
  mtu: 1500,
  adminUp: true,
  linkUp: true,
  flags: { broadcast: true, multicast: true, loopback: false, pointToPoint: false },
  addresses: [
    { address: '192.0.2.9', length: 24, scope: 'universe', secondary: false },
    { address: '2001:db8::9', length: 64, scope: 'universe', secondary: false },
    { address: 'fd00::9', length: 64, scope: 'universe', secondary: false },
  ],
} as const;

function template(family: Family): { family: Family; addPath: boolean; maxLength: number } {
  return { family, addPath: false, maxLength: 4096 };
}

function prefixesOf(family: Family, first: number, count: number): NlriBatch {
  const batch = createNlriBatch();
  for (let number = first; number < first + count; number++) {
    if (family === 'ipv4') {
      const length = 20 + (number % 13);
      // In both halves of the address space: a word is a small integer of V8 in one of them only.
      const word = (number << 12) ^ ((number % 2) << 31);
      appendNlri(batch, [(word & (-1 << (32 - length))) >>> 0], length);
    } else {
      const word = (number << 8) ^ ((number % 2) << 31);
      appendNlri(batch, [0x20010db8, word >>> 0, 0, 0], 32 + (number % 4) * 8);
    }
  }
  return batch;
}

/** Attributes as a full table has them: several ASes, often communities, sometimes the rest. */
function reach(family: Family, prefixes: NlriBatch, neighbor: 0 | 1, variant: number): Uint8Array {
  const nextHop = nextHops[family][neighbor];
  const asns = [neighbors[neighbor].asn, 64600 + (variant % 97), 64700 + (variant % 89)];
  if (variant % 3 === 0) asns.push(4_200_000_000 + (variant % 1000));
  const attributes: PathAttributes = {
    origin: variant % 7 === 0 ? 2 : 0,
    asPath: [{ type: SEGMENT.asSequence, asns }],
    nextHop,
    ...(variant % 5 === 0 && { med: variant }),
    ...(variant % 7 === 3 && { atomicAggregate: true as const }),
    ...(variant % 7 === 3 && { aggregator: { asn: 64600, address: '198.51.100.1' } }),
    ...(variant % 2 === 0 && { communities: [0xfbf40000 + (variant % 50), 0xfbf50001] }),
    ...(variant % 13 === 0 && { extendedCommunities: [0x0002fbf4, variant] }),
    ...(variant % 4 === 0 && { largeCommunities: [64600, 1, variant % 30, 64600, 2, 7] }),
  };
  const classic = family === 'ipv4';
  const encoded = encodeReach(
    {
      ...template(family),
      attributes: encodePathAttributes(attributes, { as4: true, nextHop: classic }),
      ...(!classic && { mpNextHop: encodeMpNextHop(nextHop) }),
    },
    prefixes,
    0,
  );
  return encoded!.bytes;
}
