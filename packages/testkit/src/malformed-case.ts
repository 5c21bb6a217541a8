// The malformed-message suite as data: the files beside the decoders of packages/bgp read as cases
// that anybody who can open a session may play, the engine in memory or the daemon on a wire. A
// case says what to send in which state of a session and what must follow; see README of the files'
// notation at `octetsOf`. Nothing here knows how a session is opened.

import { readFileSync } from 'node:fs';
import { parseHex } from '@rookery/net';

/** Who the peer is: its AS, its capabilities, and what the router's configuration says of it. */
export const PEER_KINDS = {
  external: { as: 64497, capabilities: 'mp4 mp6 refresh enhanced as4' },
  internal: { as: 64496, capabilities: 'mp4 mp6 refresh enhanced as4' },
  /** A speaker of two-octet AS numbers, IPv4 alone, no enhanced route refresh. */
  as2: { as: 64497, capabilities: 'mp4 refresh' },
  confederation: { as: 64497, capabilities: 'mp4 mp6 refresh as4' },
  noSets: { as: 64497, capabilities: 'mp4 mp6 refresh as4' },
  extendedNextHop: { as: 64497, capabilities: 'mp4 mp6 refresh as4 nexthop6' },
  addPath: { as: 64497, capabilities: 'mp4 mp6 refresh as4 addpath' },
  extendedMessages: { as: 64497, capabilities: 'mp4 mp6 refresh as4 extended' },
  role: { as: 64497, capabilities: 'mp4 mp6 refresh as4 provider' },
} as const;
export type PeerKind = keyof typeof PEER_KINDS;

export interface MalformedCase {
  readonly class: string;
  readonly name: string;
  /** The clause that decides. */
  readonly section: string;
  readonly cve?: string;
  /** connected: TCP alone; opened: OPEN was exchanged; established: routes are there. */
  readonly state: 'connected' | 'opened' | 'established';
  readonly peer: PeerKind;
  /** Messages in order, whole, as octets. */
  readonly send: readonly Uint8Array[];
  readonly expect: Expectation;
}

/**
 * reset: a NOTIFICATION, then the end. closed: the end without one. accepted: the OPEN is confirmed.
 * session: goes on. route, withdraw: goes on, and the test route of that family is there, or not.
 */
export type Expectation =
  | { readonly kind: 'reset'; readonly code: number; readonly subcode: number }
  | { readonly kind: 'closed' | 'accepted' | 'session' }
  | { readonly kind: 'route' | 'withdraw'; readonly prefix: string };

/** The routes that cases announce or spoil, and the octets that announce them properly. */
export const TEST_ROUTE = { ipv4: '10.66.0.0/24', ipv6: 'fd00:66::/48' } as const;
const MP_REACH = '800e1c 00020110 fd000000000000000000000000000001 00 30fd0000660000';
const NLRI = '180a4200';

/** What the test routes need: a path identifier, wide or narrow numbers make no difference. */
export function goodUpdates(peer: PeerKind): readonly Uint8Array[] {
  const nlri = peer === 'addPath' ? `00000001 ${NLRI}` : NLRI;
  const path = pathOf(peer);
  const classic = octetsOf(`update / 40010100 ${path} 4003040a000001 / ${nlri}`);
  if (peer === 'as2' || peer === 'addPath') return [classic];
  return [classic, octetsOf(`update / 40010100 ${path} ${MP_REACH} /`)];
}

/** The shortest AS_PATH that is legal: a member of the confederation puts itself in front. */
function pathOf(peer: PeerKind): string {
  return peer === 'confederation' ? '400206 0301 0000fbf1' : '400200';
}

/** An announcement of 10.77.N.0/24, to tell that everything before it was processed. */
export function markerUpdate(peer: PeerKind, n: number): Uint8Array {
  const prefix = `18 0a4d ${hex(n, 1)}`;
  const nlri = peer === 'addPath' ? `00000001 ${prefix}` : prefix;
  return octetsOf(`update / 40010100 ${pathOf(peer)} 4003040a000001 / ${nlri}`);
}

/** OPEN of that kind of peer with identifier 10.0.1.1. */
export function openOf(peer: PeerKind, holdTimeSec: number): Uint8Array {
  const { as, capabilities } = PEER_KINDS[peer];
  const value = capabilities
    .split(' ')
    .map((name) => CAPABILITIES[name]!(as))
    .join('');
  const length = value.length / 2;
  const parameters = `${hex(length + 2, 1)} 02 ${hex(length, 1)} ${value}`;
  return octetsOf(`open 04 ${hex(as, 2)} ${hex(holdTimeSec, 2)} 0a000101 ${parameters}`);
}

/** Every case of the suite. `directory`: packages/bgp/src/wire/cases. */
export function readMalformedCases(directory: URL): readonly MalformedCase[] {
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(new URL(name, directory), 'utf8'));
  return [
    ...(read('messages.json') as readonly MessageRow[]).map(messageCase),
    ...(read('attributes.json') as readonly AttributeRow[]).map(attributeCase),
  ];
}

