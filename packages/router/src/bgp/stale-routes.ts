// Long-lived graceful restart (RFC 9494 §4.3): when the restart time of a neighbor is over, its
// stale routes become last resorts: LLGR_STALE is added and they lose every comparison. Routes that
// carry NO_LLGR go.

import type { Channel } from '../channel.ts';
import type { Engine } from '../engine.ts';

const LLGR_STALE = 0xffff0006;
const NO_LLGR = 0xffff0007;

/** Marks or removes every stale route of the channel's source, in slices, while `isDown`. */
export function markLongLived(channel: Channel, engine: Engine, isDown: () => boolean): void {
  const { rib, attributes } = channel.table;
  const { source } = channel;
  const walk = rib.walkSource(source, { staleOnly: true });
  const paths = new Int32Array(256);
  const outcomes = new Map<number, number>();
  engine.work.add({
    owner: channel.protocol,
    run: (budget) => {
      let done = 0;
      const goesOn = isDown() && channel.source === source;
      while (goesOn && done < budget && !walk.done) {
        const count = walk.next(paths);
        for (let i = 0; i < count; i++) {
          const path = paths[i]!;
          const before = rib.attributesOf(path);
          let after = outcomes.get(before);
          if (after === undefined) {
            after = longLivedForm(channel, before);
            outcomes.set(before, after);
          }
          rib.apply(rib.netOf(path), source, rib.pathIdOf(path), after, engine.nowMs);
        }
        done += Math.max(1, count);
      }
      if (goesOn && !walk.done) return budget;
      // What was applied counts as fresh; while the peer is away all of it is stale.
      if (goesOn) rib.markStale(source);
      for (const outcome of outcomes.values()) if (outcome !== 0) attributes.release(outcome);
      return 0;
    },
  });
}

/** Attributes number with a reference; 0 when the route must not be kept. */
function longLivedForm(channel: Channel, before: number): number {
  const { attributes } = channel.table;
  const route = attributes.get(before);
  const communities = route.bgp?.communities ?? [];
  if (communities.includes(NO_LLGR)) return 0;
  const marked = communities.includes(LLGR_STALE) ? communities : [...communities, LLGR_STALE];
  return attributes.intern({
    ...route,
    llgrStale: true,
    ...(route.bgp ? { bgp: { ...route.bgp, communities: marked } } : {}),
  });
}
