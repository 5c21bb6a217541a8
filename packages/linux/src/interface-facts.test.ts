import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interfaceFactsFor, scopeFor } from './interface-facts.ts';
import { IFA_F_SECONDARY, IFA_F_TENTATIVE, IFF_LOWER_UP, IFF_UP } from './netlink/link.ts';
import type { LinkAddress } from './netlink/link.ts';

const address = (local: string, length: number, over: Partial<LinkAddress> = {}): LinkAddress => ({
  ifindex: 2,
  family: local.includes(':') ? 'ipv6' : 'ipv4',
  length,
  scope: 0,
  flags: 0,
  local,
  address: local,
  ...over,
});

// Observed with BIRD 2.0.12 in a namespace with these addresses.
test('opposite ends as BIRD shows them', () => {
  const cases: readonly (readonly [LinkAddress, string | undefined])[] = [
    [address('10.9.0.1', 30), '10.9.0.2'],
    [address('10.9.0.2', 30), '10.9.0.1'],
    [address('10.9.0.3', 30), undefined],
    [address('10.9.1.1', 31), '10.9.1.0'],
    [address('10.9.2.1', 32, { address: '10.9.2.9' }), '10.9.2.9'],
    [address('10.9.3.1', 24, { address: '10.9.4.0' }), undefined],
    [address('2001:db8::1', 128, { address: '2001:db8::9' }), '2001:db8::9'],
    [address('192.168.1.1', 24), undefined],
  ];
  const link = { ifindex: 2, name: 'd0', flags: IFF_UP | IFF_LOWER_UP, mtu: 1500 };
  const addresses = cases.map(([a]) => a);
  const [fact] = interfaceFactsFor([link], addresses, () => undefined);
  assert.deepEqual(
    fact!.addresses.map((a) => a.opposite),
    cases.map(([, opposite]) => opposite),
  );
  assert.ok(fact!.adminUp && fact!.linkUp && !('sendRedirects' in fact!));
});

test('scopes as BIRD shows them', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['127.0.0.1', 'host'],
    ['::1', 'host'],
    ['10.9.0.1', 'site'],
    ['172.31.255.255', 'site'],
    ['172.32.0.1', 'universe'],
    ['192.168.1.1', 'site'],
    ['100.64.0.1', 'universe'],
    ['169.254.3.3', 'universe'],
    ['fd5c:6784:b290::1', 'site'],
    ['fec0::9', 'site'],
    ['fe80::1', 'link'],
    ['2001:db8::1', 'universe'],
  ];
  for (const [text, scope] of cases) assert.equal(scopeFor(text), scope, text);
});

test('links keep the order of their index, addresses of unknown links are dropped', () => {
  const links = [7, 3].map((ifindex) => ({ ifindex, name: `v${ifindex}`, flags: 0, mtu: 1400 }));
  const addresses = [
    address('192.0.2.1', 24, { ifindex: 3, flags: IFA_F_SECONDARY }),
    address('2001:db8::1', 64, { ifindex: 3, flags: IFA_F_TENTATIVE }),
    address('192.0.2.9', 24, { ifindex: 99 }),
  ];
  const facts = interfaceFactsFor(links, addresses, (name) => name === 'v3');
  assert.deepEqual(
    facts.map((f) => [f.name, f.sendRedirects, f.addresses.length]),
    [
      ['v3', true, 2],
      ['v7', false, 0],
    ],
  );
  assert.ok(facts[0]!.addresses[0]!.secondary);
  assert.ok(facts[0]!.addresses[1]!.tentative);
});
