// Whatever a file or a console line contains, the answer is a configuration or issues: nothing is
// thrown, nothing hangs, and what is accepted prints to something that is accepted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { evalExpression, parseConfig, parseFilterText, printConfig } from './index.ts';
import { memoryIo } from './test-io.ts';

const SEED = `log syslog all;
debug protocols { states, routes };
router id 192.168.1.1;
define NETS = [ 10.0.0.0/8+, 192.168.0.0/16{16,24} ];
function ok(int n; prefix p) -> bool { if p.len > n then return false; return p ~ NETS; }
filter f { case bgp_path.last { 1..5: reject; else: bgp_community.add((65000, 1)); }
  if ! ok(24, net) || bgp_path ~ [= * 65000 ? =] then reject "no ", net; accept; }
protocol device { scan time 10; }
protocol kernel kernel4 { ipv4 { export all; }; merge paths on limit 8; }
template bgp t { local as 64496; hold time 90; ipv4 { import filter f; export where source ~ [RTS_STATIC]; }; }
protocol bgp node1 from t { neighbor 192.168.1.32 as 64497; bfd { interval 100 ms; }; }
protocol static { ipv4; route 10.0.0.0/8 via 192.0.2.1 weight 2 { bgp_med = 5; }; }
`;
const WORDS = SEED.match(/[A-Za-z_0-9.]+|[^\sA-Za-z_0-9]|\n/g)!;

type Edit = readonly [kind: 'delete' | 'copy' | 'swap', at: number, other: number];

const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.tuple(
    fc.constantFrom('delete' as const, 'copy' as const, 'swap' as const),
    fc.nat(WORDS.length - 1),
    fc.nat(WORDS.length - 1),
  ),
  { minLength: 1, maxLength: 4 },
);

function applyEdits(list: readonly Edit[]): string {
  const words = [...WORDS];
  for (const [kind, at, other] of list) {
    if (kind === 'delete') words.splice(at, 1);
    else if (kind === 'copy') words.splice(at, 0, words[other] ?? ';');
    else [words[at], words[other]] = [words[other] ?? ';', words[at] ?? ';'];
  }
  return words.join(' ').replace(/ \n /g, '\n');
}

function checkText(text: string): void {
  const { config, issues, tokens } = parseConfig('f', memoryIo({ f: text }));
  const errors = issues.filter((issue) => issue.severity === 'error');
  assert.equal(config === undefined, errors.length > 0);
  for (const issue of issues) assert.ok(issue.line >= 1 && issue.column >= 0, text);
  if (config === undefined) return;
  const printed = printConfig(tokens);
  const again = parseConfig('f', memoryIo({ f: printed }));
  assert.ok(again.config !== undefined, printed);
  assert.equal(printConfig(again.tokens), printed);
}

test('the seed is accepted', () => {
  const { issues, config } = parseConfig('f', memoryIo({ f: SEED }));
  assert.deepEqual(issues, []);
  assert.ok(config);
});

test('edited configurations never throw', () => {
  fc.assert(
    fc.property(edits, (list) => checkText(applyEdits(list))),
    { numRuns: 300, seed: 20261123 },
  );
});

test('arbitrary text never throws', () => {
  const { scope } = parseConfig('f', memoryIo({ f: SEED }));
  const character = fc.constantFrom(...'{}()[]=;:,.~!<>&|+-*/"\'#%?0123456789abcxyz \n');
  const soup = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.array(character, { maxLength: 60 }).map((list) => list.join('')),
    fc.array(fc.constantFrom(...WORDS), { maxLength: 30 }).map((list) => list.join(' ')),
  );
  fc.assert(
    fc.property(soup, (text) => {
      checkText(text);
      evalExpression(text, scope);
      parseFilterText(`filter { ${text} }`, scope);
      parseFilterText(`where ${text}`, scope);
    }),
    { numRuns: 500, seed: 20261123 },
  );
});

test('endless nesting is an error, not a crash', () => {
  const deep = `${'('.repeat(20_000)}1${')'.repeat(20_000)}`;
  const { issues } = parseConfig(
    'f',
    memoryIo({ f: `define X = ${deep};\nprotocol device { }\n` }),
  );
  assert.equal(issues[0]!.message, 'This is nested too deeply');
  const { scope } = parseConfig('f', memoryIo({ f: SEED }));
  const result = evalExpression(deep, scope);
  assert.ok(!result.ok);
  assert.equal(result.issues[0]!.message, 'This is nested too deeply');
});
