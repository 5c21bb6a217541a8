import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileCel } from './cel.ts';

function evaluate(expression: string, self: unknown, oldSelf?: unknown): boolean | string {
  const program = compileCel(expression);
  assert.ok(typeof program === 'function', String(program));
  return program({ self, oldSelf });
}

const cases: [expression: string, self: unknown, expected: boolean][] = [
  ['self == 3', 3, true],
  ['1 + 2 * 3 == 7', null, true],
  ['(1 + 2) * 3 == 9 && -1 < 0', null, true],
  ['7 / 2 == 3 && 7 % 2 == 1', null, true],
  ['has(self.a)', { a: 1 }, true],
  ['has(self.a.b)', { a: {} }, false],
  ['!has(self.l) || size(self.l) == 0', { l: [1] }, false],
  ['self.size() <= 3', 'abc', true],
  ['self in ["a", \'b\']', 'b', true],
  ['"k" in self', { k: 0 }, true],
  ['self.all(x, x > 0)', [1, 2], true],
  ['self.exists(x, x.n == "y")', [{ n: 'x' }], false],
  ['self.exists_one(x, x == 1)', [1, 2, 1], false],
  ['self.filter(x, x > 1).size() == 1', [1, 2], true],
  ['self.map(x, x * 2) == [2, 4]', [1, 2], true],
  ['self.startsWith("large:") ? self.split(":").size() == 4 : true', 'large:1:2:3', true],
  ["self.matches('^[0-9]+$')", '12a', false],
  ['duration(self).getSeconds() >= 1', '500ms', false],
  ['duration(self) <= duration("1h30m")', '90m', true],
  ['self[0] == 1 && self.b == 1 || true', [1], true],
];
for (const [expression, self, expected] of cases) {
  test(`${expression} on ${JSON.stringify(self)} is ${expected}`, () =>
    assert.equal(evaluate(expression, self), expected));
}

test('transition rules see the old value', () => {
  assert.equal(evaluate('self == oldSelf', 'a', 'a'), true);
  assert.equal(evaluate('self == oldSelf', 'a', 'b'), false);
});

test('evaluation errors are texts', () => {
  assert.equal(evaluate('self.a > 1', {}), 'no such key: a');
  assert.match(String(evaluate('duration(self) > duration("1s")', 'soon')), /invalid duration/);
  assert.match(String(evaluate('self', 1)), /boolean/);
});

for (const expression of [
  'self ==',
  'foo(self)',
  'self.burn(1)',
  '(self',
  'self # 1',
  'self.all(1, true)',
  '',
]) {
  test(`does not compile: ${expression}`, () =>
    assert.equal(typeof compileCel(expression), 'string'));
}

test('no text crashes the compiler or a program made from it', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[self.()[\]!&|=<>"'a-c0-9, ?:+*-]{0,30}$/), (source) => {
      const program = compileCel(source);
      if (typeof program === 'function') program({ self: { a: [1] }, oldSelf: 1 });
    }),
    { seed: 11, numRuns: 500 },
  );
});
