// The link bandwidth extended community (draft-ietf-idr-link-bandwidth: octets per second behind a
// route) as shares of traffic among equally good routes.

import type { RouteAttributes } from '@rookery/rib';

/**
 * A weight from 1 to 100 for each route, in proportion to its bandwidth; `undefined` when one of
 * them tells none, because what it can take is then not known.
 */
export function bandwidthShares(routes: readonly RouteAttributes[]): number[] | undefined {
  const bandwidths = routes.map(linkBandwidthOf);
  const known = bandwidths.filter((bandwidth) => bandwidth !== undefined);
  if (known.length < routes.length) return undefined;
  const most = Math.max(...known);
  return known.map((bandwidth) => Math.max(1, Math.round((100 * bandwidth) / most)));
}

function linkBandwidthOf({ bgp }: RouteAttributes): number | undefined {
  const words = bgp?.extendedCommunities ?? [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    // Type 0x00 or, when it is not passed on to other ASes, 0x40; subtype 4.
    if (((words[i]! >>> 16) & 0xbfff) !== 0x0004) continue;
    const bandwidth = float32(words[i + 1]!);
    if (bandwidth > 0 && bandwidth < Infinity) return bandwidth;
  }
  return undefined;
}

/** IEEE 754, as the community carries it. */
function float32(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits);
  return view.getFloat32(0);
}
