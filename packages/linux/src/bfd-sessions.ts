// BFD on sockets: the sessions of packages/bfd with UDP and timers of their own (RFC 5881 single hop,
// RFC 5883 multihop, GTSM by RFC 5082). Knows nothing of threads: bfd-worker.ts runs it apart from
// the rest of the daemon. Echo packets are bfd-echo.ts's. No VRFs but the one that an interface is in.

import { randomInt } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { bfdDeadline, createBfdSession, decodeBfd, DIAGNOSTIC, stepBfd } from '@rookery/bfd';
import type { BfdAction, BfdEvent, BfdPacket, BfdSession, BfdSessionConfig } from '@rookery/bfd';
import { familyOf } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { LogClass, PlatformError } from '@rookery/router';
import { EchoSockets, returnsEchoes } from './bfd-echo.ts';
import { signWith, verifyWith } from './bfd-keys.ts';
import { keyOf } from './bfd-messages.ts';
import type { BfdFact, BfdOrder, BfdRequest } from './bfd-messages.ts';
import { factOf, isNews, isRebirth } from './bfd-report.ts';
import * as sys from './sys.ts';
import { openUdpReceiver, openUdpSender } from './udp.ts';
import type { UdpPacket, UdpReceiver, UdpSender } from './udp.ts';

export interface BfdSessionsDeps {
  readonly emit: (facts: readonly BfdFact[]) => void;
  readonly log: (logClass: LogClass, text: string) => void;
  /** Receive on this address and these ports only, instead of the well-known ones everywhere. */
  readonly place?: {
    readonly local: IpAddress;
    readonly direct: number;
    readonly multihop: number;
  };
}

/** `ttl`: from beyond the link; `stranger`: from nobody we know, or of no session of ours. */
export type DropReason = 'ttl' | 'malformed' | 'stranger' | 'wrongAuthentication';

interface Entry {
  request: BfdRequest;
  machine: BfdSession;
  sender: UdpSender | undefined;
  ifindex: number;
  timer: NodeJS.Timeout | undefined;
  dueMs: number | undefined;
  /** Next number of an authentication section, and the last one accepted. */
  sendSequence: number;
  receivedSequence: number | undefined;
  /** Said AdminDown and ends when this fires. */
  leaving: NodeJS.Timeout | undefined;
  /** The neighbor began a new session: its Down is reported when this fires. */
  rebirth: NodeJS.Timeout | undefined;
  /** The last failure that was logged. */
  trouble: string | undefined;
  /** That echo packets are of no use here was logged. */
  echoTrouble: boolean;
  /** The machine as it was last told to the engine. */
  told: BfdSession | undefined;
}

/** RFC 5881 §4, RFC 5883 §5. */
const PORTS = { direct: 3784, multihop: 4784 };
const SINGLE_HOP_TTL = 255;
/** Long enough for three packets at the idle rate, so that losing one does not matter. */
const LEAVE_MS = 2500;
/**
 * How long a neighbor that begins a new session may take to be Up again. FRR re-creates a session when
 * it learns its source address, right after BGP came up: no failure of the path.
 */
const REBIRTH_MS = 3000;
const RECEIVER_RETRY_MS = 5000;
/** After so many echo packets of which none came back, none will. */
const LOST_ECHOES = 50;
/** These pass by themselves; after others the sender is opened anew. */
const PASSING = new Set(['EAGAIN', 'ENOBUFS', 'ECONNREFUSED', 'EPERM']);

