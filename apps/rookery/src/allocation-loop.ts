// The controller's work: every Service of type LoadBalancer gets the addresses that configuration,
// annotations and other services allow. Level-triggered; the allocator's memory is rebuilt from the
// services' own status after a start, those with an address first. One write per service is in flight
// at a time; what happens meanwhile is looked at afterwards, with the written object.

import { Allocator, configFor, convergeService, handlesClass, keyOf } from '@rookery/metallb';
import type {
  Config,
  ConfigIssue,
  Convergence,
  Pool,
  PoolUsage,
  Resources,
  Service,
  ServiceEvent,
} from '@rookery/metallb';
import type { ClusterLog } from './cluster-log.ts';
import type { ClusterChange } from './cluster-state.ts';

export interface AllocationSource {
  readonly services: ReadonlyMap<string, Service>;
  resources(): { readonly resources: Resources; readonly issues: readonly unknown[] };
}

export interface AllocationSink {
  /** Writes status and annotation; resolves when it is done, false when it must be tried again. */
  writeService(service: Service, convergence: Convergence): Promise<boolean>;
  event(service: Service, event: ServiceEvent): void;
  /** Pools and how full they are, whenever either may have changed. */
  usage(usage: ReadonlyMap<string, PoolUsage>): void;
  /** Outcome of reading the configuration; with an issue the last good one stays in force. */
  configured(config: Config | undefined, issue: ConfigIssue | undefined): void;
}

export interface AllocationOptions {
  readonly lbClass: string;
  readonly retryMs?: number;
}

const MAX_WRITES = 8;
const USAGE_SETTLE_MS = 250;

export class AllocationLoop {
  readonly #source: AllocationSource;
  readonly #sink: AllocationSink;
  readonly #options: AllocationOptions;
  readonly #log: ClusterLog;
  #allocator = new Allocator();
  readonly #inFlight = new Set<string>();
  readonly #dirty = new Set<string>();
  /** The events of the last pass over a service, to tell each thing once. */
  readonly #told = new Map<string, string>();
  #timers = new Set<NodeJS.Timeout>();
  #pools: ReadonlyMap<string, Pool> | undefined;
  #poolText = '';
  /** Writes on their way; those beyond the limit wait, or each would open a connection. */
  #writing = 0;
  readonly #waiting: (() => void)[] = [];
  #usageDue = false;
  #active = false;

  constructor(
    source: AllocationSource,
    sink: AllocationSink,
    options: AllocationOptions,
    log: ClusterLog,
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#options = options;
    this.#log = log;
  }

