import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigureReply, ProtocolOutcome, RouterControl } from '@rookery/router';
import { channelOf, emptyFixture, protocolOf, viewOf } from '../fixtures/fixture-view.ts';
import type { Fixture } from '../fixtures/fixture-view.ts';
import { bfdStage } from '../fixtures/post-router.ts';
import { utc } from '../wall-clock.ts';
import type { BirdLanguage } from './command.ts';
import { openBirdcSession } from './session.ts';
import type { BirdcSession } from './session.ts';

const language: BirdLanguage = {
  parseWhere: (text) => {
    const match = /^net ~ \[[^\]]*\]/.exec(text);
    if (!match) return { ok: false, message: 'syntax error, unexpected CF_SYM_UNDEFINED' };
    return { ok: true, policy: { kind: 'all' }, length: match[0].length };
  },
  parseFilterBody: () => ({ ok: false, message: 'not here' }),
  filterNamed: () => undefined,
  evaluate: (text) => (text === '1+2' ? { kind: 'value', text: '3' } : { kind: 'runtime error' }),
};

interface Console {
  readonly session: BirdcSession;
  readonly calls: string[];
  answer: ((reply: ConfigureReply) => void) | undefined;
  log: ((text: string) => void) | undefined;
  wakes: number;
}

function open(fixture: Fixture = bfdStage, restricted = false): Console {
  const calls: string[] = [];
  const done = (word: string) => (names: readonly string[], extra?: string) => {
    calls.push(`${word} ${names.join(',')}${extra === undefined ? '' : ` ${extra}`}`);
    return names.map((protocol): ProtocolOutcome => ({ protocol, outcome: 'done' }));
  };
  const control: RouterControl = {
    enable: (names) => names.map((protocol) => ({ protocol, outcome: 'already' })),
    disable: done('disable'),
    restart: done('restart'),
    clear: done('clear'),
    reload: done('reload'),
    configure: (request, answer) => {
      calls.push(JSON.stringify(request));
      console.answer = answer;
    },
    shutdown: () => calls.push('shutdown'),
    gracefulRestart: () => calls.push('graceful restart'),
    dumpTables: (command) => calls.push(JSON.stringify(command)) > 0,
    setDebug: (names, mask) => calls.push(`debug ${names?.join(',')} ${mask.join(',')}`),
    subscribeLog: (_classes, onLine) => {
      console.log = onLine;
      return () => {
        console.log = undefined;
      };
    },
  };
  const console: Console = {
    session: openBirdcSession(
      { view: viewOf(fixture), control, language, version: '2.0.12', offset: utc, restricted },
      () => console.wakes++,
    ),
    calls,
    answer: undefined,
    log: undefined,
    wakes: 0,
  };
  assert.equal(console.session.pull(), '0001 BIRD 2.0.12 ready.\n');
  return console;
}

function drain({ session }: Console): string {
  let text = '';
  for (let chunk = session.pull(); chunk !== undefined; chunk = session.pull()) text += chunk;
  return text;
}

function ask(console: Console, line: string): string {
  console.session.receive(`${line}\n`);
  return drain(console);
}

test('framing: a code is spelled once, the last line has a space', () => {
  assert.equal(
    ask(open(), 'show status'),
    '1000-BIRD 2.0.12\n' +
      '1011-Router ID is 192.168.1.1\n' +
      ' Hostname is OpenWrt\n' +
      ' Current server time is 2026-11-23 07:59:37.547\n' +
      ' Last reboot on 2026-11-23 07:57:34.480\n' +
      ' Last reconfiguration on 2026-11-23 07:59:10.981\n' +
      '0013 Daemon is up and running\n',
  );
  assert.equal(
    ask(open(), 'show route count'),
    '1007-3 of 3 routes for 1 networks in table master4\n' +
      ' 0 of 0 routes for 0 networks in table master6\n' +
      '0014 Total: 3 of 3 routes for 1 networks in 2 tables\n',
  );
  const all = ask(open(), 'show route all');
  assert.match(all, /^1007-Table master4:\n 192\.168\.2\.1\/32 {7}unicast/);
  assert.match(all, /\n1008-\tType: BGP univ\n1012-\tBGP\.origin: IGP\n \tBGP\.as_path: 64497\n/);
  assert.ok(all.endsWith('0000 \n'));
  assert.match(ask(open(), 'show protocols all device1'), /\n1006-\n0000 \n$/);
});

