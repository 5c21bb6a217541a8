// What the API server does to a Service: defaults, cluster addresses and node ports from their
// ranges, the health check port of externalTrafficPolicy Local, and refusal of plainly bad objects.
// Allocations are counted from the stored services (service-claims.ts), so nothing can leak.

import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import {
  fieldForbidden,
  fieldInvalid,
  fieldNotSupported,
  fieldRequired,
  invalid,
  type StatusCause,
} from './api-error.ts';
import {
  isObject,
  type JsonObject,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  textAt,
  valueAt,
} from './object.ts';
import type { ServiceClaims, Used } from './service-claims.ts';

export interface ServiceRanges {
  /** IPv4 CIDR of cluster addresses, such as 10.96.0.0/16. */
  ipv4Cidr: string;
  /** IPv6 CIDR, or undefined for a single-stack cluster. */
  ipv6Cidr?: string | undefined;
  nodePortFirst: number;
  nodePortLast: number;
}

export const defaultServiceRanges: ServiceRanges = {
  ipv4Cidr: '10.96.0.0/16',
  nodePortFirst: 30000,
  nodePortLast: 32767,
};

/** Completes and checks a Service in place. `claims` are those of all stored services. */
export function admitService(
  service: KubeObject,
  previous: KubeObject | undefined,
  claims: ServiceClaims,
  ranges: ServiceRanges,
): void {
  if (!isObject(service['spec'])) service['spec'] = {};
  const spec = objectAt(service, 'spec');
  fillDefaults(spec);
  keepAllocations(spec, previous);
  const causes = serviceFaults(spec, previous);
  if (causes.length > 0) throw invalid('', 'Service', service.metadata.name ?? '', causes);
  const used = claims.seenBy(previous);
  const fail: Fail = (cause) => {
    throw invalid('', 'Service', service.metadata.name ?? '', [cause]);
  };
  allocateClusterIps(spec, used, ranges, fail);
  allocateNodePorts(spec, used, ranges, fail);
  if (!isObject(service['status'])) service['status'] = {};
  objectAt(service, 'status')['loadBalancer'] ??= {};
  if (spec['type'] !== 'LoadBalancer')
    service['status'] = { ...objectAt(service, 'status'), loadBalancer: {} };
}

function fillDefaults(spec: JsonObject): void {
  const type = textAt(spec, 'type') || 'ClusterIP';
  spec['type'] = type;
  spec['sessionAffinity'] ??= 'None';
  if (spec['sessionAffinity'] === 'ClientIP') {
    spec['sessionAffinityConfig'] ??= { clientIP: { timeoutSeconds: 10800 } };
  }
  for (const port of listAt(spec, 'ports')) {
    if (!isObject(port)) continue;
    port['protocol'] ??= 'TCP';
    port['targetPort'] ??= port['port'];
  }
  if (type === 'ExternalName') {
    for (const field of [
      'clusterIP',
      'clusterIPs',
      'ipFamilies',
      'ipFamilyPolicy',
      'internalTrafficPolicy',
    ])
      delete spec[field];
  } else spec['internalTrafficPolicy'] ??= 'Cluster';
  if (type === 'LoadBalancer') spec['allocateLoadBalancerNodePorts'] ??= true;
  else
    for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass']) delete spec[field];
  if (type === 'LoadBalancer' || type === 'NodePort') spec['externalTrafficPolicy'] ??= 'Cluster';
  else if (listAt(spec, 'externalIPs').length === 0) delete spec['externalTrafficPolicy'];
  if (!needsHealthCheckPort(spec)) delete spec['healthCheckNodePort'];
  if (type === 'ClusterIP' || type === 'ExternalName') {
    for (const port of listAt(spec, 'ports')) if (isObject(port)) delete port['nodePort'];
  }
}

function needsHealthCheckPort(spec: JsonObject): boolean {
  return spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local';
}

