// protocol direct: a device route for the network of every interface address, as long as the
// interface is up (bird.md §3.2). Not needed for BGP neighbors; needed where next hops resolve
// recursively through a table that knows no connected networks.

import { familyOf } from '@rookery/net';
import { Channel } from '../channel.ts';
import type { DirectConfig, ProtocolConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import { isUp, matchesPatterns, networkOfAddress } from '../interfaces.ts';
import type { InterfaceEvent } from '../interfaces.ts';
import { Protocol } from '../protocol.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

export class DirectProtocol extends Protocol {
  readonly kind = 'direct';
  declare config: DirectConfig;
  /** Announced nets per channel: net number to attributes number. */
  readonly #announced = new Map<Channel, Map<number, number>>();

  constructor(engine: Engine, config: DirectConfig) {
    super(engine, config);
    this.channels = config.channels.map((c) => new Channel(this, c, {}));
  }

  reconfigure(next: ProtocolConfig, soft: boolean): boolean {
    if (next.kind !== 'direct' || next.channels.length !== this.channels.length) return false;
    for (const [i, channel] of this.channels.entries()) {
      if (!channel.reconfigure(next.channels[i]!, soft, next.debug)) return false;
    }
    this.config = next;
    this.flags = traceFlags(next.debug);
    this.#refresh();
    return true;
  }

  view(): ProtocolView {
    return this.commonView();
  }

  override onInterface(event: InterfaceEvent): void {
    const name = event.interface.name;
    switch (event.kind) {
      case 'up':
      case 'down':
        return this.trace('interfaces', `< interface ${name} goes ${event.kind}`, ' ');
      case 'linkChanged':
        return this.trace('interfaces', `< interface ${name} changes link`, ' ');
      case 'mtuChanged':
        return this.trace('interfaces', `< interface ${name} changes MTU`, ' ');
      case 'addressAdded':
      case 'addressRemoved': {
        const verb = event.kind === 'addressAdded' ? 'added' : 'removed';
        const net = networkOfAddress(event.address);
        return this.trace('interfaces', `< address ${net} on interface ${name} ${verb}`, ' ');
      }
    }
  }

  override onInterfacesSettled(): void {
    this.#refresh();
  }

  protected onStart(): 'up' {
    for (const channel of this.channels) {
      this.#announced.set(channel, new Map());
      channel.open();
    }
    this.#refresh();
    return 'up';
  }

  protected override onDown(): void {
    for (const [channel, nets] of this.#announced) {
      for (const [net, attributes] of nets) {
        channel.table.attributes.release(attributes);
        channel.table.prefixes.release(net);
      }
    }
    this.#announced.clear();
  }

  override reimport(): boolean {
    for (const [channel, nets] of this.#announced) {
      for (const [net, attributes] of nets) channel.importRoute(net, attributes);
    }
    return true;
  }

  /** Compares what should be announced with what is. */
  #refresh(): void {
    for (const [channel, announced] of this.#announced) {
      const { prefixes, attributes } = channel.table;
      const wanted = new Map<number, number>();
      for (const fact of this.engine.interfaces.all()) {
        if (!isUp(fact) || (this.config.checkLink && !fact.linkUp)) continue;
        for (const address of fact.addresses) {
          if (familyOf(address.address) !== channel.table.family) continue;
          if (address.scope === 'link' || address.scope === 'host') continue;
          if (!matchesPatterns(this.config.interfaces, fact, address.address)) continue;
          const net = prefixes.internText(networkOfAddress(address));
          if (wanted.has(net)) continue;
          const device = attributes.intern({
            source: 'device',
            scope: 'universe',
            dest: 'unicast',
            nexthops: [{ interface: fact.name, ifindex: fact.ifindex }],
            preference: channel.config.preference,
          });
          prefixes.retain(net);
          wanted.set(net, device);
        }
      }
      this.#announced.set(channel, wanted);
      for (const [net, device] of wanted) {
        if (announced.get(net) !== device) channel.importRoute(net, device);
      }
      for (const [net, device] of announced) {
        if (!wanted.has(net)) channel.withdrawRoute(net);
        attributes.release(device);
        prefixes.release(net);
      }
    }
  }
}
