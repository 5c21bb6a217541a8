// rtnetlink messages about routes and next hop objects: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE,
// RTM_GETNEXTHOP. Encodes and decodes KernelRoute; covers RTA_MULTIPATH with weights, onlink, IPv4
// routes with IPv6 gateways (RFC 8950), metrics, preferred source, tables from 256 up. Routes this
// project never deals in (multicast, local, cloned, by type of service or source) decode to
// `undefined`. Pure.

import { addressFromBytes, addressToBytes, familyOf, parsePrefix } from '@rookery/net';
import type { Family } from '@rookery/net';
import type { KernelNexthop, KernelRoute } from '@rookery/router';
import { AF_INET, AF_INET6 } from '../constants.ts';
import {
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  readAttributes,
  readI32,
  readU16,
  readU32,
} from './message.ts';
import type { MessageHeader, MessageWriter } from './message.ts';

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWNEXTHOP = 104;
export const RTM_GETNEXTHOP = 106;

export const RT_TABLE_MAIN = 254;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_NOWHERE = 255;

const RTM_F_CLONED = 0x200;
const RTNH_F_ONLINK = 4;

const RTA_DST = 1;
const RTA_IIF = 3;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_FLOW = 11;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTA_NH_ID = 30;

const NHA_ID = 1;
const NHA_GROUP = 2;
const NHA_BLACKHOLE = 4;
const NHA_OIF = 5;
const NHA_GATEWAY = 6;

const routeTypes = { unicast: 1, blackhole: 6, unreachable: 7, prohibit: 8 } as const;
const destByType: ReadonlyMap<number, KernelRoute['dest']> = new Map([
  [1, 'unicast'],
  [6, 'blackhole'],
  [7, 'unreachable'],
  [8, 'prohibit'],
]);

/** RTAX_* by the name that BIRD's krt_* attribute has without its prefix. */
const metricNames: readonly (string | undefined)[] = [
  undefined,
  'lock',
  'mtu',
  'window',
  'rtt',
  'rttvar',
  'ssthresh',
  'cwnd',
  'advmss',
  'reordering',
  'hoplimit',
  'initcwnd',
  'features',
  'rto_min',
  'initrwnd',
  'quickack',
];
const metricNumbers: ReadonlyMap<string, number> = new Map(
  metricNames.flatMap((name, number) => (name === undefined ? [] : [[name, number] as const])),
);

export type RouteChange = 'add' | 'replace' | 'remove';

/**
 * Writes one route request. `add` fails with EEXIST when the kernel has a route for the same
 * prefix and metric, whoever owns it; `remove` matches prefix, metric and protocol. False, and
 * nothing written, when `net` is not a prefix.
 */
export function encodeRoute(
  writer: MessageWriter,
  seq: number,
  route: KernelRoute,
  change: RouteChange,
  acknowledge: boolean,
): boolean {
  const prefix = parsePrefix(route.net);
  if (!prefix) return false;
  const flags =
    NLM_F_REQUEST |
    (acknowledge ? NLM_F_ACK : 0) |
    (change === 'remove' ? 0 : NLM_F_CREATE | (change === 'add' ? NLM_F_EXCL : NLM_F_REPLACE));
  writer.begin(change === 'remove' ? RTM_DELROUTE : RTM_NEWROUTE, flags, seq);
  const single = route.nexthops.length === 1 ? route.nexthops[0] : undefined;
  writeRouteHeader(writer, route, prefix.length, change, single?.onlink === true);
  writer.u16(4 + prefix.words.length * 4);
  writer.u16(RTA_DST);
  for (const word of prefix.words) writer.u32be(word);
  if (route.table >= 256) writer.attributeU32(RTA_TABLE, route.table);
  if (route.metric !== 0) writer.attributeU32(RTA_PRIORITY, route.metric);
  if (change !== 'remove') writeRouteBody(writer, route);
  writer.end();
  return true;
}

