import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '@rookery/net';
import type { NetCursor } from '@rookery/rib';
import { RoaTable } from './roa-table.ts';

function cursor(text: string): NetCursor {
  const { family, words, length } = parsePrefix(text)!;
  const [a = 0, b = 0, c = 0, d = 0] = words;
  return { family, a, b, c, d, length };
}

test('RFC 6811: a covering match makes valid, covering without match makes invalid', () => {
  const table = new RoaTable('r4', 'roa4');
  const add = (net: string, maxLength: number, asn: number): void =>
    table.add({
      net,
      maxLength,
      asn,
      protocol: 'static1',
      changedMs: 0,
      source: 'static',
      preference: 200,
    });
  add('203.0.113.0/24', 25, 65002);
  add('10.0.0.0/8', 16, 65001);
  add('10.1.0.0/16', 24, 0);
  const cases: readonly [string, number, string][] = [
    ['203.0.113.0/24', 65002, 'valid'],
    ['203.0.113.128/25', 65002, 'valid'],
    ['203.0.113.128/26', 65002, 'invalid'],
    ['203.0.113.0/24', 65003, 'invalid'],
    ['198.51.100.0/24', 65002, 'unknown'],
    ['10.1.0.0/16', 65001, 'valid'],
    // RFC 6483 §4: AS 0 says that nobody may announce it.
    ['10.1.2.0/24', 0, 'invalid'],
    ['2001:db8::/32', 65001, 'unknown'],
  ];
  for (const [net, asn, expected] of cases) {
    assert.equal(table.check(cursor(net), asn), expected, `${net} AS${asn}`);
  }
  table.removeAllOf('static1');
  assert.equal(table.check(cursor('10.1.0.0/16'), 65001), 'unknown');
});
