// What accumulates while a configuration file is read, top to bottom: order matters in this
// language, so there is one pass and one mutable state.

import type {
  DebugMask,
  LogConfig,
  MrtFlag,
  ProtocolConfig,
  RouterConfig,
  TableConfig,
  TimeFormat,
} from '@rookery/router';
import type { ProtocolDraft, ProtocolKind } from './draft.ts';
import type { Reader } from './reader.ts';

export interface ConfigState {
  readonly read: Reader;
  readonly tables: TableConfig[];
  readonly protocols: ProtocolConfig[];
  /** Named protocols and templates, for `from`. */
  readonly drafts: Map<string, ProtocolDraft>;
  readonly logs: LogConfig[];
  readonly sockets: { path: string; restrict: boolean }[];
  readonly timeFormats: { -readonly [K in keyof RouterConfig['timeFormats']]: TimeFormat };
  /** `bgp1`, `kernel2`: the next name for a protocol without one. */
  readonly unnamed: (kind: ProtocolKind) => string;
  routerId: string | undefined;
  routerIdFrom: RouterConfig['routerIdFrom'];
  hostname: string | undefined;
  debugProtocols: DebugMask;
  mrtDumpFile: string | undefined;
  mrtDumpProtocols: readonly MrtFlag[] | undefined;
  debugChannels: DebugMask;
  debugTables: DebugMask;
  debugCommands: number;
  gracefulRestartWaitSec: number;
  /** A protocol was left out because of an error inside it. */
  incomplete: boolean;
}

const ROUTE_TIME: TimeFormat = { format: '%T.%3f', limitSec: 72_000, oldFormat: '%F' };
const LONG_TIME: TimeFormat = { format: '%F %T.%3f' };

export function initialState(read: Reader): ConfigState {
  const counters = new Map<ProtocolKind, number>();
  return {
    read,
    tables: [
      { name: 'master4', netType: 'ipv4', sorted: false },
      { name: 'master6', netType: 'ipv6', sorted: false },
    ],
    protocols: [],
    drafts: new Map(),
    logs: [],
    sockets: [],
    timeFormats: { route: ROUTE_TIME, protocol: ROUTE_TIME, base: LONG_TIME, log: LONG_TIME },
    unnamed: (kind) => {
      for (;;) {
        const number = (counters.get(kind) ?? 0) + 1;
        counters.set(kind, number);
        if (!read.scope.has(`${kind}${number}`)) return `${kind}${number}`;
      }
    },
    routerId: undefined,
    routerIdFrom: [],
    hostname: undefined,
    mrtDumpFile: undefined,
    mrtDumpProtocols: undefined,
    debugProtocols: [],
    debugChannels: [],
    debugTables: [],
    debugCommands: 0,
    gracefulRestartWaitSec: 240,
    incomplete: false,
  };
}
