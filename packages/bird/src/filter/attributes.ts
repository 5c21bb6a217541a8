// Route attributes by their words: type, how a compiled filter reads and writes each, and what the
// reading depends on. Expressions are fixed text over the run `S`; values come as `v`.

import type { Type } from './types.ts';

export interface AttributeSpec {
  readonly type: Type;
  /** JavaScript that reads it. */
  readonly read: string;
  /** JavaScript that writes `v` (`undefined` to unset); absent: read-only. */
  readonly write?: string;
  /** May be void. */
  readonly void: boolean;
  readonly reads?: 'net' | 'protocol';
  /** `RTA_SET` or `EA_SET` in messages. */
  readonly op: 'RTA_SET' | 'EA_SET';
}

function fixed(type: Type, read: string, write?: string): AttributeSpec {
  return { type, read, ...(write === undefined ? {} : { write }), void: false, op: 'RTA_SET' };
}

function bgp(type: Type, field: string): AttributeSpec {
  return {
    type,
    read: `S.a.bgp?.${field}`,
    write: `S.setBgp("${field}", v)`,
    void: true,
    op: 'EA_SET',
  };
}

function list(type: Type, field: string): AttributeSpec {
  return {
    type,
    read: `(S.a.bgp?.${field} ?? R.NONE)`,
    write: `S.setBgp("${field}", R.orNothing(v))`,
    void: false,
    op: 'EA_SET',
  };
}

function metric(word: string, name: string): [string, AttributeSpec] {
  const read = `S.a.kernel?.metrics?.${name}`;
  return [
    word,
    { type: 'int', read, write: `S.setMetric("${name}", v)`, void: true, op: 'EA_SET' },
  ];
}

function metricFlag(word: string, name: string): [string, AttributeSpec] {
  const read = `R.flag(S.a.kernel?.metrics?.${name})`;
  const write = `S.setMetric("${name}", v)`;
  return [word, { type: 'bool', read, write, void: true, op: 'EA_SET' }];
}

function kernel(type: Type, field: string): AttributeSpec {
  return {
    type,
    read: `S.a.kernel?.${field}`,
    write: `S.setKernel("${field}", v)`,
    void: true,
    op: 'EA_SET',
  };
}

/** Attributes of protocols we do not run: never set by us, but a filter may use them as notes. */
function foreign(type: Type, word: string): [string, AttributeSpec] {
  return [
    word,
    {
      type,
      read: `S.a.custom?.${word}`,
      write: `S.setCustom("${word}", v)`,
      void: true,
      op: 'EA_SET',
    },
  ];
}

/** How the prefix of the route is read. */
export const NET_READ = 'S.net';

