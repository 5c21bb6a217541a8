// The options of `protocol bgp`, by their words. Each reads its value into the draft; what depends
// on several options is checked in bgp.ts when the protocol is complete.

import type { BgpConfig, GracefulRestartMode } from '@rookery/router';
import { raise } from '../lexer.ts';
import { readAoKeys } from './ao-keys.ts';
import { readBfdOptions } from './bfd-options.ts';
import type { BgpDraft } from './draft.ts';
import type { OptionTable } from './options.ts';
import type { Reader } from './reader.ts';

/** Cease subcodes by BIRD's words (RFC 4486, RFC 8538). */
const CEASE: readonly (readonly [string, number])[] = [
  ['cease', 0],
  ['prefix limit hit', 1],
  ['administrative shutdown', 2],
  ['peer deconfigured', 3],
  ['administrative reset', 4],
  ['connection rejected', 5],
  ['configuration change', 6],
  ['connection collision', 7],
  ['out of resources', 8],
];
const ALL_CEASE = CEASE.map(([, code]) => code);

const ROLES = ['provider', 'rs_server', 'rs_client', 'customer', 'peer'] as const;

export const BGP_OPTIONS: OptionTable<BgpDraft> = {
  local: (read, d) => readLocal(read, d),
  'local role': (read, d) => {
    const role = ROLES.find((word) => read.c.acceptWord(word));
    if (role === undefined) read.c.unexpected([], `roles are ${ROLES.join(', ')}`);
    d.localRole = role;
  },
  neighbor: (read, d) => readNeighbor(read, d),
  interface: (read, d) => void (d.interface = read.text()),
  direct: (_read, d) => {
    d.direct = true;
    d.multihop = undefined;
  },
  multihop: (read, d) => {
    d.direct = false;
    d.multihop = read.c.isPunct(';') ? 64 : read.num(1, 255, 'Multihop');
  },
  'source address': (read, d) => void (d.localAddress = read.ip()),
  'strict bind': (read, d) => void (d.strictBind = read.bool()),
  'free bind': (read, d) => void (d.freeBind = read.bool()),
  passive: (read, d) => void (d.passive = read.bool()),
  'dynamic name': (read, d) => void (d.dynamicName = read.text()),
  'dynamic name digits': (read, d) => void (d.dynamicNameDigits = read.num(0, 10, 'Digits')),
  'check link': (read, d) => void (d.checkLink = read.bool()),
  password: (read, d) => void (d.password = readPassword(read)),
  setkey: (read) => void read.bool(),
  'authentication none': (_read, d) => void (d.authentication = 'none'),
  'authentication md5': (_read, d) => void (d.authentication = 'md5'),
  'authentication ao': (_read, d) => void (d.authentication = 'ao'),
  keys: (read, d) => void (d.aoKeys = readAoKeys(read)),
  'ttl security': (read, d) => void (d.ttlSecurity = read.bool()),

  'hold time': (read, d) => void (d.holdTimeSec = holdTime(read)),
  'startup hold time': (read, d) => void (d.startupHoldTimeSec = holdTime(read)),
  'min hold time': (read, d) => void (d.minHoldTimeSec = read.num(0, 65535, 'Min hold time')),
  'keepalive time': (read, d) => {
    const at = read.c.token;
    const value = read.num();
    if (value < 1 || value > 65535) raise(at, 'range', 'Keepalive time must be in range 1-65535');
    d.keepaliveTimeSec = value;
  },
  'min keepalive time': (read, d) => {
    d.minKeepaliveTimeSec = read.num(0, 65535, 'Min keepalive time');
  },
  'send hold time': (read, d) => void (d.sendHoldTimeSec = read.num()),
  'connect delay time': (read, d) => void (d.connectDelayTimeSec = read.num()),
  'start delay time': (read, d, at) => {
    d.connectDelayTimeSec = read.num();
    const message = 'Start delay time option is deprecated, use connect delay time';
    read.log.add('warning', at, 'deprecated', message);
  },
  'connect retry time': (read, d) => void (d.connectRetryTimeSec = read.num()),
  'error wait time': (read, d) => {
    d.errorWaitTimeMinSec = read.num();
    read.c.expectPunct(',', 'write two numbers: error wait time 60, 300');
    d.errorWaitTimeMaxSec = read.num();
  },
  'error forget time': (read, d) => void (d.errorForgetTimeSec = read.num()),
  'disable after error': (read, d) => void (d.disableAfterError = read.bool()),
  'disable after cease': (read, d) => void (d.disableAfterCease = readCeaseMask(read)),

  'path metric': (read, d) => void (d.pathMetric = read.bool()),
  'med metric': (read, d) => void (d.medMetric = read.bool()),
  'deterministic med': (read, d) => void (d.deterministicMed = read.bool()),
  'igp metric': (read, d) => void (d.igpMetric = read.bool()),
  'prefer older': (read, d) => void (d.preferOlder = read.bool()),
  'default bgp_med': (read, d) => void (d.defaultMed = read.num()),
  'default bgp_local_pref': (read, d) => void (d.defaultLocalPref = read.num()),

  'default reject': (read, d) => void (d.defaultReject = read.bool()),
  'enforce first as': (read, d) => void (d.enforceFirstAs = read.bool()),
  'allow local as': (read, d) => {
    d.allowLocalAs = read.c.isPunct(';') ? Infinity : readAllowLocalAs(read);
  },
  'allow bgp_local_pref': (read, d) => void (d.allowBgpLocalPref = read.bool()),
  'allow bgp_med': (read, d) => void (d.allowBgpMed = read.bool()),
  'allow as sets': (read, d) => void (d.allowAsSets = read.bool()),
  'interpret communities': (read, d) => void (d.interpretCommunities = read.bool()),
  'require roles': (read, d) => void (d.requireRoles = read.bool()),
  'rs client': (read, d) => void (d.rsClient = read.bool()),
  'rr client': (read, d) => void (d.rrClient = read.bool()),
  'rr cluster id': (read, d) => void (d.rrClusterId = read.quad()),
  confederation: (read, d) => void (d.confederation = read.num(1)),
  'confederation member': (read, d) => void (d.confederationMember = read.bool()),

  capabilities: (read, d) => void (d.capabilities = read.bool()),
  'enable route refresh': (read, d) => void (d.enableRouteRefresh = read.bool()),
  'enable enhanced route refresh': (read, d) => void (d.enableEnhancedRouteRefresh = read.bool()),
  'enable as4': (read, d) => void (d.enableAs4 = read.bool()),
  'enable extended messages': (read, d) => void (d.enableExtendedMessages = read.bool()),
  'advertise software version': (read, d) => void (d.advertiseSoftwareVersion = read.bool()),
  'advertise hostname': (read, d) => void (d.advertiseHostname = read.bool()),
  'graceful restart': (read, d) => void (d.gracefulRestart = restartMode(read)),
  'graceful restart time': (read, d) => {
    d.gracefulRestartTimeSec = read.num(0, 4095, 'Graceful restart time');
  },
  'graceful restart notification': (read, d) => void (d.gracefulNotification = read.bool()),
  'min graceful restart time': (read, d) => {
    d.minGracefulRestartTimeSec = read.num(0, 4095, 'Graceful restart time');
  },
  'max graceful restart time': (read, d) => void (d.maxGracefulRestartTimeSec = read.num()),
  'long lived graceful restart': (read, d) => void (d.longLivedGracefulRestart = restartMode(read)),
  'long lived stale time': (read, d) => void (d.longLivedStaleTimeSec = read.num()),
  'min long lived stale time': (read, d) => void (d.minLongLivedStaleTimeSec = read.num()),
  'max long lived stale time': (read, d) => void (d.maxLongLivedStaleTimeSec = read.num()),
  'require graceful restart': require('graceful restart'),
  'require long lived graceful restart': require('long lived graceful restart'),
  'require route refresh': require('route refresh'),
  'require enhanced route refresh': require('enhanced route refresh'),
  'require as4': require('as4'),
  'require extended messages': require('extended messages'),
  'require hostname': require('hostname'),
  'disable rx': (read) => void read.bool(),
  'tx size warning': (read) => void read.num(),

  bfd: (read, d) => {
    const { c } = read;
    if (c.acceptWord('graceful')) d.bfd = { graceful: true };
    else if (c.isPunct('{')) d.bfd = { graceful: false, ...readBfdOptions(read, true) };
    else d.bfd = read.bool() ? { graceful: false } : undefined;
  },
};

