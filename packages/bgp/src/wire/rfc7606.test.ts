// Malformed UPDATEs and the reactions of RFC 7606, data-driven: the cases in cases/attributes.json are
// attribute sections in hexadecimal with the faults they must give, "reaction type code/subcode data".
// The same file can be sent by a live tester.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatHex, parseHex } from '@rookery/net';
import type { Family } from '@rookery/net';
import { decodePathAttributes } from './attribute-decode.ts';
import { worstFault } from './fault.ts';
import type { WireFault } from './fault.ts';
import { createNlriBatch, decodeNlri } from './nlri.ts';
import { createUpdateSections, splitUpdate } from './update-decode.ts';
import type { AttributeContext, Reach } from './update-types.ts';

interface Case {
  readonly name: string;
  readonly reach?: Reach;
  readonly context?: Partial<AttributeContext>;
  readonly attributes: string;
  readonly expect: readonly string[];
}

const CASES: readonly Case[] = JSON.parse(
  readFileSync(new URL('cases/attributes.json', import.meta.url), 'utf8'),
);

const CONTEXT: AttributeContext = {
  as4: true,
  peerType: 'external',
  confederation: false,
  allowLocalPref: false,
  allowAsSets: true,
  aigp: false,
  extendedNextHop: false,
};

for (const { name, reach, context, attributes, expect } of CASES) {
  test(`attributes: ${name}`, () => {
    const bytes = parseHex(attributes)!;
    const decoded = decodePathAttributes(
      bytes,
      0,
      bytes.length,
      { ...CONTEXT, ...context },
      reach ?? 'classic',
    );
    const wanted = expect.map((text) => {
      const [reaction, type, code, ...data] = text.split(' ');
      return [reaction, type, code, data.join('')].join(' ');
    });
    assert.deepEqual(decoded.faults.map(describe), wanted);
  });
}

function describe({ reaction, attribute, notification }: WireFault): string {
  const { code, subcode, data } = notification;
  return `${reaction} ${attribute ?? '-'} ${code}/${subcode} ${formatHex(data)}`;
}

test('the worst reaction wins', () => {
  const bytes = parseHex('40010103 400200 4003040a000001 40060100 800f03000201 800f03000201')!;
  const { faults } = decodePathAttributes(bytes, 0, bytes.length, CONTEXT, 'classic');
  assert.deepEqual(
    faults.map(({ reaction }) => reaction),
    ['treatAsWithdraw', 'attributeDiscard', 'sessionReset'],
  );
  assert.equal(worstFault(faults)?.reaction, 'sessionReset');
  assert.equal(worstFault([]), undefined);
});

const NLRI: readonly (readonly [string, Family, boolean, string, string | undefined])[] = [
  ['a default route', 'ipv4', false, '00', undefined],
  ['trailing bits set', 'ipv4', false, '09 0aff', undefined],
  ['IPv4 length 33', 'ipv4', false, '21 0a00000000', 'prefix length 33 exceeds 32'],
  ['IPv4 length 255', 'ipv4', false, 'ff', 'prefix length 255 exceeds 32'],
  ['IPv4 cut short', 'ipv4', false, '20 0a0000', 'prefix runs past the end of its field'],
  ['IPv6 length 129', 'ipv6', false, '81', 'prefix length 129 exceeds 128'],
  ['IPv6 cut short', 'ipv6', false, '80 fd00', 'prefix runs past the end of its field'],
  ['path identifier cut short', 'ipv4', true, '000000', 'prefix runs past the end of its field'],
  ['path identifier alone', 'ipv4', true, '00000001', 'prefix runs past the end of its field'],
  ['path identifier and a long prefix', 'ipv4', true, '0000000121', 'prefix length 33 exceeds 32'],
];

for (const [name, family, addPath, hex, detail] of NLRI) {
  test(`prefixes: ${name}`, () => {
    const bytes = parseHex(hex)!;
    const fault = decodeNlri(bytes, 0, bytes.length, family, addPath, createNlriBatch());
    assert.equal(fault?.detail, detail);
    if (fault) assert.equal(describe(fault), 'sessionReset - 3/10 ');
  });
}

const SECTIONS: readonly (readonly [string, string])[] = [
  ['withdrawn length beyond the message', '0005 00 0000'],
  ['withdrawn length that swallows the attribute length', '0001 00 00'],
  ['attribute length beyond the message (CVE-2026-37459)', '0000 0001'],
  ['both lengths at their maximum', 'ffff ffff'],
];

for (const [name, body] of SECTIONS) {
  test(`sections: ${name}`, () => {
    const bytes = Uint8Array.from([...new Uint8Array(19).fill(255), ...parseHex(body)!]);
    const fault = splitUpdate(bytes, 0, bytes.length, createUpdateSections());
    assert.ok(fault);
    assert.equal(describe(fault), 'sessionReset - 3/1 ');
  });
}
