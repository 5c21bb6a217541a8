// The filter language by example: what each construct evaluates to, and what filters do to routes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterEnvironment, NetCursor, RouteAttributes } from '@rookery/rib';
import { parsePrefix } from '@rookery/net';
import { evalExpression, parseConfig, parseFilterStart, parseFilterText } from './index.ts';
import type { Scope } from './index.ts';
import { PRELUDE, VALUES } from './test-values.ts';
import { memoryIo } from './test-io.ts';

function scopeOf(text = PRELUDE): Scope {
  const { scope, issues } = parseConfig('f', memoryIo({ f: text }));
  assert.deepEqual(
    issues.filter((i) => i.severity === 'error'),
    [],
  );
  return scope;
}

const scope = scopeOf();

function evaluate(text: string): string {
  const result = evalExpression(text, scope);
  return result.ok ? result.text : `error: ${result.issues[0]!.message}`;
}

test('expressions have the values that BIRD prints', () => {
  for (const [text, value] of VALUES) assert.equal(evaluate(text), value, text);
});

const ROUTE: RouteAttributes = {
  source: 'bgp',
  scope: 'universe',
  dest: 'unicast',
  nexthops: [{ gateway: '192.0.2.1', interface: 'eth0', ifindex: 2 }],
  from: '192.0.2.1',
  preference: 100,
  bgp: {
    origin: 0,
    asPath: [{ type: 2, asns: [65001, 65002] }],
    nextHop: '192.0.2.1',
    localPref: 100,
    communities: [(65001 << 16) | 5, (65000 << 16) | 7].map((c) => c >>> 0),
  },
};

interface Outcome {
  readonly route: RouteAttributes | undefined;
  readonly prints: readonly string[];
  readonly errors: readonly string[];
}

function cursor(text: string): NetCursor {
  const { family, words, length } = parsePrefix(text)!;
  const [a, b, c, d] = [words[0]!, words[1] ?? 0, words[2] ?? 0, words[3] ?? 0];
  return { family, a, b, c, d, length };
}

function run(body: string, route = ROUTE, net = '10.1.0.0/16'): Outcome {
  const result = parseFilterText(body.startsWith('where') ? body : `filter { ${body} }`, scope);
  assert.ok(result.ok, result.ok ? '' : `${body}: ${result.issues[0]!.message}`);
  const { policy } = result;
  assert.equal(policy.kind, 'filter');
  const prints: string[] = [];
  const errors: string[] = [];
  const env: FilterEnvironment = {
    protocol: 'node1',
    roaCheck: (table, _net, asn) =>
      table === 'r4' && asn === 65002 ? 'valid' : asn === 1 ? 'invalid' : 'unknown',
    print: (text) => void prints.push(text),
    fail: (text) => void errors.push(text),
  };
  const outcome = policy.kind === 'filter' ? policy.filter.run(cursor(net), route, env) : undefined;
  return { route: outcome, prints, errors };
}

const accepted = (body: string, route?: RouteAttributes, net?: string): boolean =>
  run(body, route, net).route !== undefined;

