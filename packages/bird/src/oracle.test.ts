// The same text through our parser and through the real `bird -p` (2.0.x): both accept or both
// reject, and rejections are at the same line with the same words where BIRD's words are worth
// keeping. Skipped, visibly, where BIRD is not installed.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { evalExpression, parseConfig } from './index.ts';
import { VALUES } from './test-values.ts';

const BIRD = ['/usr/sbin/bird', '/usr/local/sbin/bird'].find((path) => existsSync(path));
const skip = BIRD === undefined ? 'bird is not installed' : false;

let directory = '';
before(() => void (directory = mkdtempSync(join(tmpdir(), 'rookery-bird-'))));
after(() => rmSync(directory, { recursive: true, force: true }));

/** `undefined` when BIRD accepts, else its first complaint without the file name. */
function askBird(text: string): string | undefined {
  const file = join(directory, 'bird.conf');
  writeFileSync(file, text);
  const result = spawnSync(BIRD!, ['-p', '-c', file], { encoding: 'utf8', cwd: directory });
  if (result.status === 0) return undefined;
  return result.stderr.split('\n')[0]!.replace(`bird: ${file}:`, '');
}

function askOurs(text: string): string | undefined {
  const { issues, config } = parseConfig('bird.conf', {
    readFile: (path) => (path === 'bird.conf' ? { text } : { error: 'No such file or directory' }),
    glob: () => ({ error: 'No such file or directory' }),
  });
  if (config !== undefined) return undefined;
  const first = issues.find((issue) => issue.severity === 'error')!;
  return `${first.line}:${first.column} ${first.message}`;
}

const device = 'protocol device {}\n';
const inBgp = (body: string): string =>
  `${device}ipv4 table t4; ipv6 table t6;\nprotocol bgp b {\nlocal 10.0.0.1 as 65000;\nneighbor 10.0.0.2 as 65001;\n${body}\nipv4 { import all; export none; };\n}\n`;
const inChannel = (body: string): string =>
  `${device}ipv4 table t4; ipv6 table t6;\nprotocol bgp b {\nlocal as 65000;\nneighbor 10.0.0.2 as 65001;\nipv4 { import all; export none;\n${body}\n};\n}\n`;
const inRadv = (body: string): string => `${device}protocol radv {\n${body}\n}\n`;
const inStatic = (body: string): string => `${device}protocol static {\nipv4;\n${body}\n}\n`;
const inFilter = (body: string): string =>
  `${device}roa4 table r4;\ndefine C = 5;\ndefine PS = [ 10.0.0.0/8+ ];\nfunction f(int a; prefix p) { return a > p.len; }\nfilter x\nint i; bool b; ip a; pair q; quad u; string st; prefix n; bgppath pp; clist cl; bgpmask bm;\n{\n${body}\naccept;\n}\n`;

