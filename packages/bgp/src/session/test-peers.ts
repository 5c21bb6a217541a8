// For the tests of this folder only: configurations, events, and two machines wired together over a
// virtual link and clock. Messages arrive after the link's delay, in order, cut into chunks.

import { NO_CAPABILITIES } from '../wire/capabilities.ts';
import type { CapabilitySet } from '../wire/capability-set.ts';
import { MESSAGE } from '../wire/constants.ts';
import { encodeKeepalive } from '../wire/frame-message.ts';
import { FrameReader } from '../wire/frame-reader.ts';
import { encodeOpen } from '../wire/open.ts';
import { createPeer } from './peer-state.ts';
import type { PeerState } from './peer-state.ts';
import { stepPeer } from './step-peer.ts';
import type {
  ConnectionRole,
  SessionAction,
  SessionConfig,
  SessionEvent,
  SessionIdentity,
} from './types.ts';

export function configFor(overrides: Partial<SessionConfig> = {}): SessionConfig {
  return {
    localAs: 64496,
    neighborAs: 64497,
    peerType: 'external',
    confederationMember: false,
    passive: false,
    holdTimeSec: 240,
    startupHoldTimeSec: 240,
    minHoldTimeSec: 0,
    minKeepaliveTimeSec: 0,
    connectDelayTimeSec: 5,
    connectRetryTimeSec: 120,
    errorWaitTimeMinSec: 60,
    errorWaitTimeMaxSec: 300,
    errorForgetTimeSec: 300,
    disableAfterError: false,
    disableAfterCease: [],
    capabilities: true,
    enableRouteRefresh: true,
    enableEnhancedRouteRefresh: true,
    enableAs4: true,
    enableExtendedMessages: false,
    advertiseHostname: false,
    advertiseSoftwareVersion: false,
    gracefulRestart: 'off',
    gracefulRestartTimeSec: 120,
    gracefulNotification: false,
    longLivedGracefulRestart: 'off',
    longLivedStaleTimeSec: 3600,
    requireCapabilities: [],
    requireRoles: false,
    channels: [channelFor('ipv4')],
    ...overrides,
  };
}

export function channelFor(netType: string): SessionConfig['channels'][number] {
  return {
    netType,
    mandatory: false,
    extendedNextHop: false,
    requireExtendedNextHop: false,
    addPaths: 'off',
    requireAddPaths: false,
    gracefulRestart: true,
    longLivedGracefulRestart: true,
  };
}

export function identityFor(overrides: Partial<SessionIdentity> = {}): SessionIdentity {
  return {
    routerId: '192.168.1.1',
    neighborAddress: '192.168.1.32',
    localAddress: '192.168.1.1',
    restarting: false,
    ...overrides,
  };
}

/** What a plain modern peer says in its OPEN. */
export const CAPABILITIES: CapabilitySet = {
  ...NO_CAPABILITIES,
  any: true,
  families: ['ipv4'],
  routeRefresh: true,
  as4: 64497,
};

/** A machine whose peer called and is Established. */
export function establish(
  config: Partial<SessionConfig> = {},
  capabilities: CapabilitySet = CAPABILITIES,
): Lone {
  const lone = new Lone(configFor(config));
  lone.send({ kind: 'start' });
  lone.send({ kind: 'tcpAccepted', ...ENDPOINTS });
  lone.message('incoming', openWith({ capabilities }));
  lone.message('incoming', encodeKeepalive());
  if (lone.state.established !== 'incoming') throw new Error('not established');
  return lone;
}

export function openWith(overrides: Partial<Parameters<typeof encodeOpen>[0]> = {}): Uint8Array {
  const plain = { asn: 64497, holdTimeSec: 180, id: '192.168.1.32', capabilities: CAPABILITIES };
  return encodeOpen({ ...plain, ...overrides });
}

export const ENDPOINTS = {
  local: '192.168.1.1',
  localPort: 179,
  remote: '192.168.1.32',
  remotePort: 40961,
} as const;

/** A machine with its action log, for tests that play the other side by hand. */
export class Lone {
  state: PeerState;
  actions: SessionAction[] = [];
  nowMs = 0;

  constructor(config = configFor(), identity = identityFor()) {
    this.state = createPeer(config, identity, 0);
  }

