// rtnetlink messages about next hop objects: RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP. An
// object is one next hop (with a gateway, when it is ours) or a group of others with weights. Pure.

import { addressToBytes, familyOf } from '@rookery/net';
import type { KernelNexthop, KernelNexthopObject } from '@rookery/router';
import { AF_INET, AF_INET6, AF_UNSPEC } from '../constants.ts';
import {
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  readAttributes,
  readU32,
} from './message.ts';
import type { MessageHeader, MessageWriter } from './message.ts';
import { RTA_GATEWAY, RTNH_F_ONLINK, emptyHop, freezeHop, readHopAttribute } from './route.ts';

export const RTM_NEWNEXTHOP = 104;
export const RTM_DELNEXTHOP = 105;
export const RTM_GETNEXTHOP = 106;

const NHA_ID = 1;
const NHA_GROUP = 2;
const NHA_BLACKHOLE = 4;
const NHA_OIF = 5;
const NHA_GATEWAY = 6;

/** Adding fails with EEXIST when the number is taken, removing with ENOENT when there is none. */
export function encodeNexthop(
  writer: MessageWriter,
  seq: number,
  change: 'add' | 'remove',
  { id, protocol, hop, members }: KernelNexthopObject,
): void {
  const adding = change === 'add';
  const flags = NLM_F_REQUEST | NLM_F_ACK | (adding ? NLM_F_CREATE | NLM_F_EXCL : 0);
  writer.begin(adding ? RTM_NEWNEXTHOP : RTM_DELNEXTHOP, flags, seq);
  const gateway = adding ? hop?.gateway : undefined;
  const family =
    gateway === undefined ? AF_UNSPEC : familyOf(gateway) === 'ipv4' ? AF_INET : AF_INET6;
  // The kernel wants nothing but the number of what it is to delete.
  writer.u8(family);
  writer.u8(0);
  writer.u8(adding ? protocol : 0);
  writer.u8(0);
  writer.u32(adding && hop?.onlink ? RTNH_F_ONLINK : 0);
  writer.attributeU32(NHA_ID, id);
  if (hop && gateway !== undefined) {
    writer.attribute(NHA_GATEWAY, addressToBytes(gateway));
    writer.attributeU32(NHA_OIF, hop.ifindex);
  } else if (adding && members) {
    const nest = writer.openNest(NHA_GROUP);
    for (const member of members) {
      writer.u32(member.id);
      writer.u32(member.weight - 1);
    }
    writer.closeNest(nest);
  }
  writer.end();
}

export function encodeNexthopDump(writer: MessageWriter, seq: number): void {
  writer.begin(RTM_GETNEXTHOP, NLM_F_REQUEST | NLM_F_DUMP, seq);
  writer.u32(0);
  writer.u32(0);
  writer.end();
}

/** `undefined` when the message is not RTM_NEWNEXTHOP. */
export function decodeNexthopObject(
  bytes: Uint8Array,
  message: MessageHeader,
): KernelNexthopObject | undefined {
  if (message.type !== RTM_NEWNEXTHOP || message.end - message.start < 8) return undefined;
  let id = 0;
  let blackhole: true | undefined;
  let members: { id: number; weight: number }[] | undefined;
  const hop = emptyHop();
  readAttributes(bytes, message.start + 8, message.end, (type, from, to) => {
    if (type === NHA_ID) id = readU32(bytes, from);
    else if (type === NHA_BLACKHOLE) blackhole = true;
    else if (type === NHA_OIF) hop.ifindex = readU32(bytes, from);
    else if (type === NHA_GATEWAY) readHopAttribute(bytes, RTA_GATEWAY, from, to, hop);
    else if (type === NHA_GROUP) {
      members = [];
      // struct nexthop_grp: u32 id, u8 weight - 1, u8 high byte of it, u16.
      for (let at = from; at + 8 <= to; at += 8) {
        members.push({ id: readU32(bytes, at), weight: bytes[at + 4]! + 1 });
      }
    }
  });
  if (readU32(bytes, message.start + 4) & RTNH_F_ONLINK) hop.onlink = true;
  return {
    id,
    protocol: bytes[message.start + 2]!,
    ...(blackhole ? { blackhole } : {}),
    ...(hop.ifindex === 0 || blackhole ? {} : { hop: freezeHop(hop) }),
    ...(members === undefined ? {} : { members }),
  };
}

/** The next hops behind an object or a group, with weights; empty when it is unknown. */
export function resolveNexthopObject(
  id: number,
  objects: ReadonlyMap<number, KernelNexthopObject>,
): readonly KernelNexthop[] {
  const object = objects.get(id);
  if (!object) return [];
  if (!object.members) return object.hop ? [object.hop] : [];
  return object.members.flatMap((member) => {
    const hop = objects.get(member.id)?.hop;
    return hop ? [member.weight === 1 ? hop : { ...hop, weight: member.weight }] : [];
  });
}
