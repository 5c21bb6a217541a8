// Our routes in one kernel table: what is wanted of each net, what the kernel has, and the changes on
// their way from one to the other. Says nothing about when to scan, and knows other programs' routes
// only as the cause of a refusal.

import type { IpAddress } from '@rookery/net';
import type { RouteAttributes } from '@rookery/rib';
import type { KernelConfig } from '../config.ts';
import type { Fact, KernelRoute, PlatformError } from '../io.ts';
import { kernelShapeFor, sameInKernel } from '../kernel-route.ts';
import type { Protocol } from '../protocol.ts';
import type { RouteTable } from '../route-table.ts';
import { KernelForms, serves } from './kernel-forms.ts';
import type { KernelForm, KernelProfile } from './kernel-forms.ts';
import { GONE, KernelNexthops } from './kernel-nexthops.ts';
import type { KernelScan } from './kernel-scan.ts';
import { KernelWants, WANT } from './kernel-wants.ts';
import type { WantState } from './kernel-wants.ts';
import { KernelWriter } from './kernel-writer.ts';
import type { KernelDone } from './kernel-writer.ts';

/** More routes than this that refer to one object are removed with it, not one by one. */
const BULK_ROUTES = 1000;

export interface KernelRoutesDeps {
  readonly protocol: Protocol & { readonly config: KernelConfig };
  readonly table: RouteTable;
  /** The route of another program in the place of ours. */
  readonly rivalOf: (route: KernelRoute) => KernelRoute | undefined;
  /** Next hop objects are not what they were: `restore` is due when the tables have settled. */
  readonly disturbed: () => void;
}

export class KernelRoutes {
  readonly wants = new KernelWants();
  readonly writer: KernelWriter;
  readonly nexthops: KernelNexthops;
  /** False until somebody knows what the kernel has: nothing is written before. */
  writing = false;
  readonly #deps: KernelRoutesDeps;
  readonly #forms: KernelForms;
  /** The form that was looked at for redirects last. */
  #noted: KernelForm | undefined;
  readonly #warned = new Set<number>();