test('conditions see the route', () => {
  const truths: readonly (readonly [string, boolean])[] = [
    ['net ~ NETS', true],
    ['net.len = 16', true],
    ['net = 10.1.0.0/16', true],
    ['proto = "node1"', true],
    ['proto ~ "node*"', true],
    ['source = RTS_BGP', true],
    ['source ~ [RTS_STATIC, RTS_DEVICE]', false],
    ['dest = RTD_UNICAST', true],
    ['scope = SCOPE_UNIVERSE', true],
    ['from = 192.0.2.1 && gw = 192.0.2.1 && ifname = "eth0" && ifindex = 2', true],
    ['preference > 99', true],
    ['bgp_path.len = 2', true],
    ['bgp_path.first = 65001 && bgp_path.last = 65002', true],
    ['bgp_path ~ [= 65001 * =]', true],
    ['bgp_path ~ [65002]', true],
    ['65001 ~ bgp_path', true],
    ['bgp_origin = ORIGIN_IGP', true],
    ['bgp_next_hop = 192.0.2.1', true],
    ['(65001,5) ~ bgp_community', true],
    ['bgp_community ~ [(65000,*)]', true],
    ['bgp_community ~ [(1..64999,*)]', false],
    ['bgp_local_pref = 100', true],
    // Undefined: lists are empty, numbers are void.
    ['bgp_large_community ~ [(*,*,*)]', false],
    ['bgp_ext_community.len = 0', true],
    ['bgp_med = 5', false],
    ['bgp_med != 5', true],
    ['bgp_med < 5', true],
    ['bgp_med > 5', false],
    ['my_list ~ [(1,*)]', false],
    ['defined(my_list)', false],
    ['bgp_med <= 5', true],
    ['bgp_med = my_mark', true],
    ['defined(bgp_med)', false],
    ['defined(bgp_local_pref)', true],
    ['defined(bgp_large_community)', false],
    ['defined(bgp_community)', true],
    ['defined(krt_metric)', false],
    ['roa_check(r4) = ROA_VALID', true],
    ['roa_check(r4, net, 1) = ROA_INVALID', true],
    ['roa_check(r4, net, 9) = ROA_UNKNOWN', true],
    // && and || bind equally, from the left.
    ['true || true && false', false],
    ['true || (true && false)', true],
    ['!(net ~ NETS)', false],
    ['net !~ NETS', false],
  ];
  for (const [condition, truth] of truths) {
    assert.equal(accepted(`where ${condition}`), truth, condition);
  }
});

test('statements change a copy of the route', () => {
  const before = structuredClone(ROUTE);
  const cases: readonly (readonly [
    string,
    Partial<RouteAttributes>,
    Partial<NonNullable<RouteAttributes['bgp']>>,
  ])[] = [
    ['bgp_local_pref = 200;', {}, { localPref: 200 }],
    ['bgp_med = bgp_local_pref + 1;', {}, { med: 101 }],
    [
      'bgp_path.prepend(ASN); bgp_path.prepend(ASN);',
      {},
      { asPath: [{ type: 2, asns: [65000, 65000, 65001, 65002] }] },
    ],
    ['bgp_path = prepend(bgp_path, 1);', {}, { asPath: [{ type: 2, asns: [1, 65001, 65002] }] }],
    ['bgp_path.delete(65001);', {}, { asPath: [{ type: 2, asns: [65002] }] }],
    ['bgp_path.filter([65001]);', {}, { asPath: [{ type: 2, asns: [65001] }] }],
    ['bgp_community.delete([(65001,*)]);', {}, { communities: [((65000 << 16) | 7) >>> 0] }],
    [
      'bgp_community.filter([(65001,*)]); bgp_community.add((1,2));',
      {},
      { communities: [((65001 << 16) | 5) >>> 0, 65538] },
    ],
    ['bgp_community = add(-empty-, (1,2));', {}, { communities: [65538] }],
    [
      'bgp_large_community.add((1,2,3)); bgp_large_community.add((1,2,4)); bgp_large_community.delete((1,2,3));',
      {},
      { largeCommunities: [1, 2, 4] },
    ],
    ['bgp_ext_community.add((rt,1,2));', {}, { extendedCommunities: [0x20001, 2] }],
    ['bgp_next_hop = 192.0.2.9;', {}, { nextHop: '192.0.2.9' }],
    ['bgp_origin = ORIGIN_INCOMPLETE;', {}, { origin: 2 }],
    ['bgp_originator_id = 1.2.3.4;', {}, { originatorId: '1.2.3.4' }],
    ['preference = 65537;', { preference: 1 }, {}],
    ['dest = RTD_BLACKHOLE;', { dest: 'blackhole', nexthops: [] }, {}],
    ['scope = SCOPE_HOST;', { scope: 'host' }, {}],
    [
      'gw = 192.0.2.7;',
      { nexthops: [{ gateway: '192.0.2.7', interface: 'eth0', ifindex: 2 }] },
      {},
    ],
    [
      'krt_prefsrc = 192.0.2.5; krt_metric = 7; krt_mtu = 1400;',
      { kernel: { prefsrc: '192.0.2.5', metric: 7, metrics: { mtu: 1400 } } },
      {},
    ],
    [
      'my_list.add((1,2)); if my_list ~ [(1,*)] && defined(my_list) then bgp_med = 9;',
      { custom: { my_list: [65538] } },
      { med: 9 },
    ],
    ['my_mark = 5; my_mark = my_mark + 1;', { custom: { my_mark: 6 } }, {}],
    ['if net ~ NETS then { bgp_med = 1; } else bgp_med = 2;', {}, { med: 1 }],
    [
      'case bgp_path.last { 1..9: bgp_med = 1; 65002: bgp_med = 2; bgp_local_pref = 3; else: bgp_med = 4; }',
      {},
      { med: 2, localPref: 3 },
    ],
    ['case net.len { 1..9: bgp_med = 1; else: bgp_med = 4; }', {}, { med: 4 }],
    ['int n = 0; for int asn in bgp_path do n = n + asn; bgp_med = n;', {}, { med: 130003 }],
    [
      'for pair c in bgp_community do { if c ~ [(65000,*)] then bgp_med = c.data; }',
      {},
      { med: 7 },
    ],
    ['bgp_med = fact(4);', {}, { med: 24 }],
    ['quiet(9);', {}, { med: 9 }],
    ['int x = 1; { int x = 2; bgp_med = x; } bgp_local_pref = x;', {}, { med: 2, localPref: 1 }],
    ['bgppath p; p = prepend(p, 7); bgp_med = p.len;', {}, { med: 1 }],
  ];
  for (const [body, top, bgp] of cases) {
    const { route, errors } = run(`${body} accept;`);
    assert.deepEqual(errors, [], body);
    assert.deepEqual(route, { ...ROUTE, ...top, bgp: { ...ROUTE.bgp, ...bgp } }, body);
    assert.deepEqual(ROUTE, before, `changed its input: ${body}`);
  }
});