  send(event: SessionEvent): readonly SessionAction[] {
    const step = stepPeer(this.state, event, this.nowMs, () => 0.999);
    this.state = step.state;
    this.actions.push(...step.actions);
    return step.actions;
  }

  message(connection: ConnectionRole, bytes: Uint8Array): readonly SessionAction[] {
    return this.send({ kind: 'messageReceived', connection, bytes, start: 0, end: bytes.length });
  }

  /** Advances the clock and fires the timer. */
  wait(seconds: number): readonly SessionAction[] {
    this.nowMs += seconds * 1000;
    return this.send({ kind: 'timerExpired' });
  }

  /** Texts of all log actions so far. */
  get logs(): readonly string[] {
    return logsOf(this.actions);
  }
}

export function logsOf(actions: readonly SessionAction[]): readonly string[] {
  return actions.flatMap((action) => (action.kind === 'log' ? [action.text] : []));
}

/** NOTIFICATIONs and other messages among actions, by type. */
export function sentOf(actions: readonly SessionAction[]): readonly string[] {
  return actions.flatMap((action) => {
    if (action.kind !== 'sendMessage') return [];
    const { bytes } = action;
    const type = Object.entries(MESSAGE).find(([, code]) => code === bytes[18])![0];
    return [type === 'notification' ? `${type} ${bytes[19]}.${bytes[20]}` : type];
  });
}

export function kindsOf(actions: readonly SessionAction[]): readonly string[] {
  return actions.map(({ kind }) => kind).filter((kind) => kind !== 'log');
}

interface Host {
  readonly name: 'a' | 'b';
  state: PeerState;
  deadline: number | undefined;
  readonly actions: SessionAction[];
  /** The TCP connection behind each role. */
  readonly tcp: Record<ConnectionRole, Tcp | undefined>;
  readonly listens: boolean;
}

interface Tcp {
  readonly id: number;
  readonly from: 'a' | 'b';
  open: boolean;
  readonly readers: Record<'a' | 'b', FrameReader>;
}

interface Delivery {
  readonly atMs: number;
  readonly run: () => void;
}

/** Two routers, one link. Deterministic for a seed; `run` plays virtual time. */
export class PeerPair {
  nowMs = 0;
  /** False: what is sent gets lost, nothing is closed. */
  linkUp = true;
  readonly a: Host;
  readonly b: Host;
  #queue: Delivery[] = [];
  #nextId = 1;
  #seed: number;
  readonly #delayMs: number;