/** An update that leaves addresses and ports out keeps the allocated ones, as the real server does. */
function keepAllocations(spec: JsonObject, previous: KubeObject | undefined): void {
  const old = objectAt(previous, 'spec');
  if (!previous || old['type'] === 'ExternalName' || spec['type'] === 'ExternalName') return;
  if (textAt(spec, 'clusterIP') === '' && listAt(spec, 'clusterIPs').length === 0) {
    spec['clusterIP'] = old['clusterIP'];
    if (sameFamilies(spec, old)) spec['clusterIPs'] = old['clusterIPs'];
  }
  if (spec['ipFamilyPolicy'] === undefined) spec['ipFamilyPolicy'] = old['ipFamilyPolicy'];
  if (spec['ipFamilies'] === undefined && spec['ipFamilyPolicy'] === old['ipFamilyPolicy'])
    spec['ipFamilies'] = old['ipFamilies'];
  if (needsHealthCheckPort(spec) && !numberAt(spec, 'healthCheckNodePort')) {
    spec['healthCheckNodePort'] = old['healthCheckNodePort'];
  }
  if (spec['type'] === 'ClusterIP') return;
  const oldPorts = listAt(old, 'ports');
  for (const port of listAt(spec, 'ports')) {
    if (!isObject(port) || numberAt(port, 'nodePort')) continue;
    const match = oldPorts.find(
      (other) =>
        textAt(other, 'port') === textAt(port, 'port') &&
        textAt(other, 'protocol') === textAt(port, 'protocol'),
    );
    const nodePort = numberAt(match, 'nodePort');
    if (nodePort) port['nodePort'] = nodePort;
  }
}

function sameFamilies(spec: JsonObject, old: JsonObject): boolean {
  return spec['ipFamilyPolicy'] === undefined || spec['ipFamilyPolicy'] === old['ipFamilyPolicy'];
}

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const protocols = ['SCTP', 'TCP', 'UDP'];
const policies = ['Cluster', 'Local'];

