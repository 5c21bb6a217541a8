import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '@rookery/bird';
import { consoleLanguageFor } from './console-language.ts';

const { scope } = parseConfig('x', {
  readFile: () => ({ text: 'define N = 3; filter f { accept; } protocol device { }' }),
  glob: () => ({ paths: [] }),
});
const language = consoleLanguageFor(scope);

test('a condition ends where the options of the command go on', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['net.len > 24', 'net.len > 24'],
    ['net.len > 24 all', 'net.len > 24 '],
    ['proto = "node1" && bgp_path.len < N count', 'proto = "node1" && bgp_path.len < N '],
    ['net ~ [ 192.168.0.0/16+ ] protocol node1 all', 'net ~ [ 192.168.0.0/16+ ] '],
  ];
  for (const [text, consumed] of cases) {
    const parsed = language.parseWhere(text);
    assert.ok(parsed.ok, text);
    assert.equal(text.slice(0, parsed.length), consumed);
  }
  const body = language.parseFilterBody('{ if net.len > N then accept; reject; } count');
  assert.ok(body.ok && body.length === '{ if net.len > N then accept; reject; } '.length);
  assert.equal(language.parseWhere('nonsense > 1').ok, false);
});

test('names and expressions of the configuration are known', () => {
  assert.equal(language.filterNamed('f')?.kind, 'filter');
  assert.equal(language.filterNamed('N'), undefined);
  assert.deepEqual(language.evaluate('N + 1'), { kind: 'value', text: '4' });
  assert.equal(language.evaluate('1 +').kind, 'parse error');
});
