// One service, level-triggered: from what the Service object says and what the allocator knows to
// what the Service's status must be, with the events that tell why. The order of the tests is
// MetalLB's convergence table. The function writes nothing; the caller patches the status if it
// differs and emits the events.

import { assertNever, err, familyOf, ok, parseAddress } from '@rookery/net';
import type { Family, IpAddress, Result } from '@rookery/net';
import { renderRefusal } from './allocator.ts';
import type { Allocation, Allocator, Claim, FamilyWish, Holding } from './allocator.ts';
import { ANNOTATION, annotationKey, annotationOf, legacyAnnotationsOn } from './annotations.ts';
import { renderIps, stackFamilyOf } from './family.ts';
import type { StackFamily } from './family.ts';
import { keyOf } from './kubernetes.ts';
import type { Service } from './kubernetes.ts';

export interface ServiceEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** Why a service has no address, or `settled`. */
export type ConvergenceState =
  | 'settled'
  | 'notLoadBalancer'
  | 'noPools'
  | 'noClusterIps'
  | 'notEnoughClusterIps'
  | 'unknownFamily'
  | 'badRequest'
  | 'noAddress';

export interface Convergence {
  readonly state: ConvergenceState;
  /** What `status.loadBalancer.ingress` must list. */
  readonly ingress: readonly IpAddress[];
  /** Value of metallb.io/ip-allocated-from-pool; absent: the annotation must go. */
  readonly allocatedFrom?: string;
  /** The object differs from this in status or annotation. */
  readonly changed: boolean;
  readonly events: readonly ServiceEvent[];
  /** Another service may now get what this one freed, or may now conflict. */
  readonly reprocessAll: boolean;
}

/** `spec.loadBalancerClass` against `--lb-class`: the service is ours to handle. */
export function handlesClass(service: Service, lbClass: string): boolean {
  return (service.loadBalancerClass ?? '') === lbClass;
}

/** Derives the allocator's view of a service. */
export function claimFor(service: Service): Claim {
  return {
    key: keyOf(service),
    namespace: service.metadata.namespace,
    labels: service.metadata.labels,
    ports: service.ports.map((port) => `${port.protocol}/${port.port}`),
    sharingKey: annotationOf(service, ANNOTATION.allowSharedIp),
    // With Local only the service's own pods get traffic, so sharers must have the same pods.
    backendKey:
      service.externalTrafficPolicy === 'Local'
        ? Object.entries(service.selector)
            .map(([key, value]) => `${key}=${value}`)
            .toSorted()
            .join(',')
        : '',
  };
}

/** Converges one service; changes the allocator. `poolCount`: how many pools are configured. */
export function convergeService(
  service: Service,
  allocator: Allocator,
  poolCount: number,
): Convergence {
  const run = new Run(service, allocator);
  const state = run.converge(poolCount);
  return run.finish(state);
}

class Run {
  readonly #service: Service;
  readonly #allocator: Allocator;
  readonly #claim: Claim;
  readonly #before: Holding | undefined;
  readonly #events: ServiceEvent[] = [];
  #ips: readonly IpAddress[] = [];
  /** Row 11a: keep what the status says although the request is bad. */
  #keepStatus = false;

  constructor(service: Service, allocator: Allocator) {
    this.#service = service;
    this.#allocator = allocator;
    this.#claim = claimFor(service);
    this.#before = allocator.allocationOf(this.#claim.key);
  }

