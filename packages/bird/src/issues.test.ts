// Errors: each broken text with the words, the place and the cure that its author is shown.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig, renderIssue } from './index.ts';
import { memoryIo } from './test-io.ts';

const device = 'protocol device { }\n';
const bgp = (body: string): string =>
  `${device}protocol bgp b {\n  local as 1;\n  neighbor 10.0.0.1 as 2;\n${body}\n}\n`;
const filter = (body: string): string => `${device}filter f {\n${body}\n}\n`;

interface Case {
  readonly text: string;
  /** Each issue: `line:column message`. */
  readonly issues: readonly string[];
  /** Found in the hint of the first. */
  readonly hint?: RegExp;
}

const CASES: readonly Case[] = [
  {
    text: `${device}protocol kernel {\n  ipv4 {\n    export none;\n  }\n}\n`,
    issues: ["6:1 syntax error, unexpected '}', expecting ';'"],
    hint: /add ';' after '}' at the end of line 5/,
  },
  {
    text: `router id 10.0.0.1\n${device}`,
    issues: ["2:1 syntax error, unexpected PROTOCOL, expecting ';'"],
    hint: /add ';' after '10.0.0.1' at the end of line 1/,
  },
  {
    text: `${device}protocol kernel {\n  export all;\n  ipv4;\n}\n`,
    issues: ['3:3 syntax error, unexpected EXPORT'],
    hint: /inside a channel: ipv4 \{ export …; \};/,
  },
  {
    text: bgp('  import all;'),
    issues: ['5:3 syntax error, unexpected IMPORT'],
    hint: /inside a channel/,
  },
  {
    text: `table t;\n${device}`,
    issues: ['1:1 syntax error, unexpected TABLE'],
    hint: /ipv4 table NAME/,
  },
  {
    text: `roa table t;\n${device}`,
    issues: ['1:1 syntax error, unexpected ROA'],
    hint: /roa4 table NAME/,
  },
  {
    text: `listen bgp port 1179;\n${device}`,
    issues: ['1:1 syntax error, unexpected CF_SYM_UNDEFINED'],
    hint: /local ADDRESS port N/,
  },
  {
    text: `${device}protokol bgp x { }\n`,
    issues: ['2:1 syntax error, unexpected CF_SYM_UNDEFINED'],
    hint: /did you mean 'protocol'/,
  },
  {
    text: `${device}protocol bpg x { }\n`,
    issues: ['2:10 syntax error, unexpected CF_SYM_UNDEFINED'],
    hint: /did you mean bgp/,
  },
  {
    text: bgp('  hold tiem 90;'),
    issues: ['5:8 syntax error, unexpected CF_SYM_UNDEFINED'],
    hint: /did you mean 'hold time'/,
  },
  {
    text: bgp('  graceful restrat on;'),
    issues: ['5:12 syntax error, unexpected CF_SYM_UNDEFINED'],
    hint: /did you mean 'graceful restart'/,
  },
  {
    text: `${device}protocol ospf v2 o { area 0 { interface "eth0"; }; }\n`,
    issues: ['2:10 protocol ospf is not supported by rookery yet'],
    hint: /supported: device, direct, kernel, static, bgp, pipe, bfd/,
  },
  {
    text: `${device}protocol radv r { interface "eth0" { rdnss 2001:db8::1; }; }\n`,
    issues: ["2:38 'rdnss' of radv is not supported by rookery yet"],
  },
  {
    text: `${device}protocol rpki r { roa4; remote 10.0.0.1; }\n`,
    issues: ['2:19 Routing table not specified'],
  },
  {
    text: `${device}roa4 table r4; protocol rpki r { roa4 { table r4; }; }\n`,
    issues: ['2:54 IP address or hostname of cache server must be set'],
    hint: /remote IP/,
  },
  {
    text: `${device}roa4 table r4; protocol rpki r { roa4 { table r4; }; remote "cache.example"; }\n`,
    issues: ['2:54 host name "cache.example" is not supported'],
    hint: /IP address/,
  },
  {
    text: `${device}roa4 table r4; protocol rpki r { roa4 { table r4; }; remote 10.0.0.1; transport ssh; }\n`,
    issues: ['2:71 RPKI over SSH is not supported by rookery'],
    hint: /authentication md5/,
  },
  {
    text: `${device}protocol rpki r { remote 10.0.0.1; refresh 90000; }\n`,
    issues: ['2:44 Refresh interval must be in range 1-86400'],
  },
  {
    text: `${device}vpn4 table v;\n`,
    issues: ['2:1 vpn4 tables are not supported by rookery yet'],
  },
  {
    text: bgp('  vpn4 mpls { import all; export none; };'),
    issues: ['5:3 channel vpn4 mpls is not supported by rookery yet'],
  },
  {
    text: `${device}protocol bgp b from nosuch {\n}\n`,
    issues: ['2:21 syntax error, unexpected CF_SYM_UNDEFINED, expecting CF_SYM_KNOWN'],
    hint: /define the template/,
  },
  {
    text: `${device}template bgp metallb { }\nprotocol bgp b from metalb { }\n`,
    issues: ['3:21 syntax error, unexpected CF_SYM_UNDEFINED, expecting CF_SYM_KNOWN'],
    hint: /did you mean metallb/,
  },
  {
    text: `${device}template bgp t { }\nprotocol kernel k from t { ipv4; }\n`,
    issues: ["3:24 Can't copy configuration from a different protocol type"],
  },
  {
    text: `${device}protocol static { ipv4 { import filter nosuch; }; }\n`,
    issues: ['2:40 syntax error, unexpected CF_SYM_UNDEFINED'],
    hint: /define the filter/,
  },
  {
    text: bgp('  ipv4 { };'),
    issues: ['6:1 EBGP requires explicit import policy'],
    hint: /import all/,
  },
  {
    text: bgp('  ipv4 { import all; };'),
    issues: ['6:1 EBGP requires explicit export policy'],
    hint: /export none/,
  },
  {
    text: `${device}protocol bgp b { neighbor 10.0.0.1 as 2; }\n`,
    issues: ['2:42 Local AS number must be set'],
    hint: /local as/,
  },
  {
    text: `${device}protocol bgp b { local as 1; }\n`,
    issues: ['2:30 Neighbor must be configured'],
  },
  {
    text: `${device}protocol bgp b { local as 1; neighbor 10.0.0.1; }\n`,
    issues: ['2:49 Remote AS number (or peer type) must be set'],
  },
  {
    text: bgp('  neighbor 10.0.0.2 as 3;'),
    issues: ['5:12 Only one neighbor per BGP instance is allowed'],
    hint: /one protocol bgp for each neighbor/,
  },
  {
    text: `${device}protocol bgp b { local as 1; neighbor fe80::1 as 2; }\n`,
    issues: ['2:53 Link-local addresses require defined interface'],
    hint: /interface "eth0"/,
  },
  { text: bgp('  hold time 2;'), issues: ['5:13 Hold time must be in range 3-65535 or zero'] },
  {
    text: bgp('  hold time 30; keepalive time 60;'),
    issues: ['6:1 Keepalive time must be at most hold time'],
  },
  { text: bgp('  rr client;'), issues: ['6:1 Only internal neighbor can be RR client'] },
  {
    text: `${device}protocol bfd {\n  interface "a" { authentication simple; };\n}\n`,
    issues: ['3:17 Authentication and password options should be used together'],
  },
  {
    text: bgp('  multihop; bfd;'),
    issues: ['6:1 Multihop BGP with BFD requires specified local address'],
  },
  {
    text: `${device}protocol static {\n  ipv4 { import limit 10 action blok; };\n}\n`,
    issues: [
      '3:33 syntax error, unexpected CF_SYM_UNDEFINED, expecting WARN or BLOCK or RESTART or DISABLE',
    ],
    hint: /did you mean block/,
  },
  {
    text: `${device}protocol direct { interface eth-0; }\n`,
    issues: ['2:29 syntax error, unexpected CF_SYM_UNDEFINED, expecting TEXT or IP4 or IP6'],
    hint: /in quotes/,
  },
  {
    text: `${device}protocol kernel my-kernel { ipv4; }\n`,
    issues: ["2:19 syntax error, unexpected '-', expecting FROM or '{'"],
    hint: /apostrophes: 'my-kernel'/,
  },
  {
    text: `${device}protocol kernel 4kernel { ipv4; }\n`,
    issues: ['2:17 syntax error, unexpected NUM'],
    hint: /'4kernel'/,
  },
  {
    text: `define d = 1;\ndefine d = 2;\n${device}`,
    issues: ["2:8 Symbol 'd' already defined"],
  },
  {
    text: `${device}protocol kernel { ipv4; }\nprotocol kernel {\n  ipv4;\n}\n`,
    issues: ['5:1 Kernel syncer (kernel1) already attached to table master4'],
  },
  { text: `${device}protocol kernel { }\n`, issues: ['2:19 Channel not specified'] },
  { text: `${device}protocol kernel { ipv4; ipv6; }\n`, issues: ['2:25 Different channel type'] },
  { text: `${device}protocol kernel { ipv4; ipv4; }\n`, issues: ['2:25 Multiple ipv4 channels'] },
  { text: `${device}${device}`, issues: ['2:10 Kernel device protocol already defined'] },
  {
    text: `${device}protocol static { ipv4; route 10.0.0.1/8 blackhole; }\n`,
    issues: ['2:31 Invalid IPv4 prefix 10.0.0.1/8, maybe you wanted 10.0.0.0/8'],
  },
  {
    text: `${device}protocol static { ipv4; route 2001:db8::/32 blackhole; }\n`,
    issues: ['2:31 Route 2001:db8::/32 incompatible with channel type'],
  },
  {
    text: `${device}protocol static { ipv4; route 10.0.0.0/8; }\n`,
    issues: ['2:41 Unexpected or missing nexthop/type'],
  },
  {
    text: `include "missing.conf";\n${device}`,
    issues: ['1:10 Unable to open included file missing.conf: No such file or directory'],
  },
  {
    text: `include "peers/*.conf";\n${device}`,
    issues: ['1:10 Unable to match pattern peers/*.conf: No such file or directory'],
  },
  { text: '', issues: ['1:1 No protocol is specified in the config file'] },
  {
    text: 'protocol device {\n',
    issues: ['1:0 syntax error, unexpected END'],
    hint: /'}' missing/,
  },
  {
    text: filter('  if net.len > 24 accept;'),
    issues: ['3:19 syntax error, unexpected ACCEPT, expecting THEN'],
    hint: /if CONDITION then/,
  },
  {
    text: filter('  if 1 then accept;\n  reject;'),
    issues: ['3:6 Argument 1 of CONDITION must be of type bool, got type int'],
  },
  {
    text: filter('  if ! net ~ [10.0.0.0/8] then accept;\n  reject;'),
    issues: ['3:8 Argument 1 of NOT must be of type bool, got type prefix'],
    hint: /!\(a ~ B\)/,
  },
  { text: filter('  net = 10.0.0.0/8;'), issues: ['3:3 This static attribute is read-only.'] },
  {
    text: filter('  bgp_med = "x";'),
    issues: ['3:13 Argument 1 of EA_SET must be of type int, got type string'],
  },
  {
    text: filter('  if bgp_pth.len > 5 then reject;'),
    issues: ['3:6 syntax error, unexpected CF_SYM_UNDEFINED'],
    hint: /did you mean bgp_path/,
  },
  {
    text: filter('  if bgp_path.length > 5 then reject;'),
    issues: ['3:14 Unknown symbol length'],
    hint: /len/,
  },
  {
    text: `${device}function f(int a, int b) { return a; }\n`,
    issues: ["2:17 syntax error, unexpected ',', expecting ';' or ')'"],
    hint: /separated by ';'/,
  },
  {
    text: `${device}define s = [ 10.0.0.0/8, 2001:db8::/32 ];\n`,
    issues: ['2:26 Mixed IPv4/IPv6 prefixes in prefix set'],
  },
  {
    text: `${device}define s = [ 10.0.0.0/8{24,16} ];\n`,
    issues: ['2:24 Invalid prefix pattern range: {24, 16}'],
  },
  {
    text: `${device}define p = (65536, 1);\n`,
    issues: [
      "2:12 filter preevaluation, line 2: Can't operate with value out of bounds in pair constructor",
    ],
  },
  {
    text: `${device}/* a /* b */\n`,
    issues: ['2:6 Comment nesting not supported'],
  },
  {
    text: `hostname "x;\n${device}`,
    issues: ['1:10 Unterminated string'],
  },
  { text: `${device}$\n`, issues: ['2:1 Unknown character'] },
  {
    text: `router id "1.2.3.4";\n${device}`,
    issues: ['1:11 syntax error, unexpected TEXT, expecting NUM or IP4'],
  },

  // Several errors of one file, each once, without consequences of the first.
  {
    text: `${device}protocol bgp a {\n  local az 1;\n  hold time 1;\n  neighbor 10.0.0.1 as 2;\n  ipv4 { impotr all; export none; };\n}\nprotocol kernel { expport all; ipv4; }\n`,
    issues: [
      '3:9 syntax error, unexpected CF_SYM_UNDEFINED',
      '4:13 Hold time must be in range 3-65535 or zero',
      '6:10 syntax error, unexpected CF_SYM_UNDEFINED',
      '8:19 syntax error, unexpected CF_SYM_UNDEFINED',
    ],
  },
  {
    text: `${device}filter bad {\n  if oops then accept;\n}\nprotocol static { ipv4 { import filter bad; }; }\n`,
    issues: ['3:6 syntax error, unexpected CF_SYM_UNDEFINED'],
  },
];