test('unset and empty remove attributes', () => {
  const { route } = run('unset(bgp_local_pref); bgp_community.empty; accept;');
  assert.ok(route?.bgp !== undefined);
  assert.ok(!('localPref' in route.bgp));
  assert.ok(!('communities' in route.bgp));
});

test('a filter that changes nothing returns the very object', () => {
  for (const body of ['accept;', 'bgp_local_pref = 100; bgp_community.add((65001,5)); accept;']) {
    assert.equal(run(body).route, ROUTE, body);
  }
});

test('a static route gets BGP attributes', () => {
  const bare: RouteAttributes = {
    source: 'static',
    scope: 'universe',
    dest: 'blackhole',
    nexthops: [],
    preference: 200,
  };
  const { route } = run('bgp_community.add((1,2)); bgp_path.prepend(5); accept;', bare);
  assert.deepEqual(route, {
    ...bare,
    bgp: { asPath: [{ type: 2, asns: [5] }], communities: [65538] },
  });
});

test('verdicts inside functions end the filter', () => {
  assert.ok(!accepted('stop_if(true); accept;'));
  assert.ok(accepted('stop_if(false); accept;'));
  assert.ok(!accepted('if net.len = 16 then stop_if(true); accept;'));
});

test('print and messages of verdicts go to the log', () => {
  const { prints } = run('printn "a ", 1; print " b ", net, " ", bgp_path; reject "no: ", proto;');
  assert.deepEqual(prints, ['a 1 b 10.1.0.0/16 (path 65001 65002)', 'no: node1']);
  assert.deepEqual(run('int i; print i; accept;').prints, ['(void)']);
  assert.deepEqual(run('print bgp_community, " ", true, " ", source; accept;').prints, [
    '(clist (65001,5) (65000,7)) TRUE (enum 30)11',
  ]);
});

