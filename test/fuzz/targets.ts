// Every parser that reads what somebody else wrote, as something a fuzzer can call: octets in, and
// an exception when the parser broke its promise. What each promises beyond "never throws" is
// checked here too: offsets inside the input, encode after decode stable, faults that have a reason.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import {
  copyAttributeBlock,
  createAttributeScan,
  createNlriBatch,
  decodeNlri,
  decodeNotification,
  decodeOpen,
  decodePathAttributes,
  decodeRouteRefresh,
  encodeNotification,
  encodeOpen,
  encodePathAttributes,
  endOfRibFamily,
  FrameReader,
  frameMessage,
  scanPathAttributes,
  createUpdateSections,
  splitUpdate,
} from '@rookery/bgp';
import type { AttributeContext } from '@rookery/bgp';
import { decodeBfd, decodeEcho, encodeBfd, encodeEcho } from '@rookery/bfd';
import { parseConfig } from '@rookery/bird';
import { decodePeerText } from '@rookery/net';
import { readMrt } from '@rookery/router';
import {
  bgpChannelConfig,
  bgpConfig,
  deviceConfig,
  openOf,
  readMalformedCases,
  routerConfig,
  WireBench,
} from '@rookery/testkit';
import { parseCommand } from '../../packages/console/src/birdc/parse-command.ts';
import { compileGrammar, matchCommand } from '../../packages/console/src/vtysh/grammar.ts';
import { VTY_COMMANDS } from '../../packages/console/src/vtysh/commands.ts';
import { decodeBody } from '../../packages/kube-embedded/src/http/body.ts';
import { ApiError } from '../../packages/kube-embedded/src/api-error.ts';
import { decodeLink, decodeLinkAddress } from '../../packages/linux/src/netlink/link.ts';
import { decodeAcknowledgement, readMessages } from '../../packages/linux/src/netlink/message.ts';
import { decodeNexthopObject } from '../../packages/linux/src/netlink/nexthop.ts';
import { decodeRoute } from '../../packages/linux/src/netlink/route.ts';
import { decodeDiscovery, encodeSolicitation } from '../../packages/router/src/radv/message.ts';
import { RtrClient } from '../../packages/router/src/rpki/rtr-client.ts';

export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Pieces worth inserting whole, for languages of words. */
  readonly words?: readonly Uint8Array[];
  /** Throws when the parser broke its promise. */
  readonly run: (input: Uint8Array) => void;
  /** Inputs in the short run that every test run makes; the slow ones get fewer. */
  readonly smoke: number;
}

const bgpMessages = readMalformedCases(
  new URL('../../packages/bgp/src/wire/cases/', import.meta.url),
).flatMap((item) => item.send.filter((bytes) => bytes.length <= 4096));
const bodies = (type: number): readonly Uint8Array[] =>
  bgpMessages.filter((bytes) => bytes[18] === type).map((bytes) => bytes.slice(19));
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const asText = (input: Uint8Array): string => Buffer.from(input).toString('latin1');
const wordsOf = (value: string): readonly Uint8Array[] =>
  [...new Set(value.match(/[A-Za-z_0-9.]+|[^\sA-Za-z_0-9]+|\s/g) ?? [])].map(text);
const octets = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

export const TARGETS: readonly Target[] = [
  { name: 'bgp-frames', seeds: bgpMessages, smoke: 1500, run: readFrames },
  { name: 'bgp-open', seeds: bodies(1), smoke: 1500, run: readOpen },
  { name: 'bgp-update', seeds: bodies(2), smoke: 1500, run: readUpdate },
  { name: 'bgp-notification', seeds: bodies(3), smoke: 800, run: readNotification },
  { name: 'bgp-refresh', seeds: bodies(5), smoke: 500, run: readRefresh },
  { name: 'bgp-engine', seeds: bgpMessages, smoke: 250, run: playEngine },
  { name: 'bfd', seeds: bfdSeeds(), smoke: 1500, run: readBfd },
  { name: 'bfd-echo', seeds: echoSeeds(), smoke: 1500, run: readEcho },
  { name: 'discovery', seeds: discoverySeeds(), smoke: 1500, run: readDiscovery },
  { name: 'rtr', seeds: rtrSeeds(), smoke: 800, run: readRtr },
  { name: 'mrt', seeds: mrtSeeds(), smoke: 500, run: readDump },
  { name: 'netlink', seeds: netlinkSeeds(), smoke: 1500, run: readNetlink },
  {
    name: 'peer-text',
    seeds: [text('Zürich \u202e'), octets(0xf0, 0x9f, 0x98)],
    smoke: 800,
    run: readText,
  },
  {
    name: 'birdc',
    seeds: BIRDC().map(text),
    words: BIRDC().flatMap(wordsOf),
    smoke: 800,
    run: readBirdc,
  },
  {
    name: 'vtysh',
    seeds: VTYSH().map(text),
    words: VTYSH().flatMap(wordsOf),
    smoke: 800,
    run: readVtysh,
  },
  { name: 'bird-conf', seeds: [text(CONF())], words: wordsOf(CONF()), smoke: 200, run: readConf },
  { name: 'api-body', seeds: apiSeeds(), smoke: 500, run: readApiBody },
];

