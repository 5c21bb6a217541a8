// The import table of a channel (Adj-RIB-In, BIRD's `import table`): routes as the neighbor sent
// them, before the import policy. A table of its own that shares stores and source numbers with the
// channel's, so that a changed policy can be applied without asking the neighbor again.

import type { Channel } from './channel.ts';
import type { RouteTable } from './route-table.ts';

/** Sends every route of an import table through its channel's policy again, in slices. */
export function reloadFrom({ rib, attributes }: RouteTable, channel: Channel): void {
  const { source } = channel;
  const walk = rib.walkSource(source);
  const paths = new Int32Array(256);
  const present = new Map<number, number>();
  channel.protocol.engine.work.add({
    owner: channel.protocol,
    run: (budget) => {
      let done = 0;
      while (channel.source === source && done < budget && !walk.done) {
        const count = walk.next(paths);
        for (let i = 0; i < count; i++) {
          const path = paths[i]!;
          // What a restarting neighbor has not sent again must not look as if it had.
          if (rib.isStale(path)) continue;
          const before = rib.attributesOf(path);
          let now = present.get(before);
          if (now === undefined) present.set(before, (now = atPreference(before)));
          channel.importRoute(rib.netOf(path), now, rib.pathIdOf(path));
        }
        done += Math.max(1, count);
      }
      if (channel.source === source && !walk.done) return budget;
      for (const number of present.values()) attributes.release(number);
      return 0;
    },
  });

  /** Attributes number with a reference: the channel's preference may have changed. */
  function atPreference(number: number): number {
    const { preference } = channel.config;
    const route = attributes.get(number);
    if (route.preference !== preference) return attributes.intern({ ...route, preference });
    attributes.retain(number);
    return number;
  }
}