test('errors of the parser are those of BIRD 2.0.12, followed by a hint', () => {
  const cases: readonly [string, string][] = [
    ['show protocols all nope', 'CF_SYM_UNDEFINED, expecting END or CF_SYM_KNOWN or TEXT'],
    ['show protocols nope', 'CF_SYM_UNDEFINED, expecting END or CF_SYM_KNOWN or TEXT or ALL'],
    ['show status extra', 'CF_SYM_UNDEFINED, expecting END'],
    ['show status;', "';', expecting END"],
    ['show interfaces foo', 'CF_SYM_UNDEFINED, expecting END or SUMMARY'],
    ['show', 'END'],
    ['sho', 'CF_SYM_UNDEFINED'],
    ['SHOW status', 'CF_SYM_UNDEFINED'],
    ['?', "'?'"],
    ['10.0.0.0', 'IP4'],
    ['show route in 10.1.2.3', "END, expecting '/'"],
    ['show route for all', 'ALL, expecting IP4 or IP6 or VPN_RD or CF_SYM_KNOWN'],
    ['show route table nope', 'CF_SYM_UNDEFINED, expecting CF_SYM_KNOWN or ALL'],
    ['show route export', 'END, expecting CF_SYM_KNOWN or TABLE'],
    ['show bfd', 'END, expecting SESSIONS'],
    ['enable node1 5', 'NUM, expecting END or TEXT'],
    ['disable node1.ipv4', "'.', expecting END or TEXT"],
    ['disable', 'END, expecting CF_SYM_KNOWN or TEXT or ALL'],
    ['debug node1', "END, expecting '.' or OFF or '{' or ALL"],
    ['configure soft check', 'CHECK, expecting END or TEXT or TIMEOUT'],
    ['configure "x" soft', 'SOFT, expecting END or TIMEOUT'],
    ['echo foo', "CF_SYM_UNDEFINED, expecting OFF or '{' or ALL"],
    ['graceful foo', 'CF_SYM_UNDEFINED, expecting RESTART'],
  ];
  for (const [command, expected] of cases) {
    const reply = ask(open(), command);
    assert.ok(
      reply.startsWith(`9001 syntax error, unexpected ${expected} (`),
      `${command}: ${reply}`,
    );
  }
  assert.match(ask(open(), 'show protocols nope'), /there is no protocol "nope"; usage: show/);
});

test('errors about names and prefixes', () => {
  const cases: readonly [string, string][] = [
    ['show protocols master4', '9001 Protocol name required\n'],
    ['show route table node1', '9001 Table name required\n'],
    [
      'show route 10.1.0.1/16',
      '9001 Invalid IPv4 prefix 10.1.0.1/16, maybe you wanted 10.1.0.0/16\n',
    ],
    ['show route 10.1.0.0/33', '9001 Invalid prefix length 33\n'],
    ['show route 10.1.0.0/16 10.2.0.0/16', '9001 Only one prefix expected\n'],
    ['show route primary filtered', '9001 Incompatible show route options\n'],
    ['show route export node1.ipv6', '9001 Channel node1.ipv6 not found\n'],
    ['show route export device1', '9001 No valid tables\n'],
    ['show route 10.1.0.0/16', '8001 Network not found\n'],
    ['show route for 1.2.3.4', '8001 Network not found\n'],
    ['show protocols "zz*"', '8003 No protocols match\n'],
    ['show static node1', '9001 node1: Not a Static protocol\n'],
    ['show bfd sessions node1', '9001 node1: Not a BFD protocol\n'],
    ['"abc', '9001 Unterminated string\n'],
    ['eval 1+2', '0023 3\n'],
    ['eval net', '8008 runtime error\n'],
    ['show symbols nope', '1010 nope    \tundefined\n'],
    ['', ''],
    ['quit', ''],
  ];
  for (const [command, expected] of cases) assert.equal(ask(open(), command), expected, command);
});

test('a filter expression may stand between options', () => {
  const reply = ask(open(), 'show route all where net ~ [192.168.2.0/24+] primary');
  assert.equal(reply.match(/unicast/g)?.length, 1);
  assert.match(reply, /BGP\.origin/);
  assert.match(ask(open(), 'show route where foo'), /^9001 syntax error/);
});

test('explicit tables print a header even when empty', () => {
  assert.equal(ask(open(), 'show route table master6'), '1007-Table master6:\n0000 \n');
  assert.equal(ask(open(), 'show route in 11.0.0.0/8'), '0000 \n');
  assert.equal(ask(open(), 'show route 192.168.2.1/32 count'), '0000 \n');
});

test('protocol commands', () => {
  const console = open();
  assert.equal(
    ask(console, 'disable "node*" "for maintenance"'),
    '0009-node1: disabled\n node2: disabled\n node3: disabled\n0000 \n',
  );
  assert.equal(ask(console, 'enable node1'), '0010-node1: already enabled\n0000 \n');
  assert.equal(ask(console, 'restart node1'), '0012-node1: restarted\n0000 \n');
  assert.equal(ask(console, 'reload in node1'), '0015-node1: reloading\n0000 \n');
  assert.equal(ask(console, 'debug all { states, routes }'), '0000 \n');
  assert.equal(ask(console, 'debug node1.ipv4 off'), '0000 \n');
  assert.equal(ask(console, 'down'), '0007 Shutdown requested\n');
  assert.deepEqual(console.calls, [
    'disable node1,node2,node3 for maintenance',
    'restart node1',
    'reload node1 in',
    'debug undefined states,routes',
    'debug node1 ',
    'shutdown',
  ]);
});

