// The small protocols: device, direct, kernel, pipe, bfd. Options, checks and defaults of each.

import type {
  BfdConfig,
  DeviceConfig,
  DirectConfig,
  KernelConfig,
  NetType,
  PipeConfig,
} from '@rookery/router';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { readBfdOptions } from './bfd-options.ts';
import { readBlock } from './block.ts';
import { COMMON_CHANNEL, readTable } from './channel.ts';
import { BFD_DEFAULTS, defined, finishChannel } from './draft.ts';
import type {
  BfdDraft,
  BfdOptionsDraft,
  ChannelDraft,
  DeviceDraft,
  DirectDraft,
  KernelDraft,
  PipeDraft,
} from './draft.ts';
import { optionSet, readOption } from './options.ts';
import type { OptionTable } from './options.ts';
import { finishCommon, tableOf } from './protocol-common.ts';
import type { Reader } from './reader.ts';

const MERGE_PATHS_LIMIT = 16;

export const DEVICE_OPTIONS: OptionTable<DeviceDraft> = {
  'scan time': (read, d) => void (d.scanTimeSec = read.num()),
  interface: (read, d) => {
    const patterns = read.patterns();
    const preferred: string[] = [];
    if (read.c.isPunct('{')) {
      const options = optionSet<string[]>({ preferred: (r, list) => void list.push(r.ip()) });
      readBlock(read, () => readOption(options, read, preferred));
    }
    d.interfaces = [...(d.interfaces ?? []), { patterns, preferred }];
  },
};

export function finishDevice(_read: Reader, d: DeviceDraft): DeviceConfig {
  return {
    kind: 'device',
    ...finishCommon(d),
    scanTimeSec: d.scanTimeSec ?? 60,
    interfaces: d.interfaces ?? [],
  };
}

export const DIRECT_OPTIONS: OptionTable<DirectDraft> = {
  interface: (read, d) => {
    d.interfaces = [...(d.interfaces ?? []), ...read.patterns()];
    // An empty block is allowed, as everywhere interfaces are listed.
    if (read.c.acceptPunct('{')) read.c.expectPunct('}');
  },
  'check link': (read, d) => void (d.checkLink = read.bool()),
};

export function finishDirect(read: Reader, d: DirectDraft): DirectConfig {
  return {
    kind: 'direct',
    ...finishCommon(d),
    channels: d.channels.map((channel) => finishChannel(channel, 'direct', tableOf(read, channel))),
    interfaces: d.interfaces ?? [],
    checkLink: d.checkLink ?? false,
  };
}

export const KERNEL_OPTIONS: OptionTable<KernelDraft> = {
  persist: (read, d) => void (d.persist = read.bool()),
  'scan time': (read, d, at) => {
    d.scanTimeSec = read.num();
    if (d.scanTimeSec < 0) raise(at, 'range', 'Invalid scan time');
  },
  learn: (read, d) => {
    if (read.c.acceptWord('all')) d.learn = 'all';
    else d.learn = read.bool() ? 'on' : 'off';
  },
  'kernel table': (read, d) => void (d.kernelTable = read.num()),
  metric: (read, d) => void (d.metric = read.num()),
  'merge paths': (read, d) => {
    const { c } = read;
    const on = c.isWord('limit') ? true : read.bool();
    const limit = c.acceptWord('limit') ? read.num(1, 255, 'Merge paths limit') : MERGE_PATHS_LIMIT;
    d.mergePaths = on ? limit : undefined;
  },
  'link bandwidth weights': (read, d) => void (d.linkBandwidthWeights = read.bool()),
  'graceful restart': (read, d) => void (d.gracefulRestart = read.bool()),
  'netlink rx buffer': (read) => void read.num(),
};

export function finishKernel(read: Reader, d: KernelDraft, end: Token): KernelConfig {
  const channel = onlyChannel(d.channels, end, 'kernel');
  return {
    kind: 'kernel',
    ...finishCommon(d),
    channel: finishChannel(channel, 'kernel', tableOf(read, channel)),
    persist: d.persist ?? false,
    scanTimeSec: d.scanTimeSec ?? 60,
    learn: d.learn ?? 'off',
    kernelTable: d.kernelTable ?? 254,
    metric: d.metric ?? 32,
    ...defined('mergePaths', d.mergePaths),
    linkBandwidthWeights: d.linkBandwidthWeights ?? false,
    gracefulRestart: d.gracefulRestart ?? false,
  };
}

/** The channel of a protocol that must have exactly one. */
export function onlyChannel(
  channels: readonly ChannelDraft[],
  end: Token,
  kind: string,
): ChannelDraft {
  const channel = channels[0];
  if (channel === undefined) {
    return raise(
      end,
      'semantic',
      'Channel not specified',
      `add to protocol ${kind}: ipv4; or ipv4 { … };`,
    );
  }
  return channel;
}