  converge(poolCount: number): ConvergenceState {
    const service = this.#service;
    if (service.type !== 'LoadBalancer') return this.#clear('notLoadBalancer');
    if (poolCount === 0) return this.#clear('noPools');
    if (service.clusterIps.length === 0) return this.#clear('noClusterIps');
    if (service.ipFamilyPolicy === 'RequireDualStack' && service.clusterIps.length < 2) {
      this.#warn(
        'not enough clusterips',
        `Service requires dual stack but not enough clusterips [${service.clusterIps.join(' ')}]`,
      );
      return this.#clear('notEnoughClusterIps');
    }
    const cluster = stackFamilyOf(service.clusterIps);
    if (service.ingressIps.length === 0) {
      this.#allocator.release(this.#claim.key);
    } else {
      const stop = this.#takeOver(cluster);
      if (stop) return stop;
    }
    this.#addSecondFamily(cluster);
    return this.#ips.length > 0 ? this.#checkPool() : this.#allocateNew(cluster);
  }

  finish(state: ConvergenceState): Convergence {
    const service = this.#service;
    const after = this.#allocator.allocationOf(this.#claim.key);
    const ingress = this.#keepStatus ? service.ingressIps : this.#ips;
    const recorded = service.metadata.annotations[annotationKey(ANNOTATION.allocatedFromPool)];
    const legacy = legacyAnnotationsOn(service);
    const changed =
      !sameList(ingress, service.ingressIps) ||
      (service.ingressHasMore && !this.#keepStatus) ||
      (!this.#keepStatus && recorded !== after?.pool);
    if (changed && legacy.length > 0) {
      this.#warn(
        'deprecatedAnnotation',
        `Service uses deprecated annotations ${legacy.join(', ')}; use the prefix metallb.io/`,
      );
    }
    const allocatedFrom = this.#keepStatus ? recorded : after?.pool;
    return {
      state,
      ingress,
      ...(allocatedFrom === undefined ? {} : { allocatedFrom }),
      changed,
      events: this.#events,
      reprocessAll: this.#concernsOthers(after),
    };
  }

  /** Rows 6 to 11: is what the status lists still right? Leaves it in `#ips`, or nothing. */
  #takeOver(cluster: Result<StackFamily, string>): ConvergenceState | undefined {
    const service = this.#service;
    const held = stackFamilyOf(service.ingressIps);
    if (!held.ok) {
      this.#warn(
        'nolbIPsIPFamily',
        `Failed to retrieve LBIPs IPFamily for ${renderIps(service.ingressIps)}: ${held.error}`,
      );
    }
    if (!cluster.ok) {
      this.#warn(
        'noclusterIPsIPFamily',
        `Failed to retrieve ClusterIPs IPFamily for ${renderIps(service.clusterIps)}: ${cluster.error}`,
      );
      this.#keepStatus = true;
      return 'unknownFamily';
    }
    if (!held.ok || hasFamilyChanged(held.value, cluster.value, service)) {
      this.#allocator.release(this.#claim.key);
      return undefined;
    }
    const current = service.ingressIps.map((ip) => parseAddress(ip)!);
    const assigned = this.#allocator.assign(this.#claim, current);
    if (!assigned.ok) {
      this.#inform(
        'ClearAssignment',
        `current IP for "${this.#claim.key}" not allowed by config, will attempt for new IP ` +
          `assignment: ${renderRefusal(assigned.error)}`,
      );
      this.#allocator.release(this.#claim.key);
      return undefined;
    }
    const wantedPool = annotationOf(service, ANNOTATION.addressPool);
    if (wantedPool !== '' && wantedPool !== assigned.value.pool) {
      this.#allocator.release(this.#claim.key);
      return undefined;
    }
    const requested = requestedIps(service);
    if (!requested.ok) {
      this.#warn('LoadBalancerFailed', `invalid requested loadbalancer IPs: ${requested.error}`);
      this.#keepStatus = true;
      return 'badRequest';
    }
    if (requested.value.length > 0 && !sameSet(requested.value, current)) {
      this.#allocator.release(this.#claim.key);
      return undefined;
    }
    this.#ips = current;
    return undefined;
  }

  /** Row 11c. Only for a family that the clusterIPs have, or the next pass would take it away. */
  #addSecondFamily(cluster: Result<StackFamily, string>): void {
    const prefers = this.#service.ipFamilyPolicy === 'PreferDualStack';
    if (this.#ips.length !== 1 || !prefers || !cluster.ok || cluster.value !== 'dual') return;
    if (requestedIpsCount(this.#service) > 0) return;
    const other: Family = familyOf(this.#ips[0]!) === 'ipv4' ? 'ipv6' : 'ipv4';
    const added = this.#allocator.allocateAdditional(this.#claim, other);
    if (!added.ok) {
      this.#inform(
        'AdditionalAssignFailed',
        `cannot assign additional IP in PreferDualStack: ${renderRefusal(added.error)}`,
      );
      return;
    }
    this.#ips = added.value.ips;
    this.#inform('IPAllocated', `Assigned additional IP "${this.#ips.at(-1)}"`);
  }

  #allocateNew(cluster: Result<StackFamily, string>): ConvergenceState {
    const allocated = this.#tryAllocate(cluster);
    if (!allocated.ok) {
      this.#warn(
        'AllocationFailed',
        `Failed to allocate IP for "${this.#claim.key}": ${allocated.error}`,
      );
      return 'noAddress';
    }
    this.#ips = allocated.value.ips;
    this.#inform('IPAllocated', `Assigned IP ${renderIps(this.#ips)}`);
    return 'settled';
  }

  #tryAllocate(cluster: Result<StackFamily, string>): Result<Allocation, string> {
    if (!cluster.ok) return cluster;
    const service = this.#service;
    const requested = requestedIps(service);
    if (!requested.ok) return requested;
    const wantedPool = annotationOf(service, ANNOTATION.addressPool);
    if (requested.value.length > 0) {
      return this.#tryRequested(requested.value, cluster.value, wantedPool);
    }
    const wish = wishFor(cluster.value, service);
    const allocated =
      wantedPool === ''
        ? this.#allocator.allocate(this.#claim, wish)
        : this.#allocator.allocateFromPool(this.#claim, wish, wantedPool);
    return allocated.ok ? allocated : err(renderRefusal(allocated.error));
  }

  #tryRequested(
    ips: readonly IpAddress[],
    cluster: StackFamily,
    wantedPool: string,
  ): Result<Allocation, string> {
    const family = stackFamilyOf(ips);
    if (!family.ok || family.value !== cluster) {
      return err(
        `requested loadBalancer IP(s) ${renderIps(ips)} does not match the ipFamily of the service`,
      );
    }
    const assigned = this.#allocator.assign(this.#claim, ips);
    if (!assigned.ok) return err(renderRefusal(assigned.error));
    if (wantedPool !== '' && assigned.value.pool !== wantedPool) {
      this.#allocator.release(this.#claim.key);
      return err(
        `requested loadBalancer IP(s) ${renderIps(ips)} is not compatible with requested address ` +
          `pool ${wantedPool}`,
      );
    }
    return assigned;
  }

  #checkPool(): ConvergenceState {
    if (this.#allocator.allocationOf(this.#claim.key)) return 'settled';
    this.#warn('InternalError', 'allocated an IP that has no pool');
    return this.#clear('noAddress');
  }

  #clear(state: ConvergenceState): ConvergenceState {
    this.#allocator.release(this.#claim.key);
    this.#ips = [];
    return state;
  }

  #concernsOthers(after: Allocation | undefined): boolean {
    const before = this.#before;
    if (!before) return false;
    const freed = before.ips.some(
      (ip) => !after?.ips.includes(ip) && this.#allocator.isOffered(ip),
    );
    const keysChanged =
      after !== undefined &&
      (before.claim.sharingKey !== this.#claim.sharingKey ||
        before.claim.backendKey !== this.#claim.backendKey);
    return freed || keysChanged;
  }

  #inform(reason: string, message: string): void {
    this.#events.push({ type: 'Normal', reason, message });
  }

  #warn(reason: string, message: string): void {
    this.#events.push({ type: 'Warning', reason, message });
  }
}