  /** Begins, once the whole cluster is known (and, with leader election, when leading). */
  start(): void {
    if (this.#active) return;
    this.#active = true;
    // What was remembered before somebody else led is not worth knowing.
    this.#allocator = new Allocator();
    this.#pools = undefined;
    this.#configure();
  }

  /** Writes nothing from now on. */
  stop(): void {
    this.#active = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#usageDue = false;
  }

  /** Reacts to a change of the cluster. */
  onChange(change: ClusterChange): void {
    if (!this.#active) return;
    if (change.config || change.nodes.size > 0) this.#configure();
    let others = false;
    for (const key of change.services) others = this.#process(key) || others;
    if (others) this.#processAll();
    this.#tellUsage();
  }

  #configure(): void {
    const { resources } = this.#source.resources();
    // Allocation depends on pools alone: a bad peer must not keep a service from its address.
    const poolsOnly = configFor({
      ...resources,
      peers: [],
      bgpAdvertisements: [],
      l2Advertisements: [],
      bfdProfiles: [],
      communities: [],
      secrets: [],
    });
    const whole = configFor(resources);
    if (!poolsOnly.ok) {
      this.#log.error(
        { object: poolsOnly.error.object, error: poolsOnly.error.message },
        'configuration refused; the last good one stays in force',
      );
      this.#sink.configured(undefined, poolsOnly.error);
      return;
    }
    this.#sink.configured(whole.ok ? whole.value : undefined, undefined);
    const text = JSON.stringify([...poolsOnly.value.pools.values()], stringify);
    if (this.#pools !== undefined && text === this.#poolText) return;
    this.#poolText = text;
    this.#pools = poolsOnly.value.pools;
    const released = this.#allocator.setPools(this.#pools);
    this.#log.info({ pools: [...this.#pools.keys()], released }, 'pools configured');
    this.#processAll();
  }

  /** Services that hold an address come first, so that nobody is given what is somebody's. */
  #processAll(): void {
    if (this.#pools === undefined) return;
    const services = [...this.#source.services.values()].toSorted(
      (a, b) =>
        Number(b.ingressIps.length > 0) - Number(a.ingressIps.length > 0) ||
        (keyOf(a) < keyOf(b) ? -1 : 1),
    );
    // Two passes suffice: what the first one frees is free in the second.
    for (let pass = 0; pass < 2; pass++) {
      let others = false;
      for (const service of services) others = this.#process(keyOf(service)) || others;
      if (!others) break;
    }
    this.#tellUsage();
  }

  /** True when other services must be looked at again. */
  #process(key: string): boolean {
    const service = this.#source.services.get(key);
    if (!service) {
      this.#told.delete(key);
      this.#dirty.delete(key);
      return this.#allocator.release(key);
    }
    if (this.#pools === undefined || !handlesClass(service, this.#options.lbClass)) return false;
    if (this.#inFlight.has(key)) {
      this.#dirty.add(key);
      return false;
    }
    const held = this.#allocator.allocationOf(key);
    if (service.type !== 'LoadBalancer' && !held && service.ingressIps.length === 0) return false;
    const convergence = convergeService(service, this.#allocator, this.#pools.size);
    this.#tell(service, convergence);
    if (convergence.changed) void this.#write(service, convergence);
    return convergence.reprocessAll;
  }

  #tell(service: Service, convergence: Convergence): void {
    const key = keyOf(service);
    const { events } = convergence;
    const text = JSON.stringify(events);
    if (events.length === 0 || this.#told.get(key) === text) {
      if (events.length === 0) this.#told.delete(key);
      return;
    }
    this.#told.set(key, text);
    for (const event of events) {
      const level = event.type === 'Warning' ? 'warn' : 'info';
      this.#log[level]({ service: key, reason: event.reason }, event.message);
      this.#sink.event(service, event);
    }
  }

  /** Counting a pool looks at every service, so it is done once for the changes of a moment. */
  #tellUsage(): void {
    if (this.#usageDue) return;
    this.#usageDue = true;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#usageDue = false;
      this.#sink.usage(this.#allocator.usage());
    }, USAGE_SETTLE_MS);
    this.#timers.add(timer);
  }

  async #write(service: Service, convergence: Convergence): Promise<void> {
    const key = keyOf(service);
    const allocator = this.#allocator;
    this.#inFlight.add(key);
    if (this.#writing >= MAX_WRITES) await new Promise<void>((go) => this.#waiting.push(go));
    else this.#writing++;
    let written = false;
    try {
      // Nothing that was decided before somebody else led.
      if (this.#active && allocator === this.#allocator) {
        written = await this.#sink.writeService(service, convergence);
      }
    } catch (error) {
      this.#log.error({ service: key, error: String(error) }, 'cannot write the status');
    }
    this.#inFlight.delete(key);
    // Whoever waits takes over the place.
    const next = this.#waiting.shift();
    if (next) next();
    else this.#writing--;
    const again = this.#dirty.delete(key);
    // A service that has what it wants has nothing more to tell.
    if (written && convergence.state === 'settled') this.#told.delete(key);
    if (!this.#active) return;
    if (!written) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#again(key);
      }, this.#options.retryMs ?? 1000);
      this.#timers.add(timer);
    } else if (again) this.#again(key);
  }

  #again(key: string): void {
    if (!this.#active) return;
    if (this.#process(key)) this.#processAll();
    this.#tellUsage();
  }
}

function stringify(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Set ? [...(value as Set<unknown>)] : value;
}