/** A dump of one table and family; needs NETLINK_GET_STRICT_CHK for the kernel to filter. */
export function encodeRouteDump(
  writer: MessageWriter,
  seq: number,
  family: Family,
  table: number,
): void {
  writer.begin(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, seq);
  writer.u8(family === 'ipv4' ? AF_INET : AF_INET6);
  for (let i = 0; i < 3; i++) writer.u8(0);
  writer.u8(table < 256 ? table : 0);
  for (let i = 0; i < 3; i++) writer.u8(0);
  writer.u32(0);
  writer.attributeU32(RTA_TABLE, table);
  writer.end();
}

export function encodeNexthopDump(writer: MessageWriter, seq: number): void {
  writer.begin(RTM_GETNEXTHOP, NLM_F_REQUEST | NLM_F_DUMP, seq);
  writer.u32(0);
  writer.u32(0);
  writer.end();
}

/**
 * A route of RTM_NEWROUTE or RTM_DELROUTE. `undefined` for types, sources and flags that are not
 * plain forwarding entries. Interface names are not in the message and stay absent.
 */
export function decodeRoute(bytes: Uint8Array, message: MessageHeader): KernelRoute | undefined {
  const { start, end, type } = message;
  if ((type !== RTM_NEWROUTE && type !== RTM_DELROUTE) || end - start < 12) return undefined;
  const code = bytes[start]!;
  if (code !== AF_INET && code !== AF_INET6) return undefined;
  const family: Family = code === AF_INET ? 'ipv4' : 'ipv6';
  const size = code === AF_INET ? 4 : 16;
  const length = bytes[start + 1]!;
  const sourceLength = bytes[start + 2]!;
  const routeType = bytes[start + 7]!;
  const flags = readU32(bytes, start + 8);
  const dest = destByType.get(routeType);
  if (dest === undefined || sourceLength !== 0 || flags & RTM_F_CLONED) return undefined;
  const tos = bytes[start + 3]!;

  let table: number = bytes[start + 4]!;
  let net = family === 'ipv4' ? '0.0.0.0' : '::';
  let metric = 0;
  let limited = false;
  let hops: KernelNexthop[] | undefined;
  const hop = emptyHop();
  const extra: {
    prefsrc?: string;
    realm?: number;
    nexthopId?: number;
    metrics?: Record<string, number>;
  } = {};
  readAttributes(bytes, start + 12, end, (attribute, from, to) => {
    switch (attribute) {
      case RTA_DST:
        net = addressFromBytes(bytes, from, size);
        break;
      case RTA_IIF:
        limited = true;
        break;
      case RTA_PRIORITY:
        metric = readU32(bytes, from);
        break;
      case RTA_TABLE:
        table = readU32(bytes, from);
        break;
      case RTA_PREFSRC:
        extra.prefsrc = addressFromBytes(bytes, from, size);
        break;
      case RTA_FLOW:
        extra.realm = readU32(bytes, from);
        break;
      case RTA_NH_ID:
        extra.nexthopId = readU32(bytes, from);
        break;
      case RTA_METRICS:
        extra.metrics = decodeMetrics(bytes, from, to);
        break;
      case RTA_MULTIPATH:
        hops = decodeMultipath(bytes, from, to);
        break;
      default:
        readHopAttribute(bytes, attribute, from, to, hop);
    }
  });
  if (limited) return undefined;
  if (flags & RTNH_F_ONLINK) hop.onlink = true;
  const nexthops = hops ?? (dest === 'unicast' && hop.ifindex !== 0 ? [freezeHop(hop)] : []);
  return {
    family,
    table,
    net: `${net}/${length}`,
    protocol: bytes[start + 5]!,
    metric,
    dest,
    scope: bytes[start + 6]!,
    nexthops: dest === 'unicast' ? nexthops : [],
    type: routeType,
    ...(tos === 0 ? {} : { tos }),
    ...extra,
  };
}