/** Texts on which both must agree. */
const TEXTS: readonly string[] = [
  // Router advertisements.
  inRadv(''),
  inRadv('interface "eth0";'),
  inRadv('interface "eth0", -"eth1" { };'),
  inRadv('interface "eth0" { max ra interval 3; };'),
  inRadv('interface "eth0" { max ra interval 1800; min ra interval 1350; min delay 1; };'),
  inRadv('interface "eth0" { max ra interval 600; min ra interval 500; };'),
  inRadv('interface "eth0" { min ra interval 2; };'),
  inRadv('interface "eth0" { min delay 0; };'),
  inRadv('interface "eth0" { default lifetime 9001; };'),
  inRadv('interface "eth0" { default lifetime 300; };'),
  inRadv('interface "eth0" { default lifetime 0 sensitive yes; default preference high; };'),
  inRadv('interface "eth0" { managed; other config yes; link mtu 1500; solicited ra unicast; };'),
  inRadv('interface "eth0" { reachable time 1; retrans timer 1; current hop limit 255; };'),
  inRadv('interface "eth0" { current hop limit 256; };'),
  inRadv('interface "eth0" { prefix linger time 0; };'),
  inRadv('interface "eth0" { reachable time 3600001; };'),
  inRadv('interface "eth0" { prefix ::/0 { autonomous off; onlink off; skip; }; };'),
  inRadv('prefix 2001:db8::/32 { valid lifetime 100; preferred lifetime 200; };'),
  inRadv('prefix 2001:db8::/32 { valid lifetime 100 sensitive; preferred lifetime 50; };'),
  inRadv('prefix 10.0.0.0/8;'),
  `${device}protocol bgp u { local as 1; neighbor range fe80::/10 as 2; interface "eth0"; }\n`,
  // Top level.
  device,
  '',
  `router id 10.0.0.1;\n${device}`,
  `router id 1;\n${device}`,
  `router id from "eth*", -"wg*", 10.0.0.0/8;\n${device}`,
  `router id "10.0.0.1";\n${device}`,
  `log syslog all;\nlog stderr { info, warning };\nlog syslog name "x" { debug };\n${device}`,
  `log syslog;\n${device}`,
  `log stderr { nonsense };\n${device}`,
  `debug protocols all;\ndebug protocols { states, routes };\ndebug commands 1;\ndebug latency on;\ndebug latency limit 10 ms;\n${device}`,
  `debug protocols states;\n${device}`,
  `timeformat protocol iso long;\ntimeformat route iso short ms;\ntimeformat base "%F";\ntimeformat log "%F" 3600 "%T";\n${device}`,
  `timeformat nothing iso long;\n${device}`,
  `watchdog warning 5 s;\nwatchdog timeout 30 s;\ngraceful restart wait 60;\nmrtdump protocols all;\n${device}`,
  `watchdog warning 5;\n${device}`,
  `hostname "x";\n${device}`,
  `ipv4 table a;\nipv6 table b sorted;\nroa4 table c;\n${device}`,
  `ipv4 table a\nipv6 table b\n${device}`,
  `ipv4 table master4 { sorted; };\n${device}`,
  `ipv4 table a { sorted on; gc threshold 10; gc period 5 s; };\n${device}`,
  `table a;\n${device}`,
  `roa table a;\n${device}`,
  `ipv4 table a;\nipv4 table a;\n${device}`,
  `define a = 1;\ndefine b = a + 2 * 3;\ndefine c = "x";\ndefine d = 10.0.0.0/8;\ndefine e = [1, 2, 3..5];\ndefine f = (1,2);\n${device}`,
  `define a = 1;\ndefine a = 2;\n${device}`,
  `define a = nosuch;\n${device}`,
  `define 'a-b' = 1;\ndefine c = 'a-b' + 1;\n${device}`,
  `define a = [ ];\n${device}`,
  `define a = [ 10.0.0.0/8, 2001:db8::/32 ];\n${device}`,
  `define a = [ 10.0.0.0/8{24,16} ];\n${device}`,
  `define a = [ 10.0.0.0/8{8,33} ];\n${device}`,
  `define a = [ 10.0.0.1/8 ];\n${device}`,
  `define a = 10 / 0;\n${device}`,
  `define a = (70000, 1);\n${device}`,
  `define a = 4294967296;\n${device}`,
  `define a = 0xff;\n${device}`,
  `attribute int my;\nattribute clist cc;\n${device}`,
  `attribute nothing my;\n${device}`,
  `eval 1 + 2;\n${device}`,
  'protocol static { ipv4; }',
  `${device};;\n`,
  'protocol device { };\n',
  'protocol device {\nscan time 10;\ninterface "eth0" { preferred 10.0.0.1; };\n}\n',
  'protocol device { scan time; }\n',
  'protocol foo { }\n',
  `${device}${device}`,
  'protocol device 1x { }\n',
  'protocol device "x" { }\n',
  'protocol device a-b { }\n',
  "protocol device 'a-b' { }\n",
  '/* comment */ protocol device { } # end\n',
  '/* comment /* nested */ */ protocol device { }\n',
  '/* never ends\nprotocol device { }\n',
  'log "unterminated;\nprotocol device { }\n',
  `${device}$\n`,
  'protocol device {\n',
  'include "missing.conf";\nprotocol device { }\n',
  'router id 10.0.0.1\nprotocol device { }\n',
  'protocol device { } filter x { accept; } function y() { return 1; }\n',
  'foo bar;\nprotocol device { }\n',

  // Kernel, direct, pipe, bfd.
  `${device}protocol kernel { ipv4 { export all; }; persist; learn; scan time 20; metric 64; merge paths on limit 8; kernel table 100; graceful restart; }\n`,
  `${device}protocol kernel { ipv4; merge paths; }\n`,
  `${device}protocol kernel { ipv4; kernel table (50 + 50); netlink rx buffer 100000; }\n`,
  `${device}protocol kernel { ipv4; kernel table 50 + 50; }\n`,
  `${device}protocol kernel { export all; }\n`,
  `${device}protocol kernel { import all; ipv4; }\n`,
  `${device}protocol kernel { }\n`,
  `${device}protocol kernel { ipv4; ipv6; }\n`,
  `${device}protocol kernel { ipv4; ipv4; }\n`,
  `${device}protocol kernel { ipv4; }\nprotocol kernel { ipv4; }\n`,
  `${device}protocol kernel { ipv4 { table t; }; }\n`,
  `${device}ipv6 table t;\nprotocol kernel { ipv4 { table t; }; }\n`,
  `${device}protocol kernel k {\n  ipv4 {\n    export none;\n  }\n}\n`,
  `${device}protocol direct { ipv4; ipv6; interface "eth*", -"wg*"; check link; }\n`,
  `${device}protocol direct { interface eth0; }\n`,
  `${device}protocol direct { }\n`,
  `${device}ipv4 table t;\nprotocol pipe { table master4; peer table t; import none; export all; }\n`,
  `${device}protocol pipe { table master4; }\n`,
  `${device}protocol pipe { peer table master4; }\n`,
  `${device}protocol pipe { table master4; peer table master6; }\n`,
  `${device}protocol pipe { table master4; peer table master4; }\n`,
  `${device}protocol bfd { interface "eth*" { interval 50 ms; multiplier 3; passive; }; multihop { min rx interval 1 s; }; neighbor 10.0.0.9 dev "eth0" local 10.0.0.8; }\n`,
  `${device}protocol bfd { interface "eth0" { interval 50; }; }\n`,
  `${device}protocol bfd { interface "eth0" { authentication keyed md5; password "x" { id 3; }; }; }\n`,
  `${device}protocol bfd { interface "eth0" { authentication simple; password "x" { id 300; }; }; }\n`,

  // Templates.
  `${device}template bgp t { local as 1; ipv4 { import all; export none; }; }\nprotocol bgp a from t { neighbor 10.0.0.1 as 2; }\nprotocol bgp b from a { description "b"; }\n`,
  `${device}template bgp t { local as 1; ipv4 { import all; export none; }; }\nprotocol bgp b from t { neighbor 10.0.0.2 as 2; ipv4 { preference 7; }; }\n`,
  `${device}template bgp t { }\nprotocol kernel k from t { ipv4; }\n`,
  `${device}protocol bgp a from nosuch { }\n`,
  `${device}protocol bgp a { local as 1; neighbor 10.0.0.1 as 1; }\nprotocol bgp a { local as 1; neighbor 10.0.0.2 as 1; }\n`,

  // BGP.
  inBgp(''),
  inBgp('hold time 90; keepalive time 30; connect retry time 5; error wait time 1, 2;'),
  inBgp('hold time 2;'),
  inBgp('hold time 0;'),
  inBgp('hold time 90;\nkeepalive time 100;'),
  inBgp('hold tiem 90;'),
  inBgp('hold time 90'),
  inBgp('multihop 4; ttl security on;'),
  inBgp('direct; check link; passive; password "x";'),
  inBgp('bfd;'),
  inBgp('bfd { interval 100 ms; multiplier 5; };'),
  inBgp('bfd graceful;'),
  inBgp('multihop; bfd on;'),
  inBgp('rr client;'),
  inBgp('rs client; rr cluster id 10.0.0.9;'),
  inBgp('graceful restart; graceful restart time 100; long lived graceful restart aware;'),
  inBgp('graceful restart aware; capabilities off; enable as4 off; advertise hostname;'),
  inBgp('disable after cease { prefix limit hit, out of resources }; disable after error;'),
  inBgp('disable after cease on;'),
  inBgp('disable after cease { nonsense };'),
  inBgp(
    'allow local as; allow local as 3; allow bgp_local_pref; allow bgp_med; allow as sets off;',
  ),
  inBgp(
    'default bgp_med 5; default bgp_local_pref 50; med metric; path metric off; igp metric off;',
  ),
  inBgp('local role customer; require roles;'),
  inBgp('local role nonsense;'),
  inBgp('confederation 65100; confederation member on;'),
  inBgp('interface "eth0";'),
  inBgp('multihop 2; interface "eth0";'),
  inBgp('strict bind; free bind; dynamic name "x"; dynamic name digits 3;'),
  inBgp('enforce first as; interpret communities off; deterministic med; prefer older;'),
  inBgp('neighbor 10.0.0.3 as 65002;'),
  inBgp('import all;'),
  inBgp('description "x"; disabled; debug all; router id 10.9.9.9; vrf default;'),
  inBgp('source address 10.0.0.5; connect delay time 3; startup hold time 60; min hold time 10;'),
  inBgp('ipv4 { import all; };'),
  inBgp('ipv6 { import all; };'),
  `${device}protocol bgp b { neighbor 10.0.0.2 as 2; }\n`,
  `${device}protocol bgp b { local as 1; }\n`,
  `${device}protocol bgp b { local as 1; neighbor 10.0.0.2; }\n`,
  `${device}protocol bgp b { local as 1; neighbor 10.0.0.2 external; }\n`,
  `${device}protocol bgp b { local as 1; neighbor 10.0.0.2 internal; ipv4; }\n`,
  `${device}protocol bgp b { local as 1; neighbor 10.0.0.2 as 2 internal; }\n`,
  `${device}protocol bgp b { local as 1; neighbor 10.0.0.2 as 1 external; }\n`,
  `${device}protocol bgp b { local as 1; neighbor 10.0.0.2 as 2; ipv4 { import all; }; }\n`,
  `${device}protocol bgp b { local as 1; neighbor range 10.0.0.0/24 as 2; }\n`,
  `${device}protocol bgp b { local as 1; neighbor fe80::1 as 2; }\n`,
  `${device}protocol bgp b { local as 1; neighbor fe80::1%'eth0' as 2; }\n`,
  `${device}protocol bgp b { local as 1; neighbor fe80::1 as 2; interface "eth0"; }\n`,
  `${device}protocol bgp b { local as 1; neighbor 10.0.0.2 port 1179 as 2; local port 1179; strict bind; }\n`,
  `${device}protocol bgp b { local as 1; neighbor 10.0.0.2 as 1; local role peer; }\n`,

  // Channels.
  inChannel('table t4; preference 50; import keep filtered; import table; export table on;'),
  inChannel('table t6;'),
  inChannel('table nosuch;'),
  inChannel('receive limit 10; import limit 10 action warn; export limit 10 action block;'),
  inChannel('import limit 10 action nonsense;'),
  inChannel('import limit off;'),
  inChannel('next hop self; next hop keep ibgp; next hop address 10.0.0.7; gateway recursive;'),
  inChannel('add paths; add paths tx; extended next hop; secondary; mandatory; graceful restart;'),
  inChannel('igp table t4;'),
  inChannel('igp table t6;'),
  inChannel('import filter nosuch;'),
  inChannel('import where net.len < 24;'),
  inChannel('import where 5;'),
  inChannel('import filter { if net.len > 24 then reject; accept; };'),
  inChannel('import sometimes;'),
  inChannel('preference 100000;'),

  // Static routes.
  inStatic(
    'route 10.0.0.0/8 blackhole; route 10.1.0.0/16 unreachable; route 10.2.0.0/16 prohibit;',
  ),
  inStatic('route 10.0.0.0/8 drop; route 10.1.0.0/16 reject;'),
  inStatic(
    'route 10.0.0.0/8 via 192.0.2.1; route 10.0.0.0/8 via 192.0.2.1 via 192.0.2.2 weight 3;',
  ),
  inStatic('route 10.0.0.0/8 via "eth0"; route 10.0.0.0/8 via 192.0.2.1%\'eth0\' onlink;'),
  inStatic('route 10.0.0.0/8 via 192.0.2.1 bfd; check link; igp table master4;'),
  inStatic('route 10.0.0.0/8 via 192.0.2.1 bfd onlink;'),
  inStatic('route 10.0.0.0/8 recursive 192.0.2.1;'),
  inStatic('route 10.0.0.0/8 recursive 192.0.2.1 { bgp_community.add((1,2)); preference = 5; };'),
  inStatic('route 10.0.0.0/8;'),
  inStatic('route 10.0.0.1/8 blackhole;'),
  inStatic('route 2001:db8::/32 blackhole;'),
  inStatic('route 10.0.0.0/8 max 24 as 65000;'),
  `${device}roa4 table r;\nprotocol static { roa4 { table r; }; route 10.0.0.0/8 max 24 as 65000; }\n`,
  `${device}protocol static { roa4; }\n`,
  `${device}protocol static { route 10.0.0.0/8 blackhole; ipv4; }\n`,

  // The filter language.
  ...[
    'if net ~ PS then reject;',
    'if ! net ~ PS then reject;',
    'if !(net ~ PS) then reject;',
    'if net !~ PS then reject;',
    'if i then reject;',
    'if true then reject',
    'if true { reject; }',
    'if i = 1 || i = 2 && b then reject; else accept;',
    'if i = 1 = 2 then reject;',
    'i = 5; i = C * 2 + 1; i = "x";',
    'b = i = 5;',
    'b = 5;',
    'a = 10.0.0.1; a = a.mask(8); a = from;',
    'q = (1,2); q = (i, 5); i = q.asn; i = q.data;',
    'n = 10.0.0.0/8; i = n.len; a = n.ip;',
    'pp = prepend(bgp_path, 5); i = pp.len; i = pp.first + pp.last;',
    'cl = add(cl, (1,2)); cl = delete(cl, [(1,*)]); cl = filter(cl, [(1,2..5)]);',
    'bm = [= 1 2 * =]; b = bgp_path ~ bm;',
    'case i { 1: accept; 2..4: reject; C: i = 5; i = 6; else: accept; }',
    'case net.len { 1, 2, 3: accept; }',
    'case bgp_origin { ORIGIN_IGP: accept; }',
    'f(1, net);',
    'f(1);',
    'f(1, 2);',
    'if f(1, net) then accept;',
    'nosuch(1);',
    'nosuch = 1;',
    'i = nosuch;',
    'bgp_path.prepend(65000); bgp_path.delete(5); bgp_path.delete([1,2]); bgp_path.filter([1..3]);',
    'bgp_path.empty; bgp_community.empty;',
    'bgp_path.prepend("x");',
    'bgp_community.add((1,2)); bgp_community.delete((1,2)); bgp_community.filter([(1,*)]);',
    'bgp_community.add((65000, i)); bgp_community = -empty-;',
    'bgp_ext_community.add((rt, 1, 2)); bgp_ext_community.delete([(rt, 1, *)]); bgp_ext_community.add((generic, 0x1, 0x2));',
    'bgp_large_community.add((1,2,3)); bgp_large_community.delete([(1,*,*), (2,3,*), (1,2,3..5)]);',
    'if (1,2) ~ bgp_community then accept; if bgp_community ~ [(1,*), (2,3..4), (5..6,*)] then accept;',
    'if (rt,1,2) ~ bgp_ext_community then accept; if (1,2,3) ~ bgp_large_community then accept;',
    'if bgp_path ~ [= * 1 2 ? 3..5 [7,8] =] then accept; if bgp_path ~ [1,2] then accept;',
    'if 5 ~ bgp_path then accept; if bgp_path.last ~ [1..5] then accept;',
    'bgp_med = 5; bgp_local_pref = 5; unset(bgp_med); if defined(bgp_med) then accept;',
    'bgp_med = "x";',
    'bgp_origin = ORIGIN_IGP; bgp_next_hop = 10.0.0.1; bgp_otc = 5;',
    'bgp_origin = 1;',
    'dest = RTD_BLACKHOLE; scope = SCOPE_HOST; preference = 5; ifname = "eth0"; gw = 10.0.0.1; from = 10.0.0.1;',
    'net = 10.0.0.0/8;',
    'proto = "x";',
    'source = RTS_BGP;',
    'if source = RTS_BGP then accept; if source ~ [RTS_BGP, RTS_STATIC] then accept; if proto ~ "bgp*" then accept;',
    'krt_prefsrc = 10.0.0.1; krt_metric = 5; krt_mtu = 1400; krt_realm = 3; krt_lock_mtu = true;',
    'print "x ", net, " ", i; printn "y";',
    'accept "x ", net;',
    'reject "x";',
    'error "x";',
    'if roa_check(r4) = ROA_VALID then accept; if roa_check(r4, net, 5) = ROA_INVALID then reject;',
    'if roa_check(nosuch) = ROA_VALID then accept;',
    'for int x in bgp_path do { if x = 5 then reject; }',
    'for pair x in bgp_community do print x;',
    'for pair x in bgp_path do print x;',
    'for int x in i do print x;',
    'if i + "x" = 1 then accept;',
    'if i < net then accept;',
    'if i = net then accept;',
    'if i && b then accept;',
    'i = 1 / 2 - 3 * 4;',
    'i = -5;',
    'u = 1.2.3.4; bgp_originator_id = 1.2.3.4; if bgp_originator_id = 1.2.3.4 then accept;',
    'if 10.0.0.1 ~ 10.0.0.0/8 then accept; if net ~ 10.0.0.0/8 then accept;',
    'if 10.0.0.1 ~ [10.0.0.0/8] then accept;',
    'st = "x"; if st = "y" then accept; if st ~ "x*" then accept; print format(net);',
    'if net.type = NET_IP4 then accept;',
    'if [1,2] ~ 5 then accept;',
    '{ int j; j = 5; } { int j; j = 6; }',
    'int j = 5; j = j + 1;',
    ';',
  ].map(inFilter),
  `${device}function f(int a, int b) { return a; }\n`,
  `${device}function f() { return g(); }\nfunction g() { return 1; }\n`,
  `${device}function f(int a) { if a > 5 then return f(a - 1); return 0; }\n`,
  `${device}filter a { accept; }\nfilter a { accept; }\n`,
  `${device}filter a { if bgp_path.len > 5 then reject; accept; }\nprotocol static { ipv4 { import filter a; }; }\n`,
];

