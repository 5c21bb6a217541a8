// Path attributes from bytes to values (RFC 4271 §6.3 as revised by RFC 7606). Called once per
// distinct block: the caller interns blocks by content. Never throws; whatever is wrong is returned
// as faults with their reactions, and offsets are those of the given bytes.

import { addressFromBytes, copyBytes, readU16 } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import { attributeRow, wrongHost } from './attribute-table.ts';
import type { AttributeDraft } from './attribute-table.ts';
import { mergeAs4Path } from './as-path.ts';
import { AS_TRANS, ATTRIBUTE, ERROR, FLAG, UPDATE_ERROR } from './constants.ts';
import { NO_DATA } from './fault.ts';
import type { Reaction, WireFault } from './fault.ts';
import { familyOfAfiSafi } from './family.ts';
import type { PathAttributes } from './path-attributes.ts';
import type {
  AttributeContext,
  DecodedAttributes,
  MpReach,
  MpUnreach,
  Reach,
} from './update-types.ts';

/**
 * Decodes the attribute section bytes[start, end). `reach` tells for which prefixes: it decides which
 * attributes are mandatory (`none`: a pure withdrawal needs nothing).
 */
export function decodePathAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
  context: AttributeContext,
  reach: Reach,
): DecodedAttributes {
  const run: Run = {
    bytes,
    context,
    draft: { asPath: [] },
    faults: [],
    seen: new Set(),
    repeated: new Set(),
  };
  let at = start;
  while (at < end) {
    const next = decodeOne(run, at, end);
    if (next < 0) break;
    at = next;
  }
  mergeAs4(run);
  checkMandatory(run, start, reach);
  return {
    attributes: finishDraft(run),
    faults: run.faults,
    ...(run.mpReach && { mpReach: run.mpReach }),
    ...(run.mpUnreach && { mpUnreach: run.mpUnreach }),
  };
}

interface Run {
  readonly bytes: Uint8Array;
  readonly context: AttributeContext;
  readonly draft: AttributeDraft;
  readonly faults: WireFault[];
  readonly seen: Set<number>;
  /** Told once: one message has room for twenty thousand repetitions. */
  readonly repeated: Set<number>;
  mpReach?: MpReach;
  mpUnreach?: MpUnreach;
}

/** Decodes the attribute at `at`; returns the next offset, or -1 when the list is broken. */
function decodeOne(run: Run, at: number, end: number): number {
  const { bytes } = run;
  // RFC 7606 §4: too few octets for a header, or a length that overruns: the rest is lost, but the
  // total length still tells where the NLRI begins.
  const extended = (bytes[at]! & FLAG.extended) !== 0;
  const header = extended ? 4 : 3;
  if (end - at < header) return truncated(run, at, end, 'attribute header is cut off');
  const flags = bytes[at]!;
  const type = bytes[at + 1]!;
  const value = at + header;
  const next = value + (extended ? readU16(bytes, at + 2) : bytes[at + 2]!);
  if (next > end) return truncated(run, at, end, 'attribute exceeds the attribute section');
  const attribute: Located = { at, value, next, type, flags };
  if (type === ATTRIBUTE.mpReach || type === ATTRIBUTE.mpUnreach) {
    decodeMultiprotocol(run, attribute);
    return next;
  }
  // RFC 7606 §3 (g): of a repeated attribute the first counts.
  if (run.seen.has(type)) {
    repeats(run, attribute, 'attributeDiscard', `attribute ${type}`);
    return next;
  }
  run.seen.add(type);
  const row = attributeRow(type);
  if (!row) {
    decodeUnknown(run, attribute);
  } else if (((flags ^ row.flags) & (FLAG.optional | FLAG.transitive)) !== 0) {
    // RFC 7606 §3 (c): a conflict of the attribute flags.
    const detail = `${row.name} has conflicting flags`;
    fault(
      run,
      attribute,
      'treatAsWithdraw',
      UPDATE_ERROR.attributeFlags,
      'RFC 7606 §3 (c)',
      detail,
    );
  } else {
    const bad = row.decode(bytes, value, next, run.draft, run.context);
    if (bad) fault(run, attribute, bad.reaction, bad.subcode, bad.section, bad.detail);
  }
  return next;
}

interface Located {
  readonly at: number;
  readonly value: number;
  readonly next: number;
  readonly type: number;
  readonly flags: number;
}

