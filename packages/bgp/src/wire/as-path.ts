// AS_PATH on the wire and as a value: segments (RFC 4271 §4.3, RFC 5065 §3), four-octet numbers and
// the merge with AS4_PATH (RFC 6793 §4.2), and the few questions that decision and policy ask.

import { err, ok, readU16, readU32 } from '@rookery/net';
import type { ByteWriter, Result } from '@rookery/net';
import { AS_TRANS, UPDATE_ERROR } from './constants.ts';
import { SEGMENT } from './path-attributes.ts';
import type { AsPathSegment, SegmentType } from './path-attributes.ts';
import type { Reaction } from './fault.ts';
import type { AttributeContext } from './update-types.ts';

interface AsPathFault {
  readonly reaction: Reaction;
  readonly subcode: number;
  readonly section: string;
  readonly detail: string;
}

/** Decodes the value of AS_PATH or AS4_PATH. */
export function decodeAsPath(
  bytes: Uint8Array,
  start: number,
  end: number,
  context: Pick<AttributeContext, 'as4' | 'confederation' | 'allowAsSets'>,
): Result<readonly AsPathSegment[], AsPathFault> {
  const segments: AsPathSegment[] = [];
  const width = context.as4 ? 4 : 2;
  let at = start;
  while (at < end) {
    if (end - at < 2) return malformed('AS_PATH ends within a segment header');
    const type = bytes[at]!;
    const count = bytes[at + 1]!;
    if (type < 1 || type > 4) return malformed(`AS_PATH segment of undefined type ${type}`);
    // RFC 7606 §7.2: a segment of length zero is malformed.
    if (count === 0) return malformed('AS_PATH segment without AS numbers');
    at += 2;
    if (end - at < count * width) return malformed('AS_PATH segment exceeds the attribute');
    // RFC 5065 §5: confederation segments from outside the confederation.
    if (type > 2 && !context.confederation) {
      return malformed('confederation segment from outside the confederation', 'RFC 5065 §5');
    }
    if (!context.allowAsSets && (type === SEGMENT.asSet || type === SEGMENT.confedSet)) {
      return malformed('AS_SET is no longer accepted', 'RFC 9774 §3');
    }
    const asns: number[] = [];
    for (let i = 0; i < count; i++, at += width) {
      const asn = width === 4 ? readU32(bytes, at) : readU16(bytes, at);
      if (asn === 0) return malformed('AS 0 in AS_PATH', 'RFC 7607 §2');
      asns.push(asn);
    }
    segments.push({ type: type as SegmentType, asns });
  }
  return ok(segments);
}

/** Writes the value; segments longer than 255 numbers are split. Two-octet form uses AS_TRANS. */
export function writeAsPath(
  path: readonly AsPathSegment[],
  writer: ByteWriter,
  as4: boolean,
): void {
  for (const { type, asns } of path) {
    for (let from = 0; from < asns.length; from += 255) {
      const part = asns.slice(from, from + 255);
      writer.u8(type);
      writer.u8(part.length);
      for (const asn of part) {
        if (as4) writer.u32(asn);
        else writer.u16(asn > 0xffff ? AS_TRANS : asn);
      }
    }
  }
}

/** True when a two-octet speaker cannot be told the whole path in AS_PATH. */
export function needsAs4(path: readonly AsPathSegment[]): boolean {
  return path.some(({ type, asns }) => type <= 2 && asns.some((asn) => asn > 0xffff));
}

// RFC 6793 §4.2.2: AS4_PATH is AS_PATH without its confederation segments.
export function as4PathOf(path: readonly AsPathSegment[]): readonly AsPathSegment[] {
  return path.filter(({ type }) => type <= 2);
}

/**
 * RFC 6793 §4.2.3: the path of a two-octet speaker with its tail replaced by AS4_PATH. An AS4_PATH
 * that is longer than AS_PATH is ignored.
 */
export function mergeAs4Path(
  path: readonly AsPathSegment[],
  as4Path: readonly AsPathSegment[],
): readonly AsPathSegment[] {
  let excess = asPathLength(path) - asPathLength(as4Path);
  if (excess < 0) return path;
  const merged: AsPathSegment[] = [];
  for (const segment of path) {
    const confed = segment.type > 2;
    if (excess === 0 && !confed) break;
    if (confed) {
      merged.push(segment);
    } else if (segment.type === SEGMENT.asSet) {
      merged.push(segment);
      excess -= 1;
    } else {
      merged.push({ type: segment.type, asns: segment.asns.slice(0, excess) });
      excess -= Math.min(excess, segment.asns.length);
    }
  }
  const last = merged.at(-1);
  const first = as4Path[0];
  if (last?.type === SEGMENT.asSequence && first?.type === SEGMENT.asSequence) {
    merged[merged.length - 1] = { type: last.type, asns: [...last.asns, ...first.asns] };
    return [...merged, ...as4Path.slice(1)];
  }
  return [...merged, ...as4Path];
}

/** RFC 4271 §9.1.2.2: an AS_SET counts as one; RFC 5065 §5.3: confederation segments do not count. */
export function asPathLength(path: readonly AsPathSegment[]): number {
  let length = 0;
  for (const { type, asns } of path) {
    if (type === SEGMENT.asSequence) length += asns.length;
    else if (type === SEGMENT.asSet) length += 1;
  }
  return length;
}

/** How often an AS appears, confederation segments included: loop detection, RFC 4271 §9.1.2. */
export function countAsInPath(path: readonly AsPathSegment[], asn: number): number {
  let count = 0;
  for (const { asns } of path) for (const hop of asns) if (hop === asn) count++;
  return count;
}

/** The neighboring AS: first of a leading AS_SEQUENCE; `undefined` for an empty path or a set. */
export function firstAs(path: readonly AsPathSegment[]): number | undefined {
  const leading = path.find(({ type }) => type <= 2);
  return leading?.type === SEGMENT.asSequence ? leading.asns[0] : undefined;
}

/** The originating AS: last of a trailing AS_SEQUENCE; `undefined` for an empty path or a set. */
export function originAs(path: readonly AsPathSegment[]): number | undefined {
  const last = path.at(-1);
  return last?.type === SEGMENT.asSequence ? last.asns.at(-1) : undefined;
}

/** RFC 4271 §5.1.2: our AS in front, in a leading sequence of at most 255 numbers. */
export function prependAs(
  path: readonly AsPathSegment[],
  asn: number,
  type: 2 | 3 = SEGMENT.asSequence,
): readonly AsPathSegment[] {
  const first = path[0];
  if (first?.type === type && first.asns.length < 255) {
    return [{ type, asns: [asn, ...first.asns] }, ...path.slice(1)];
  }
  return [{ type, asns: [asn] }, ...path];
}

function malformed(
  detail: string,
  section = 'RFC 7606 §7.2',
): { readonly ok: false; readonly error: AsPathFault } {
  return err({
    reaction: 'treatAsWithdraw',
    subcode: UPDATE_ERROR.malformedAsPath,
    section,
    detail,
  });
}