  constructor(deps: KernelRoutesDeps) {
    this.#deps = deps;
    const { protocol, table } = deps;
    const { engine } = protocol;
    this.writer = new KernelWriter(engine, table.family);
    this.nexthops = new KernelNexthops({ engine, flush: () => this.writer.flush() });
    this.#forms = new KernelForms(table.attributes, this.nexthops, (forwarding) => {
      const { kernelTable, metric } = protocol.config;
      return kernelShapeFor(table.family, forwarding, { table: kernelTable, metric });
    });
  }

  /** Wants these attributes for a net; 0: none. */
  want(net: number, attributes: number): void {
    const { wants } = this;
    const { table } = this.#deps;
    const before = wants.attributesOf(net);
    if (before !== 0) this.#count(before, -1);
    if (attributes === 0) {
      if (before === 0) return;
      const state = this.#stateOf(net);
      const form = wants.formOf(net);
      wants.drop(net);
      this.#warned.delete(net);
      if (state !== WANT.absent) this.#remove(net, this.#forms.get(form)!);
      this.#forms.release(form);
      table.attributes.release(before);
      table.prefixes.release(net);
      return;
    }
    table.attributes.retain(attributes);
    wants.want(net, attributes);
    this.#count(attributes, 1);
    if (before === 0) table.prefixes.retain(net);
    else table.attributes.release(before);
    if (this.writing) this.install(net);
  }

  /** What we want there and believe to be there, for consoles. */
  *installed(): Iterable<{ readonly route: KernelRoute; readonly attributes: RouteAttributes }> {
    for (const net of this.wants.nets()) {
      if (this.#stateOf(net) !== WANT.present) continue;
      const { shape } = this.#forms.get(this.wants.formOf(net))!;
      const attributes = this.#deps.table.attributes.get(this.wants.attributesOf(net));
      yield { route: { ...shape, net: this.#text(net) }, attributes };
    }
  }

  /** What is wanted for a net. */
  profileOf(net: number): KernelProfile {
    return this.#forms.profileOf(this.wants.attributesOf(net));
  }

  /** A wanted net and its route as a scan found it; true when it is to be written anew. */
  compare(net: number, route: KernelRoute, scan: KernelScan): boolean {
    if (!this.isJudgedBy(scan, net) || this.#hasLostObject(net)) return false;
    const profile = this.profileOf(net);
    this.#setForm(net, this.#formFound(profile, route));
    this.wants.setState(net, WANT.present);
    const { shape, nexthops } = profile.plain;
    const same = sameInKernel(shape, route, nexthops, scan.nexthopsOf(route));
    if (same) this.wants.setError(net, undefined);
    else this.#write('replace', net, this.#forms.formFor(profile));
    return !same;
  }

  /** False when the net has changed since the scan was ordered. */
  isJudgedBy(scan: KernelScan, net: number): boolean {
    const wants = this.wants;
    return wants.stateOf(net) !== WANT.pending && wants.numberOf(net) < scan.before;
  }

  /** Makes the kernel's route of a wanted net what it is to be, if it is not. */
  install(net: number): void {
    const wants = this.wants;
    if (wants.stateOf(net) === WANT.pending) return wants.setChanged(net, true);
    const state = this.#stateOf(net);
    const profile = this.profileOf(net);
    if (state === WANT.present && serves(this.#forms.get(wants.formOf(net))!, profile)) return;
    // Replacing is only safe once the route is known to be ours: the kernel would replace a
    // stranger's route of the same metric just as gladly.
    const change = state === WANT.present ? 'replace' : 'add';
    this.#write(change, net, this.#forms.formFor(profile));
  }

  handleDone(fact: KernelDone): void {
    if (this.nexthops.answered(fact)) this.#deps.disturbed();
    this.writer.answered(fact, (net, number, error) => this.#changed(net, number, error));
  }

  handleNexthops(fact: Extract<Fact, { readonly kind: 'nexthopsScanned' }>): void {
    if (this.nexthops.scanned(fact)) this.#deps.disturbed();
  }

  /** False when no object stands for the next hop. */
  nexthopLost(gateway: IpAddress, ifindex: number): boolean {
    const used = this.nexthops.lose(gateway, ifindex);
    if (used) this.#deps.disturbed();
    return used;
  }

  /** Writes again what a next hop object took along or misled. */
  restore(): void {
    for (const net of this.wants.nets()) {
      const object = this.#forms.get(this.wants.formOf(net))?.object;
      if (object && (object.nexthops !== GONE || this.#hasLink(net))) this.install(net);
    }
  }

  /** The end: wants nothing any more, and removes what is there unless it is to `keep`. */
  letGo(keep: boolean): void {
    const { attributes, prefixes } = this.#deps.table;
    for (const net of this.wants.nets()) {
      if (!keep && this.#stateOf(net) !== WANT.absent) {
        const form = this.#forms.get(this.wants.formOf(net))!;
        if (!form.object || form.users <= BULK_ROUTES) this.#remove(net, form);
      }
      attributes.release(this.wants.attributesOf(net));
      prefixes.release(net);
    }
    this.writer.flush();
    if (!keep) this.nexthops.removeAll();
    this.writing = false;
    this.wants.clear();
    this.#forms.clear();
    this.nexthops.clear();
    this.writer.forget();
    this.#warned.clear();
  }

  /** The form of a route that the scan found, as far as next hop objects are concerned. */
  #formFound(profile: KernelProfile, { nexthopId }: KernelRoute): KernelForm {
    const object = nexthopId === undefined ? undefined : this.nexthops.adopt(nexthopId);
    return object ? this.#forms.formReferring(profile, object) : profile.plain;
  }

  #write(change: 'add' | 'replace', net: number, form: KernelForm): void {
    if (form !== this.#noted) {
      this.#noted = form;
      this.#deps.protocol.engine.redirects.noteInstalled({ ...form.shape, net: this.#text(net) });
    }
    const { prefixes } = this.#deps.table;
    this.wants.setPending(net, this.writer.change(change, prefixes, net, form.shape));
    this.#setForm(net, form);
  }

  #remove(net: number, form: KernelForm): void {
    this.writer.change('remove', this.#deps.table.prefixes, net, form.shape);
  }

  /** The kernel's answer to one change. */
  #changed(net: number, number: number, error: PlatformError | undefined): void {
    const wants = this.wants;
    const wanted = wants.numberOf(net) === number;
    if (!error) {
      if (!wanted) return;
      wants.setState(net, WANT.present);
      wants.setError(net, undefined);
      if (this.#warned.size > 0) this.#warned.delete(net);
      if (wants.hasChanged(net)) this.install(net);
      return;
    }
    // ESRCH on removal: it is gone already, which is what we wanted.
    if (error.code === 'ESRCH' && !wanted) return;
    if (wanted && this.#hasLostObject(net)) {
      wants.setState(net, WANT.absent);
      return this.install(net);
    }
    this.#deps.protocol.engine.log('warning', `Netlink: ${error.message}`);
    if (!wanted) return;
    wants.setState(net, WANT.absent);
    wants.setError(net, error);
    this.#explain(net, error);
    if (wants.hasChanged(net)) this.install(net);
  }

  /** One sentence per route that the kernel keeps refusing: who is in the way, and the cure. */
  #explain(net: number, error: PlatformError): void {
    if (error.code !== 'EEXIST' || this.#warned.has(net)) return;
    this.#warned.add(net);
    const route = { ...this.profileOf(net).plain.shape, net: this.#text(net) };
    const alien = this.#deps.rivalOf(route);
    const owner = alien ? `proto ${protocolName(alien.protocol)}` : 'another program';
    this.#deps.protocol.log(
      'warning',
      `${route.net} stays out of the kernel: ${owner} has a route there with the same metric ` +
        `${route.metric}, and routes of others are never replaced. Remove that route ` +
        `(ip route show ${route.net}) or set another "metric" in protocol kernel ${this.#deps.protocol.name}`,
    );
  }

  /** True when packets could leave by one of the next hops wanted. */
  #hasLink(net: number): boolean {
    const { nexthops } = this.profileOf(net).plain.shape;
    return nexthops.some(
      ({ ifindex }) => this.#deps.protocol.engine.interfaces.byIndex(ifindex)?.linkUp,
    );
  }

  /** The state of a net; a route is gone with its next hop object. */
  #stateOf(net: number): WantState {
    const state = this.wants.stateOf(net);
    return state === WANT.present && this.#hasLostObject(net) ? WANT.absent : state;
  }

  #hasLostObject(net: number): boolean {
    return this.#forms.get(this.wants.formOf(net))?.object?.nexthops === GONE;
  }

  #setForm(net: number, form: KernelForm): void {
    const before = this.wants.formOf(net);
    // The new one first: the two may share an object.
    this.wants.setForm(net, this.#forms.retain(form));
    this.#forms.release(before);
  }

  #count(attributes: number, change: 1 | -1): void {
    for (const use of this.#forms.profileOf(attributes).uses) use.routes += change;
  }

  #text(net: number): string {
    return this.#deps.table.prefixes.textOf(net);
  }
}

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  0: 'unspec',
  1: 'redirect',
  2: 'kernel',
  3: 'boot',
  4: 'static',
  9: 'ra',
  11: 'zebra',
  16: 'dhcp',
  18: 'keepalived',
  42: 'babel',
  186: 'bgp',
  188: 'ospf',
};

function protocolName(protocol: number): string {
  return PROTOCOL_NAMES[protocol] ?? String(protocol);
}