function decodeUnknown(run: Run, attribute: Located): void {
  const { flags, type, value, next } = attribute;
  if ((flags & FLAG.optional) === 0) {
    // RFC 4271 §6.3 resets the session and RFC 7606 is silent; like BIRD 2.x we withdraw, because the
    // prefixes are known and one odd attribute must not cost every other route.
    const detail = `unknown well-known attribute ${type}`;
    const subcode = UPDATE_ERROR.unrecognizedWellKnown;
    fault(run, attribute, 'treatAsWithdraw', subcode, 'RFC 4271 §6.3', detail);
    return;
  }
  // RFC 4271 §5: an unknown optional attribute travels on only when it is transitive.
  if ((flags & FLAG.transitive) === 0) return;
  (run.draft.unknown ??= []).push({
    type,
    flags: FLAG.optional | FLAG.transitive | FLAG.partial,
    value: copyBytes(run.bytes, value, next),
  });
}

function decodeMultiprotocol(run: Run, attribute: Located): void {
  const { bytes } = run;
  const { value, next, type, flags } = attribute;
  const reach = type === ATTRIBUTE.mpReach;
  const name = reach ? 'MP_REACH_NLRI' : 'MP_UNREACH_NLRI';
  // RFC 7606 §3 (g): repetition of these two resets the session.
  if (run.seen.has(type)) {
    repeats(run, attribute, 'sessionReset', name);
    return;
  }
  run.seen.add(type);
  if ((flags & (FLAG.optional | FLAG.transitive)) !== FLAG.optional) {
    const subcode = UPDATE_ERROR.attributeFlags;
    const detail = `${name} has conflicting flags`;
    fault(run, attribute, 'treatAsWithdraw', subcode, 'RFC 7606 §3 (c)', detail);
  }
  if (next - value < (reach ? 5 : 3)) {
    // RFC 7606 §5.3: without the pair nobody knows which prefixes are meant.
    const section = reach ? 'RFC 7606 §7.11' : 'RFC 7606 §7.12';
    fault(
      run,
      attribute,
      'sessionReset',
      UPDATE_ERROR.optionalAttribute,
      section,
      `${name} is too short`,
    );
    return;
  }
  const afi = readU16(bytes, value);
  const safi = bytes[value + 2]!;
  const family = familyOfAfiSafi(afi, safi);
  const pair = { afi, safi, ...(family && { family }) };
  if (reach) decodeMpReach(run, attribute, pair);
  else run.mpUnreach = { ...pair, nlriStart: value + 3, nlriEnd: next };
}

function decodeMpReach(
  run: Run,
  attribute: Located,
  pair: Pick<MpReach, 'afi' | 'safi' | 'family'>,
): void {
  const { bytes, context } = run;
  const { value, next } = attribute;
  const length = bytes[value + 3]!;
  const nlriStart = value + 5 + length;
  const legal =
    pair.family === undefined ||
    (pair.family === 'ipv4' && length === 4) ||
    ((pair.family === 'ipv6' || context.extendedNextHop) && (length === 16 || length === 32));
  if (nlriStart > next || !legal) {
    // RFC 7606 §7.11: behind a next hop of unexpected length the prefixes cannot be found.
    const detail = `next hop of MP_REACH_NLRI has ${length} octets`;
    const subcode = UPDATE_ERROR.optionalAttribute;
    fault(run, attribute, 'sessionReset', subcode, 'RFC 7606 §7.11', detail);
    return;
  }
  const place = { ...pair, nlriStart, nlriEnd: next };
  if (!pair.family) {
    run.mpReach = place;
    return;
  }
  const first = addressFromBytes(bytes, value + 4, length === 4 ? 4 : 16);
  const second = length === 32 ? addressFromBytes(bytes, value + 20, 16) : undefined;
  const hops = nextHops(first, second);
  const wrong = hops.nextHop === first ? wrongNextHop(bytes, value + 4, length) : undefined;
  if (wrong) {
    const subcode = UPDATE_ERROR.invalidNextHop;
    fault(run, attribute, 'treatAsWithdraw', subcode, 'RFC 4760 §3', `next hop is ${wrong}`);
  }
  run.mpReach = { ...place, ...hops };
}

