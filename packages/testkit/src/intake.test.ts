// UPDATE messages that arrive in one piece of the stream are applied together. What they leave behind
// is what they leave one by one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePathAttributes, frameMessage } from '@rookery/bgp';
import fc from 'fast-check';
import { ALL, bgpChannelConfig, bgpConfig, deviceConfig, routerConfig } from './configs.ts';
import { lanInterface } from './sim-lan.ts';
import { WireBench } from './wire-peer.ts';

const OURS = { address: '192.168.1.1', asn: 64496 };
const SENDERS = [2, 3] as const;
const RECEIVER = 4;
const PREFIXES = 6;
/** Kinds of attributes; the last one has our own AS in its path and is refused. */
const KINDS = 4;

const quiet = { debug: [] };
const CONFIG = routerConfig(
  [
    deviceConfig(quiet),
    ...[...SENDERS, RECEIVER].map((n) =>
      bgpConfig(
        `peer${n}`,
        `192.168.1.${n}`,
        { local: OURS.asn, remote: 65000 + n },
        {
          ...quiet,
          passive: true,
          channels: [bgpChannelConfig('ipv4', { ...quiet, exportPolicy: ALL })],
        },
      ),
    ),
  ],
  { routerId: OURS.address },
);

/** A sender announces prefixes with attributes of a kind, or withdraws them (kind 0). */
interface Said {
  readonly sender: (typeof SENDERS)[number];
  readonly kind: number;
  readonly prefixes: readonly number[];
}

function encode({ sender, kind, prefixes }: Said): Uint8Array {
  const nlri = prefixes.flatMap((i) => [24, 10, 0, i]);
  const asns = kind === KINDS ? [65000 + sender, OURS.asn] : [65000 + sender];
  const attributes =
    kind === 0
      ? new Uint8Array(0)
      : encodePathAttributes(
          { origin: 0, asPath: [{ type: 2, asns }], nextHop: `192.168.1.${sender}`, med: kind },
          { as4: true, nextHop: true },
        );
  const withdrawn = kind === 0 ? nlri : [];
  const reach = kind === 0 ? [] : nlri;
  return frameMessage(
    2,
    Uint8Array.from([
      ...[withdrawn.length >> 8, withdrawn.length & 255, ...withdrawn],
      ...[attributes.length >> 8, attributes.length & 255, ...attributes],
      ...reach,
    ]),
  );
}

class Heard {
  readonly #bench = new WireBench(CONFIG, `${OURS.address}/24`);
  readonly #connections = new Map<number, number>();

  constructor() {
    for (const n of [...SENDERS, RECEIVER]) {
      const connection = this.#bench.establish(`192.168.1.${n}`, OURS.address, 65000 + n);
      this.#connections.set(n, connection);
    }
  }

  /** Neighboring messages of one sender come in one piece, or each by itself. */
  hear(all: readonly Said[], together: boolean): void {
    for (let i = 0; i < all.length;) {
      let end = i + 1;
      while (together && end < all.length && all[end]!.sender === all[i]!.sender) end++;
      const bytes = Buffer.concat(all.slice(i, end).map(encode));
      this.#bench.receive(this.#connections.get(all[i]!.sender)!, new Uint8Array(bytes));
      i = end;
    }
  }

  get state(): unknown {
    const { router } = this.#bench;
    return {
      faults: this.#bench.log.filter(({ class: c }) => c === 'bug' || c === 'error'),
      routes: router.tables.flatMap(({ rib, prefixes, attributes, sources }) =>
        Array.from({ length: prefixes.limit }, (_, net) => net)
          .filter((net) => rib.firstPath(net) !== 0)
          .flatMap((net) =>
            rib.pathsOf(net).map((path) => {
              const { protocol } = sources.get(rib.sourceOf(path))!;
              const med = attributes.get(rib.attributesOf(path)).bgp!.med!;
              return `${prefixes.textOf(net)} ${protocol} ${med}`;
            }),
          )
          .sort(),
      ),
      prefixes: router.stores.prefixes.ipv4.size,
      channels: router.view.protocols().flatMap(({ channels }) =>
        channels.map(({ counts, updates }) => ({
          counts,
          imported: [updates.importUpdates, updates.importWithdraws],
        })),
      ),
    };
  }
}

