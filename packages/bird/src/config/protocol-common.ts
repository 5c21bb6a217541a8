// What every protocol has: name, disabled, debug, description, router id, vrf.

import type { NetType, ProtocolCommon } from '@rookery/router';
import { raise } from '../lexer.ts';
import { defined } from './draft.ts';
import type { ChannelDraft, DraftCommon } from './draft.ts';
import { readMrtMask } from './mrt-mask.ts';
import type { OptionTable } from './options.ts';
import type { Reader } from './reader.ts';

export const COMMON_OPTIONS: OptionTable<DraftCommon> = {
  disabled: (read, d) => void (d.disabled = read.bool()),
  debug: (read, d) => void (d.debug = read.debugMask()),
  mrtdump: (read, d) => void (d.mrtDump = readMrtMask(read)),
  'router id': (read, d) => {
    const at = read.c.token;
    d.routerId = read.quad();
    if (d.routerId === '0.0.0.0') raise(at, 'range', 'Router ID must not be zero');
  },
  hostname: (read) => void read.text(),
  description: (read, d) => void (d.description = read.text()),
  vrf: (read, d) => {
    d.vrf = read.c.acceptWord('default') ? undefined : read.text();
  },
};

export function finishCommon(d: DraftCommon): ProtocolCommon {
  return {
    name: d.name,
    disabled: d.disabled,
    debug: d.debug,
    ...defined('mrtDump', d.mrtDump),
    ...defined('description', d.description),
    ...defined('routerId', d.routerId),
    ...defined('vrf', d.vrf),
  };
}

const DEFAULT_TABLES: Readonly<Record<NetType, string | undefined>> = {
  ipv4: 'master4',
  ipv6: 'master6',
  roa4: undefined,
  roa6: undefined,
};

/** The channel's table: the one it names, or the master table of its type. */
export function tableOf(read: Reader, channel: ChannelDraft): string {
  const name = channel.table ?? DEFAULT_TABLES[channel.netType];
  if (name !== undefined) return name;
  const tables = read.scope.names('routing table').filter((table) => {
    const symbol = read.scope.lookup(table);
    return symbol?.kind === 'routing table' && symbol.netType === channel.netType;
  });
  const hint =
    tables.length > 0
      ? `add to the channel: table ${tables[0]};`
      : `define one at the top: ${channel.netType} table r; and add to the channel: table r;`;
  return raise(channel.at, 'semantic', 'Routing table not specified', hint);
}
