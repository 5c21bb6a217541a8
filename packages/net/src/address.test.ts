import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressFromBytes,
  addressToBytes,
  compareAddresses,
  formatWords,
  networkOf,
  parseAddress,
  parsePrefix,
  prefixContains,
  prefixCovers,
} from './address.ts';

test('canonical text follows RFC 5952', () => {
  const cases: readonly [string, string | undefined][] = [
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['192.168.1.1', '192.168.1.1'],
    ['192.168.01.1', undefined],
    ['192.168.1', undefined],
    ['1:2:3:4:5:6:7:8:9', undefined],
    ['1::2::3', undefined],
    ['g::', undefined],
    ['', undefined],
  ];
  for (const [input, expected] of cases) assert.equal(parseAddress(input), expected, input);
});

test('bytes and text are two forms of one address', () => {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  const words = fc.oneof(
    fc.tuple(word),
    fc.tuple(word, word, word, word),
    fc.tuple(fc.constant(0), fc.constant(0), word, fc.constant(0)),
  );
  fc.assert(
    fc.property(words, (w) => {
      const text = formatWords(w);
      assert.ok(w.length === 1 ? isIPv4(text) : isIPv6(text), text);
      assert.equal(parseAddress(text), text);
      const bytes = addressToBytes(text);
      assert.equal(addressFromBytes(bytes, 0, w.length === 1 ? 4 : 16), text);
    }),
  );
});

test('an IPv6 address is what Node takes for one', () => {
  const pieces = fc.constantFrom('0', '1f', ':', ':', '::', '1.2.3.4', 'g', '00001');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 16 }), (parts) => {
      const text = `${parts.join('')}:`;
      for (const each of [text, `${text}1`, `:${text}`]) {
        assert.equal(parseAddress(each) !== undefined, isIPv6(each), each);
      }
    }),
    { numRuns: 2000 },
  );
});

test('prefixes reject host bits and know what they contain', () => {
  assert.equal(parsePrefix('10.0.0.1/8'), undefined);
  assert.deepEqual(parsePrefix('0.0.0.0/0'), { family: 'ipv4', words: [0], length: 0 });
  assert.equal(parsePrefix('10.0.0.0/33'), undefined);
  assert.equal(networkOf('192.168.1.77', 26), '192.168.1.64/26');
  assert.equal(networkOf('2001:db8:1:2::1', 48), '2001:db8:1::/48');
  assert.ok(prefixContains('192.168.2.0/24', '192.168.2.255'));
  assert.ok(!prefixContains('192.168.2.0/24', '192.168.3.0'));
  assert.ok(!prefixContains('0.0.0.0/0', '::1'));
  assert.ok(prefixCovers('10.0.0.0/8', '10.1.0.0/16'));
  assert.ok(!prefixCovers('10.1.0.0/16', '10.0.0.0/8'));
  assert.ok(compareAddresses('9.0.0.0', '10.0.0.0') < 0);
  assert.ok(compareAddresses('10.0.0.0', '::') < 0);
});