/** Options of a pipe are those of its single channel. */
export const PIPE_OPTIONS: OptionTable<PipeDraft> = {
  ...Object.fromEntries(
    Object.entries(COMMON_CHANNEL)
      .filter(([name]) => name !== 'debug')
      .map(([name, option]): [string, OptionTable<PipeDraft>[string]] => [
        name,
        (read, d, at) => option(read, pipeChannel(read, d, at), at),
      ]),
  ),
  table: (read, d, at) => {
    const name = readTable(read);
    const symbol = read.scope.lookup(name);
    const netType = symbol?.kind === 'routing table' ? symbol.netType : 'ipv4';
    d.channels = [{ ...pipeChannel(read, d, at), netType, table: name }];
  },
  'peer table': (read, d) => {
    d.peerTableToken = read.c.token;
    d.peerTable = readTable(read);
  },
  'max generation': (read) => void read.num(),
};

function pipeChannel(_read: Reader, d: PipeDraft, at: Token): ChannelDraft {
  const channel = d.channels[0] ?? { netType: 'ipv4', at };
  d.channels = [channel];
  return channel;
}

export function finishPipe(read: Reader, d: PipeDraft, end: Token): PipeConfig {
  const channel = d.channels[0];
  if (channel?.table === undefined) {
    return raise(end, 'semantic', 'Primary routing table not specified', 'add: table T;');
  }
  if (d.peerTable === undefined) {
    return raise(end, 'semantic', 'Secondary routing table not specified', 'add: peer table T;');
  }
  const peer = read.scope.lookup(d.peerTable);
  if (d.peerTable === channel.table) {
    raise(end, 'semantic', 'Primary table and peer table must be different');
  }
  if (peer?.kind === 'routing table' && peer.netType !== channel.netType) {
    raise(end, 'semantic', 'Primary table and peer table must have the same type');
  }
  return {
    kind: 'pipe',
    ...finishCommon(d),
    channel: finishChannel(channel, 'pipe', channel.table),
    peerTable: d.peerTable,
  };
}

export const BFD_OPTIONS: OptionTable<BfdDraft> = {
  accept: (read, d) => {
    const { c } = read;
    const family = c.acceptWord('ipv4') ? 'ipv4' : c.acceptWord('ipv6') ? 'ipv6' : undefined;
    const hops = c.acceptWord('direct')
      ? 'direct'
      : c.acceptWord('multihop')
        ? 'multihop'
        : undefined;
    d.accept = { ...d.accept, ...defined('family', family), ...defined('hops', hops) };
  },
  'strict bind': (read, _d, at) => warnOfNoEffect(read, at, 'strict bind'),
  'zero udp6 checksum rx': (read, _d, at) => warnOfNoEffect(read, at, 'zero udp6 checksum rx'),
  interface: (read, d) => {
    const patterns = read.patterns();
    const options = read.c.isPunct('{') ? readBfdOptions(read, false) : {};
    d.interfaces = [...(d.interfaces ?? []), { patterns, options: withBfdDefaults(options) }];
  },
  multihop: (read, d) => {
    d.multihop = withBfdDefaults(read.c.isPunct('{') ? readBfdOptions(read, false) : {});
  },
  neighbor: (read, d) => {
    const { c } = read;
    const address = read.ip();
    let iface: string | undefined;
    let local: string | undefined;
    let multihop = false;
    if (c.acceptPunct('%')) iface = c.expectName().text;
    else if (c.acceptWord('dev')) iface = read.text();
    if (c.acceptWord('local')) local = read.ip();
    if (c.acceptWord('multihop')) multihop = read.bool();
    const neighbor = {
      address,
      ...defined('interface', iface),
      ...defined('local', local),
      multihop,
    };
    d.neighbors = [...(d.neighbors ?? []), neighbor];
  },
};

/** `off` is what we do anyway. */
function warnOfNoEffect(read: Reader, at: Token, option: string): void {
  if (!read.bool()) return;
  const message = `'${option}' of BFD has no effect in rookery`;
  read.log.add('warning', at, 'unsupported', message, 'sessions run without it; remove it');
}

function withBfdDefaults(options: BfdOptionsDraft): NonNullable<BfdConfig['multihop']> {
  const { graceful: _graceful, ...session } = options;
  return { ...BFD_DEFAULTS, ...session };
}

export function finishBfd(_read: Reader, d: BfdDraft): BfdConfig {
  return {
    kind: 'bfd',
    ...finishCommon(d),
    ...defined('accept', d.accept),
    interfaces: d.interfaces ?? [],
    ...defined('multihop', d.multihop),
    neighbors: d.neighbors ?? [],
  };
}

/** Net types of channels a protocol may have; several for direct and BGP. */
export const CHANNEL_TYPES: Readonly<Record<string, readonly NetType[]>> = {
  device: [],
  direct: ['ipv4', 'ipv6'],
  kernel: ['ipv4', 'ipv6'],
  static: ['ipv4', 'ipv6', 'roa4', 'roa6'],
  bgp: ['ipv4', 'ipv6'],
  pipe: [],
  bfd: [],
  rpki: ['roa4', 'roa6'],
  mrt: [],
  bmp: [],
  radv: [],
};
