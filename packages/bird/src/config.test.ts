// Configuration beyond the post: inheritance, includes, order, defaults, every protocol, and the
// canonical print.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samePolicy } from '@rookery/rib';
import type {
  BfdConfig,
  BgpConfig,
  BmpConfig,
  DirectConfig,
  KernelConfig,
  MrtConfig,
  PipeConfig,
  RadvConfig,
  RouterConfig,
  RpkiConfig,
  StaticConfig,
} from '@rookery/router';
import { lexLine, parseConfig, printConfig } from './index.ts';
import { memoryIo } from './test-io.ts';

function configOf(text: string, more: Readonly<Record<string, string>> = {}): RouterConfig {
  const { config, issues } = parseConfig(
    '/etc/bird.conf',
    memoryIo({ '/etc/bird.conf': text, ...more }),
  );
  assert.deepEqual(issues, []);
  return config!;
}

function protocol<T extends { name: string }>(config: RouterConfig, name: string): T {
  const found = config.protocols.find((p) => p.name === name);
  assert.ok(found, name);
  return found as unknown as T;
}

const device = 'protocol device { }\n';

test('a protocol copies its template and edits the copy', () => {
  const config = configOf(`${device}
template bgp base {
  local as 65000;
  hold time 30;
  description "base";
  ipv4 { import all; export none; preference 150; };
}
template bgp strict from base { hold time 9; ttl security; }
protocol bgp a from strict { neighbor 10.0.0.1 as 65001; ipv4 { export all; }; ipv6 { import none; export none; }; }
protocol bgp b from a { neighbor as 65002; description "b"; }
protocol bgp c from base { neighbor 10.0.0.3 as 65003; }
`);
  const a = protocol<BgpConfig>(config, 'a');
  assert.equal(a.holdTimeSec, 9);
  assert.equal(a.ttlSecurity, true);
  assert.equal(a.description, 'base');
  assert.deepEqual(
    a.channels.map((c) => [c.netType, c.importPolicy.kind, c.exportPolicy.kind, c.preference]),
    [
      ['ipv4', 'all', 'all', 150],
      ['ipv6', 'none', 'none', 100],
    ],
  );
  const b = protocol<BgpConfig>(config, 'b');
  assert.equal(b.neighborAddress, '10.0.0.1');
  assert.equal(b.neighborAs, 65002);
  assert.equal(b.description, 'b');
  // The original is untouched by its copies.
  const c = protocol<BgpConfig>(config, 'c');
  assert.equal(c.holdTimeSec, 30);
  assert.equal(c.ttlSecurity, false);
  assert.equal(c.channels.length, 1);
  assert.equal(c.channels[0]!.exportPolicy.kind, 'none');
});

test('routes and interfaces of a template add up', () => {
  const config = configOf(`${device}
template static s { ipv4; route 10.0.0.0/8 blackhole; }
protocol static a from s { route 10.1.0.0/16 unreachable; }
`);
  const a = protocol<StaticConfig>(config, 'a');
  assert.deepEqual(
    a.routes.map((r) => [r.net, r.dest]),
    [
      ['10.0.0.0/8', 'blackhole'],
      ['10.1.0.0/16', 'unreachable'],
    ],
  );
});

test('protocols without a name are numbered by type, templates not', () => {
  const config = configOf(`${device}
template kernel t { ipv4; }
protocol kernel from t { }
protocol kernel named { ipv6; }
protocol static { ipv4; }
protocol static { ipv6; }
protocol direct { ipv4; }
`);
  assert.deepEqual(
    config.protocols.map((p) => p.name),
    ['device1', 'kernel1', 'named', 'static1', 'static2', 'direct1'],
  );
});

test('debug and symbols count from where they are written', () => {
  const config = configOf(`protocol device { }
debug protocols { states };
debug channels { routes };
protocol static a { ipv4; }
debug protocols off;
protocol static b { ipv4; debug { events, states }; }
`);
  assert.deepEqual(protocol<StaticConfig>(config, 'device1').debug, []);
  assert.deepEqual(protocol<StaticConfig>(config, 'a').debug, ['states']);
  assert.deepEqual(protocol<StaticConfig>(config, 'a').channel.debug, ['routes']);
  assert.deepEqual(protocol<StaticConfig>(config, 'b').debug, ['states', 'events']);
});