/** Inputs that once broke something, by target. */
export function crashersOf(name: string): readonly Uint8Array[] {
  const directory = new URL(`crashers/${name}/`, import.meta.url);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .map((file) => new Uint8Array(readFileSync(new URL(file, directory))));
}

const CONTEXTS: readonly AttributeContext[] = [true, false].flatMap((as4) =>
  (['external', 'internal'] as const).map((peerType) => ({
    as4,
    peerType,
    confederation: peerType === 'internal',
    allowLocalPref: as4,
    allowAsSets: as4,
    aigp: peerType === 'internal',
    extendedNextHop: as4,
  })),
);

/** However a stream is cut, the same messages come out of it. */
function readFrames(input: Uint8Array): void {
  const read = (sizes: number): string => {
    const reader = new FrameReader();
    const found: number[] = [];
    for (let at = 0; at < input.length; at += sizes) {
      reader.push(input.subarray(at, at + sizes));
      for (;;) {
        const what = reader.next();
        if (what === 'message') {
          assert.ok(reader.end - reader.start >= 19 && reader.end <= reader.bytes.length);
          found.push(reader.bytes[reader.start + 18]!, reader.end - reader.start);
          continue;
        }
        if (what === 'fault') return `${found.join()} ${reader.notification!.subcode}`;
        break;
      }
    }
    return found.join();
  };
  const whole = read(Math.max(1, input.length));
  for (const size of [1, 7, 64]) assert.equal(read(size), whole);
}

function readOpen(input: Uint8Array): void {
  if (input.length < 10) return;
  const bytes = frameMessage(1, input);
  const open = decodeOpen(bytes, 0, bytes.length);
  if (!open.ok) return assert.equal(open.error.code, 2);
  // What we would write for what we read must read the same.
  const again = encodeOpen(open.value);
  if (again.length > 4096) return;
  const reread = decodeOpen(again, 0, again.length);
  assert.ok(reread.ok, 'our own OPEN is refused');
  assert.deepEqual(encodeOpen(reread.value), again);
}

function readUpdate(input: Uint8Array): void {
  if (input.length < 4) return;
  const bytes = frameMessage(2, input);
  endOfRibFamily(bytes, 0, bytes.length);
  const s = createUpdateSections();
  const fault = splitUpdate(bytes, 0, bytes.length, s);
  if (fault) return assert.equal(fault.reaction, 'sessionReset');
  assert.ok(s.withdrawnEnd <= s.attributesStart && s.nlriEnd === bytes.length);
  for (const addPath of [false, true]) {
    decodeNlri(bytes, s.nlriStart, s.nlriEnd, 'ipv4', addPath, createNlriBatch());
    decodeNlri(bytes, s.withdrawnStart, s.withdrawnEnd, 'ipv6', addPath, createNlriBatch());
  }
  const scan = createAttributeScan();
  scanPathAttributes(bytes, s.attributesStart, s.attributesEnd, scan);
  for (const context of CONTEXTS) {
    for (const reach of ['classic', 'mp', 'none'] as const) {
      const { attributesStart: from, attributesEnd: to } = s;
      const { attributes, faults, mpReach } = decodePathAttributes(bytes, from, to, context, reach);
      for (const fault of faults) assert.ok(fault.section !== '' && /^[ -~]*$/.test(fault.detail));
      if (mpReach) assert.ok(mpReach.nlriStart <= mpReach.nlriEnd && mpReach.nlriEnd <= to);
      // The quick pass may refuse what decoding mends, never the reverse.
      if (!scan.wellFormed) assert.ok(faults.length > 0, 'a broken list without a fault');
      else if (reach !== 'none') {
        const block = new Uint8Array(to - from + 1);
        assert.ok(copyAttributeBlock(bytes, from, to, scan, reach, block) <= block.length);
      }
      if (faults.length > 0) continue;
      const options = { as4: context.as4, nextHop: reach === 'classic' };
      const once = encodePathAttributes(attributes, options);
      const reread = decodePathAttributes(once, 0, once.length, context, 'none');
      assert.deepEqual(encodePathAttributes(reread.attributes, options), once);
    }
  }
}