function readLocal(read: Reader, d: BgpDraft): void {
  const { c } = read;
  let found = false;
  const type = read.constantType();
  if (c.token.kind === 'ip4' || c.token.kind === 'ip6' || (type === 'ip' && !c.isWord('as'))) {
    d.localAddress = read.ip();
    if (c.acceptPunct('%')) d.interface = scopeName(read);
    found = true;
  }
  if (c.acceptWord('port')) {
    d.localPort = read.num(1, 65535, 'Port');
    found = true;
  }
  if (c.acceptWord('as')) {
    d.localAs = asNumber(read);
    found = true;
  }
  if (!found) c.unexpected([], 'write: local as 64496; or local 192.0.2.1 as 64496;');
}

function readNeighbor(read: Reader, d: BgpDraft): void {
  const { c } = read;
  const start = c.token;
  let address: string | undefined;
  let range: string | undefined;
  if (c.acceptWord('range')) range = read.prefix();
  else if (c.token.kind === 'ip4' || c.token.kind === 'ip6' || read.constantType() === 'ip') {
    address = read.ip();
    if (c.acceptPunct('%')) d.interface = scopeName(read);
  }
  if (address !== undefined || range !== undefined) {
    if (d.neighborAddress !== undefined || d.neighborRange !== undefined) {
      const message = 'Only one neighbor per BGP instance is allowed';
      raise(
        start,
        'semantic',
        message,
        'write one protocol bgp for each neighbor, from a template',
      );
    }
    d.neighborAddress = address;
    d.neighborRange = range;
  }
  let found = address !== undefined || range !== undefined;
  for (;;) {
    if (c.acceptWord('port')) d.neighborPort = read.num(1, 65535, 'Port');
    else if (c.acceptWord('as')) d.neighborAs = asNumber(read);
    else if (c.acceptWord('internal')) d.peerType = 'internal';
    else if (c.acceptWord('external')) d.peerType = 'external';
    else if (!c.acceptWord('onlink')) break;
    found = true;
  }
  if (!found) c.unexpected([], 'write: neighbor 192.0.2.1 as 64497;');
}