export class BfdSessions {
  readonly #deps: BfdSessionsDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #byDiscriminator = new Map<number, Entry>();
  readonly #receivers = new Map<string, UdpReceiver>();
  readonly #echo = new EchoSockets((discriminator, rttUs) => {
    const entry = this.#byDiscriminator.get(discriminator);
    if (entry) this.#step(entry, { kind: 'echoReturned', rttUs });
  });
  readonly #refusedAtMs = new Map<string, number>();
  readonly #dropped = { ttl: 0, malformed: 0, stranger: 0, wrongAuthentication: 0 };

  constructor(deps: BfdSessionsDeps) {
    this.#deps = deps;
  }

  execute(order: BfdOrder): void {
    const key = keyOf(order);
    const entry = this.#entries.get(key);
    if (order.kind === 'bfdRequest') {
      if (entry) this.#change(entry, order);
      else this.#create(key, order);
    } else if (entry && !entry.leaving) this.#leave(key, entry);
  }

  /** Packets dropped for a reason, so far. */
  count(reason: DropReason): number {
    return this.#dropped[reason];
  }

  /** Reports every session with its counters. */
  refresh(): void {
    const entries = [...this.#entries.values()].filter(isReported);
    if (entries.length > 0) this.#tell(...entries);
    for (const entry of entries) if (entry.request.options.echo) this.#refreshEcho(entry);
  }

  /** Tells every neighbor that this is no failure (RFC 5882 §3.2) and closes the sockets. */
  close(): void {
    for (const [key, entry] of this.#entries) {
      if (!entry.leaving) this.#step(entry, { kind: 'disabled' });
      this.#remove(key, entry);
    }
    for (const receiver of this.#receivers.values()) receiver.close();
    this.#receivers.clear();
    this.#echo.close();
  }

  #create(key: string, request: BfdRequest): void {
    let discriminator = 0;
    do discriminator = randomInt(1, 2 ** 32);
    while (this.#byDiscriminator.has(discriminator));
    const entry: Entry = {
      request,
      machine: createBfdSession(configFor(request), discriminator, performance.now()),
      sender: undefined,
      ifindex: 0,
      timer: undefined,
      dueMs: undefined,
      sendSequence: randomInt(2 ** 32),
      receivedSequence: undefined,
      leaving: undefined,
      rebirth: undefined,
      trouble: undefined,
      echoTrouble: false,
      told: undefined,
    };
    this.#entries.set(key, entry);
    this.#byDiscriminator.set(discriminator, entry);
    this.#listen(entry);
    this.#tell(entry);
    this.#arm(entry);
  }

  #change(entry: Entry, request: BfdRequest): void {
    if (request.local !== entry.request.local) closeSender(entry);
    entry.request = request;
    this.#step(entry, { kind: 'configChanged', config: configFor(request) });
    if (!entry.leaving) return;
    clearTimeout(entry.leaving);
    entry.leaving = undefined;
    this.#step(entry, { kind: 'enabled' });
    this.#tell(entry);
  }

  /** RFC 5880 §6.8.16: AdminDown for a while, so that the neighbor does not take it for a failure. */
  #leave(key: string, entry: Entry): void {
    clearTimeout(entry.rebirth);
    entry.rebirth = undefined;
    entry.leaving = setTimeout(() => this.#remove(key, entry), LEAVE_MS);
    this.#step(entry, { kind: 'disabled' });
  }

  #remove(key: string, entry: Entry): void {
    clearTimeout(entry.timer);
    clearTimeout(entry.leaving);
    clearTimeout(entry.rebirth);
    closeSender(entry);
    this.#echo.forget(entry.machine.localDiscriminator);
    this.#entries.delete(key);
    this.#byDiscriminator.delete(entry.machine.localDiscriminator);
  }

  #step(entry: Entry, event: BfdEvent): void {
    const { session, actions } = stepBfd(entry.machine, event, performance.now(), Math.random);
    entry.machine = session;
    // RFC 5880 §6.8.1: a neighbor that fell silent may count anew.
    if (session.remoteDiscriminator === 0) entry.receivedSequence = undefined;
    for (const action of actions) {
      if (action.kind === 'sendPacket') this.#send(entry, action.packet);
      else if (action.kind === 'sendEcho') this.#sendEcho(entry);
      else this.#changed(entry, action);
    }
    if (isReported(entry) && entry.told && isNews(entry.told, session)) this.#tell(entry);
    this.#arm(entry);
  }

  #tell(...entries: readonly Entry[]): void {
    for (const entry of entries) entry.told = entry.machine;
    this.#deps.emit(entries.map(({ request, machine }) => factOf(request, machine)));
  }

  #changed(entry: Entry, change: Extract<BfdAction, { kind: 'stateChanged' }>): void {
    if (entry.leaving) return;
    const expired = change.diagnostic === DIAGNOSTIC.detectionTimeExpired;
    if (entry.rebirth) {
      if (change.to !== 'Up' && !(change.to === 'Down' && expired)) return;
      clearTimeout(entry.rebirth);
      entry.rebirth = undefined;
    } else if (isRebirth(change, entry.machine)) {
      entry.rebirth = setTimeout(() => {
        entry.rebirth = undefined;
        this.#tell(entry);
      }, REBIRTH_MS);
      return;
    }
    this.#tell(entry);
  }

  #arm(entry: Entry): void {
    const dueMs = bfdDeadline(entry.machine);
    if (dueMs === entry.dueMs) return;
    clearTimeout(entry.timer);
    entry.dueMs = dueMs;
    if (dueMs === undefined) return;
    // Rounded up, since setTimeout may fire a millisecond early.
    const delayMs = Math.max(0, Math.ceil(dueMs - performance.now()));
    entry.timer = setTimeout(() => this.#expired(entry), delayMs);
  }

  #expired(entry: Entry): void {
    // What the kernel already has must count before silence does.
    for (const receiver of this.#receivers.values()) receiver.drain();
    this.#echo.drain();
    entry.dueMs = undefined;
    this.#step(entry, { kind: 'timerExpired' });
  }

  #send(entry: Entry, packet: BfdPacket): void {
    this.#listen(entry);
    if (!entry.sender) {
      const failure = this.#openSender(entry);
      if (failure) return this.#report(entry, failure);
    }
    entry.sendSequence = (entry.sendSequence + 1) >>> 0;
    const { authentication } = entry.request.options;
    const bytes = signWith(packet, authentication, entry.sendSequence);
    const failure = entry.sender!.send(bytes);
    if (!failure) entry.trouble = undefined;
    else if (!PASSING.has(failure.code)) {
      closeSender(entry);
      this.#report(entry, failure);
    }
  }

  /** Forwarding may have been switched, here or at the neighbor. */
  #refreshEcho(entry: Entry): void {
    const config = configFor(entry.request);
    if (config.echo?.rxIntervalUs !== entry.machine.config.echo?.rxIntervalUs) {
      this.#step(entry, { kind: 'configChanged', config });
    }
    const { echoesSent, echoesReceived } = entry.machine;
    if (echoesReceived > 0 || echoesSent < LOST_ECHOES) return;
    this.#reportEcho(entry, `none of ${echoesSent} came back: does it forward them?`);
  }

  #sendEcho(entry: Entry): void {
    const { remote, local, interface: link } = entry.request;
    if (local === undefined || link === undefined) return;
    const discriminator = entry.machine.localDiscriminator;
    const path = { discriminator, local, remote, interface: link };
    const failure = this.#echo.send(path, performance.now());
    if (!failure || PASSING.has(failure.code)) return;
    this.#reportEcho(entry, `${failure.operation}: ${failure.message}`);
  }

  /** Once per session: control packets still find failures, if not as fast. */
  #reportEcho(entry: Entry, what: string): void {
    if (entry.echoTrouble || entry.leaving) return;
    entry.echoTrouble = true;
    this.#deps.log('warning', `BFD echo packets to ${entry.request.remote}: ${what}`);
  }

  #openSender(entry: Entry): PlatformError | undefined {
    const { remote, local, interface: link, multihop } = entry.request;
    if (link !== undefined) entry.ifindex = sys.interfaceIndex(link);
    const opened = openUdpSender(
      {
        remote,
        remotePort: this.#portOf(multihop),
        ...(local === undefined ? {} : { local }),
        ...(link === undefined ? {} : { interface: { name: link, ifindex: entry.ifindex } }),
      },
      randomInt(2 ** 31),
    );
    if (!opened.ok) return opened.error;
    entry.sender = opened.value;
    return undefined;
  }

  #report(entry: Entry, failure: PlatformError): void {
    const text = `${failure.operation}: ${failure.message}`;
    if (text === entry.trouble || entry.leaving) return;
    entry.trouble = text;
    this.#deps.log('warning', `BFD to ${entry.request.remote} cannot send: ${text}`);
  }

  #portOf(multihop: boolean): number {
    const ports = this.#deps.place ?? PORTS;
    return multihop ? ports.multihop : ports.direct;
  }

  /** One socket per family and port, for all sessions. */
  #listen({ request }: Entry): void {
    const family = familyOf(request.remote);
    const { multihop } = request;
    const port = this.#portOf(multihop);
    const key = `${family} ${port}`;
    if (this.#receivers.has(key)) return;
    const refusedAtMs = this.#refusedAtMs.get(key);
    const nowMs = performance.now();
    if (refusedAtMs !== undefined && nowMs - refusedAtMs < RECEIVER_RETRY_MS) return;
    const opened = this.#openReceiver(family, port, multihop);
    if (opened.ok) {
      this.#receivers.set(key, opened.value);
      this.#refusedAtMs.delete(key);
      return;
    }
    this.#refusedAtMs.set(key, nowMs);
    if (refusedAtMs !== undefined) return;
    const cure = opened.error.code === 'EADDRINUSE' ? ': stop the other BFD daemon here' : '';
    this.#deps.log(
      'error',
      `BFD cannot receive on UDP port ${port}: ${opened.error.message}${cure}`,
    );
  }

  #openReceiver(
    family: Family,
    port: number,
    multihop: boolean,
  ): ReturnType<typeof openUdpReceiver> {
    const local = this.#deps.place?.local;
    return openUdpReceiver({
      family,
      port,
      ...(local === undefined ? {} : { local }),
      onPacket: (packet) => this.#received(packet, multihop),
    });
  }

  #received(packet: UdpPacket, multihop: boolean): void {
    const decoded = this.#judge(packet, multihop);
    if (typeof decoded === 'string') this.#dropped[decoded]++;
    else this.#step(decoded.entry, { kind: 'packetReceived', packet: decoded.packet });
  }

  #judge(
    { bytes, ttl, remote, local, ifindex }: UdpPacket,
    multihop: boolean,
  ): DropReason | { readonly entry: Entry; readonly packet: BfdPacket } {
    // RFC 5881 §5: nobody beyond the link can send with 255.
    if (!multihop && ttl !== SINGLE_HOP_TTL) return 'ttl';
    const decoded = decodeBfd(bytes);
    if (!decoded.ok) return 'malformed';
    const packet = decoded.value;
    // RFC 5881 §3, RFC 5883 §4: a first packet is known by its addresses and link.
    const entry =
      packet.yourDiscriminator === 0
        ? this.#entryFor(remote, local, ifindex, multihop)
        : this.#byDiscriminator.get(packet.yourDiscriminator);
    if (!entry || entry.request.multihop !== multihop) return 'stranger';
    if (!isOnLink(entry, ifindex)) return 'stranger';
    const { minTtl, authentication } = entry.request.options;
    if (multihop && minTtl !== undefined && (ttl ?? 0) < minTtl) return 'ttl';
    const sequence = verifyWith(bytes, packet, authentication, entry.receivedSequence);
    if (sequence === undefined) return 'wrongAuthentication';
    if (authentication) entry.receivedSequence = sequence;
    return { entry, packet };
  }

  #entryFor(
    remote: IpAddress,
    local: IpAddress | undefined,
    ifindex: number,
    multihop: boolean,
  ): Entry | undefined {
    for (const entry of this.#entries.values()) {
      const { request } = entry;
      if (request.remote !== remote || request.multihop !== multihop) continue;
      if (multihop && request.local !== undefined && request.local !== local) continue;
      if (isOnLink(entry, ifindex)) return entry;
    }
    return undefined;
  }
}

/** RFC 5881 §4, RFC 5883 §3: echo packets exist on one link only, and for IPv4 as in FRR. */
function configFor({ remote, multihop, interface: link, options }: BfdRequest): BfdSessionConfig {
  const { echo, ...others } = options;
  if (!echo || multihop || link === undefined || familyOf(remote) === 'ipv6') return others;
  const rxIntervalUs = returnsEchoes(link) ? echo.rxIntervalUs : 0;
  return { ...others, echo: { ...echo, rxIntervalUs } };
}

function isReported(entry: Entry): boolean {
  return !entry.leaving && !entry.rebirth;
}

/** The index is looked up again when it does not fit: the link may have been made anew. */
function isOnLink(entry: Entry, ifindex: number): boolean {
  const link = entry.request.interface;
  if (link === undefined || ifindex === entry.ifindex) return true;
  entry.ifindex = sys.interfaceIndex(link);
  return ifindex === entry.ifindex;
}

function closeSender(entry: Entry): void {
  entry.sender?.close();
  entry.sender = undefined;
}