function readNotification(input: Uint8Array): void {
  if (input.length < 2) return;
  const bytes = frameMessage(3, input);
  const decoded = decodeNotification(bytes, 0, bytes.length);
  assert.doesNotMatch(decoded.text ?? '', /[\p{Cc}\p{Cf}]/u);
  if (!decoded.hard) assert.deepEqual(encodeNotification(decoded), bytes);
}

function readRefresh(input: Uint8Array): void {
  if (input.length < 4) return;
  const bytes = frameMessage(5, input);
  const decoded = decodeRouteRefresh(bytes, 0, bytes.length);
  if (!decoded.ok) assert.equal(decoded.error.code, 7);
}

const QUIET = { debug: [] };
const ENGINE = routerConfig(
  [
    deviceConfig(QUIET),
    ...[2, 3].map((n) =>
      bgpConfig(
        `peer${n}`,
        `10.0.0.${n}`,
        { local: 64496, remote: 64497 },
        {
          ...QUIET,
          passive: true,
          enableExtendedMessages: true,
          channels: [bgpChannelConfig('ipv4', QUIET), bgpChannelConfig('ipv6', QUIET)],
        },
      ),
    ),
  ],
  { routerId: '10.0.0.254' },
);

/** Anything at all into an established session: no bug, and the other session stays. */
function playEngine(input: Uint8Array): void {
  const bench = new WireBench(ENGINE, '10.0.0.254/16');
  const honest = bench.establish('10.0.0.3', '10.0.0.254', 64497);
  const connection = bench.call('10.0.0.2', '10.0.0.254');
  bench.receive(connection, openOf('external', 0));
  bench.receive(connection, frameMessage(4, octets()));
  bench.receive(connection, input);
  assert.deepEqual(
    bench.log.filter((line) => line.class === 'bug'),
    [],
  );
  assert.ok(!bench.orders.some((o) => o.kind === 'tcpClose' && o.connection === honest));
}

function readBfd(input: Uint8Array): void {
  const packet = decodeBfd(input);
  if (!packet.ok) return;
  const again = encodeBfd(packet.value);
  const reread = decodeBfd(again);
  if (reread.ok) assert.deepEqual(encodeBfd(reread.value), again);
}

function readEcho(input: Uint8Array): void {
  const echo = decodeEcho(input);
  if (!echo) return;
  const again = decodeEcho(encodeEcho(echo.address, echo));
  assert.deepEqual({ ...again, ttl: echo.ttl }, echo);
}

function readDiscovery(input: Uint8Array): void {
  const kind = decodeDiscovery(input);
  if (kind !== undefined) assert.ok(input.length >= 8 && input[1] === 0);
}

function readRtr(input: Uint8Array): void {
  const client = new RtrClient({
    timers: { refreshSec: 3600, retrySec: 600, expireSec: 7200 },
    keep: { refresh: false, retry: false, expire: false },
    minVersion: 0,
    maxVersion: 1,
  });
  client.handle({ kind: 'start' }, 0);
  client.handle({ kind: 'connected' }, 0);
  for (const action of client.handle({ kind: 'received', bytes: input }, 1)) {
    if (action.kind === 'log') assert.doesNotMatch(action.text, /[\p{Cc}\p{Cf}]/u);
  }
}