interface Verdicts {
  readonly text: string;
  readonly theirs: string | undefined;
  readonly ours: string | undefined;
}

let verdicts: readonly Verdicts[] | undefined;
const ask = (): readonly Verdicts[] =>
  (verdicts ??= TEXTS.map((text) => ({ text, theirs: askBird(text), ours: askOurs(text) })));

test('accepts and rejects what BIRD accepts and rejects', { skip }, () => {
  const disagreements = ask().filter(
    ({ text, theirs, ours }) =>
      (theirs === undefined) !== (ours === undefined) && !LATER.some((d) => text.includes(d)),
  );
  assert.deepEqual(disagreements, []);
});

test('complains in the same words at the same line', { skip }, () => {
  const words = (s: string): string =>
    s
      .replace(/, expecting .*/, '')
      .replace(/^(\d+):\d+/, '$1')
      .replace(`${directory}/`, '');
  const differences = ask().filter(
    ({ text, theirs, ours }) =>
      theirs !== undefined &&
      ours !== undefined &&
      !DIFFERENT.some((d) => text.includes(d)) &&
      words(theirs) !== words(ours),
  );
  assert.deepEqual(differences, []);
});

test('eval answers what a running BIRD answers', { skip }, async (t) => {
  const file = join(directory, 'eval.conf');
  writeFileSync(file, EVAL_CONFIG);
  const socket = join(directory, 'eval.ctl');
  const daemon = spawn(BIRD!, ['-d', '-c', file, '-s', socket], { cwd: directory });
  const exited = new Promise<'exited'>((resolve) => daemon.once('exit', () => resolve('exited')));
  t.after(() => void daemon.kill('SIGKILL'));
  const started = new Promise<'started'>((resolve) => {
    daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('Started')) resolve('started');
    });
  });
  if ((await Promise.race([started, exited])) === 'exited') {
    return t.skip('bird may not run here');
  }
  const questions = VALUES.filter(([text]) => !text.includes('nosuch'));
  const replies = await askSocket(
    socket,
    questions.map(([text]) => `eval ${text}`),
  );
  const { scope } = parseConfig('f', {
    readFile: () => ({ text: EVAL_CONFIG }),
    glob: () => ({ paths: [] }),
  });
  let compared = 0;
  questions.forEach(([text], i) => {
    const reply = replies[i]!;
    // What this BIRD cannot parse belongs to later versions.
    if (!reply.startsWith('0023 ')) return;
    const ours = evalExpression(text, scope);
    assert.equal(ours.ok ? ours.text : ours.issues[0]!.message, reply.slice(5), text);
    compared++;
  });
  assert.ok(compared > 80, `only ${compared} compared`);
});

const EVAL_CONFIG = `protocol device { }
define ASN = 65000;
function twice(int n) { return n * 2; }
function fact(int n) { if n = 0 then return 1; return n * fact(n - 1); }
`;

/** One reply line for each command, after the greeting. */
function askSocket(path: string, commands: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const client = createConnection(path).setEncoding('utf8');
    const replies: string[] = [];
    client.once('error', reject);
    // One at a time: BIRD drops a client whose input exceeds its buffer.
    client.on('data', (chunk: string) => {
      replies.push(chunk.trimEnd());
      const next = commands[replies.length - 1];
      if (next !== undefined) return void client.write(`${next}\n`);
      client.destroy();
      resolve(replies.slice(1));
    });
  });
}

/** Accepted by BIRD versions after the one that Debian 12 carries. */
const LATER: readonly string[] = ['allow bgp_med', 'C: i = 5', '\n;\naccept'];

/** Our words are better on purpose, or our place is nearer to the cause. */
const DIFFERENT: readonly string[] = [
  'roa table a;',
  '/* never ends',
  'route 2001:db8::/32 blackhole;',
  'route 10.0.0.0/8 max 24 as 65000;',
  'if i then reject;',
];