/** What a next hop object stands for. */
export interface NexthopObject {
  readonly id: number;
  readonly hop?: KernelNexthop;
  readonly blackhole: boolean;
  /** Members of a group with their weights. */
  readonly group?: readonly { readonly id: number; readonly weight: number }[];
}

/** `undefined` when the message is not RTM_NEWNEXTHOP. */
export function decodeNexthopObject(
  bytes: Uint8Array,
  message: MessageHeader,
): NexthopObject | undefined {
  if (message.type !== RTM_NEWNEXTHOP || message.end - message.start < 8) return undefined;
  let id = 0;
  let blackhole = false;
  let group: { id: number; weight: number }[] | undefined;
  const hop = emptyHop();
  readAttributes(bytes, message.start + 8, message.end, (type, from, to) => {
    if (type === NHA_ID) id = readU32(bytes, from);
    else if (type === NHA_BLACKHOLE) blackhole = true;
    else if (type === NHA_OIF) hop.ifindex = readU32(bytes, from);
    else if (type === NHA_GATEWAY) readHopAttribute(bytes, RTA_GATEWAY, from, to, hop);
    else if (type === NHA_GROUP) {
      group = [];
      // struct nexthop_grp: u32 id, u8 weight - 1, u8 high byte of it, u16.
      for (let at = from; at + 8 <= to; at += 8) {
        group.push({ id: readU32(bytes, at), weight: bytes[at + 4]! + 1 });
      }
    }
  });
  if (readU32(bytes, message.start + 4) & RTNH_F_ONLINK) hop.onlink = true;
  return {
    id,
    blackhole,
    ...(hop.ifindex === 0 ? {} : { hop: freezeHop(hop) }),
    ...(group === undefined ? {} : { group }),
  };
}

/** The next hops behind an object or a group, with weights; empty when it is unknown. */
export function resolveNexthopObject(
  id: number,
  objects: ReadonlyMap<number, NexthopObject>,
): readonly KernelNexthop[] {
  const object = objects.get(id);
  if (!object) return [];
  if (!object.group) return object.hop ? [object.hop] : [];
  return object.group.flatMap((member) => {
    const hop = objects.get(member.id)?.hop;
    return hop ? [member.weight === 1 ? hop : { ...hop, weight: member.weight }] : [];
  });
}

function writeRouteHeader(
  writer: MessageWriter,
  route: KernelRoute,
  length: number,
  change: RouteChange,
  onlink: boolean,
): void {
  const removing = change === 'remove';
  const viaLink = route.dest === 'unicast' && route.nexthops.every((hop) => !hop.gateway);
  const scope = viaLink && route.nexthopId === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  writer.u8(route.family === 'ipv4' ? AF_INET : AF_INET6);
  writer.u8(length);
  writer.u8(0);
  writer.u8(route.tos ?? 0);
  writer.u8(route.table < 256 ? route.table : 0);
  writer.u8(route.protocol);
  writer.u8(removing ? RT_SCOPE_NOWHERE : (route.scope ?? scope));
  writer.u8(removing ? 0 : routeTypes[route.dest]);
  writer.u32(onlink && !removing ? RTNH_F_ONLINK : 0);
}

function writeRouteBody(writer: MessageWriter, route: KernelRoute): void {
  if (route.prefsrc !== undefined) writer.attribute(RTA_PREFSRC, addressToBytes(route.prefsrc));
  if (route.realm !== undefined) writer.attributeU32(RTA_FLOW, route.realm);
  if (route.metrics) writeMetrics(writer, route.metrics);
  if (route.dest !== 'unicast') return;
  if (route.nexthopId !== undefined) {
    writer.attributeU32(RTA_NH_ID, route.nexthopId);
    return;
  }
  const [first, ...others] = route.nexthops;
  if (first && others.length === 0) {
    writeGateway(writer, route.family, first);
    writer.attributeU32(RTA_OIF, first.ifindex);
  } else if (first) {
    const nest = writer.openNest(RTA_MULTIPATH);
    for (const hop of route.nexthops) {
      const start = writer.size;
      writer.u16(0);
      writer.u8(hop.onlink ? RTNH_F_ONLINK : 0);
      writer.u8((hop.weight ?? 1) - 1);
      writer.u32(hop.ifindex);
      writeGateway(writer, route.family, hop);
      writer.patchU16(start, writer.size - start);
    }
    writer.closeNest(nest);
  }
}

