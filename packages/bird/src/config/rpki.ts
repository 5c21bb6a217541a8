// `protocol rpki`: where the cache is, its channels, timers and transport. Plain TCP and TCP MD5;
// SSH and host names are refused with a reason. Version 2 (ASPA) is not spoken: as `max version` it
// stands for the highest one that is.

import type { RpkiConfig } from '@rookery/router';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { readBlock } from './block.ts';
import { defined, finishChannel } from './draft.ts';
import type { RpkiDraft } from './draft.ts';
import { optionSet, readOption } from './options.ts';
import type { OptionTable } from './options.ts';
import { finishCommon, tableOf } from './protocol-common.ts';
import type { Reader } from './reader.ts';

type Keep = { -readonly [K in keyof RpkiConfig['keep']]?: boolean };

/** RFC 8210 §6. */
const TIMER_BOUNDS = {
  refresh: [1, 86_400],
  retry: [1, 7200],
  expire: [600, 172_800],
} as const;

export const RPKI_OPTIONS: OptionTable<RpkiDraft> = {
  remote: (read, d, at) => {
    const { c } = read;
    if (c.token.kind === 'text') {
      const name = read.text();
      raise(at, 'unsupported', `host name "${name}" is not supported`, 'give the IP address');
    }
    d.remote = read.ip();
    if (c.acceptWord('port')) d.port = read.num(1, 65535, 'Port');
  },
  port: (read, d) => void (d.port = read.num(1, 65535, 'Port')),
  'local address': (read, d) => void (d.localAddress = read.ip()),
  refresh: (read, d) => readTimer(read, d, 'refresh'),
  retry: (read, d) => readTimer(read, d, 'retry'),
  expire: (read, d) => readTimer(read, d, 'expire'),
  'min version': (read, d, at) => {
    const version = read.num(0, 2, 'Version');
    if (version > 1) raise(at, 'unsupported', 'RTR version 2 is not supported by rookery yet');
    d.minVersion = version as 0 | 1;
  },
  'max version': (read, d) => void (d.maxVersion = read.num(0, 2, 'Version') === 0 ? 0 : 1),
  'ignore max length': (read, d) => void (d.ignoreMaxLength = read.bool()),
  'transport tcp': (read, d) => {
    d.password = undefined;
    if (!read.c.isPunct('{')) return;
    const transport: Transport = {};
    readBlock(read, () => readOption(TRANSPORT_OPTIONS, read, transport));
    if (transport.md5 === true) d.password = transport.password;
  },
  'transport ssh': (_read, _d, at) => {
    raise(
      at,
      'unsupported',
      'RPKI over SSH is not supported by rookery',
      'use: transport tcp; behind a tunnel, or transport tcp { authentication md5; password "…"; };',
    );
  },
};

interface Transport {
  md5?: boolean;
  password?: string;
}

const TRANSPORT_OPTIONS = optionSet<Transport>({
  'authentication none': (_read, t) => void (t.md5 = false),
  'authentication md5': (_read, t) => void (t.md5 = true),
  password: (read, t) => void (t.password = read.text()),
});

function readTimer(read: Reader, d: RpkiDraft, name: keyof Keep): void {
  const kept = read.c.acceptWord('keep');
  const [low, high] = TIMER_BOUNDS[name];
  const what = `${name[0]!.toUpperCase()}${name.slice(1)} interval`;
  d[`${name}Sec`] = read.num(low, high, what);
  d.keep = { refresh: false, retry: false, expire: false, ...d.keep, [name]: kept };
}

export function finishRpki(read: Reader, d: RpkiDraft, end: Token): RpkiConfig {
  if (d.remote === undefined) {
    raise(end, 'semantic', 'IP address or hostname of cache server must be set', 'add: remote IP;');
  }
  if (d.channels.length === 0) {
    const hint = 'add: roa4 { table r4; }; or roa6 { table r6; };';
    raise(end, 'semantic', 'RPKI protocol must have at least one ROA channel', hint);
  }
  for (const channel of d.channels) {
    if (channel.importPolicy?.kind !== 'filter') continue;
    raise(channel.at, 'unsupported', 'filters on ROA channels are not supported by rookery yet');
  }
  const minVersion = d.minVersion ?? 0;
  const maxVersion = d.maxVersion ?? 1;
  if (minVersion > maxVersion) {
    raise(end, 'semantic', 'Min version must not be higher than max version');
  }
  return {
    kind: 'rpki',
    ...finishCommon(d),
    channels: d.channels.map((channel) => finishChannel(channel, 'rpki', tableOf(read, channel))),
    remote: d.remote,
    port: d.port ?? 323,
    ...defined('localAddress', d.localAddress),
    ...defined('password', d.password),
    refreshSec: d.refreshSec ?? 3600,
    retrySec: d.retrySec ?? 600,
    expireSec: d.expireSec ?? 7200,
    keep: d.keep ?? { refresh: false, retry: false, expire: false },
    minVersion,
    maxVersion,
    ignoreMaxLength: d.ignoreMaxLength ?? false,
  };
}