test('run-time errors reject the route and say why', () => {
  const cases: readonly (readonly [string, string])[] = [
    [
      'bgp_med = bgp_med + 1; accept;',
      'filters, line 1: Argument 1 of ADD must be of type int, got type void',
    ],
    ['int n = 0; bgp_med = 1 / n; accept;', 'filters, line 1: Mother told me not to divide by 0'],
    [
      'dest = RTD_UNICAST; accept;',
      'filters, line 1: Destination can be changed only to blackhole, unreachable or prohibit',
    ],
    ['if net ~ 5 then accept; accept;', 'filters, line 1: ~ applied on unknown type pair'],
    ['bgp_med = 5;', 'Filter (unnamed) did not return accept nor reject. Make up your mind'],
    [
      'int n = 70000; bgp_community.add((n, 1)); accept;',
      "filters, line 1: Can't operate with value out of bounds in pair constructor",
    ],
  ];
  for (const [body, message] of cases) {
    const { route, errors } = run(body);
    assert.equal(route, undefined, body);
    assert.deepEqual(errors, [message], body);
  }
});

test('endless recursion rejects one route, not the daemon', () => {
  const endless = scopeOf(
    'protocol device { }\nfunction f(int n) -> int { return f(n + 1); }\nfilter x { if f(1) > 0 then accept; accept; }\n',
  );
  const symbol = endless.lookup('x');
  assert.ok(symbol?.kind === 'filter' && symbol.policy.kind === 'filter');
  const errors: string[] = [];
  const env: FilterEnvironment = {
    protocol: '',
    roaCheck: () => 'unknown',
    print: () => undefined,
    fail: (text) => void errors.push(text),
  };
  assert.equal(symbol.policy.filter.run(cursor('10.0.0.0/8'), ROUTE, env), undefined);
  assert.equal(errors.length, 1);
});

test('reads says what a verdict depends on', () => {
  const cases: readonly (readonly [string, { net: boolean; protocol: boolean }])[] = [
    ['where bgp_path.len < 5', { net: false, protocol: false }],
    ['where net ~ NETS', { net: false, protocol: false }],
    ['where net.ip = 10.0.0.1', { net: true, protocol: false }],
    ['where net.len > bgp_path.len', { net: true, protocol: false }],
    ['where proto = "x"', { net: false, protocol: true }],
    ['filter named', { net: false, protocol: false }],
    ['filter { quiet(1); accept; }', { net: false, protocol: false }],
    // A remembered verdict would not print, and would miss changes of the ROA table.
    ['filter { print "x"; accept; }', { net: true, protocol: false }],
    ['where roa_check(r4, 10.0.0.0/8, 1) = ROA_VALID', { net: true, protocol: false }],
  ];
  for (const [text, reads] of cases) {
    const result = parseFilterText(text, scope);
    assert.ok(result.ok && result.policy.kind === 'filter', text);
    assert.deepEqual(result.policy.filter.reads, reads, text);
  }
});

test('a filter that tests the prefix against constants only tells classes of prefixes', () => {
  const classes = (text: string, nets: string): readonly number[] => {
    const result = parseFilterText(text, scope);
    assert.ok(result.ok && result.policy.kind === 'filter', text);
    const { classOf } = result.policy.filter;
    return nets.split(' ').map((net) => classOf?.(cursor(net)) ?? -1);
  };
  const nets = '10.0.0.0/8 10.1.0.0/16 10.1.1.0/25 20.0.0.0/8 2001:db8::/32';
  assert.deepEqual(classes('where bgp_path.len < 5', nets), [-1, -1, -1, -1, -1]);
  assert.deepEqual(classes('where net ~ [10.0.0.0/8+]', nets), [1, 1, 1, 0, 0]);
  assert.deepEqual(classes('where net !~ 10.1.0.0/16', nets), [0, 1, 1, 0, 0]);
  assert.deepEqual(classes('where net = 10.0.0.0/8', nets), [1, 0, 0, 0, 0]);
  assert.deepEqual(classes('where net.len > 24', nets), [0, 0, 1, 0, 1]);
  assert.deepEqual(classes('where net.len <= 16', nets), [1, 1, 0, 1, 0]);
  assert.equal(new Set(classes('where net.len < 16 || net ~ [10.0.0.0/8+]', nets)).size, 4);
});

