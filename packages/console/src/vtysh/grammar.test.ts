import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGrammar, matchCommand } from './grammar.ts';

const grammar = compileGrammar([
  {
    pattern: 'show [ip] bgp [vrf WORD$vrf] summary [(established$only|failed$only)] [json$json]',
    run: 'summary',
  },
  {
    pattern: 'show [ip] bgp neighbors [(A.B.C.D$peer|X:X::X:X$peer|WORD$peer)] [json$json]',
    run: 'neighbors',
  },
  { pattern: 'show [ip] bgp nexthop', run: 'nexthop' },
  { pattern: 'show route-map [WORD$name] [json$json]', run: 'route-map' },
  { pattern: 'show running-config', run: 'running' },
  { pattern: 'show vrf', run: 'vrf' },
  { pattern: 'show vrf WORD vni', run: 'vni' },
  {
    pattern: 'show ip route [(A.B.C.D$to|A.B.C.D/M$to|summary$summary)] [json$json]',
    run: 'route',
  },
]);

const cases: readonly [string, string, Readonly<Record<string, string>>?][] = [
  ['show ip bgp neighbor', 'neighbors', {}],
  ['sh ip bg nei', 'neighbors', {}],
  ['show bgp neighbors 192.168.1.1 json', 'neighbors', { peer: '192.168.1.1', json: 'json' }],
  ['show bgp nei json', 'neighbors', { json: 'json' }],
  ['show bgp n', 'ambiguous'],
  [
    'show  bgp   vrf all  summary  est json',
    'summary',
    { vrf: 'all', only: 'established', json: 'json' },
  ],
  ['show running', 'running', {}],
  ['show r', 'ambiguous'],
  ['show route-map json', 'route-map', { json: 'json' }],
  ['show route-map j', 'route-map', { json: 'json' }],
  ['show route-map NAME', 'route-map', { name: 'NAME' }],
  ['show vrf json', 'incomplete'],
  ['show', 'incomplete'],
  ['show ip route 10.0.0.0/8', 'route', { to: '10.0.0.0/8' }],
  ['show ip route s', 'route', { summary: 'summary' }],
  ['show ip route 300.1.1.1', 'unknown'],
  ['show foo', 'unknown'],
  ['show running-config extra', 'unknown'],
];

for (const [line, expected, parameters] of cases) {
  test(`match: ${line}`, () => {
    const matched = matchCommand(grammar, line);
    assert.equal(matched.kind === 'command' ? matched.run : matched.kind, expected);
    if (matched.kind === 'command' && parameters)
      assert.deepEqual({ ...matched.parameters }, parameters);
  });
}

test('a malformed pattern is reported', () => {
  assert.throws(
    () => compileGrammar([{ pattern: 'show [ip', run: 1 }]),
    /malformed command pattern/,
  );
});