function scopeName(read: Reader): string {
  return read.c.expectName(['CF_SYM_KNOWN'], "write the interface as %'br-lan'").text;
}

function asNumber(read: Reader): number {
  const at = read.c.token;
  const value = read.num();
  if (value === 0) raise(at, 'range', 'AS number must not be 0');
  return value;
}

function holdTime(read: Reader): number {
  const at = read.c.token;
  const value = read.num();
  if (value !== 0 && (value < 3 || value > 65535)) {
    raise(
      at,
      'range',
      'Hold time must be in range 3-65535 or zero',
      'zero switches hold and keepalive off',
    );
  }
  return value;
}

function readPassword(read: Reader): string {
  if (read.c.token.kind === 'bytes') return read.c.next().text;
  return read.text();
}

function readAllowLocalAs(read: Reader): number {
  if (read.c.token.kind === 'num' || read.constantType() === 'int') return read.num();
  return read.bool() ? Infinity : 0;
}

function restartMode(read: Reader): GracefulRestartMode {
  if (read.c.acceptWord('aware')) return 'aware';
  return read.bool() ? 'on' : 'off';
}

function readCeaseMask(read: Reader): readonly number[] {
  const { c } = read;
  if (!c.isPunct('{')) return read.bool() ? ALL_CEASE : [];
  c.next();
  const codes = new Set<number>();
  do {
    const match = CEASE.find(([words]) =>
      words.split(' ').every((word, i) => c.ahead(i).text === word),
    );
    if (match === undefined) {
      const names = CEASE.map(([name]) => name).join(', ');
      return c.unexpected([], `reasons are ${names}`);
    }
    c.index += match[0].split(' ').length;
    codes.add(match[1]);
  } while (c.acceptPunct(','));
  c.expectPunct('}');
  return [...codes].sort((x, y) => x - y);
}

function require(
  capability: BgpConfig['requireCapabilities'][number],
): OptionTable<BgpDraft>[string] {
  return (read, d) => {
    const rest = (d.requireCapabilities ?? []).filter((name) => name !== capability);
    d.requireCapabilities = read.bool() ? [...rest, capability] : rest;
  };
}