test('includes are relative, sorted, and reported in their own file', () => {
  const files = {
    '/etc/bird/peers/b.conf': 'protocol bgp b from t { neighbor 10.0.0.2 as 2; }\n',
    '/etc/bird/peers/a.conf': 'protocol bgp a from t { neighbor 10.0.0.1 as 2; }\n',
    '/etc/bird/sets.conf': 'include "more/asn.conf";\ndefine S = [ ASN ];\n',
    '/etc/bird/more/asn.conf': 'define ASN = 65000;',
    '/etc/bird/none/x.txt': '',
  };
  const main = `  include "sets.conf";
protocol device { }
template bgp t { local as ASN; }
include "/etc/bird/peers/*.conf"; # every peer
include "none/*.conf";
`;
  const io = memoryIo({ '/etc/bird/bird.conf': main, ...files });
  const { config, issues } = parseConfig('/etc/bird/bird.conf', io);
  assert.deepEqual(issues, []);
  assert.deepEqual(
    config!.protocols.map((p) => p.name),
    ['device1', 'a', 'b'],
  );

  const broken = memoryIo({
    '/etc/bird/bird.conf': main,
    ...files,
    '/etc/bird/peers/a.conf': '\nprotocol bgp a from t { neighbour 10.0.0.1 as 2; }\n',
  });
  const [issue] = parseConfig('/etc/bird/bird.conf', broken).issues;
  assert.equal(issue!.file, '/etc/bird/peers/a.conf');
  assert.equal(`${issue!.line}:${issue!.column}`, '2:25');
  assert.match(issue!.hint!, /neighbor/);
});

test('an include loop ends with an error', () => {
  const io = memoryIo({ '/a.conf': 'include "a.conf";\nprotocol device { }\n' });
  const { config, issues } = parseConfig('/a.conf', io);
  assert.equal(config, undefined);
  assert.equal(issues[0]!.message, 'Max include depth reached');
});

test('constants and expressions stand where numbers, texts and addresses do', () => {
  const config = configOf(`${device}
define ASN = 65000;
define LOCAL = 10.0.0.9;
define NAME = "eth0";
define T = 100;
protocol bgp b { local LOCAL as ASN; neighbor 10.0.0.1 as (ASN + 1); interface NAME; hold time (3 * 10); }
protocol kernel { ipv4; kernel table T; }
protocol kernel k6 { ipv6; kernel table ipt_local; }
`);
  const b = protocol<BgpConfig>(config, 'b');
  assert.equal(b.localAddress, '10.0.0.9');
  assert.equal(b.neighborAs, 65001);
  assert.equal(b.interface, 'eth0');
  assert.equal(b.holdTimeSec, 30);
  assert.equal(protocol<KernelConfig>(config, 'kernel1').kernelTable, 100);
  assert.equal(protocol<KernelConfig>(config, 'k6').kernelTable, 255);
});

test('keywords may be names, as since 2.14', () => {
  const config = configOf(`${device}
define port = 1179;
define secret = 5;
function len(int data; int asn) -> int { return data + asn; }
filter metric { int hold = len(1, 2); if hold = 3 then accept; reject; }
protocol bgp external { local as 1; neighbor 10.0.0.1 port port as 2; ipv4 { import filter metric; export none; }; }
`);
  assert.equal(protocol<BgpConfig>(config, 'external').neighborPort, 1179);
});

