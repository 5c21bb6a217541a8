import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InterfaceTable, chooseRouterId, matchesGlob, matchesPatterns } from './interfaces.ts';
import type { InterfaceFact } from './io.ts';

const fact = (name: string, ifindex: number, addresses: string[], up = true): InterfaceFact => ({
  name,
  ifindex,
  mtu: 1500,
  adminUp: up,
  linkUp: up,
  flags: { broadcast: true, multicast: true, loopback: name === 'lo', pointToPoint: false },
  addresses: addresses.map((text) => {
    const [address, length] = text.split('/');
    return { address: address!, length: Number(length), scope: 'universe', secondary: false };
  }),
});

const lo = fact('lo', 1, ['127.0.0.1/8', '::1/128']);
const lan = fact('br-lan', 12, ['192.168.1.1/24', 'fd5c:6784:b290::1/64', 'fe80::1/64']);
const wan = fact('wan', 7, ['72.85.191.10/24', 'fe80::2/64']);

test('a neighbor is found on the link whose network holds it', () => {
  const table = new InterfaceTable();
  table.replace([lo, wan, lan]);
  const found = table.neighbor('192.168.1.32');
  assert.ok(found && found !== 'local');
  assert.equal(found.interface.name, 'br-lan');
  assert.equal(found.local.address, '192.168.1.1');
  assert.equal(table.neighbor('192.168.1.1'), 'local');
  assert.equal(table.neighbor('10.55.55.55'), undefined);
  assert.equal(table.neighbor('fe80::77'), undefined);
  const scoped = table.neighbor('fe80::77', 'wan');
  assert.ok(scoped && scoped !== 'local' && scoped.local.address === 'fe80::2');
});

test('replacing the picture reports what changed, and nothing else', () => {
  const table = new InterfaceTable();
  table.replace([lo, lan]);
  assert.deepEqual(table.replace([lo, lan]), []);
  const down = { ...lan, adminUp: false, addresses: lan.addresses.slice(1) };
  assert.deepEqual(
    table.replace([lo, down, wan]).map((e) => `${e.kind} ${e.interface.name}`),
    ['addressRemoved br-lan', 'down br-lan', 'up wan', 'addressAdded wan', 'addressAdded wan'],
  );
  assert.equal(table.neighbor('192.168.1.32'), undefined);
  assert.ok(!table.isLocal('fd5c:6784:b290::1'), 'an interface that is down has no local address');
});

test('the router id is the lowest IPv4 address that is not loopback', () => {
  assert.deepEqual(chooseRouterId([lo, lan, wan]), { id: '72.85.191.10', interface: 'wan' });
  const fromLan = [{ exclude: false, glob: 'br-*' }];
  assert.deepEqual(chooseRouterId([lo, lan, wan], fromLan), {
    id: '192.168.1.1',
    interface: 'br-lan',
  });
  assert.equal(chooseRouterId([lo]), undefined);
});

test('patterns select in order, the first match decides', () => {
  const patterns = [
    { exclude: true, glob: 'wan' },
    { exclude: false, glob: '*' },
  ];
  assert.ok(!matchesPatterns(patterns, wan));
  assert.ok(matchesPatterns(patterns, lan));
  assert.ok(!matchesPatterns([{ exclude: false, prefix: '10.0.0.0/8' }], lan));
  assert.ok(matchesPatterns([{ exclude: false, prefix: '192.168.1.0/24' }], lan));
  assert.ok(matchesGlob('eth?.1*', 'eth0.10') && !matchesGlob('eth?.1', 'eth0x1'));
});