test('a restricted session reads and evaluates, but changes nothing', () => {
  const console = open();
  assert.equal(ask(console, 'restrict'), '0016 Access restricted\n');
  for (const command of [
    'disable node1',
    'configure',
    'configure check',
    'debug node1 all',
    'down',
  ]) {
    assert.equal(ask(console, command), '8007 Access denied\n');
  }
  assert.match(ask(console, 'show status'), /^1000-BIRD/);
  assert.equal(ask(console, 'eval 1+2'), '0023 3\n');
  assert.deepEqual(console.calls, []);
  assert.equal(ask(open(bfdStage, true), 'reload all'), '8007 Access denied\n');
});

test('configure answers later and holds up what was pipelined', () => {
  const console = open();
  assert.equal(ask(console, 'configure soft timeout 20\neval 1+2'), '');
  assert.deepEqual(console.calls, ['{"kind":"load","soft":true,"timeoutSec":20}']);
  console.answer!({ kind: 'in progress', file: '/etc/bird.conf' });
  assert.equal(console.wakes, 1);
  assert.equal(
    drain(console),
    '0002-Reading configuration from /etc/bird.conf\n' +
      '0022-Undo scheduled in 20 s\n' +
      '0004 Reconfiguration in progress\n' +
      '0023 3\n',
  );
  ask(console, 'configure check "/x"');
  console.answer!({ kind: 'rejected', file: '/x', message: '/x: No such file or directory' });
  assert.equal(
    drain(console),
    '0002-Reading configuration from /x\n8002 /x: No such file or directory\n',
  );
  ask(console, 'configure undo');
  console.answer!({ kind: 'nothing to do' });
  assert.equal(drain(console), '0021-Undo requested\n0019 Nothing to do\n');
});

test('echo lines come between replies and stop with echo off', () => {
  const console = open();
  assert.equal(ask(console, 'echo { warning, error }'), '0000 \n');
  console.log!('node1: Down');
  assert.equal(console.wakes, 1);
  assert.equal(drain(console), '+node1: Down\n');
  assert.equal(ask(console, 'echo off'), '0000 \n');
  assert.equal(console.log, undefined);
});

test('input may be split anywhere; an endless line ends the session', () => {
  const console = open();
  for (const c of 'eval 1+2\r\n') console.session.receive(c);
  assert.equal(drain(console), '0023 3\n');
  console.session.receive('x'.repeat(5000));
  assert.equal(drain(console), '9000 Command too long\n');
  assert.ok(console.session.finished);
});

test('a long dump comes in bounded chunks', () => {
  const routes = Array.from({ length: 3000 }, (_, i) => ({
    ...bfdStage.routes[0]!,
    net: `10.${i >> 8}.${i & 255}.0/24`,
  }));
  const console = open({ ...bfdStage, routes });
  console.session.receive('show route\n');
  let chunks = 0;
  let text = '';
  for (let chunk = console.session.pull(); chunk !== undefined; chunk = console.session.pull()) {
    assert.ok(chunk.length < 40_000);
    text += chunk;
    chunks++;
  }
  assert.ok(chunks > 10);
  assert.equal(text.split('unicast').length - 1, 3000);
});

test('limits, pipes, descriptions and messages', () => {
  const pipe = protocolOf('p10', 'pipe', '07:38:02.736', {
    description: 'A pipe',
    pipe: { peerTable: 't10' },
    channels: [channelOf({ name: 'main' })],
  });
  const limited = protocolOf('s6', 'static', '07:39:09.868', {
    state: 'down',
    message: 'a msg',
    channels: [
      channelOf({
        state: 'down',
        limits: {
          receive: { count: 5, action: 'warn', hit: false },
          import: { count: 1, action: 'block', hit: true },
        },
      }),
    ],
  });
  const reply = ask(open({ ...emptyFixture, protocols: [pipe, limited] }), 'show protocols all');
  assert.match(reply, / {2}master4 <=> t10\n1006- {2}Description: {4}A pipe\n {3}Channel main\n/);
  assert.match(reply, / {5}Import state: {3}up\n/);
  assert.match(reply, / {3}Routes: {9}0 imported, 0 exported\n {3}Route change stats:/);
  assert.match(reply, /1006- {2}Message: {8}a msg\n/);
  assert.match(
    reply,
    / {5}Receive limit: {2}5\n {7}Action: {7}warn\n {5}Import limit: {3}1 \[HIT\]\n {7}Action: {7}block\n/,
  );
});