/** Addresses asked for by annotation or by spec.loadBalancerIP; both at once is an error. */
function requestedIps(service: Service): Result<readonly IpAddress[], string> {
  const annotation = annotationOf(service, ANNOTATION.loadBalancerIps);
  const key = annotationKey(ANNOTATION.loadBalancerIps);
  if (annotation !== '' && service.loadBalancerIp !== '') {
    return err(`service can not have both ${key} and svc.Spec.LoadBalancerIP`);
  }
  if (annotation !== '') {
    const ips = annotation.split(',').map((part) => parseAddress(part.trim()));
    if (ips.includes(undefined)) return err(`invalid ${key}: "${annotation}"`);
    const family = stackFamilyOf(ips as readonly IpAddress[]);
    return family.ok ? ok(ips as readonly IpAddress[]) : family;
  }
  if (service.loadBalancerIp === '') return ok([]);
  const ip = parseAddress(service.loadBalancerIp);
  return ip === undefined
    ? err(`invalid spec.loadBalancerIP "${service.loadBalancerIp}"`)
    : ok([ip]);
}

function requestedIpsCount(service: Service): number {
  const requested = requestedIps(service);
  return requested.ok ? requested.value.length : 0;
}

function hasFamilyChanged(held: StackFamily, cluster: StackFamily, service: Service): boolean {
  if (held === cluster) return false;
  return !(cluster === 'dual' && service.ipFamilyPolicy === 'PreferDualStack');
}

function wishFor(cluster: StackFamily, service: Service): FamilyWish {
  switch (cluster) {
    case 'ipv4':
    case 'ipv6':
      return { kind: 'one', family: cluster };
    case 'dual':
      if (service.ipFamilyPolicy !== 'PreferDualStack') return { kind: 'both' };
      return { kind: 'prefer', primary: service.ipFamilies[0] === 'IPv6' ? 'ipv6' : 'ipv4' };
    default:
      return assertNever(cluster);
  }
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return sameList(a.toSorted(), b.toSorted());
}
