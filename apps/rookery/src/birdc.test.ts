import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandCommand, readReplyLine } from './birdc.ts';
import { daemonFor } from './vtysh.ts';

test('unique abbreviations expand, names and exact words stay', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['s p a', 'show protocols all'],
    ['show protocols "node*"', 'show protocols "node*"'],
    ['sh ro for 192.168.2.1 all', 'show route for 192.168.2.1 all'],
    ['show route exp node1', 'show route exp node1'],
    ['show route export node1', 'show route export node1'],
    ['conf', 'configure'],
    ['d', 'd'],
    ['en up1', 'enable up1'],
    ['', ''],
  ];
  for (const [input, expected] of cases) assert.equal(expandCommand(input), expected);
});

test('reply lines print as birdc prints them', () => {
  const shown = (line: string): unknown => Object.values(readReplyLine(line));
  assert.deepEqual(shown('1000-BIRD 2.0.12'), ['BIRD 2.0.12', false, false]);
  assert.deepEqual(shown(' Hostname is vm'), ['Hostname is vm', false, false]);
  assert.deepEqual(shown('0000 '), [undefined, true, false]);
  assert.deepEqual(shown('0013 Daemon is up and running'), [
    'Daemon is up and running',
    true,
    false,
  ]);
  assert.deepEqual(shown('9001 syntax error'), ['syntax error', true, true]);
  assert.deepEqual(shown('1006-'), ['', false, false]);
  assert.deepEqual(shown('+node1: Connected'), ['>>> node1: Connected', false, false]);
});

test('a vtysh command goes to the daemon it is about', () => {
  assert.equal(daemonFor('show bgp summary'), 'bgpd');
  assert.equal(daemonFor('show ip bgp neighbor'), 'bgpd');
  assert.equal(daemonFor('show bfd peers'), 'bfdd');
  assert.equal(daemonFor('show ip route'), 'zebra');
  assert.equal(daemonFor('sh ipv6 route json'), 'zebra');
  assert.equal(daemonFor('show running-config'), 'bgpd');
});
