// Debug masks: which kinds of trace lines a protocol or channel writes (`debug protocols all`,
// `debug NAME { states, routes }`). Kept as booleans, because the route path asks once per route.

import type { DebugFlag, DebugMask } from './config.ts';

export interface TraceFlags {
  readonly states: boolean;
  readonly routes: boolean;
  readonly filters: boolean;
  readonly interfaces: boolean;
  readonly events: boolean;
  readonly packets: boolean;
}

/** The masks as booleans; a channel has its own and its protocol's. */
export function traceFlags(mask: DebugMask, more: DebugMask = []): TraceFlags {
  const has = (flag: DebugFlag): boolean => mask.includes(flag) || more.includes(flag);
  return {
    states: has('states'),
    routes: has('routes'),
    filters: has('filters'),
    interfaces: has('interfaces'),
    events: has('events'),
    packets: has('packets'),
  };
}