test('every broken text is explained', () => {
  for (const { text, issues, hint } of CASES) {
    const result = parseConfig('bird.conf', memoryIo({ 'bird.conf': text }));
    assert.equal(result.config, undefined, `accepted: ${text}`);
    const errors = result.issues.filter((issue) => issue.severity === 'error');
    const found = errors.map((issue) => `${issue.line}:${issue.column} ${issue.message}`);
    assert.deepEqual(found, issues, text);
    if (hint !== undefined) assert.match(errors[0]!.hint ?? '', hint, text);
  }
});

test('warnings do not stop a configuration', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      bgp('  password "x";\n  ipv4 { import all; export none; };'),
      /Missing authentication option, assuming MD5/,
    ],
    [
      `${device}function f() { return true; }\n`,
      /Inferring function f return type from its return value: bool/,
    ],
    [filter('  if net ~ 5 then accept;\n  reject;'), /~ applied on unknown type pair/],
  ];
  for (const [text, message] of cases) {
    const { config, issues } = parseConfig('bird.conf', memoryIo({ 'bird.conf': text }));
    assert.ok(config);
    assert.equal(issues.length, 1, text);
    assert.match(issues[0]!.message, message);
    assert.equal(issues[0]!.severity, 'warning');
  }
});

test('an issue is rendered with its line, a caret and the cure', () => {
  const text = `${device}protocol bgp b {\n\thold tiem 90;\n}\n`;
  const { issues } = parseConfig('/etc/bird.conf', memoryIo({ '/etc/bird.conf': text }));
  assert.equal(
    renderIssue(issues[0]!),
    [
      '/etc/bird.conf:3:7 syntax error, unexpected CF_SYM_UNDEFINED',
      '    \thold tiem 90;',
      '    \t     ^',
      "    hint: did you mean 'hold time'?",
    ].join('\n'),
  );
});

test('a missing file is one clear error', () => {
  const { config, issues } = parseConfig('/etc/bird.conf', memoryIo({}));
  assert.equal(config, undefined);
  assert.equal(
    issues[0]!.message,
    'Unable to open configuration file /etc/bird.conf: No such file or directory',
  );
});