function readDump(input: Uint8Array): void {
  let last = 0;
  for (const { next } of readMrt(input)) {
    assert.ok(next > last && next <= input.length, 'a record that does not move on');
    last = next;
  }
}

function readNetlink(input: Uint8Array): void {
  for (const message of readMessages(input)) {
    decodeAcknowledgement(input, message);
    decodeRoute(input, message);
    decodeNexthopObject(input, message);
    decodeLink(input, message);
    decodeLinkAddress(input, message);
  }
}

function readText(input: Uint8Array): void {
  const shown = decodePeerText(input);
  assert.doesNotMatch(shown, /[\p{Cc}]/u);
  assert.ok(shown.length <= input.length * 6);
}

function readBirdc(input: Uint8Array): void {
  const line = asText(input).trim();
  if (line === '') return;
  const policy = { ok: true, policy: { kind: 'all' }, length: 1 } as const;
  const parsed = parseCommand(
    line,
    { classOf: () => undefined, channelsOf: () => ['ipv4'] },
    {
      parseWhere: () => policy,
      parseFilterBody: () => policy,
      filterNamed: () => undefined,
      evaluate: () => ({ kind: 'value', text: '' }),
    },
  );
  if (!parsed.ok) assert.ok(parsed.message.length > 0);
}

const GRAMMAR = compileGrammar(VTY_COMMANDS);

function readVtysh(input: Uint8Array): void {
  matchCommand(GRAMMAR, asText(input));
}

function readConf(input: Uint8Array): void {
  const { config, issues } = parseConfig('f', {
    readFile: () => ({ text: asText(input) }),
    glob: () => ({ paths: [] }),
  });
  const errors = issues.filter((issue) => issue.severity === 'error');
  assert.equal(config === undefined, errors.length > 0);
}