test('BGP: defaults that follow from other options', () => {
  const config = configOf(`${device}
protocol bgp i { local as 1; neighbor 10.0.0.1 internal; ipv4; rr client; }
protocol bgp e { local as 1; neighbor 10.0.0.2 external; rs client; ipv4 { import all; export none; }; }
protocol bgp r { local as 1; neighbor range 10.1.0.0/24 as 2; password "x"; authentication md5; }
protocol bgp l { local fe80::2%'eth0' as 1; neighbor fe80::1 as 2; bfd { interval 50 ms; }; multihop; direct; }
protocol bgp g { local as 1; neighbor 10.0.0.3 as 2; graceful restart; long lived graceful restart off; ipv4 { import all; export all; }; allow local as; allow as sets off; }
`);
  const i = protocol<BgpConfig>(config, 'i');
  assert.equal(i.peerType, 'internal');
  assert.equal(i.multihop, 64);
  assert.equal(i.checkLink, false);
  assert.equal(i.channels[0]!.gateway, 'recursive');
  assert.equal(i.channels[0]!.nextHopKeep, 'ibgp');
  assert.equal(i.channels[0]!.importPolicy.kind, 'all');
  const e = protocol<BgpConfig>(config, 'e');
  assert.equal(e.channels[0]!.nextHopKeep, 'all');
  const r = protocol<BgpConfig>(config, 'r');
  assert.equal(r.neighborRange, '10.1.0.0/24');
  assert.equal(r.passive, true);
  assert.equal(r.password, 'x');
  const l = protocol<BgpConfig>(config, 'l');
  assert.equal(l.interface, 'eth0');
  assert.equal(l.multihop, undefined);
  assert.deepEqual(l.bfd, { graceful: false, minRxIntervalUs: 50_000, minTxIntervalUs: 50_000 });
  const g = protocol<BgpConfig>(config, 'g');
  assert.equal(g.gracefulRestart, 'on');
  assert.equal(g.longLivedGracefulRestart, 'off');
  assert.equal(g.channels[0]!.gracefulRestart, true);
  assert.equal(g.channels[0]!.longLivedGracefulRestart, false);
  assert.equal(g.allowLocalAs, Infinity);
  assert.equal(g.allowAsSets, false);
});

test('channels: limits, tables, next hops', () => {
  const config = configOf(`${device}
ipv4 table t sorted;
protocol bgp b { local as 1; neighbor 10.0.0.1 as 2;
  ipv4 { table t; import all; export none; import limit 10; receive limit 20 action block;
    export limit 5 action restart; next hop self ebgp; next hop address 10.0.0.9; add paths tx;
    import table; import keep filtered; secondary; igp table master4; }; }
`);
  const channel = protocol<BgpConfig>(config, 'b').channels[0]!;
  assert.equal(channel.table, 't');
  assert.deepEqual(channel.importLimit, { count: 10, action: 'disable' });
  assert.deepEqual(channel.receiveLimit, { count: 20, action: 'block' });
  assert.deepEqual(channel.exportLimit, { count: 5, action: 'restart' });
  assert.equal(channel.nextHopSelf, 'ebgp');
  assert.equal(channel.nextHopAddress, '10.0.0.9');
  assert.equal(channel.addPaths, 'tx');
  assert.equal(channel.importTable, true);
  assert.equal(channel.igpTable, 'master4');
});

test('keys of BFD', () => {
  const config = configOf(`protocol device { }
protocol bfd {
  interface "eth0" { authentication meticulous keyed sha1; password "new" { id 7; }; password "old"; };
  interface "eth1" { authentication none; };
}
protocol bgp { local 10.0.0.1 as 1; neighbor 10.0.0.2 as 2;
  bfd { authentication simple; passwords { password "x"; }; }; }
`);
  const [eth0, eth1] = protocol<BfdConfig>(config, 'bfd1').interfaces;
  assert.deepEqual(eth0!.options.authentication, {
    kind: 'meticulousKeyedSha1',
    keys: [
      { id: 7, secret: 'new' },
      { id: 2, secret: 'old' },
    ],
  });
  assert.equal(eth1!.options.authentication, undefined);
  assert.deepEqual(protocol<BgpConfig>(config, 'bgp1').bfd, {
    graceful: false,
    authentication: { kind: 'simple', keys: [{ id: 1, secret: 'x' }] },
  });
});

