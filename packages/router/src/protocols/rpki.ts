// protocol rpki: keeps ROA tables in step with an RPKI cache (RFC 8210 over plain TCP or TCP MD5;
// no SSH). The session machine is rpki/rtr-client.ts; here are its connection, its timer and the
// tables. Filters that ask the tables run again after each complete answer, never inside one.

import { familyOf } from '@rookery/net';
import type { ChannelConfig, ProtocolConfig, RpkiConfig } from '../config.ts';
import type { ConnectionFact, ConnectionHandler, Engine } from '../engine.ts';
import type { ConnectionId } from '../io.ts';
import { Protocol } from '../protocol.ts';
import type { RoaTable } from '../roa-table.ts';
import { RtrClient } from '../rpki/rtr-client.ts';
import type { Roa, RtrAction, RtrEvent, RtrOptions } from '../rpki/rtr-client.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { ChannelView, ProtocolView, RpkiView, TimerView } from '../view.ts';

interface RoaChannel {
  config: ChannelConfig;
  readonly table: RoaTable;
  imported: number;
  updates: number;
  withdraws: number;
}

export class RpkiProtocol extends Protocol implements ConnectionHandler {
  readonly kind = 'rpki';
  declare config: RpkiConfig;
  readonly owner = this;
  readonly #channels: readonly RoaChannel[];
  readonly #client: RtrClient;
  readonly #timer: Timer;
  #connection: ConnectionId | undefined;