test('tests on the prefix decide as they say', () => {
  const accepts = (condition: string, net: string): boolean =>
    run(`if ${condition} then accept; reject;`, ROUTE, net).route !== undefined;
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['net ~ [10.0.0.0/8{16,24}]', '10.1.0.0/16', true],
    ['net !~ [10.0.0.0/8{16,24}]', '10.1.0.0/16', false],
    ['net ~ 10.0.0.0/8', '10.1.0.0/16', true],
    ['net ~ 10.1.0.0/16', '10.0.0.0/8', false],
    ['net = 10.1.0.0/16', '10.1.0.0/16', true],
    ['net != 10.1.0.0/16', '10.1.0.0/16', false],
    ['net = 10.1.0.0/16', '10.1.0.0/17', false],
    ['net.len > 16', '10.1.0.0/16', false],
    ['net.len >= 16', '10.1.0.0/16', true],
    ['net.len < 17', '10.1.0.0/16', true],
    ['net.len <= 15', '10.1.0.0/16', false],
    ['net.len = 16', '10.1.0.0/16', true],
    ['net.len != 16', '10.1.0.0/16', false],
  ];
  for (const [condition, net, wanted] of cases) {
    assert.equal(accepts(condition, net), wanted, `${condition} of ${net}`);
  }
});

test('a large prefix set is found by searching', () => {
  const entries = Array.from(
    { length: 20_000 },
    (_, i) => `${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`,
  );
  const large = scopeOf(`protocol device { }\ndefine BIG = [\n${entries.join(',\n')}\n];\n`);
  const result = parseFilterText('where net ~ BIG', large);
  assert.ok(result.ok && result.policy.kind === 'filter');
  assert.ok(result.policy.text.length < 10_000);
  const env: FilterEnvironment = {
    protocol: '',
    roaCheck: () => 'unknown',
    print: () => undefined,
    fail: () => undefined,
  };
  const { filter } = result.policy;
  assert.ok(filter.run(cursor('1.5.7.0/24'), ROUTE, env));
  assert.ok(!filter.run(cursor('1.5.7.0/25'), ROUTE, env));
  assert.ok(!filter.run(cursor('9.5.7.0/24'), ROUTE, env));
});

test('a filter on the console may be followed by more', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['where net.len > 24 all', 'all'],
    ['where source = RTS_BGP && true primary count', 'primary count'],
    ['filter { accept; } protocol x', 'protocol x'],
    ['filter named', ''],
    ['where', undefined],
    ['where nosuch all', undefined],
  ];
  for (const [text, rest] of cases) {
    const result = parseFilterStart(text, scope);
    assert.equal(result.ok ? text.slice(result.length) : undefined, rest, text);
  }
  const needsRoute = evalExpression('bgp_path.len', scope);
  assert.ok(!needsRoute.ok && needsRoute.runtime);
  const wrong = evalExpression('1 +', scope);
  assert.ok(!wrong.ok && !wrong.runtime);
});

test('nothing of the configuration becomes code', () => {
  // Texts and names that would break out if they were pasted.
  for (const text of ['); throw 1; (', '${1+1}`', 'a\\', "'+process+'"]) {
    assert.deepEqual(run(`print "${text}"; accept;`).prints, [text]);
    assert.equal(evaluate(`"${text}"`), text);
  }
  const quoted = scopeOf(
    "protocol device { }\ndefine 'constructor' = 5;\nattribute int '__proto__';\n",
  );
  const value = evalExpression("'constructor' + 1", quoted);
  assert.deepEqual(value, { ok: true, text: '6' });
});
