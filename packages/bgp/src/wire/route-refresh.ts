// ROUTE-REFRESH (RFC 2918) with the demarcation subtypes of RFC 7313. Outbound route filters
// (RFC 5291) are not spoken; octets behind the pair are ignored for a plain request.

import type { Family } from '@rookery/net';
import { copyBytes, err, ok, readU16 } from '@rookery/net';
import type { Result } from '@rookery/net';
import { ERROR, HEADER_LENGTH, MESSAGE, REFRESH, ROUTE_REFRESH_ERROR } from './constants.ts';
import { afiSafiOf, familyOfAfiSafi } from './family.ts';
import type { Notification } from './fault.ts';
import { frameMessage } from './frame-message.ts';

export type RefreshKind = keyof typeof REFRESH;

/** As BIRD calls them. */
export const REFRESH_NAMES: Readonly<Record<RefreshKind, string>> = {
  request: 'ROUTE-REFRESH',
  begin: 'BEGIN-OF-RR',
  end: 'END-OF-RR',
};

export interface DecodedRouteRefresh {
  readonly afi: number;
  readonly safi: number;
  readonly family?: Family;
  /** `undefined`: a subtype that nobody defined, to be ignored (RFC 7313 §5). */
  readonly kind?: RefreshKind;
}

/** Decodes a whole message of at least 23 octets. */
export function decodeRouteRefresh(
  bytes: Uint8Array,
  start: number,
  end: number,
): Result<DecodedRouteRefresh, Notification> {
  const body = start + HEADER_LENGTH;
  const subtype = bytes[body + 2]!;
  // RFC 7313 §5: begin and end have no body behind the pair.
  if ((subtype === REFRESH.begin || subtype === REFRESH.end) && end - body !== 4) {
    return err({
      code: ERROR.routeRefresh,
      subcode: ROUTE_REFRESH_ERROR.invalidLength,
      data: copyBytes(bytes, start, end),
    });
  }
  const afi = readU16(bytes, body);
  const safi = bytes[body + 3]!;
  const family = familyOfAfiSafi(afi, safi);
  const kind = (Object.keys(REFRESH) as RefreshKind[]).find((name) => REFRESH[name] === subtype);
  return ok({ afi, safi, ...(family && { family }), ...(kind && { kind }) });
}

/** Whether a whole message is a ROUTE-REFRESH of this kind. */
export function isRefresh(message: Uint8Array, kind: RefreshKind): boolean {
  return (
    message[HEADER_LENGTH - 1] === MESSAGE.routeRefresh &&
    message[HEADER_LENGTH + 2] === REFRESH[kind]
  );
}

export function encodeRouteRefresh(family: Family, kind: RefreshKind): Uint8Array {
  const { afi, safi } = afiSafiOf(family);
  return frameMessage(MESSAGE.routeRefresh, Uint8Array.of(0, afi, REFRESH[kind], safi));
}