  constructor(
    engine: Engine,
    config: RpkiConfig,
    roaTable: (name: string) => RoaTable | undefined,
  ) {
    super(engine, config);
    this.#channels = config.channels.flatMap((channel) => {
      const table = roaTable(channel.table);
      return table ? [{ config: channel, table, imported: 0, updates: 0, withdraws: 0 }] : [];
    });
    this.#client = new RtrClient(rtrOptionsOf(config));
    this.#timer = engine.timers.create(this, () => this.#step({ kind: 'tick' }));
  }

  reconfigure(next: ProtocolConfig): boolean {
    if (next.kind !== 'rpki' || !sameSession(this.config, next)) return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    for (const [i, channel] of this.#channels.entries()) channel.config = next.channels[i]!;
    this.#client.reconfigure(rtrOptionsOf(next));
    return true;
  }

  view(): ProtocolView {
    return {
      ...this.commonView(),
      channels: this.#channels.map((channel) => this.#channelView(channel)),
      rpki: this.#rpkiView(),
    };
  }

  /** `reload in`: everything is asked for again. */
  override reload(direction: 'in' | 'out' | 'both'): boolean {
    if (direction !== 'out') this.#step({ kind: 'reload' });
    return true;
  }

  handleConnection(fact: ConnectionFact): void {
    if (fact.connection !== this.#connection) return;
    switch (fact.kind) {
      case 'tcpConnected':
        return this.#step({ kind: 'connected' });
      case 'tcpConnectFailed':
        this.#forgetConnection();
        return this.#step({ kind: 'connectFailed', text: fact.error.message });
      case 'tcpReceived':
        return this.#step({ kind: 'received', bytes: fact.bytes });
      case 'tcpClosed':
        this.#forgetConnection();
        return this.#step({ kind: 'closed', text: fact.error?.message ?? 'Connection closed' });
      // We call the cache, and our questions are small.
      case 'tcpAccepted':
      case 'tcpDrained':
        return;
    }
  }

  protected onStart(): 'start' {
    return 'start';
  }

  protected override onStarted(): void {
    this.#step({ kind: 'start' });
  }

  protected override onDown(): void {
    this.#step({ kind: 'stop' });
    this.#timer.clear();
  }

  #step(event: RtrEvent): void {
    const before = this.#client.status;
    for (const action of this.#client.handle(event, this.engine.nowMs)) this.#execute(action);
    const { status } = this.#client;
    if (status !== before) {
      this.trace('events', `Changing from ${before} to ${status} state`);
      if (this.running && status === 'Established') this.setState('up');
      if (this.state === 'up' && isBroken(status)) this.setState('start');
    }
    const due = this.#client.nextDeadlineMs();
    if (due === undefined) this.#timer.clear();
    else this.#timer.set(due);
  }

  #execute(action: RtrAction): void {
    switch (action.kind) {
      case 'connect':
        return this.#connect();
      case 'send':
        if (this.#connection === undefined) return;
        this.trace('packets', `Sending ${action.bytes.length} octets`);
        return this.engine.order({
          kind: 'tcpSend',
          connection: this.#connection,
          bytes: action.bytes,
        });
      case 'close':
        return this.#close();
      case 'apply':
        return this.#apply(action.added, action.removed);
      case 'log':
        if (action.class === 'trace') this.trace('events', action.text);
        else this.log(action.class, action.text);
    }
  }

  #connect(): void {
    this.#close();
    const { config } = this;
    const id = this.engine.nextId();
    this.#connection = id;
    this.engine.connections.set(id, this);
    this.trace('events', `Opening a connection to ${config.remote} port ${config.port}`);
    this.engine.order({
      kind: 'tcpConnect',
      connection: id,
      remote: config.remote,
      remotePort: config.port,
      options: {
        ...(config.localAddress === undefined ? {} : { local: config.localAddress }),
        ...(config.vrf === undefined ? {} : { vrf: config.vrf }),
        ...(config.password === undefined
          ? {}
          : { key: { kind: 'md5', secret: config.password } as const }),
      },
    });
  }

  #close(): void {
    if (this.#connection === undefined) return;
    this.engine.order({ kind: 'tcpClose', connection: this.#connection });
    this.#forgetConnection();
  }

  #forgetConnection(): void {
    if (this.#connection !== undefined) this.engine.connections.delete(this.#connection);
    this.#connection = undefined;
  }

  #apply(added: readonly Roa[], removed: readonly Roa[]): void {
    for (const channel of this.#channels) {
      const { table } = channel;
      const { preference } = channel.config;
      if (channel.config.importPolicy.kind === 'none') continue;
      const family = table.netType === 'roa4' ? 'ipv4' : 'ipv6';
      let changes = 0;
      for (const roa of removed) {
        if (familyOf(roa.net) !== family || !table.remove(this.#entryFor(roa, preference)))
          continue;
        channel.imported--;
        channel.withdraws++;
        changes++;
      }
      for (const roa of added) {
        if (familyOf(roa.net) !== family) continue;
        table.add(this.#entryFor(roa, preference));
        channel.imported++;
        channel.updates++;
        changes++;
      }
      if (changes > 0) this.engine.roaChanged(table.name);
    }
    this.trace('events', `${added.length} records added, ${removed.length} removed`);
  }

  #entryFor({ net, maxLength, asn }: Roa, preference: number): Parameters<RoaTable['add']>[0] {
    const longest = net.includes(':') ? 128 : 32;
    return {
      net,
      maxLength: this.config.ignoreMaxLength ? longest : maxLength,
      asn,
      protocol: this.name,
      changedMs: this.engine.nowMs,
      source: 'rpki',
      preference,
    };
  }

  #channelView({ config, imported, updates, withdraws }: RoaChannel): ChannelView {
    const none = { received: 0, accepted: 0 };
    return {
      name: config.netType,
      state: this.state === 'up' ? 'up' : 'down',
      config,
      counts: { imported, filtered: 0, exported: 0, preferred: imported },
      updates: {
        importUpdates: {
          received: updates,
          rejected: 0,
          filtered: 0,
          ignored: 0,
          accepted: updates,
        },
        importWithdraws: { received: withdraws, rejected: 0, ignored: 0, accepted: withdraws },
        exportUpdates: { ...none, rejected: 0, filtered: 0 },
        exportWithdraws: none,
      },
      limits: {},
    };
  }

  #rpkiView(): RpkiView {
    const client = this.#client;
    const { refreshSec, retrySec, expireSec } = client.timers;
    const timer = (dueMs: number | undefined, seconds: number): TimerView | undefined =>
      dueMs === undefined ? undefined : { dueMs, totalMs: seconds * 1000 };
    const refresh = timer(client.refreshDueMs, refreshSec);
    const retry = timer(client.retryDueMs, retrySec);
    const expire = timer(client.expireDueMs, expireSec);
    const { sessionId, serial, lastUpdateMs } = client;
    return {
      server: this.config.remote,
      port: this.config.port,
      status: client.status,
      protectedByMd5: this.config.password !== undefined,
      version: client.version,
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(serial === undefined ? {} : { serial }),
      ...(lastUpdateMs === undefined ? {} : { lastUpdateMs }),
      ...(refresh ? { refresh } : {}),
      ...(retry ? { retry } : {}),
      ...(expire ? { expire } : {}),
    };
  }
}

function isBroken(status: RtrClient['status']): boolean {
  return status === 'Transport-Error' || status === 'Fatal-Protocol-Error' || status === 'Down';
}

function rtrOptionsOf(config: RpkiConfig): RtrOptions {
  const { refreshSec, retrySec, expireSec, keep, minVersion, maxVersion } = config;
  return { timers: { refreshSec, retrySec, expireSec }, keep, minVersion, maxVersion };
}

/** True when only timers and texts differ. */
function sameSession(a: RpkiConfig, b: RpkiConfig): boolean {
  return (
    a.remote === b.remote &&
    a.port === b.port &&
    a.localAddress === b.localAddress &&
    a.password === b.password &&
    a.vrf === b.vrf &&
    a.minVersion === b.minVersion &&
    a.maxVersion === b.maxVersion &&
    a.ignoreMaxLength === b.ignoreMaxLength &&
    a.channels.length === b.channels.length &&
    a.channels.every((channel, i) => {
      const other = b.channels[i]!;
      return (
        channel.table === other.table &&
        channel.netType === other.netType &&
        channel.importPolicy.kind === other.importPolicy.kind
      );
    })
  );
}
