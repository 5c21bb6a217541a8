// rtnetlink messages about routes: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE. Encodes batches of
// changes and decodes KernelRoute; covers RTA_MULTIPATH with weights, onlink, IPv4 routes with IPv6
// gateways (RFC 8950), metrics, preferred source, tables from 256 up. Routes this project never deals
// in (multicast, local, cloned, by type of service or source) decode to `undefined`. Pure.

import { addressFromBytes, addressToBytes, familyOf } from '@rookery/net';
import type { Family } from '@rookery/net';
import { KERNEL_CHANGE } from '@rookery/router';
import type {
  KernelNexthop,
  KernelRoute,
  KernelRouteBatch,
  KernelRouteShape,
} from '@rookery/router';
import { AF_INET, AF_INET6 } from '../constants.ts';
import {
  HEADER_SIZE,
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

export const RT_TABLE_MAIN = 254;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_NOWHERE = 255;

const ROUTE_HEADER_SIZE = 12;
const RTM_F_CLONED = 0x200;
export const RTNH_F_ONLINK = 4;

const RTA_DST = 1;
const RTA_IIF = 3;
const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_FLOW = 11;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTA_NH_ID = 30;

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

/** Where the prefix is within a message. */
const AT_LENGTH = HEADER_SIZE + 1;
const AT_PREFIX = HEADER_SIZE + ROUTE_HEADER_SIZE + 4;

/**
 * Writes the changes from index `from` to `to` of a batch, numbered from `firstSeq`. A change that
 * fails answers for itself; only the last one acknowledges success.
 */
export function encodeRoutes(
  writer: MessageWriter,
  batch: KernelRouteBatch,
  from: number,
  to: number,
  firstSeq: number,
): void {
  const width = batch.family === 'ipv4' ? 1 : 4;
  let start = 0;
  let shape = -1;
  let change = -1;
  for (let i = from; i < to; i++) {
    // The next message mostly differs by number and prefix alone.
    if (batch.shapeOf[i] === shape && batch.changes[i] === change) start = writer.repeat(start);
    else {
      shape = batch.shapeOf[i]!;
      change = batch.changes[i]!;
      start = writer.size;
      encodeRoute(writer, batch.shapes[shape]!, change);
    }
    writer.patchSeq(start, (firstSeq + i - from) >>> 0);
    writer.patchU8(start + AT_LENGTH, batch.lengths[i]!);
    for (let word = 0; word < width; word++) {
      writer.patchU32be(start + AT_PREFIX + word * 4, batch.words[i * width + word]!);
    }
  }
  writer.addFlags(start, NLM_F_ACK);
}

/** One change, whose number and prefix are left 0. */
function encodeRoute(writer: MessageWriter, shape: KernelRouteShape, change: number): void {
  const removing = change === KERNEL_CHANGE.remove;
  const exclusive = change === KERNEL_CHANGE.add ? NLM_F_EXCL : NLM_F_REPLACE;
  const flags = NLM_F_REQUEST | (removing ? 0 : NLM_F_CREATE | exclusive);
  writer.begin(removing ? RTM_DELROUTE : RTM_NEWROUTE, flags, 0);
  writeRouteHeader(writer, shape, removing);
  writer.attribute(RTA_DST, shape.family === 'ipv4' ? NO_PREFIX.subarray(0, 4) : NO_PREFIX);
  if (shape.table >= 256) writer.attributeU32(RTA_TABLE, shape.table);
  if (shape.metric !== 0) writer.attributeU32(RTA_PRIORITY, shape.metric);
  if (!removing) writeRouteBody(writer, shape);
  writer.end();
}

const NO_PREFIX = new Uint8Array(16);

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

function writeRouteHeader(writer: MessageWriter, shape: KernelRouteShape, removing: boolean): void {
  const { dest, nexthops, nexthopId } = shape;
  const single = nexthops.length === 1 && nexthopId === undefined ? nexthops[0] : undefined;
  writer.u8(shape.family === 'ipv4' ? AF_INET : AF_INET6);
  writer.u8(0);
  writer.u8(0);
  writer.u8(shape.tos ?? 0);
  writer.u8(shape.table < 256 ? shape.table : 0);
  writer.u8(shape.protocol);
  writer.u8(removing ? RT_SCOPE_NOWHERE : (shape.scope ?? RT_SCOPE_UNIVERSE));
  writer.u8(removing ? 0 : routeTypes[dest]);
  writer.u32(single?.onlink && !removing ? RTNH_F_ONLINK : 0);
}

function writeRouteBody(writer: MessageWriter, route: KernelRouteShape): void {
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

export interface MutableHop {
  gateway: string | undefined;
  ifindex: number;
  weight: number | undefined;
  onlink: boolean;
}

export function emptyHop(): MutableHop {
  return { gateway: undefined, ifindex: 0, weight: undefined, onlink: false };
}

export function freezeHop(hop: MutableHop): KernelNexthop {
  return {
    ifindex: hop.ifindex,
    ...(hop.gateway === undefined ? {} : { gateway: hop.gateway }),
    ...(hop.weight === undefined ? {} : { weight: hop.weight }),
    ...(hop.onlink ? { onlink: true } : {}),
  };
}

export function readHopAttribute(
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