/**
 * A message in the notation of the files: a word for the type, then the body in hexadecimal, blanks
 * ignored, `00*12` for repetition. `update W / A / N` gets its two lengths here, `update-raw` is a
 * body as it stands, `raw` is everything as it stands.
 */
export function octetsOf(text: string): Uint8Array {
  const [word = '', ...rest] = text.split(' ');
  const body = rest.join(' ');
  if (word === 'raw') return octets(body);
  if (word !== 'update') return frame(TYPES[word]!, octets(body));
  const [withdrawn, attributes, nlri] = body.split('/').map(octets);
  return frame(
    2,
    Uint8Array.from([
      ...twoOctets(withdrawn!.length),
      ...withdrawn!,
      ...twoOctets(attributes!.length),
      ...attributes!,
      ...nlri!,
    ]),
  );
}

interface MessageRow {
  readonly class: string;
  readonly name: string;
  readonly section: string;
  readonly cve?: string;
  readonly state: MalformedCase['state'];
  readonly peer?: PeerKind;
  readonly send: readonly string[];
  readonly expect: string;
}

interface AttributeRow {
  readonly class: string;
  readonly name: string;
  readonly reach?: 'classic' | 'mp' | 'none';
  readonly context?: Readonly<Record<string, unknown>>;
  readonly attributes: string;
  readonly expect: readonly string[];
  /** Where the router as a whole is stricter than the decoder. */
  readonly live?: string;
}

const TYPES: Readonly<Record<string, number>> = {
  open: 1,
  'update-raw': 2,
  notification: 3,
  keepalive: 4,
  refresh: 5,
};

const CAPABILITIES: Readonly<Record<string, (as: number) => string>> = {
  mp4: () => '010400010001',
  mp6: () => '010400020001',
  refresh: () => '0200',
  enhanced: () => '4600',
  extended: () => '0600',
  as4: (as) => `4104${hex(as, 4)}`,
  nexthop6: () => '0506000100010002',
  addpath: () => '450400010103',
  provider: () => '090100',
};

function messageCase(row: MessageRow): MalformedCase {
  const { peer = 'external', send, expect, ...rest } = row;
  return { ...rest, peer, send: send.map(octetsOf), expect: expectationOf(expect) };
}

/** An attribute section becomes an UPDATE that would announce the test route. */
function attributeCase(row: AttributeRow): MalformedCase {
  const { reach = 'classic', expect, live } = row;
  const nlri = reach === 'classic' ? NLRI : '';
  const reset = expect.find((text) => text.startsWith('sessionReset'));
  const withdraw = expect.some((text) => text.startsWith('treatAsWithdraw'));
  const outcome =
    live ??
    (reset
      ? `reset ${reset.split(' ')[2]}`
      : reach !== 'classic'
        ? 'session'
        : withdraw
          ? 'withdraw'
          : 'route');
  const cve = /(CVE|GHSA)-[\w-]+/.exec(row.name)?.[0];
  return {
    class: row.class,
    name: row.name,
    section: 'RFC 7606',
    ...(cve === undefined ? {} : { cve }),
    state: 'established',
    peer: peerOf(row.context ?? {}),
    send: [octetsOf(`update / ${row.attributes} / ${nlri}`)],
    expect: expectationOf(outcome),
  };
}

function peerOf(context: Readonly<Record<string, unknown>>): PeerKind {
  if (context['as4'] === false) return 'as2';
  if (context['confederation'] === true) return 'confederation';
  if (context['allowAsSets'] === false) return 'noSets';
  if (context['extendedNextHop'] === true) return 'extendedNextHop';
  return context['peerType'] === 'internal' || context['aigp'] === true ? 'internal' : 'external';
}

function expectationOf(text: string): Expectation {
  const [word = '', argument = ''] = text.split(' ');
  switch (word) {
    case 'reset': {
      const [code = 0, subcode = 0] = argument.split('/').map(Number);
      return { kind: 'reset', code, subcode };
    }
    case 'route':
    case 'withdraw':
      return { kind: word, prefix: TEST_ROUTE.ipv4 };
    case 'route6':
      return { kind: 'route', prefix: TEST_ROUTE.ipv6 };
    case 'withdraw6':
      return { kind: 'withdraw', prefix: TEST_ROUTE.ipv6 };
    case 'closed':
    case 'accepted':
    case 'session':
      return { kind: word };
    default:
      throw new Error(`no expectation is called "${text}"`);
  }
}

function octets(text: string): Uint8Array {
  const plain = text
    .split(' ')
    .map((token) => {
      const [unit = '', times] = token.split('*');
      return times === undefined ? unit : unit.repeat(Number(times));
    })
    .join('');
  const bytes = parseHex(plain);
  if (!bytes) throw new Error(`not hexadecimal: ${plain.slice(0, 80)}`);
  return bytes;
}

function frame(type: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(19 + body.length).fill(255, 0, 16);
  bytes.set(twoOctets(bytes.length), 16);
  bytes[18] = type;
  bytes.set(body, 19);
  return bytes;
}

function twoOctets(value: number): [number, number] {
  return [value >> 8, value & 255];
}

function hex(value: number, size: number): string {
  return value.toString(16).padStart(size * 2, '0');
}