// RFC 2545 §3: global, then link-local. Without a global address speakers send the link-local one
// alone, twice, or behind the zero address; some leave the second one zero.
function nextHops(
  first: IpAddress,
  second: IpAddress | undefined,
): { nextHop: IpAddress; linkLocalNextHop?: IpAddress } {
  const linkLocal = second !== undefined && /^fe[89ab]/.test(second) ? second : undefined;
  if (first === '::' && linkLocal !== undefined) return { nextHop: linkLocal };
  return { nextHop: first, ...(linkLocal && { linkLocalNextHop: linkLocal }) };
}

function wrongNextHop(bytes: Uint8Array, at: number, length: number): string | undefined {
  if (length === 4) {
    const word =
      (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    return wrongHost(word >>> 0);
  }
  if (bytes[at] === 255) return 'a multicast address';
  for (let i = at; i < at + 16; i++) if (bytes[i] !== 0) return undefined;
  return 'the zero address';
}

// RFC 6793 §4.2.3.
function mergeAs4(run: Run): void {
  const { draft } = run;
  if (!draft.as4Path && !draft.as4Aggregator) return;
  if (draft.aggregator && draft.aggregator.asn !== AS_TRANS) return;
  if (draft.aggregator && draft.as4Aggregator) draft.aggregator = draft.as4Aggregator;
  if (draft.as4Path) draft.asPath = mergeAs4Path(draft.asPath, draft.as4Path);
}

// RFC 7606 §3 (d): a missing mandatory attribute withdraws the routes.
function checkMandatory(run: Run, start: number, reach: Reach): void {
  if (reach === 'none') return;
  const wanted =
    reach === 'classic'
      ? [ATTRIBUTE.origin, ATTRIBUTE.asPath, ATTRIBUTE.nextHop]
      : [ATTRIBUTE.origin, ATTRIBUTE.asPath, ATTRIBUTE.mpReach];
  for (const type of wanted) {
    if (run.seen.has(type)) continue;
    run.faults.push({
      reaction: 'treatAsWithdraw',
      notification: {
        code: ERROR.update,
        subcode: UPDATE_ERROR.missingWellKnown,
        data: Uint8Array.of(type),
      },
      attribute: type,
      offset: start,
      section: 'RFC 7606 §3 (d)',
      detail: `${attributeRow(type)?.name ?? 'MP_REACH_NLRI'} is missing`,
    });
  }
}

function finishDraft({ draft, mpReach }: Run): PathAttributes {
  const { as4Path: _path, as4Aggregator: _aggregator, ...attributes } = draft;
  if (attributes.nextHop !== undefined || mpReach?.nextHop === undefined) return attributes;
  return {
    ...attributes,
    nextHop: mpReach.nextHop,
    ...(mpReach.linkLocalNextHop && { linkLocalNextHop: mpReach.linkLocalNextHop }),
  };
}

function repeats(run: Run, attribute: Located, reaction: Reaction, name: string): void {
  if (run.repeated.has(attribute.type)) return;
  run.repeated.add(attribute.type);
  fault(run, attribute, reaction, 1, 'RFC 7606 §3 (g)', `${name} repeats`);
}

function truncated(run: Run, at: number, end: number, detail: string): -1 {
  const type = end - at >= 2 ? run.bytes[at + 1]! : undefined;
  // RFC 7606 §5.3: when it is a multiprotocol one, nobody knows which prefixes are meant.
  const multiprotocol = type === ATTRIBUTE.mpReach || type === ATTRIBUTE.mpUnreach;
  run.faults.push({
    reaction: multiprotocol ? 'sessionReset' : 'treatAsWithdraw',
    notification: {
      code: ERROR.update,
      subcode: UPDATE_ERROR.malformedAttributeList,
      data: NO_DATA,
    },
    ...(type !== undefined && { attribute: type }),
    offset: at,
    section: multiprotocol ? 'RFC 7606 §5.3' : 'RFC 7606 §4',
    detail,
  });
  return -1;
}

function fault(
  run: Run,
  attribute: Located,
  reaction: Reaction,
  subcode: number,
  section: string,
  detail: string,
): void {
  const { at, next, type } = attribute;
  // RFC 4271 §6.3: the data is the erroneous attribute, except for a malformed list or path.
  const bare =
    subcode === UPDATE_ERROR.malformedAttributeList || subcode === UPDATE_ERROR.malformedAsPath;
  const data = bare ? NO_DATA : copyBytes(run.bytes, at, Math.min(next, at + 1024));
  run.faults.push({
    reaction,
    notification: { code: ERROR.update, subcode, data },
    attribute: type,
    offset: at,
    section,
    detail,
  });
}