test('the small protocols', () => {
  const config =
    configOf(`protocol device { scan time 5; interface "eth0" { preferred 10.0.0.1; }; }
ipv4 table t; roa4 table r;
protocol direct { ipv4; interface -"wg*", "eth*" 10.0.0.0/8; }
protocol kernel { ipv4 { table t; }; learn all; persist; metric 0; merge paths limit 4; }
protocol pipe p { table master4; peer table t; export none; }
protocol bfd { accept ipv4 direct; interface "eth*" { min rx interval 20 ms; multiplier 3; }; neighbor 10.0.0.7 dev "eth1" local 10.0.0.8; }
protocol static s { ipv4; igp table t;
  route 10.0.0.0/8 via 192.0.2.1 via 192.0.2.2 weight 3;
  route 10.1.0.0/16 via "eth0";
  route 10.2.0.0/16 via 192.0.2.1%'br-lan' onlink;
  route 10.3.0.0/16 recursive 192.0.2.9; }
protocol static rs { roa4 { table r; }; route 10.0.0.0/8 max 24 as 65000; }
`);
  assert.deepEqual(protocol<DirectConfig>(config, 'direct1').interfaces, [
    { exclude: true, glob: 'wg*' },
    { exclude: false, glob: 'eth*', prefix: '10.0.0.0/8' },
  ]);
  const kernel = protocol<KernelConfig>(config, 'kernel1');
  assert.equal(kernel.learn, 'all');
  assert.equal(kernel.mergePaths, 4);
  assert.equal(kernel.metric, 0);
  const pipe = protocol<PipeConfig>(config, 'p');
  assert.equal(pipe.channel.table, 'master4');
  assert.equal(pipe.peerTable, 't');
  assert.equal(pipe.channel.importPolicy.kind, 'all');
  assert.equal(pipe.channel.exportPolicy.kind, 'none');
  const bfd = protocol<BfdConfig>(config, 'bfd1');
  assert.deepEqual(bfd.accept, { family: 'ipv4', hops: 'direct' });
  assert.deepEqual(bfd.interfaces[0]!.options, {
    minRxIntervalUs: 20_000,
    minTxIntervalUs: 100_000,
    idleTxIntervalUs: 1_000_000,
    multiplier: 3,
    passive: false,
  });
  assert.deepEqual(bfd.neighbors, [
    { address: '10.0.0.7', interface: 'eth1', local: '10.0.0.8', multihop: false },
  ]);
  const hop = { weight: 1, onlink: false, bfd: false };
  assert.deepEqual(protocol<StaticConfig>(config, 's').routes, [
    {
      net: '10.0.0.0/8',
      dest: 'unicast',
      via: [
        { gateway: '192.0.2.1', ...hop },
        { gateway: '192.0.2.2', ...hop, weight: 3 },
      ],
    },
    { net: '10.1.0.0/16', dest: 'unicast', via: [{ interface: 'eth0', ...hop }] },
    {
      net: '10.2.0.0/16',
      dest: 'unicast',
      via: [{ gateway: '192.0.2.1', interface: 'br-lan', ...hop, onlink: true }],
    },
    { net: '10.3.0.0/16', dest: 'unicast', via: [], recursive: '192.0.2.9' },
  ]);
  assert.deepEqual(protocol<StaticConfig>(config, 'rs').routes[0]!.roa, {
    maxLength: 24,
    asn: 65000,
  });
});

test('a static route applies the statements in its braces', () => {
  const config = configOf(`${device}
protocol static { ipv4; route 10.0.0.0/8 blackhole { bgp_community.add((1,2)); preference = 7; if net.len = 8 then krt_metric = 9; }; }
`);
  const { set } = protocol<StaticConfig>(config, 'static1').routes[0]!;
  const route = {
    source: 'static',
    scope: 'universe',
    dest: 'blackhole',
    nexthops: [],
    preference: 200,
  } as const;
  assert.deepEqual(set!.apply(route), {
    ...route,
    preference: 7,
    bgp: { asPath: [], communities: [65538] },
    kernel: { metric: 9 },
  });
});

test('statements of the whole daemon', () => {
  const config = configOf(`${device}
router id from "lo", -"eth*";
hostname "router";
graceful restart wait 60;
log "/var/log/bird.log" 1000000 "/var/log/bird.old" { info, error };
log udp 192.0.2.1 port 5140 all;
timeformat protocol iso long;
timeformat route "%T" 60 "%F";
timeformat log iso short us;
debug commands 2;
cli "/run/other.ctl" { restrict; };
threads 4;
watchdog warning 5 s;
mrtdump protocols { states };
`);
  assert.deepEqual(config.routerIdFrom, [
    { exclude: false, glob: 'lo' },
    { exclude: true, glob: 'eth*' },
  ]);
  assert.equal(config.hostname, 'router');
  assert.equal(config.gracefulRestartWaitSec, 60);
  assert.deepEqual(config.logs, [
    {
      sink: {
        kind: 'file',
        path: '/var/log/bird.log',
        maxBytes: 1_000_000,
        backup: '/var/log/bird.old',
      },
      classes: ['info', 'error'],
    },
    {
      sink: { kind: 'udp', host: '192.0.2.1', port: 5140 },
      classes: ['debug', 'trace', 'info', 'remote', 'warning', 'error', 'auth', 'fatal', 'bug'],
    },
  ]);
  assert.deepEqual(config.timeFormats, {
    route: { format: '%T', limitSec: 60, oldFormat: '%F' },
    protocol: { format: '%F %T' },
    base: { format: '%F %T.%3f' },
    log: { format: '%T.%6f', limitSec: 72_000, oldFormat: '%F' },
  });
  assert.equal(config.debugCommands, 2);
  assert.deepEqual(config.sockets, [{ path: '/run/other.ctl', restrict: true }]);
});

