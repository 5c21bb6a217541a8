// The protocols of an engine: how they are made, started, compared with a new configuration,
// replaced and forgotten. Reconfiguration is per protocol: each takes over its change or restarts,
// and what is not mentioned in the change is not touched.

import type { BgpConfig, ProtocolConfig, RouterConfig } from './config.ts';
import type { Engine } from './engine.ts';
import type { AcceptedFact } from './listeners.ts';
import type { Protocol, ShutdownReason } from './protocol.ts';
import { BfdProtocol } from './protocols/bfd.ts';
import { BgpProtocol } from './protocols/bgp.ts';
import { BmpProtocol } from './protocols/bmp.ts';
import { DeviceProtocol } from './protocols/device.ts';
import { DirectProtocol } from './protocols/direct.ts';
import { KernelProtocol } from './protocols/kernel.ts';
import { MrtProtocol } from './protocols/mrt.ts';
import { PipeProtocol } from './protocols/pipe.ts';
import { RadvProtocol } from './protocols/radv.ts';
import { RpkiProtocol } from './protocols/rpki.ts';
import { StaticRoaProtocol } from './protocols/static-roa.ts';
import { StaticProtocol } from './protocols/static.ts';
import type { RoaTable } from './roa-table.ts';
import type { RouteChange } from './route-changes.ts';

export interface ProtocolSetDeps {
  readonly engine: Engine;
  readonly roaTable: (name: string) => RoaTable | undefined;
  /** Runs something on behalf of a protocol; its failure costs that protocol only. */
  readonly guard: (owner: Protocol, run: () => void) => void;
}

export class ProtocolSet {
  readonly #deps: ProtocolSetDeps;
  readonly #engine: Engine;
  #all: Protocol[] = [];
  /** Names in order of the configuration. */
  #order: readonly string[] = [];
  /** Started, but waiting for the first picture of the interfaces. */
  readonly #toBegin: Protocol[] = [];
  #changing = 0;

  constructor(deps: ProtocolSetDeps) {
    this.#deps = deps;
    this.#engine = deps.engine;
  }

  /** In order of the configuration, dynamic ones behind the one that made them. */
  get all(): readonly Protocol[] {
    return this.#all;
  }

  /** True while protocols of the last change are still coming down. */
  get changing(): boolean {
    return this.#changing > 0;
  }

  get deviceRuns(): boolean {
    return this.#all.some((p) => p.kind === 'device' && p.running);
  }

  /** Channels of neighbors that keep our routes while we restart and have not sent theirs again. */
  recoveringChannels(withRestarting: boolean): number {
    let count = 0;
    for (const protocol of this.#all) {
      if (!(protocol instanceof BgpProtocol) || protocol.disabled || protocol.isRange) continue;
      for (const family of protocol.families) {
        const owed = protocol.routes.owedToRecovery(family);
        if (owed === 'routes' || (withRestarting && owed === 'restarting')) count++;
      }
    }
    return count;
  }