function serviceFaults(spec: JsonObject, previous: KubeObject | undefined): StatusCause[] {
  const causes: StatusCause[] = [];
  const type = textAt(spec, 'type');
  if (!types.includes(type)) causes.push(fieldNotSupported('spec.type', type, types));
  const headless = textAt(spec, 'clusterIP') === 'None';
  if (type === 'LoadBalancer' && headless) {
    causes.push(
      fieldInvalid(
        'spec.clusterIPs[0]',
        'None',
        "may not be set to 'None' for LoadBalancer services",
      ),
    );
  }
  const ports = listAt(spec, 'ports');
  if (ports.length === 0 && !headless && type !== 'ExternalName')
    causes.push(fieldRequired('spec.ports'));
  causes.push(...ports.flatMap((port, index) => portFaults(port, index, ports)));
  for (const field of ['externalTrafficPolicy', 'internalTrafficPolicy']) {
    const value = textAt(spec, field);
    if (value !== '' && !policies.includes(value))
      causes.push(fieldNotSupported(`spec.${field}`, value, policies));
  }
  if (type === 'ExternalName' && textAt(spec, 'externalName') === '')
    causes.push(fieldRequired('spec.externalName'));
  const affinity = textAt(spec, 'sessionAffinity');
  if (affinity !== 'None' && affinity !== 'ClientIP') {
    causes.push(fieldNotSupported('spec.sessionAffinity', affinity, ['ClientIP', 'None']));
  }
  for (const [index, ip] of listAt(spec, 'externalIPs').entries()) {
    if (isIP(String(ip)) === 0)
      causes.push(fieldInvalid(`spec.externalIPs[${index}]`, ip, 'must be a valid IP address'));
  }
  const requested = textAt(spec, 'clusterIP');
  if (requested !== '' && !headless && isIP(requested) === 0) {
    causes.push(
      fieldInvalid(
        'spec.clusterIPs[0]',
        requested,
        'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ),
    );
  }
  const old = objectAt(previous, 'spec');
  const oldIp = textAt(old, 'clusterIP');
  const keptType = type !== 'ExternalName' && old['type'] !== 'ExternalName';
  if (oldIp !== '' && keptType && requested !== oldIp) {
    causes.push(fieldInvalid('spec.clusterIPs[0]', requested, 'field is immutable'));
  }
  if (
    old['type'] === 'LoadBalancer' &&
    type === 'LoadBalancer' &&
    textAt(old, 'loadBalancerClass') !== textAt(spec, 'loadBalancerClass')
  ) {
    causes.push(
      fieldInvalid(
        'spec.loadBalancerClass',
        spec['loadBalancerClass'] ?? '',
        'may not change once set',
      ),
    );
  }
  return causes;
}

function portFaults(port: unknown, index: number, all: readonly unknown[]): StatusCause[] {
  const at = `spec.ports[${index}]`;
  const causes: StatusCause[] = [];
  const number = numberAt(port, 'port');
  const range = 'must be between 1 and 65535, inclusive';
  if (number === undefined || number < 1 || number > 65535)
    causes.push(fieldInvalid(`${at}.port`, number ?? 0, range));
  const target = valueAt(port, 'targetPort');
  if (typeof target === 'number' && (target < 1 || target > 65535))
    causes.push(fieldInvalid(`${at}.targetPort`, target, range));
  const protocol = textAt(port, 'protocol');
  if (!protocols.includes(protocol))
    causes.push(fieldNotSupported(`${at}.protocol`, protocol, protocols));
  const name = textAt(port, 'name');
  if (name === '' && all.length > 1) causes.push(fieldRequired(`${at}.name`));
  const twin = all.slice(0, index).some((other) => name !== '' && textAt(other, 'name') === name);
  if (twin)
    causes.push({
      reason: 'FieldValueDuplicate',
      message: `Duplicate value: "${name}"`,
      field: `${at}.name`,
    });
  const samePort = all
    .slice(0, index)
    .some((other) => numberAt(other, 'port') === number && textAt(other, 'protocol') === protocol);
  if (samePort) {
    causes.push({
      reason: 'FieldValueDuplicate',
      message: `Duplicate value: {"protocol":"${protocol}","port":${number}}`,
      field: at,
    });
  }
  return causes;
}

type Fail = (cause: StatusCause) => never;

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
const portsUsedUp = fieldForbidden('spec.ports', 'the range of node ports is used up');

function allocateClusterIps(spec: JsonObject, used: Used, ranges: ServiceRanges, fail: Fail): void {
  if (spec['type'] === 'ExternalName') return;
  const policy =
    textAt(spec, 'ipFamilyPolicy') ||
    (listAt(spec, 'ipFamilies').length > 1 ? 'RequireDualStack' : 'SingleStack');
  spec['ipFamilyPolicy'] = policy;
  const dual = ranges.ipv6Cidr !== undefined;
  if (policy === 'RequireDualStack' && !dual) {
    fail(
      fieldInvalid(
        'spec.ipFamilyPolicy',
        policy,
        'this cluster is not configured for dual-stack services',
      ),
    );
  }
  const families = familiesFor(spec, policy, dual);
  if (families.includes('IPv6') && !dual) {
    fail(fieldInvalid('spec.ipFamilies[0]', 'IPv6', 'not configured on this cluster'));
  }
  spec['ipFamilies'] = families;
  if (textAt(spec, 'clusterIP') === 'None') {
    spec['clusterIPs'] = ['None'];
    return;
  }
  const wanted = listAt(spec, 'clusterIPs').map(String);
  if (wanted.length === 0 && textAt(spec, 'clusterIP') !== '')
    wanted.push(textAt(spec, 'clusterIP'));
  const addresses = families.map((family, index) => {
    const cidr = family === 'IPv6' ? (ranges.ipv6Cidr ?? '') : ranges.ipv4Cidr;
    const asked = wanted[index];
    if (asked === undefined) return firstFree(cidr, used) ?? '';
    if (!inCidr(asked, cidr)) {
      fail(
        fieldInvalid(
          `spec.clusterIPs`,
          wanted,
          `failed to allocate IP ${asked}: the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${cidr}`,
        ),
      );
    }
    if (used.hasAddress(asked)) {
      fail(
        fieldInvalid(
          'spec.clusterIPs',
          wanted,
          `failed to allocate IP ${asked}: provided IP is already allocated`,
        ),
      );
    }
    return asked;
  });
  if (addresses.includes(''))
    fail(fieldForbidden('spec.clusterIPs', 'the range of cluster addresses is used up'));
  spec['clusterIPs'] = addresses;
  spec['clusterIP'] = addresses[0];
}

function familiesFor(spec: JsonObject, policy: string, dual: boolean): string[] {
  const asked = listAt(spec, 'ipFamilies').map(String);
  const addresses = listAt(spec, 'clusterIPs').map(String);
  const first =
    asked[0] ?? (isIPv6(textAt(spec, 'clusterIP') || (addresses[0] ?? '')) ? 'IPv6' : 'IPv4');
  const second = first === 'IPv4' ? 'IPv6' : 'IPv4';
  const both = policy === 'RequireDualStack' || (policy === 'PreferDualStack' && dual);
  return both ? [first, second] : [first];
}

function allocateNodePorts(spec: JsonObject, used: Used, ranges: ServiceRanges, fail: Fail): void {
  const wants =
    spec['type'] === 'NodePort' ||
    (spec['type'] === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false);
  const ports = listAt(spec, 'ports').filter(isObject);
  for (const [index, port] of ports.entries()) {
    const asked = numberAt(port, 'nodePort');
    const protocol = textAt(port, 'protocol');
    if (asked) checkNodePort(asked, protocol, `spec.ports[${index}].nodePort`, used, ranges, fail);
    else if (wants) port['nodePort'] = takePort(used, ranges, protocol) ?? fail(portsUsedUp);
  }
  if (!needsHealthCheckPort(spec)) return;
  const health = numberAt(spec, 'healthCheckNodePort');
  if (health) checkNodePort(health, 'TCP', 'spec.healthCheckNodePort', used, ranges, fail);
  else spec['healthCheckNodePort'] = takePort(used, ranges, 'TCP') ?? fail(portsUsedUp);
}

function checkNodePort(
  port: number,
  protocol: string,
  field: string,
  used: Used,
  ranges: ServiceRanges,
  fail: Fail,
): void {
  if (port < ranges.nodePortFirst || port > ranges.nodePortLast) {
    fail(
      fieldInvalid(
        field,
        port,
        `provided port is not in the valid range. The range of valid ports is ${ranges.nodePortFirst}-${ranges.nodePortLast}`,
      ),
    );
  }
  if (used.hasPort(port, protocol))
    fail(fieldInvalid(field, port, 'provided port is already allocated'));
  used.takePort(port, protocol);
}

function takePort(used: Used, ranges: ServiceRanges, protocol: string): number | undefined {
  // The real server picks at random; ours scatters by count so that neighbours do not look alike.
  const span = ranges.nodePortLast - ranges.nodePortFirst + 1;
  const start = (used.portCount() * 1237 + 811) % span;
  for (let step = 0; step < span; step += 1) {
    const port = ranges.nodePortFirst + ((start + step) % span);
    if (PROTOCOLS.some((any) => used.hasPort(port, any))) continue;
    used.takePort(port, protocol);
    return port;
  }
  return undefined;
}

function firstFree(cidr: string, used: Used): string | undefined {
  const [base = '', lengthText = '32'] = cidr.split('/');
  const isIpv4 = isIPv4(base);
  const start = isIpv4 ? base.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0) : 0;
  const end = isIpv4 ? 2 ** (32 - Number(lengthText)) - 1 : 65535;
  for (let offset = Math.max(2, used.fullBelow(cidr)); offset < end; offset += 1) {
    const text = isIpv4 ? ipv4Text(start + offset) : ipv6Text(base, offset);
    if (used.hasAddress(text)) continue;
    used.noteFullBelow(cidr, offset);
    used.takeAddress(text);
    return text;
  }
  return undefined;
}

function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

function ipv6Text(base: string, offset: number): string {
  return `${base.replace(/::$/, '')}::${offset.toString(16)}`;
}

function inCidr(ip: string, cidr: string): boolean {
  const [base = '', length = '0'] = cidr.split('/');
  const family = isIPv6(base) ? 'ipv6' : 'ipv4';
  if ((family === 'ipv6') !== isIPv6(ip)) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(length), family);
  return list.check(ip, family);
}