const POLICY = (filter: string, set = '[ 10.0.0.0/8+ ]'): string => `${device}
define NETS = ${set};
function ok(int n) -> bool { return net.len < n && net ~ NETS; }
filter f { ${filter} }
protocol bgp b { local as 1; neighbor 10.0.0.1 as 2; ipv4 { import filter f; export none; }; }
`;

test('policies are the same when their texts and all they use are', () => {
  const policyOf = (text: string): BgpConfig['channels'][number]['importPolicy'] =>
    protocol<BgpConfig>(configOf(text), 'b').channels[0]!.importPolicy;
  const base = policyOf(POLICY('if ok(24) then accept; reject;'));
  const spaced = POLICY('if  ok( 24 ) # comment\nthen accept ; reject ;').replace(
    'int n',
    'int\nn',
  );
  assert.ok(samePolicy(base, policyOf(spaced)));
  assert.ok(!samePolicy(base, policyOf(POLICY('if ok(23) then accept; reject;'))));
  // Only the set that a called function uses is different.
  const other = POLICY('if ok(24) then accept; reject;', '[ 11.0.0.0/8+ ]');
  assert.ok(!samePolicy(base, policyOf(other)));
});

test('printing is a fixed point', () => {
  const text = `# everything at once
log syslog { info, error }; debug protocols { states };
define S = [ 10.0.0.0/8{16,24}, 11.0.0.0/8+, 12.0.0.0/8- ]; define 'a-b' = [(1,*), (2,3..4)];
function f(int a; ip b) -> bool { case a { 1..5: return true; 6, 7: { return false; } else: return b = 10.0.0.1; } }
filter x { if ! f(1, 10.0.0.1) && bgp_path ~ [= 1 * [2,3] =] then { bgp_ext_community.add((rt, 1, 2)); accept "x"; } else reject; }
template bgp t { local as 1; neighbor fe80::1%'eth0' as 0x10; disable after cease { prefix limit hit }; ipv6 { import filter x; export where net ~ [2001:DB8::/32+]; }; };
protocol device { } protocol bgp a from t {}
`;
  const parsed = parseConfig('/c', memoryIo({ '/c': text }));
  assert.deepEqual(parsed.issues, []);
  const once = printConfig(parsed.tokens);
  const again = parseConfig('/c', memoryIo({ '/c': once }));
  assert.deepEqual(again.issues, []);
  assert.equal(printConfig(again.tokens), once);
  assert.match(once, /\ntemplate bgp t \{\n {2}local as 1;\n/);
});

test('the console shares the lexer', () => {
  const { tokens, issues } = lexLine(`show route for 10.0.0.1 where "a" ~ 'x-y' # c`);
  assert.deepEqual(issues, []);
  assert.deepEqual(
    tokens.map((t) => `${t.kind}:${t.text}`),
    [
      'word:show',
      'word:route',
      'word:for',
      'ip4:10.0.0.1',
      'word:where',
      'text:a',
      'punct:~',
      'word:x-y',
      'end:',
    ],
  );
  assert.equal(lexLine('show "x').issues[0]!.message, 'Unterminated string');
});

test('rpki: the cache, its channels, timers and transport', () => {
  const config = configOf(`${device}
roa4 table r4;
roa6 table r6;
protocol rpki {
  roa4 { table r4; };
  roa6 { table r6; import none; };
  remote 2001:db8::53 port 3323;
  local address 2001:db8::1;
  refresh keep 30; retry 20; expire keep 1200;
  min version 1; max version 2;
  ignore max length;
  transport tcp { authentication md5; password "secret"; };
}
protocol rpki small { roa4 { table r4; }; remote 10.0.0.1; transport tcp; }
`);
  const full = protocol<RpkiConfig>(config, 'rpki1');
  assert.deepEqual(
    full.channels.map((c) => [c.netType, c.table, c.importPolicy.kind, c.preference]),
    [
      ['roa4', 'r4', 'all', 100],
      ['roa6', 'r6', 'none', 100],
    ],
  );
  const { channels: _full, ...options } = full;
  assert.deepEqual(options, {
    kind: 'rpki',
    name: 'rpki1',
    disabled: false,
    debug: [],
    remote: '2001:db8::53',
    port: 3323,
    localAddress: '2001:db8::1',
    password: 'secret',
    refreshSec: 30,
    retrySec: 20,
    expireSec: 1200,
    keep: { refresh: true, retry: false, expire: true },
    minVersion: 1,
    maxVersion: 1,
    ignoreMaxLength: true,
  });
  const small = protocol<RpkiConfig>(config, 'small');
  assert.deepEqual(
    [small.port, small.refreshSec, small.retrySec, small.expireSec, small.minVersion],
    [323, 3600, 600, 7200, 0],
  );
  assert.equal(small.password, undefined);
});

test('mrt: dumps of tables, and masks of what is recorded', () => {
  const config = configOf(`${device}
mrtdump "/var/log/bird.mrt";
mrtdump protocols { states };
protocol mrt d {
  table "master*";
  filename "/var/log/%N_%F.mrt";
  period 300;
  where net.len < 25;
  always add path;
}
protocol static s { ipv4; mrtdump { states, messages }; }
`);
  assert.equal(config.mrtDumpFile, '/var/log/bird.mrt');
  const { policy, ...options } = protocol<MrtConfig>(config, 'd');
  assert.equal(policy.kind, 'filter');
  assert.deepEqual(options, {
    kind: 'mrt',
    name: 'd',
    disabled: false,
    debug: [],
    mrtDump: ['states'],
    table: 'master*',
    filename: '/var/log/%N_%F.mrt',
    periodSec: 300,
    alwaysAddPath: true,
  });
  assert.deepEqual(protocol<StaticConfig>(config, 's').mrtDump, ['states', 'messages']);
});

test('bmp: a station and what it is told', () => {
  const config = configOf(`${device}
protocol bmp watch {
  station address ip 192.0.2.9 port 1790;
  monitoring rib in pre_policy;
  monitoring rib in post_policy on;
  tx buffer limit 8;
}
`);
  assert.deepEqual(protocol<BmpConfig>(config, 'watch'), {
    kind: 'bmp',
    name: 'watch',
    disabled: false,
    debug: [],
    station: '192.0.2.9',
    stationPort: 1790,
    prePolicy: true,
    postPolicy: true,
    txBufferLimitBytes: 8 * 1024 * 1024,
  });
});

test('radv: rules of an interface come before those of the protocol and the default', () => {
  const config = configOf(`${device}
protocol radv r {
  interface "eth0" { max ra interval 10; prefix 2001:db8:1::/48 { skip; }; };
  interface "eth*" { default lifetime 0; };
  prefix 2001:db8::/32 { preferred lifetime 0; };
}
`);
  const [first, second] = protocol<RadvConfig>(config, 'r').interfaces;
  assert.deepEqual(
    [first!.options.minIntervalSec, first!.options.defaultLifetimeSec],
    [3, 30],
    'a third, and three times the longest interval',
  );
  const rules = first!.options.prefixes.map((p) => [p.net, p.skip, p.preferredLifetimeSec]);
  assert.deepEqual(rules, [
    ['2001:db8:1::/48', true, 14_400],
    ['2001:db8::/32', false, 0],
    ['::/0', false, 14_400],
  ]);
  assert.equal(second!.options.prefixes.length, 2);
  assert.equal(second!.options.defaultLifetimeSec, 0);
});

test('bfd: echo packets are an option of ours, absent unless written', () => {
  const config = configOf(`${device}
protocol bfd b {
  interface "eth0" { echo rx interval 50 ms; };
  interface "eth1" { echo tx interval 70 ms; echo rx interval 50 ms; };
  interface "eth2";
}
`);
  assert.deepEqual(
    protocol<BfdConfig>(config, 'b').interfaces.map(({ options }) => options.echo),
    [
      { rxIntervalUs: 50_000, txIntervalUs: 0 },
      { rxIntervalUs: 50_000, txIntervalUs: 70_000 },
      undefined,
    ],
  );
});
