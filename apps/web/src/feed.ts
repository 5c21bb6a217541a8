// The page's one source: server-sent pictures, reduced to a state that the views read. What changed
// between two pictures becomes a line of the timeline, so the page remembers what it saw.

import type { Picture } from '@rookery/doctor';

export interface FeedState {
  readonly picture: Picture | undefined;
  /** False while the server does not answer; the last picture stays, greyed. */
  readonly connected: boolean;
  /** Newest first. */
  readonly timeline: readonly TimelineEntry[];
}

export interface TimelineEntry {
  readonly key: number;
  readonly atMs: number;
  readonly level: 'good' | 'bad' | 'note';
  readonly text: string;
}

export interface Feed {
  readonly subscribe: (onChange: () => void) => () => void;
  readonly read: () => FeedState;
}

const MAX_ENTRIES = 50;

/** Opens the stream; the browser reconnects by itself. */
export function createFeed(url: string): Feed {
  let state: FeedState = { picture: undefined, connected: false, timeline: [] };
  const listeners = new Set<() => void>();
  const publish = (next: FeedState): void => {
    state = next;
    for (const listener of listeners) listener();
  };
  const source = new EventSource(url);
  source.addEventListener('picture', (event) => {
    publish(reduce(state, JSON.parse((event as MessageEvent<string>).data) as Picture));
  });
  source.addEventListener('error', () => publish({ ...state, connected: false }));
  return {
    subscribe(onChange) {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
    read: () => state,
  };
}

/** The next state: the new picture and what it changed. */
export function reduce(state: FeedState, picture: Picture): FeedState {
  const entries = state.picture ? changesBetween(state.picture, picture) : [];
  const firstKey = (state.timeline[0]?.key ?? 0) + 1;
  const timeline = [
    ...entries.map((entry, i) => ({ ...entry, key: firstKey + i, atMs: picture.atMs })).reverse(),
    ...state.timeline,
  ].slice(0, MAX_ENTRIES);
  return { picture, connected: true, timeline };
}

type Change = Pick<TimelineEntry, 'level' | 'text'>;

function changesBetween(before: Picture, after: Picture): readonly Change[] {
  const changes: Change[] = [];
  for (const node of after.nodes) {
    const was = before.nodes.find((n) => n.name === node.name);
    if (was?.up !== node.up) {
      const why = node.router?.lastError ? `: ${node.router.lastError}` : '';
      changes.push(
        node.up
          ? { level: 'good', text: `${node.name} is in service` }
          : { level: 'bad', text: `${node.name} is out of service${why}` },
      );
    }
  }
  for (const service of after.services) {
    const was = before.services.find((s) => s.name === service.name);
    const addresses = service.addresses.join(', ');
    if (was && was.addresses.join(', ') !== addresses) {
      changes.push({ level: 'note', text: `${service.name} has ${addresses || 'no address'}` });
    }
    if (was?.reachable !== service.reachable) {
      changes.push(
        service.reachable
          ? { level: 'good', text: `${service.name} can be reached` }
          : { level: 'bad', text: `${service.name} cannot be reached` },
      );
    }
  }
  for (const service of before.services) {
    if (!after.services.some((s) => s.name === service.name)) {
      changes.push({ level: 'note', text: `${service.name} is gone` });
    }
  }
  return changes;
}
