// protocol bfd of both routers against each other without BGP: IPv4 and IPv6, multihop, every kind
// of authentication, and a wrong password, each on a link of its own with a real BIRD.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Host, realBird, rookeryRouter, type RouterDaemon, until, when } from '@rookery/lab';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/sbin/bird');
const state = skip ? '' : await insideSandbox();

const LINKS = [
  { name: 'plain', ours: '', theirs: '' },
  { name: 'simple', ours: key('simple'), theirs: key('simple') },
  { name: 'md5', ours: key('keyed md5'), theirs: key('keyed md5') },
  { name: 'mmd5', ours: key('meticulous keyed md5'), theirs: key('meticulous keyed md5') },
  { name: 'sha1', ours: key('keyed sha1'), theirs: key('keyed sha1') },
  { name: 'msha1', ours: key('meticulous keyed sha1'), theirs: key('meticulous keyed sha1') },
  { name: 'wrong', ours: key('keyed sha1', 'one'), theirs: key('keyed sha1', 'two') },
] as const;
const UP = [...LINKS.slice(0, -1).map((_, i) => `10.0.${i}.`), 'fd00::', '10.9.9.'];

let ours: RouterDaemon;
let theirs: RouterDaemon;

before(async () => {
  if (skip) return;
  const [left, right] = [await Host.create('left', 'bfd-'), await Host.create('right', 'bfd-')];
  await left.ip(
    ...LINKS.map(({ name }) => `link add ${name} type veth peer name ${name} netns bfd-right`),
  );
  for (const [host, i, other] of [
    [left, 1, 2],
    [right, 2, 1],
  ] as const) {
    await host.ip(
      'link set lo up',
      `address add 10.9.9.${i}/32 dev lo`,
      ...LINKS.flatMap(({ name }, link) => [
        `link set ${name} up`,
        `address add 10.0.${link}.${i}/24 dev ${name}`,
      ]),
      `address add fd00::${i}/64 dev plain nodad`,
      `route add 10.9.9.${other}/32 via 10.0.0.${other}`,
    );
  }
  ours = rookeryRouter({ host: left, directory: join(state, 'left') }, SELF);
  theirs = realBird({ host: right, directory: join(state, 'right') });
  await Promise.all([ours.start(configOf('ours', 1, 2)), theirs.start(configOf('theirs', 2, 1))]);
});

after(() => Promise.all([ours?.stop(), theirs?.stop()]));

test('every session that should is Up at both ends', { skip }, async () => {
  for (const [router, other] of [
    [ours, 2],
    [theirs, 1],
  ] as const) {
    await until('all sessions', 15_000, async () => {
      const rows = await rowsOf(router);
      return when(
        UP.every((start) => / Up .* 0\.100 +0\.300/.test(rows.get(`${start}${other}`) ?? '')),
      );
    });
  }
});

test('another password keeps the session down', { skip }, async () => {
  assert.match((await rowsOf(ours)).get(`10.0.${LINKS.length - 1}.2`)!, / Down /);
  assert.match((await rowsOf(theirs)).get(`10.0.${LINKS.length - 1}.1`)!, / Down /);
});

test('the sessions last', { skip }, async () => {
  const before = await rowsOf(theirs);
  // Two seconds are sixty packets each way and more than six detection times.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  assert.deepEqual(await rowsOf(theirs), before);
});

function key(kind: string, password = 'secret'): string {
  return `authentication ${kind}; password "${password}";`;
}

function configOf(side: 'ours' | 'theirs', own: number, other: number): string {
  const timers = 'interval 100 ms; multiplier 3;';
  const interfaces = LINKS.map((link) => `interface "${link.name}" { ${timers} ${link[side]} };`);
  const neighbors = LINKS.map(
    ({ name }, i) => `neighbor 10.0.${i}.${other} dev "${name}" local 10.0.${i}.${own};`,
  );
  return `router id 10.0.0.${own};
protocol device { }
protocol bfd {
${[...interfaces, `multihop { ${timers} };`, ...neighbors].join('\n')}
neighbor fd00::${other} dev "plain" local fd00::${own};
neighbor 10.9.9.${other} local 10.9.9.${own} multihop on;
}
`;
}

/** `show bfd sessions` by address. */
async function rowsOf(router: RouterDaemon): Promise<ReadonlyMap<string, string>> {
  const lines = (await router.birdc('show bfd sessions')).split('\n');
  return new Map(
    lines.filter((l) => /^(10\.|fd00)/.test(l)).map((l) => [l.split(' ')[0]!, l.trimEnd()]),
  );
}
