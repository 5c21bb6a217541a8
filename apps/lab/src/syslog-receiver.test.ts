import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSyslogLine } from './syslog-receiver.ts';

test('a line of syslog(3) reads as logread shows it', () => {
  const line = parseSyslogLine('<27>Nov  3 07:12:10 bird: KRT: Received route 0.0.0.0/0');
  assert.deepEqual(line, { priority: 'daemon.err', text: 'bird: KRT: Received route 0.0.0.0/0' });
  assert.equal(parseSyslogLine('<31>Nov 23 07:12:10 bird: x\n').text, 'bird: x');
  assert.equal(parseSyslogLine('no priority').text, 'no priority');
});