  constructor(options: {
    readonly a?: Partial<SessionConfig>;
    readonly b?: Partial<SessionConfig>;
    readonly aIdentity?: Partial<SessionIdentity>;
    readonly bIdentity?: Partial<SessionIdentity>;
    readonly listens?: { readonly a: boolean; readonly b: boolean };
    readonly delayMs?: number;
    readonly seed?: number;
  }) {
    this.#seed = options.seed ?? 1;
    this.#delayMs = options.delayMs ?? 2;
    const listens = options.listens ?? { a: true, b: true };
    this.a = this.#host('a', listens.a, configFor(options.a), {
      ...identityFor(),
      ...options.aIdentity,
    });
    this.b = this.#host(
      'b',
      listens.b,
      configFor({ localAs: 64497, neighborAs: 64496, ...options.b }),
      {
        routerId: '192.168.1.32',
        neighborAddress: '192.168.1.1',
        localAddress: '192.168.1.32',
        restarting: false,
        ...options.bIdentity,
      },
    );
  }

  send(name: 'a' | 'b', event: SessionEvent): void {
    this.#step(this[name], event);
  }

  /** Plays until the given time has passed. */
  run(seconds: number): void {
    const untilMs = this.nowMs + seconds * 1000;
    for (;;) {
      const delivery = this.#queue.reduce<Delivery | undefined>(
        (first, next) => (!first || next.atMs < first.atMs ? next : first),
        undefined,
      );
      const timer = [this.a, this.b]
        .filter((host) => host.deadline !== undefined)
        .toSorted((x, y) => x.deadline! - y.deadline!)[0];
      const atMs = Math.min(delivery?.atMs ?? Infinity, timer?.deadline ?? Infinity);
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (delivery && delivery.atMs <= (timer?.deadline ?? Infinity)) {
        this.#queue = this.#queue.filter((entry) => entry !== delivery);
        delivery.run();
      } else {
        this.#step(timer!, { kind: 'timerExpired' });
      }
    }
    this.nowMs = untilMs;
  }

  #host(name: 'a' | 'b', listens: boolean, config: SessionConfig, id: SessionIdentity): Host {
    return {
      name,
      listens,
      state: createPeer(config, id, 0),
      deadline: undefined,
      actions: [],
      tcp: { outgoing: undefined, incoming: undefined },
    };
  }

  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed / 2 ** 32;
  }

  #step(host: Host, event: SessionEvent, accepted?: Tcp): void {
    const step = stepPeer(host.state, event, this.nowMs, () => this.#random());
    host.state = step.state;
    host.deadline = step.deadline;
    host.actions.push(...step.actions);
    for (const action of step.actions) this.#execute(host, action, accepted);
  }

  #execute(host: Host, action: SessionAction, accepted: Tcp | undefined): void {
    switch (action.kind) {
      case 'connect':
        this.#connect(host);
        return;
      case 'sendMessage':
        this.#transmit(host, host.tcp[action.connection], action.bytes);
        return;
      case 'closeTransport': {
        const tcp = host.tcp[action.connection];
        host.tcp[action.connection] = undefined;
        if (tcp) this.#close(host, tcp);
        return;
      }
      case 'acceptTransport':
        host.tcp.incoming = accepted;
        return;
      case 'rejectTransport':
        this.#close(host, accepted!);
        return;
      case 'extendedMessagesAgreed':
        host.tcp[action.connection]?.readers[host.name].allowExtended();
        return;
      default:
        return;
    }
  }

  #connect(host: Host): void {
    const peer = host === this.a ? this.b : this.a;
    const tcp: Tcp = {
      id: this.#nextId++,
      from: host.name,
      open: true,
      readers: { a: new FrameReader(), b: new FrameReader() },
    };
    host.tcp.outgoing = tcp;
    this.#later(() => {
      if (!tcp.open) return;
      if (!peer.listens) {
        this.#later(() => {
          if (host.tcp.outgoing !== tcp) return;
          host.tcp.outgoing = undefined;
          this.#step(host, { kind: 'tcpConnectFailed', error: REFUSED });
        });
        return;
      }
      this.#later(() => {
        if (host.tcp.outgoing === tcp) this.#step(host, { kind: 'tcpConnected', ...ENDPOINTS });
      });
      this.#step(peer, { kind: 'tcpAccepted', ...ENDPOINTS, remotePort: 40000 + tcp.id }, tcp);
    });
  }

  #transmit(host: Host, tcp: Tcp | undefined, bytes: Uint8Array): void {
    if (!tcp) return;
    const peer = host === this.a ? this.b : this.a;
    this.#later(() => {
      const role = this.#roleOf(peer, tcp);
      const reader = tcp.readers[peer.name];
      // Two chunks, so that a message never lies in one piece by luck.
      for (const chunk of [bytes.slice(0, 7), bytes.slice(7)]) {
        reader.push(chunk);
        while (role && peer.tcp[role] === tcp && reader.next() === 'message') {
          const { bytes: frame, start, end } = reader;
          this.#step(peer, { kind: 'messageReceived', connection: role, bytes: frame, start, end });
        }
      }
    });
  }

  #close(host: Host, tcp: Tcp): void {
    tcp.open = false;
    const peer = host === this.a ? this.b : this.a;
    this.#later(() => {
      const role = this.#roleOf(peer, tcp);
      if (!role) return;
      this.#step(peer, { kind: 'tcpClosed', connection: role });
      if (peer.tcp[role] === tcp) peer.tcp[role] = undefined;
    });
  }

  #roleOf(host: Host, tcp: Tcp): ConnectionRole | undefined {
    if (host.tcp.outgoing === tcp) return 'outgoing';
    return host.tcp.incoming === tcp ? 'incoming' : undefined;
  }

  #later(run: () => void): void {
    if (!this.linkUp) return;
    this.#queue.push({ atMs: this.nowMs + this.#delayMs, run });
  }
}

export const REFUSED = {
  operation: 'connect',
  code: 'ECONNREFUSED',
  message: 'Connection refused',
} as const;
