// MRT records to octets, as BIRD writes them: TABLE_DUMP_V2 with four-octet AS numbers, BGP4MP
// without microseconds. Peers of a table dump are told apart by index; index 0 stands for routes that
// no peer sent.

import { encodeMpNextHop, encodePathAttributes } from '@rookery/bgp';
import { ByteWriter, addressToBytes, familyOf, parsePrefix } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import { BGP4MP, MRT_TYPE, TABLE_DUMP } from './record.ts';
import type { MrtRecord, MrtRibEntry, MrtSession } from './record.ts';

type Encodable = Exclude<MrtRecord, { kind: 'other' }>;

/** One record, header included. */
export function encodeMrt(record: Encodable): Uint8Array {
  const body = new ByteWriter(256);
  const [type, subtype] = writeBody(body, record);
  const out = new ByteWriter(12 + body.length);
  out.u32(Math.floor(record.timeMs / 1000));
  out.u16(type);
  out.u16(subtype);
  out.u32(body.length);
  out.put(body.bytes, 0, body.length);
  return out.take();
}

function writeBody(out: ByteWriter, record: Encodable): readonly [number, number] {
  switch (record.kind) {
    case 'peers':
      writePeers(out, record);
      return [MRT_TYPE.tableDumpV2, TABLE_DUMP.peerIndexTable];
    case 'rib':
      return [MRT_TYPE.tableDumpV2, writeRib(out, record)];
    case 'state':
      writeSession(out, record.session, true);
      out.u16(record.from);
      out.u16(record.to);
      return [MRT_TYPE.bgp4mp, BGP4MP.stateChangeAs4];
    case 'message':
      writeSession(out, record.session, record.as4);
      out.put(record.message);
      return [MRT_TYPE.bgp4mp, messageSubtype(record)];
  }
}

function writePeers(out: ByteWriter, record: Extract<MrtRecord, { kind: 'peers' }>): void {
  out.put(addressToBytes(record.collectorId));
  const name = Uint8Array.from(record.viewName, (c) => c.charCodeAt(0) & 0x7f);
  out.u16(name.length);
  out.put(name);
  out.u16(record.peers.length);
  for (const { bgpId, address, asn } of record.peers) {
    out.u8(familyOf(address) === 'ipv6' ? 3 : 2);
    out.put(addressToBytes(bgpId));
    out.put(addressToBytes(address));
    out.u32(asn);
  }
}

function writeRib(out: ByteWriter, record: Extract<MrtRecord, { kind: 'rib' }>): number {
  const ipv4 = record.family === 'ipv4';
  // RFC 8050 §4: all entries of a record have an identifier, or none has.
  const addPath = record.entries.some((entry) => entry.pathId !== undefined);
  const { words, length } = parsePrefix(record.net)!;
  out.u32(record.sequence);
  out.u8(length);
  const octets = (length + 7) >> 3;
  for (let i = 0; i < octets; i++) out.u8(words[i >> 2]! >>> (24 - (i & 3) * 8));
  out.u16(record.entries.length);
  for (const entry of record.entries) {
    out.u16(entry.peerIndex);
    out.u32(entry.originatedSec);
    if (addPath) out.u32(entry.pathId ?? 0);
    const lengthAt = out.length;
    out.u16(0);
    writeAttributes(out, entry, ipv4);
    out.patch16(lengthAt, out.length - lengthAt - 2);
  }
  if (ipv4) return addPath ? TABLE_DUMP.ribIpv4UnicastAddPath : TABLE_DUMP.ribIpv4Unicast;
  return addPath ? TABLE_DUMP.ribIpv6UnicastAddPath : TABLE_DUMP.ribIpv6Unicast;
}

function writeAttributes(out: ByteWriter, { attributes }: MrtRibEntry, ipv4: boolean): void {
  const { nextHop, linkLocalNextHop } = attributes;
  const classic = ipv4 && nextHop !== undefined && familyOf(nextHop) === 'ipv4';
  out.put(encodePathAttributes(attributes, { as4: true, nextHop: classic }));
  if (classic || nextHop === undefined) return;
  // RFC 6396 §4.3.4: only the next hop of MP_REACH_NLRI, with its length.
  const hop = encodeMpNextHop(nextHop, linkLocalNextHop);
  out.u8(0x80);
  out.u8(14);
  out.u8(hop.length + 1);
  out.u8(hop.length);
  out.put(hop);
}

function writeSession(out: ByteWriter, session: MrtSession, as4: boolean): void {
  for (const asn of [session.peerAs, session.localAs]) {
    if (as4) out.u32(asn);
    else out.u16(asn > 0xffff ? 23456 : asn);
  }
  out.u16(session.ifindex);
  const ipv6 = familyOf(session.peer) === 'ipv6';
  out.u16(ipv6 ? 2 : 1);
  out.put(sessionAddress(session.peer, ipv6));
  out.put(sessionAddress(session.local, ipv6));
}

function sessionAddress(address: IpAddress, ipv6: boolean): Uint8Array {
  const isFit = (familyOf(address) === 'ipv6') === ipv6;
  return isFit ? addressToBytes(address) : new Uint8Array(ipv6 ? 16 : 4);
}

function messageSubtype(record: Extract<MrtRecord, { kind: 'message' }>): number {
  const { as4, addPath, local } = record;
  if (addPath) {
    if (local) return as4 ? BGP4MP.messageAs4LocalAddPath : BGP4MP.messageLocalAddPath;
    return as4 ? BGP4MP.messageAs4AddPath : BGP4MP.messageAddPath;
  }
  if (local) return as4 ? BGP4MP.messageAs4Local : BGP4MP.messageLocal;
  return as4 ? BGP4MP.messageAs4 : BGP4MP.message;
}
