import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ProtocolView, RouterControl } from '@rookery/router';
import {
  at,
  channelOf,
  emptyFixture,
  protocolOf,
  stats,
  viewOf,
} from '../fixtures/fixture-view.ts';
import type { Fixture } from '../fixtures/fixture-view.ts';
import * as post from '../fixtures/post-router.ts';
import { utc } from '../wall-clock.ts';
import type { BirdLanguage } from './command.ts';
import { openBirdcSession } from './session.ts';

const language: BirdLanguage = {
  parseWhere: () => ({ ok: false, message: 'not here' }),
  parseFilterBody: () => ({ ok: false, message: 'not here' }),
  filterNamed: () => undefined,
  evaluate: () => ({ kind: 'runtime error' }),
};

/** A capture as birdc printed it, without its banner. */
function golden(stage: string, name: string): string {
  const url = new URL(`../../goldens/${stage}/router-birdc-${name}.txt`, import.meta.url);
  return readFileSync(url, 'utf8').replace(/^BIRD .* ready\.\n/, '');
}

/** What birdc would print for our reply: the text of every line that has any text or is blank. */
function ask(fixture: Fixture, command: string): string {
  const session = openBirdcSession(
    {
      view: viewOf(fixture),
      control: {} as RouterControl,
      language,
      version: '2.0.12',
      offset: utc,
      restricted: false,
    },
    () => assert.fail('nothing is asynchronous here'),
  );
  session.receive(`${command}\n`);
  let raw = '';
  for (let chunk = session.pull(); chunk !== undefined; chunk = session.pull()) raw += chunk;
  const lines = raw.split('\n').slice(1, -1);
  return lines
    .filter((line) => line !== '0000 ')
    .map((line) => `${/^\d{4}[- ]/.test(line) ? line.slice(5) : line.slice(1)}\n`)
    .join('');
}

const bfdCommands = [
  'show protocols',
  'show protocols all',
  'show interfaces',
  'show interfaces summary',
  'show route all',
  'show route count',
  'show route stats',
  'show route export kernel4',
  'show route noexport kernel4',
  'show route primary all',
  'show route for 192.168.2.1 all',
  'show route protocol node1 all',
  'show route table master4 all',
  'show route import table node1.ipv4',
  'show bfd sessions',
  'show static',
  'show status',
  'show ospf',
];

for (const command of bfdCommands) {
  test(`A15b: ${command}`, () => {
    const name = command.replaceAll(' ', '-');
    assert.equal(ask(post.bfdStage, command), golden('A15b-bfd-both', name));
  });
}

test('A15b: show symbols', () => {
  const text = golden('A15b-bfd-both', 'show-symbols');
  const symbols = text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [name, kind] = line.split('\t');
      const normal = kind === 'protocol template' ? 'template' : kind;
      return { name: name!.trim(), kind: normal as 'protocol' };
    });
  assert.equal(ask({ ...post.bfdStage, symbols }, 'show symbols'), text);
});

function stage(nowTime: string, protocols: readonly ProtocolView[]): Fixture {
  return {
    ...emptyFixture,
    status: { ...emptyFixture.status, nowMs: at(nowTime) },
    protocols,
  };
}

test('A03: sessions of a router without protocol device stay Idle', () => {
  const since = '07:49:38.479';
  const fixture = stage('07:49:50', [
    post.kernel4(since, 0, 0, 0, false),
    post.kernel6(since),
    ...[1, 2, 3].map((n) => post.idleNode(n, since, {})),
  ]);
  const text = golden('A03-bgp-without-device', 'show-protocols-all');
  assert.equal(ask(fixture, 'show protocols all'), text);
});

