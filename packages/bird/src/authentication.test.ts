import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig } from '@rookery/router';
import { parseConfig } from './index.ts';

function read(body: string, neighbor = 'neighbor 192.0.2.2 as 64497;') {
  const text = `protocol device { }\nprotocol bgp b { local as 64496; ${neighbor}\n${body}\nipv4 { import all; export all; }; }\n`;
  const { config, issues } = parseConfig('bird.conf', {
    readFile: () => ({ text }),
    glob: () => ({ error: 'none' }),
  });
  const bgp = config?.protocols.find((p): p is BgpConfig => p.kind === 'bgp');
  return { bgp, issues: issues.map(({ message }) => message) };
}

const key = (body: string): string => `key { ${body} };`;

test('keys of TCP-AO: BIRD’s words, the preferred one first, deprecated ones last', () => {
  const { bgp, issues } = read(`authentication ao; keys {
    ${key('id 0; secret "old"; deprecated;')}
    ${key('send id 2; recv id 1; secret "bye123"; algorithm cmac aes128;')}
    ${key('id 7; secret hex:01:02:ff; algorithm hmac sha256; preferred;')}
  };`);
  assert.deepEqual(issues, []);
  assert.deepEqual(bgp!.aoKeys, [
    { sendId: 7, recvId: 7, algorithm: 'hmac(sha256)', secret: [1, 2, 255] },
    { sendId: 2, recvId: 1, algorithm: 'cmac(aes128)', secret: [98, 121, 101, 49, 50, 51] },
    { sendId: 0, recvId: 0, algorithm: 'hmac(sha1)', secret: [111, 108, 100] },
  ]);
  assert.equal(bgp!.password, undefined);
});

test('what TCP-AO cannot be is refused', () => {
  const one = `keys { ${key('id 1; secret "x";')} };`;
  const cases: readonly (readonly [string, RegExp])[] = [
    ['authentication ao;', /must be used together/],
    [one, /must be used together/],
    ['authentication ao; keys { };', /At least one key/],
    [`authentication ao; keys { ${key('id 1; secret "x"; deprecated;')} };`, /At least one key/],
    [`authentication ao; keys { ${key('secret "x";')} };`, /Key IDs must be set/],
    [`authentication ao; keys { ${key('id 1;')} };`, /Secret must be set/],
    [
      `authentication ao; keys { ${key('id 1; secret "x";')} ${key('id 1; secret "y";')} };`,
      /Send IDs/,
    ],
    [`authentication ao; keys { ${key(`id 1; secret "${'x'.repeat(81)}";`)} };`, /1 to 80 octets/],
  ];
  for (const [body, wanted] of cases) assert.match(read(body).issues[0] ?? '', wanted, body);
  const range = read(`authentication ao; ${one}`, 'neighbor range 192.0.2.0/24 as 64497;');
  assert.match(range.issues[0] ?? '', /not supported on dynamic BGP sessions/);
});

test('a password is MD5 with or without the option, and nothing with authentication none', () => {
  assert.equal(read('password "x";').bgp!.password, 'x');
  assert.equal(read('authentication md5; password "x";').bgp!.password, 'x');
  assert.equal(read('authentication none; password "x";').bgp!.password, undefined);
});