  /** Makes and starts everything: interfaces first, then in order of the configuration. */
  startAll(configs: readonly ProtocolConfig[]): void {
    this.#order = configs.map(({ name }) => name);
    this.#all = configs.map((config) => this.#create(config));
    for (const protocol of this.#all) protocol.initialize();
    for (const protocol of this.#startOrder()) this.start(protocol);
  }

  /** Starts one that is initialised and down. */
  start(protocol: Protocol): void {
    this.#deps.guard(protocol, () => protocol.start());
    if (protocol.running) this.#toBegin.push(protocol);
  }

  /** The interfaces are known: what needs them starts to work, the last one first, as in BIRD. */
  beginStarted(): void {
    if (this.#toBegin.length === 0) return;
    const protocols = this.#toBegin.splice(0).toReversed();
    for (const protocol of protocols) {
      if (!protocol.running || !(protocol instanceof BgpProtocol)) continue;
      this.#deps.guard(protocol, () => protocol.begin());
    }
    for (const protocol of protocols) {
      if (protocol instanceof KernelProtocol && protocol.running) protocol.firstScan();
    }
  }

  /** `idChanged`: the router id of those that have none of their own is another. */
  applyConfig(config: RouterConfig, soft: boolean, idChanged: boolean): void {
    this.#order = config.protocols.map(({ name }) => name);
    const wanted = new Map(config.protocols.map((c) => [c.name, c]));
    for (const protocol of this.#all.slice()) {
      if (parentOf(protocol)) continue;
      const next = wanted.get(protocol.name);
      wanted.delete(protocol.name);
      this.#deps.guard(protocol, () => this.#reconfigure(protocol, next, soft, idChanged));
    }
    const added: Protocol[] = [];
    for (const next of wanted.values()) {
      this.#engine.log('info', `Adding protocol ${next.name}`);
      const protocol = this.#create(next);
      protocol.initialize();
      added.push(protocol);
    }
    this.#all.push(...added);
    this.#sort();
    for (const protocol of this.#startOrder()) if (added.includes(protocol)) this.start(protocol);
  }

  /** Changes one route of a static protocol and touches nothing else. */
  changeRoute({ protocol: name, net, route }: RouteChange): void {
    const protocol = this.#all.find((candidate) => candidate.name === name);
    if (!(protocol instanceof StaticProtocol)) return;
    this.#deps.guard(protocol, () => protocol.changeRoute(net, route));
  }

  /** A protocol came down for a restart: starts it again, or forgets it when it was dynamic. */
  restartOrForget(protocol: Protocol): void {
    if (!this.forgetIfDynamic(protocol)) this.start(protocol);
  }

  forgetIfDynamic(protocol: Protocol): boolean {
    if (!parentOf(protocol)) return false;
    this.forget(protocol);
    return true;
  }

  forget(protocol: Protocol): void {
    this.#all = this.#all.filter((p) => p !== protocol);
  }

  /** Puts a fresh instance with the same configuration into the place of one that failed. */
  recreate(protocol: Protocol): void {
    const at = this.#all.indexOf(protocol);
    const fresh = this.#create(protocol.configInForce());
    if (at >= 0) this.#all[at] = fresh;
    fresh.initialize();
    this.start(fresh);
  }

  /**
   * Hands a connection to the instance for this neighbor out of the range of `parent`, which is made
   * by `configure` when there is none.
   */
  spawnBgp(parent: Protocol, configure: () => BgpConfig, accepted: AcceptedFact): void {
    if (!(parent instanceof BgpProtocol)) return;
    const known = this.#childrenOf(parent).find(
      ({ config, running }) =>
        running &&
        config.neighborAddress === accepted.remote &&
        (accepted.interface === undefined || config.interface === accepted.interface),
    );
    if (known) return known.accepted(accepted);
    const child = new BgpProtocol(this.#engine, configure(), parent);
    const at = this.#all.findLastIndex((p) => p === parent || parentOf(p) === parent);
    this.#all.splice(at + 1, 0, child);
    child.initialize();
    child.start();
    child.begin();
    child.accepted(accepted);
  }

  #startOrder(): Protocol[] {
    const device = this.#all.filter((p) => p.kind === 'device');
    return [...device, ...this.#all.filter((p) => p.kind !== 'device')];
  }

  #create(config: ProtocolConfig): Protocol {
    const engine = this.#engine;
    switch (config.kind) {
      case 'device':
        return new DeviceProtocol(engine, config);
      case 'direct':
        return new DirectProtocol(engine, config);
      case 'kernel':
        return new KernelProtocol(engine, config);
      case 'static': {
        const roas = this.#deps.roaTable(config.channel.table);
        return roas
          ? new StaticRoaProtocol(engine, config, roas)
          : new StaticProtocol(engine, config);
      }
      case 'bgp':
        return new BgpProtocol(engine, config);
      case 'pipe':
        return new PipeProtocol(engine, config);
      case 'bfd':
        return new BfdProtocol(engine, config);
      case 'bmp':
        return new BmpProtocol(engine, config);
      case 'mrt':
        return new MrtProtocol(engine, config);
      case 'radv':
        return new RadvProtocol(engine, config);
      case 'rpki':
        return new RpkiProtocol(engine, config, this.#deps.roaTable);
    }
  }

  #reconfigure(
    protocol: Protocol,
    next: ProtocolConfig | undefined,
    soft: boolean,
    idChanged: boolean,
  ): void {
    if (!next) return this.#remove(protocol);
    const disabledChanged = next.disabled !== protocol.config.disabled;
    if (disabledChanged && next.disabled) {
      this.#engine.log('info', `Disabling protocol ${protocol.name}`);
      protocol.disabled = true;
      this.#replace(protocol, next, { kind: 'disabled' });
      return;
    }
    const needsNewId = idChanged && protocol.kind === 'bgp' && next.routerId === undefined;
    if (!needsNewId && protocol.reconfigure(next, soft)) {
      protocol.trace('states', 'Reconfigured');
      this.#reconfigureChildren(protocol, next, soft);
      if (!disabledChanged) return;
      this.#engine.log('info', `Enabling protocol ${protocol.name}`);
      protocol.disabled = false;
      if (protocol.state === 'down') this.start(protocol);
      return;
    }
    if (protocol.running) this.#engine.log('info', `Restarting protocol ${protocol.name}`);
    this.#replace(protocol, next, { kind: 'reconfigured' });
  }

  #remove(protocol: Protocol): void {
    this.#engine.log('info', `Removing protocol ${protocol.name}`);
    this.#removeChildren(protocol, { kind: 'removed' });
    this.#changing++;
    protocol.disabled = true;
    protocol.shutdown({ kind: 'removed' }, () => {
      this.forget(protocol);
      this.#changing--;
    });
  }

  /** Brings an instance down and puts a new one with the new configuration into its place. */
  #replace(protocol: Protocol, next: ProtocolConfig, reason: ShutdownReason): void {
    this.#removeChildren(protocol, reason);
    this.#changing++;
    protocol.shutdown(reason, () => {
      const replacement = this.#create(next);
      // Disabled by an operator: a change of other options does not enable it.
      if (protocol.disabled && protocol.config.disabled === next.disabled) {
        replacement.disabled = true;
      }
      const at = this.#all.indexOf(protocol);
      if (at >= 0) this.#all[at] = replacement;
      replacement.initialize();
      this.start(replacement);
      this.#changing--;
      this.#sort();
    });
  }

  #childrenOf(protocol: Protocol): BgpProtocol[] {
    const isChild = (p: Protocol): p is BgpProtocol => parentOf(p) === protocol;
    return this.#all.filter(isChild);
  }

  #reconfigureChildren(protocol: Protocol, next: ProtocolConfig, soft: boolean): void {
    if (next.kind !== 'bgp') return;
    for (const child of this.#childrenOf(protocol)) {
      if (child.reconfigure(child.derivedFrom(next), soft)) continue;
      child.shutdown({ kind: 'reconfigured' }, () => this.forget(child));
    }
  }

  #removeChildren(protocol: Protocol, reason: ShutdownReason): void {
    for (const child of this.#childrenOf(protocol)) {
      child.shutdown(reason, () => this.forget(child));
    }
  }

  #sort(): void {
    const position = new Map(this.#order.map((name, i) => [name, i]));
    const rank = (p: Protocol): number => position.get((parentOf(p) ?? p).name) ?? Infinity;
    this.#all = this.#all
      .map((protocol, i) => ({ protocol, i, rank: rank(protocol) }))
      .toSorted((a, b) => (a.rank === b.rank ? a.i - b.i : a.rank - b.rank))
      .map(({ protocol }) => protocol);
  }
}

function parentOf(protocol: Protocol): BgpProtocol | undefined {
  return protocol instanceof BgpProtocol ? protocol.parent : undefined;
}
