import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Fact } from '@rookery/router';
import { expandTimePattern, Files } from './files.ts';

const directory = mkdtempSync(join(tmpdir(), 'rookery-files-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('file names are filled in with local time', () => {
  const time = new Date(2026, 10, 3, 4, 5, 6);
  const cases: readonly [string, string][] = [
    ['plain', 'plain'],
    ['%Y%m%d-%H%M%S', '20261103-040506'],
    ['%F_%T %y %j', '2026-11-03_04:05:06 26 307'],
    ['100%% %N %', '100% %N %'],
    ['%s', String(Math.floor(time.getTime() / 1000))],
  ];
  for (const [pattern, wanted] of cases) {
    assert.equal(expandTimePattern(pattern, time), wanted, pattern);
  }
});

test('files begin anew or grow, and a failure is a fact', () => {
  const facts: Fact[] = [];
  const files = new Files((fact) => facts.push(fact));
  const path = join(directory, 'dump');
  const write = (text: string, mode: 'create' | 'append', name = path): void =>
    files.execute({ kind: 'writeFile', path: name, bytes: new TextEncoder().encode(text), mode });
  write('old', 'append');
  write('a', 'create');
  write('b', 'append');
  assert.equal(readFileSync(path, 'utf8'), 'ab');
  assert.equal(facts.length, 0);
  const absent = join(directory, 'no', 'where');
  write('c', 'create', absent);
  assert.deepEqual(
    facts.map((fact) => (fact.kind === 'fileFailed' ? `${fact.path} ${fact.error.code}` : '')),
    [`${absent} ENOENT`],
  );
});
