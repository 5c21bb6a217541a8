// `protocol radv`: what is advertised on which interface. Routes, name servers and triggers are not;
// without triggers `sensitive` says nothing.

import type { RadvConfig, RadvInterfaceConfig, RadvPrefixConfig } from '@rookery/router';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { readBlock } from './block.ts';
import type { RadvDraft } from './draft.ts';
import { optionSet, readOption } from './options.ts';
import type { OptionTable } from './options.ts';
import { finishCommon } from './protocol-common.ts';
import type { Reader } from './reader.ts';

type Loose<T> = { -readonly [K in keyof T]?: T[K] };
type InterfaceDraft = Loose<RadvInterfaceConfig>;
type PrefixDraft = Loose<RadvPrefixConfig> & {
  validSensitive?: boolean;
  preferredSensitive?: boolean;
};

const MAX_LIFETIME_SEC = 0xffffffff;

export const RADV_OPTIONS: OptionTable<RadvDraft> = {
  interface: (read, d) => {
    const patterns = read.patterns();
    const options = readInterface(read);
    d.interfaces = [...(d.interfaces ?? []), { patterns, options }];
  },
  prefix: (read, d) => void (d.prefixes = [...(d.prefixes ?? []), readPrefix(read)]),
  ...unsupported('propagate routes', 'trigger', 'rdnss', 'dnssl', 'custom option type'),
};

export function finishRadv(_read: Reader, d: RadvDraft): RadvConfig {
  const shared = [...(d.prefixes ?? []), EVERY_PREFIX];
  return {
    kind: 'radv',
    ...finishCommon(d),
    interfaces: (d.interfaces ?? []).map(({ patterns, options }) => ({
      patterns,
      options: { ...options, prefixes: [...options.prefixes, ...shared] },
    })),
  };
}

const INTERFACE_SET = optionSet<InterfaceDraft>({
  'max ra interval': (read, d) => void (d.maxIntervalSec = read.num(4, 1800, 'Max RA interval')),
  'min ra interval': (read, d) => void (d.minIntervalSec = atLeast(read, 3, 'Min RA interval')),
  'min delay': (read, d) => {
    const at = read.c.token;
    d.minDelaySec = read.num();
    if (d.minDelaySec === 0) raise(at, 'range', 'Min delay must be positive');
  },
  'solicited ra unicast': (read, d) => void (d.solicitedUnicast = read.bool()),
  managed: (read, d) => void (d.managed = read.bool()),
  'other config': (read, d) => void (d.otherConfig = read.bool()),
  'link mtu': (read, d) => void (d.linkMtu = read.num()),
  'reachable time': (read, d) =>
    void (d.reachableTimeMs = read.num(0, 3_600_000, 'Reachable time')),
  'retrans timer': (read, d) => void (d.retransTimerMs = read.num()),
  'current hop limit': (read, d) =>
    void (d.currentHopLimit = read.num(0, 255, 'Current hop limit')),
  'default lifetime': (read, d) => {
    d.defaultLifetimeSec = read.num(0, 9000, 'Default lifetime');
    readSensitive(read);
  },
  'default preference': (read, d) => void (d.defaultPreference = readPreference(read)),
  'prefix linger time': (read, d) => void (d.prefixLingerTimeSec = read.num()),
  prefix: (read, d) => void (d.prefixes = [...(d.prefixes ?? []), readPrefix(read)]),
  ...unsupported('rdnss', 'dnssl', 'route lifetime', 'route preference', 'custom option type'),
  ...unsupported('route linger time', 'rdnss local', 'dnssl local', 'custom option local'),
});

const PREFIX_SET = optionSet<PrefixDraft>({
  skip: (read, d) => void (d.skip = read.bool()),
  onlink: (read, d) => void (d.onLink = read.bool()),
  autonomous: (read, d) => void (d.autonomous = read.bool()),
  'valid lifetime': (read, d) => {
    d.validLifetimeSec = read.num(0, MAX_LIFETIME_SEC, 'Valid lifetime');
    d.validSensitive = readSensitive(read);
  },
  'preferred lifetime': (read, d) => {
    d.preferredLifetimeSec = read.num(0, MAX_LIFETIME_SEC, 'Preferred lifetime');
    d.preferredSensitive = readSensitive(read);
  },
});