function writeGateway(writer: MessageWriter, family: Family, hop: KernelNexthop): void {
  if (hop.gateway === undefined) return;
  const octets = gatewayBytes(hop.gateway);
  if (familyOf(hop.gateway) === family) {
    writer.attribute(RTA_GATEWAY, octets);
    return;
  }
  const via = new Uint8Array(2 + octets.length);
  via[0] = octets.length === 4 ? AF_INET : AF_INET6;
  via.set(octets, 2);
  writer.attribute(RTA_VIA, via);
}

/** Routes of a batch mostly share their gateway. */
function gatewayBytes(gateway: string): Uint8Array {
  if (gateway !== lastGateway) {
    lastGatewayBytes = addressToBytes(gateway);
    lastGateway = gateway;
  }
  return lastGatewayBytes;
}

let lastGateway = '';
let lastGatewayBytes: Uint8Array = new Uint8Array(0);

function writeMetrics(writer: MessageWriter, metrics: Readonly<Record<string, number>>): void {
  const nest = writer.openNest(RTA_METRICS);
  for (const [name, value] of Object.entries(metrics)) {
    const number = metricNumbers.get(name);
    if (number !== undefined) writer.attributeU32(number, value);
  }
  writer.closeNest(nest);
}

function decodeMetrics(bytes: Uint8Array, start: number, end: number): Record<string, number> {
  const metrics: Record<string, number> = {};
  readAttributes(bytes, start, end, (type, from, to) => {
    const name = metricNames[type];
    if (name !== undefined && to - from === 4) metrics[name] = readU32(bytes, from);
  });
  return metrics;
}

function decodeMultipath(bytes: Uint8Array, start: number, end: number): KernelNexthop[] {
  const hops: KernelNexthop[] = [];
  let at = start;
  while (at + 8 <= end) {
    const length = readU16(bytes, at);
    if (length < 8 || at + length > end) break;
    const hop = emptyHop();
    hop.ifindex = readI32(bytes, at + 4);
    if (bytes[at + 2]! & RTNH_F_ONLINK) hop.onlink = true;
    if (bytes[at + 3]! !== 0) hop.weight = bytes[at + 3]! + 1;
    readAttributes(bytes, at + 8, at + length, (type, from, to) => {
      if (type !== RTA_OIF) readHopAttribute(bytes, type, from, to, hop);
    });
    hops.push(freezeHop(hop));
    at += (length + 3) & ~3;
  }
  return hops;
}

interface MutableHop {
  gateway: string | undefined;
  ifindex: number;
  weight: number | undefined;
  onlink: boolean;
}

function emptyHop(): MutableHop {
  return { gateway: undefined, ifindex: 0, weight: undefined, onlink: false };
}

function freezeHop(hop: MutableHop): KernelNexthop {
  return {
    ifindex: hop.ifindex,
    ...(hop.gateway === undefined ? {} : { gateway: hop.gateway }),
    ...(hop.weight === undefined ? {} : { weight: hop.weight }),
    ...(hop.onlink ? { onlink: true } : {}),
  };
}

function readHopAttribute(
  bytes: Uint8Array,
  type: number,
  from: number,
  to: number,
  hop: MutableHop,
): void {
  if (type === RTA_OIF) {
    hop.ifindex = readU32(bytes, from);
  } else if (type === RTA_GATEWAY && (to - from === 4 || to - from === 16)) {
    hop.gateway = addressFromBytes(bytes, from, to - from === 4 ? 4 : 16);
  } else if (type === RTA_VIA && to - from >= 6) {
    hop.gateway = addressFromBytes(bytes, from + 2, to - from === 6 ? 4 : 16);
  }
}