export const ATTRIBUTES: ReadonlyMap<string, AttributeSpec> = new Map<string, AttributeSpec>([
  ['net', { type: 'prefix', read: NET_READ, void: false, reads: 'net', op: 'RTA_SET' }],
  [
    'proto',
    { type: 'string', read: 'S.env.protocol', void: false, reads: 'protocol', op: 'RTA_SET' },
  ],
  ['source', fixed('enum rts', 'R.sourceOf(S.a)')],
  ['ifindex', fixed('int', '(S.a.nexthops[0]?.ifindex ?? 0)')],
  ['from', fixed('ip', '(S.a.from ?? "::")', 'S.setTop("from", v)')],
  ['gw', fixed('ip', '(S.a.nexthops[0]?.gateway ?? "::")', 'S.setGateway(v)')],
  ['dest', fixed('enum rtd', 'R.destOf(S.a)', 'S.setDest(v, L)')],
  ['scope', fixed('enum scope', 'R.scopeOf(S.a)', 'S.setScope(v, L)')],
  ['preference', fixed('int', 'S.a.preference', 'S.setPreference(v)')],
  ['ifname', fixed('string', '(S.a.nexthops[0]?.interface ?? "")', 'S.setInterface(v)')],
  ['weight', fixed('int', '(S.a.nexthops[0]?.weight ?? 1)', 'S.setWeight(v)')],
  ['onlink', fixed('bool', '(S.a.nexthops[0]?.onlink === true)', 'S.setOnlink(v)')],
  ['igp_metric', { ...fixed('int', 'S.a.igpMetric', 'S.setTop("igpMetric", v)'), void: true }],

  ['bgp_path', { ...list('bgppath', 'asPath'), write: 'S.setBgp("asPath", v ?? R.NONE)' }],
  ['bgp_origin', bgp('enum bgp_origin', 'origin')],
  ['bgp_next_hop', { ...bgp('ip', 'nextHop'), write: 'S.setNextHop(v)' }],
  ['bgp_med', bgp('int', 'med')],
  ['bgp_local_pref', bgp('int', 'localPref')],
  ['bgp_atomic_aggr', bgp('opaque', 'atomicAggregate')],
  ['bgp_aggregator', bgp('opaque', 'aggregator')],
  ['bgp_community', list('clist', 'communities')],
  ['bgp_ext_community', list('eclist', 'extendedCommunities')],
  ['bgp_large_community', list('lclist', 'largeCommunities')],
  [
    'bgp_originator_id',
    {
      ...bgp('quad', 'originatorId'),
      read: 'R.quadOf(S.a.bgp?.originatorId)',
      write: 'S.setBgp("originatorId", R.quadToIp(v))',
    },
  ],
  [
    'bgp_cluster_list',
    {
      ...list('clist', 'clusterList'),
      read: 'R.quadsOf(S.a.bgp?.clusterList)',
      write: 'S.setBgp("clusterList", R.ipsOf(v))',
    },
  ],
  ['bgp_otc', bgp('int', 'otc')],
  ['bgp_aigp', bgp('opaque', 'aigp')],

  ['krt_source', kernel('int', 'source')],
  ['krt_metric', kernel('int', 'metric')],
  ['krt_prefsrc', kernel('ip', 'prefsrc')],
  ['krt_realm', kernel('int', 'realm')],
  ['krt_scope', kernel('int', 'scope')],
  metric('krt_mtu', 'mtu'),
  metric('krt_window', 'window'),
  metric('krt_rtt', 'rtt'),
  metric('krt_rttvar', 'rttvar'),
  metric('krt_ssthresh', 'ssthresh'),
  metric('krt_sstresh', 'ssthresh'),
  metric('krt_cwnd', 'cwnd'),
  metric('krt_advmss', 'advmss'),
  metric('krt_reordering', 'reordering'),
  metric('krt_hoplimit', 'hoplimit'),
  metric('krt_initcwnd', 'initcwnd'),
  metric('krt_initrwnd', 'initrwnd'),
  metric('krt_rto_min', 'rto_min'),
  metric('krt_quickack', 'quickack'),
  metricFlag('krt_fastopen_no_cookie', 'fastopen_no_cookie'),
  metricFlag('krt_feature_ecn', 'feature_ecn'),
  metricFlag('krt_feature_allfrag', 'feature_allfrag'),
  ...[
    'mtu',
    'window',
    'rtt',
    'rttvar',
    'ssthresh',
    'sstresh',
    'cwnd',
    'advmss',
    'reordering',
    'hoplimit',
    'initcwnd',
    'initrwnd',
    'rto_min',
    'quickack',
    'congctl',
    'fastopen_no_cookie',
  ].map((name) => metricFlag(`krt_lock_${name}`, `lock_${name === 'sstresh' ? 'ssthresh' : name}`)),
  foreign('string', 'krt_congctl'),

  foreign('int', 'ospf_metric1'),
  foreign('int', 'ospf_metric2'),
  foreign('int', 'ospf_tag'),
  foreign('quad', 'ospf_router_id'),
  foreign('int', 'rip_metric'),
  foreign('int', 'rip_tag'),
  foreign('int', 'babel_metric'),
  foreign('enum ra_preference', 'ra_preference'),
  foreign('int', 'ra_lifetime'),
  foreign('int', 'gw_mpls'),
  foreign('int', 'mpls_label'),
  foreign('enum mpls_policy', 'mpls_policy'),
  foreign('int', 'mpls_class'),
]);