test('messages in one piece do what they do one by one, and leave nothing behind', () => {
  const said = fc.record({
    sender: fc.constantFrom(SENDERS[0], SENDERS[0], SENDERS[0], SENDERS[1]),
    kind: fc.nat(KINDS),
    prefixes: fc.array(fc.nat(PREFIXES - 1), { minLength: 1, maxLength: 4 }),
  });
  fc.assert(
    fc.property(fc.array(said, { minLength: 1, maxLength: 24 }), (all) => {
      const together = new Heard();
      const apart = new Heard();
      together.hear(all, true);
      apart.hear(all, false);
      assert.deepEqual(together.state, apart.state);
      const prefixes = Array.from({ length: PREFIXES }, (_, i) => i);
      together.hear(
        SENDERS.map((sender) => ({ sender, kind: 0, prefixes })),
        true,
      );
      const { routes, prefixes: left } = together.state as { routes: []; prefixes: number };
      assert.deepEqual({ routes, left }, { routes: [], left: 0 });
    }),
    { numRuns: 150 },
  );
});

test('one UPDATE may name prefixes of both families', () => {
  const bench = new WireBench(
    routerConfig(
      [
        deviceConfig(quiet),
        bgpConfig(
          'peer',
          '192.168.1.2',
          { local: OURS.asn, remote: 65002 },
          {
            ...quiet,
            passive: true,
            channels: [bgpChannelConfig('ipv4', quiet), bgpChannelConfig('ipv6', quiet)],
          },
        ),
      ],
      { routerId: OURS.address },
    ),
    `${OURS.address}/24`,
  );
  const interfaces = [lanInterface('eth0', 2, [`${OURS.address}/24`, '2001:db8::254/64'])];
  bench.router.handle({ kind: 'interfacesScanned', because: 'scan', interfaces }, bench.nowMs);
  const connection = bench.establish('192.168.1.2', OURS.address, 65002, ['ipv4', 'ipv6']);
  const tell = (attributes: readonly Uint8Array[], nlri: readonly number[]): void => {
    const all = attributes.flatMap((some) => [...some]);
    bench.receive(
      connection,
      frameMessage(2, Uint8Array.from([0, 0, 0, all.length, ...all, ...nlri])),
    );
  };
  const known = (): string[] =>
    bench.router.tables.flatMap(({ rib, prefixes }) =>
      Array.from({ length: prefixes.limit }, (_, net) => net)
        .filter((net) => rib.firstPath(net) !== 0)
        .map((net) => prefixes.textOf(net)),
    );
  const path = { origin: 0, asPath: [{ type: 2, asns: [65002] }] } as const;
  const classic = encodePathAttributes(
    { ...path, nextHop: '192.168.1.2' },
    { as4: true, nextHop: true },
  );
  const bare = encodePathAttributes(path, { as4: true, nextHop: false });
  const reach = (last: number): Uint8Array => {
    const nextHop = [0x20, 1, 0xd, 0xb8, ...Array.from({ length: 11 }, () => 0), 1];
    const nlri = [48, 0x20, 1, 0xd, 0xb8, 0, last];
    return Uint8Array.from([0x80, 14, 21 + nlri.length, 0, 2, 1, 16, ...nextHop, 0, ...nlri]);
  };
  tell([classic], [24, 10, 0, 1]);
  tell([reach(1), bare], []);
  assert.deepEqual(known(), ['10.0.1.0/24', '2001:db8:1::/48']);
  tell([reach(2), classic], [24, 10, 0, 2]);
  assert.deepEqual(known(), ['10.0.1.0/24', '10.0.2.0/24', '2001:db8:1::/48', '2001:db8:2::/48']);
  // RFC 7606 §3 (d): without NEXT_HOP the classic prefix is as good as withdrawn.
  tell([reach(3), bare], [24, 10, 0, 2]);
  assert.deepEqual(known(), [
    '10.0.1.0/24',
    '2001:db8:1::/48',
    '2001:db8:2::/48',
    '2001:db8:3::/48',
  ]);
});