function readApiBody(input: Uint8Array): void {
  for (const type of TYPES) {
    try {
      decodeBody(Buffer.from(input), type);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }
}

const TYPES = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

function bfdSeeds(): readonly Uint8Array[] {
  const head = [0x20, 0xc8, 3, 24, 0, 0, 0, 1, 0, 0, 0, 2];
  const times = [0, 15, 66, 64, 0, 15, 66, 64, 0, 0, 0, 0];
  const plain = [...head, ...times];
  const simple = [...plain, 1, 5, 1, 65, 66].with(1, 0xcc).with(3, 29);
  const sha1 = [...plain, 4, 28, 1, 0, ...Array<number>(24).fill(7)].with(1, 0xcc).with(3, 52);
  return [plain, simple, sha1].map((bytes) => Uint8Array.from(bytes));
}

function echoSeeds(): readonly Uint8Array[] {
  const plain = encodeEcho('192.168.1.32', { discriminator: 1, sequence: 2, secret: 3 });
  const options = octets(0x46, ...plain.slice(1, 20), 1, 1, 1, 0, ...plain.slice(20));
  return [plain, options];
}

function discoverySeeds(): readonly Uint8Array[] {
  const head = [134, 0, 0, 0, 64, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0];
  const options = [1, 1, 2, 0, 0, 0, 0, 1, 5, 1, 0, 0, 0, 0, 5, 220, 3, 4, 64, 0xc0];
  const advertisement = [...head, ...options, ...Array<number>(28).fill(0)];
  return [encodeSolicitation(), Uint8Array.from(advertisement)];
}

function rtrSeeds(): readonly Uint8Array[] {
  const response = [1, 3, 0, 9, 0, 0, 0, 8];
  const v4 = [1, 4, 0, 0, 0, 0, 0, 20, 1, 24, 24, 0, 10, 66, 0, 0, 0, 0, 251, 241];
  const v6 = [
    1,
    6,
    0,
    0,
    0,
    0,
    0,
    32,
    1,
    48,
    64,
    0,
    253,
    ...Array<number>(15).fill(0),
    0,
    0,
    251,
    241,
  ];
  const end = [1, 7, 0, 9, 0, 0, 0, 24, 0, 0, 0, 5, 0, 0, 14, 16, 0, 0, 2, 88, 0, 0, 28, 32];
  const error = [1, 10, 0, 4, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 4, 27, 91, 50, 74];
  return [[...response, ...v4, ...v6, ...end], [1, 8, 0, 9, 0, 0, 0, 8], error].map((bytes) =>
    Uint8Array.from(bytes),
  );
}

function mrtSeeds(): readonly Uint8Array[] {
  const directory = new URL('../../packages/router/src/mrt/fixtures/', import.meta.url);
  return readdirSync(directory)
    .filter((file) => file.endsWith('.mrt'))
    .map((file) => new Uint8Array(readFileSync(new URL(file, directory)).subarray(0, 2048)));
}

function netlinkSeeds(): readonly Uint8Array[] {
  const message = (type: number, body: readonly number[]): readonly number[] => [
    ...[16 + body.length, 0, 0, 0, type, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ...body,
  ];
  const route = [
    2, 24, 0, 0, 254, 12, 0, 1, 0, 0, 0, 0, 8, 0, 1, 0, 10, 66, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1,
  ];
  const hop = [16, 0, 0, 0, 2, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1];
  const multipath = [...route.slice(0, 20), 20, 0, 9, 0, ...hop];
  const metrics = [...route, 12, 0, 8, 0, 8, 0, 2, 0, 220, 5, 0, 0];
  const link = [0, 0, 1, 0, 2, 0, 0, 0, 67, 0, 1, 0, 0, 0, 0, 0, 8, 0, 3, 0, 108, 97, 110, 0];
  const address = [2, 16, 0, 0, 2, 0, 0, 0, 8, 0, 1, 0, 10, 0, 0, 254];
  const nexthop = [
    2, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 7, 0, 0, 0, 12, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0,
  ];
  const seeds = [
    message(24, route),
    message(24, multipath),
    message(24, metrics),
    message(16, link),
    message(20, address),
    message(104, nexthop),
    message(2, [255, 255, 255, 255, ...message(24, route)]),
  ];
  return [...seeds, seeds.flat()].map((bytes) => Uint8Array.from(bytes));
}

function BIRDC(): readonly string[] {
  return [
    'show protocols all "node*"',
    'show route for 10.66.0.1 table master4 all where net ~ [ 10.0.0.0/8+ ]',
    'show route 10.0.0.0/8 primary export kernel4 count',
    'show route filter { accept; } protocol node1 stats',
    'configure soft "/etc/bird.conf" timeout 30',
    'debug node1 { states, routes } ',
    'restart "a\\"b"',
    'eval 1+2',
    'echo { debug, trace } 4096',
    'reload in all',
  ];
}

function VTYSH(): readonly string[] {
  return [
    'show bgp summary json',
    'show bgp neighbors 10.0.0.1 advertised-routes json',
    'show ip bgp 10.66.0.0/24',
    'clear bgp * soft in',
    'show bfd peers counters json',
    'show ip route vrf all summary json',
    'show running-config',
  ];
}

function CONF(): string {
  return `log syslog all; router id 192.168.1.1;
define NETS = [ 10.0.0.0/8+, 192.168.0.0/16{16,24} ];
function ok(int n; prefix p) -> bool { if p.len > n then return false; return p ~ NETS; }
filter f { case bgp_path.last { 1..5: reject; else: bgp_community.add((65000, 1)); }
  if ! ok(24, net) || bgp_path ~ [= * 65000 ? =] then reject "no ", net; accept; }
protocol kernel kernel4 { ipv4 { export all; }; merge paths on limit 8; }
template bgp t { local as 64496; hold time 90; ipv4 { import filter f; export none; }; }
protocol bgp node1 from t { neighbor 192.168.1.32 as 64497; bfd { interval 100 ms; }; }
protocol static { ipv4; route 10.0.0.0/8 via 192.0.2.1 weight 2 { bgp_med = 5; }; }
`;
}

function apiSeeds(): readonly Uint8Array[] {
  const json = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}';
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: &a {name: x}\ndata: {k: *a}\n';
  // k8s\0, then Unknown { typeMeta { apiVersion, kind }, raw { metadata { name } } }.
  const meta = [0x0a, 13, 0x0a, 2, 0x76, 0x31, 0x12, 7, ...text('Service').subarray(0, 7)];
  const raw = [0x12, 5, 0x0a, 3, 0x0a, 1, 0x61];
  return [text(json), text(yaml), octets(0x6b, 0x38, 0x73, 0, ...meta, ...raw)];
}