test('A09: a refused AS waits after the error', () => {
  const waits = ['40.913', '33.190', '35.445'];
  const since = ['07:51:43.057', '07:51:44.188', '07:51:43.057'];
  const now = '07:52:00';
  const fixture = stage(now, [
    post.kernel4('07:51:21.934', 0, 3, 1),
    post.kernel6('07:49:59.237'),
    post.device('07:49:59.237'),
    ...[1, 2, 3].map((n) =>
      post.idleNode(n, since[n - 1]!, {
        neighborAs: 64498,
        lastError: { class: 'sent', text: 'Bad peer AS' },
        timers: {
          errorWait: { dueMs: at(now) + Number(waits[n - 1]) * 1000, totalMs: 60_000 },
        },
      }),
    ),
  ]);
  const text = golden('A09-wrong-as-in-bird', 'show-protocols-all');
  assert.equal(ask(fixture, 'show protocols all'), text);
});

test('A12: routes kept for restarting neighbors', () => {
  const now = '07:26:27.200';
  const left = ['110.956', '109.484', '111.219'];
  const since = ['07:26:18.171', '07:26:16.699', '07:26:18.434'];
  const exports = [
    [2, 2, 0, '-', 0],
    [2, 0, 2, '-', 0],
    [2, 0, 2, '-', 0],
  ] as const;
  const fixture = stage(now, [
    post.kernel4('07:24:13.549', 1, 6, 1),
    post.kernel6('07:22:59.531'),
    post.device('07:22:59.531'),
    ...[1, 2, 3].map((n) =>
      protocolOf(`node${n}`, 'bgp', since[n - 1]!, {
        state: 'start',
        channels: [
          channelOf({
            state: 'start',
            counts: { imported: 1, filtered: 0, exported: 0, preferred: n === 1 ? 1 : 0 },
            updates: stats([
              [3, 0, 0, 2, 1],
              [0, 0, '-', 0, 0],
              exports[n - 1]!,
              [0, '-', '-', '-', 0],
            ]),
            neighborGr: 'regular',
          }),
        ],
        bgp: {
          ...post.idleNode(n, now, {}).bgp!,
          state: 'Connect',
          restarting: true,
          timers: { restart: { dueMs: at(now) + Number(left[n - 1]) * 1000 } },
        },
      }),
    ),
  ]);
  const text = golden('A12-hold-timer-expired', 'show-protocols-all');
  assert.equal(ask(fixture, 'show protocols all'), text);
});

test('A12: timers of a session with hold time', () => {
  const now = '07:26:40';
  const due = (sec: string, total: number): { dueMs: number; totalMs: number } => ({
    dueMs: at(now) + Number(sec) * 1000,
    totalMs: total * 1000,
  });
  const rows = (rejected: number, filtered: number): Parameters<typeof stats>[0] => [
    [4, 0, 0, 2, 2],
    [0, 0, '-', 0, 1],
    [5, rejected, filtered, '-', 0],
    [0, '-', '-', '-', 0],
  ];
  const timers = (
    hold: string,
    keepalive: string,
  ): { hold: ReturnType<typeof due>; keepalive: ReturnType<typeof due> } => ({
    hold: due(hold, 9),
    keepalive: due(keepalive, 3),
  });
  const fixture = stage(now, [
    post.kernel4('07:24:13.549', 1, 12, 1),
    post.kernel6('07:22:59.531'),
    post.device('07:22:59.531'),
    post.establishedNode(1, '07:26:31.304', 1, rows(3, 2), timers('6.547', '2.008')),
    post.establishedNode(2, '07:26:28.228', 0, rows(1, 4), timers('5.690', '1.718')),
    post.establishedNode(3, '07:26:28.903', 0, rows(0, 5), timers('4.831', '0.232')),
  ]);
  const after = readFileSync(
    new URL(
      '../../goldens/A12-hold-timer-expired/router-after-recovery-birdc-show-protocols-all.txt',
      import.meta.url,
    ),
    'utf8',
  );
  assert.equal(`BIRD 2.0.12 ready.\n${ask(fixture, 'show protocols all')}`, after);
});