/** What BIRD says of a prefix that no rule mentions. */
const EVERY_PREFIX: RadvPrefixConfig = {
  net: '::/0',
  skip: false,
  onLink: true,
  autonomous: true,
  validLifetimeSec: 86_400,
  preferredLifetimeSec: 14_400,
};

function readInterface(read: Reader): RadvInterfaceConfig {
  const d: InterfaceDraft = {};
  if (read.c.isPunct('{')) readBlock(read, () => readOption(INTERFACE_SET, read, d));
  const end = read.c.previous;
  const maxIntervalSec = d.maxIntervalSec ?? 600;
  const minIntervalSec = d.minIntervalSec ?? Math.max(Math.floor(maxIntervalSec / 3), 3);
  if (minIntervalSec > (maxIntervalSec * 3) / 4) {
    raise(end, 'semantic', 'Min RA interval must be at most 3/4 * Max RA interval');
  }
  const defaultLifetimeSec = d.defaultLifetimeSec ?? 3 * maxIntervalSec;
  if (defaultLifetimeSec > 0 && defaultLifetimeSec < maxIntervalSec) {
    raise(end, 'semantic', 'Default lifetime must be either 0 or at least Max RA interval');
  }
  return {
    minIntervalSec,
    maxIntervalSec,
    minDelaySec: d.minDelaySec ?? 3,
    solicitedUnicast: d.solicitedUnicast ?? false,
    managed: d.managed ?? false,
    otherConfig: d.otherConfig ?? false,
    linkMtu: d.linkMtu ?? 0,
    reachableTimeMs: d.reachableTimeMs ?? 0,
    retransTimerMs: d.retransTimerMs ?? 0,
    currentHopLimit: d.currentHopLimit ?? 64,
    defaultLifetimeSec,
    defaultPreference: d.defaultPreference ?? 'medium',
    prefixLingerTimeSec: d.prefixLingerTimeSec ?? 3 * maxIntervalSec,
    prefixes: d.prefixes ?? [],
  };
}

function readPrefix(read: Reader): RadvPrefixConfig {
  const { c } = read;
  if (c.token.kind === 'ip4') c.unexpected(['IP6', 'CF_SYM_KNOWN']);
  const d: PrefixDraft = { net: read.prefix() };
  if (c.isPunct('{')) readBlock(read, () => readOption(PREFIX_SET, read, d));
  const { validSensitive = false, preferredSensitive = false, ...written } = d;
  const prefix = { ...EVERY_PREFIX, ...written };
  if (prefix.preferredLifetimeSec > prefix.validLifetimeSec) {
    raise(c.previous, 'semantic', 'Preferred lifetime must be at most Valid lifetime');
  }
  if (validSensitive && !preferredSensitive) {
    const message = 'Valid lifetime sensitive requires that Preferred lifetime is sensitive too';
    raise(c.previous, 'semantic', message);
  }
  return prefix;
}

function readSensitive(read: Reader): boolean {
  return read.c.acceptWord('sensitive') && read.bool();
}

function readPreference(read: Reader): RadvInterfaceConfig['defaultPreference'] {
  for (const word of ['low', 'medium', 'high'] as const) if (read.c.acceptWord(word)) return word;
  return read.c.unexpected(['LOW', 'MEDIUM', 'HIGH']);
}

function atLeast(read: Reader, low: number, what: string): number {
  const at = read.c.token;
  const value = read.num();
  if (value < low) raise(at, 'range', `${what} must be at least ${low}`);
  return value;
}

function unsupported<D>(...names: readonly string[]): OptionTable<D> {
  return Object.fromEntries(
    names.map((name) => [
      name,
      (_read: Reader, _d: D, at: Token): never =>
        raise(at, 'unsupported', `'${name}' of radv is not supported by rookery yet`),
    ]),
  );
}
