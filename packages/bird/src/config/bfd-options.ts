// Session options of BFD, the same in `protocol bfd` and in `protocol bgp { bfd { … } }`. Keys have no
// times: one that is written is used and accepted. BIRD has no echo function (RFC 5880 §6.4); its two
// options here are ours.

import type { BfdAuthentication } from '@rookery/router';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { readBlock } from './block.ts';
import type { BfdOptionsDraft } from './draft.ts';
import { optionSet, readOption } from './options.ts';
import type { OptionTable } from './options.ts';
import type { Reader } from './reader.ts';

type Key = BfdAuthentication['keys'][number];

/** What is read before it is put together. */
interface BfdBlock extends BfdOptionsDraft {
  kind?: BfdAuthentication['kind'] | 'none';
  keys?: Key[];
}

const NO_ECHO = { rxIntervalUs: 0, txIntervalUs: 0 };

const SESSION_OPTIONS: OptionTable<BfdBlock> = {
  interval: (read, d) => void (d.minRxIntervalUs = d.minTxIntervalUs = interval(read)),
  'min rx interval': (read, d) => void (d.minRxIntervalUs = interval(read)),
  'min tx interval': (read, d) => void (d.minTxIntervalUs = interval(read)),
  'idle tx interval': (read, d) => void (d.idleTxIntervalUs = interval(read)),
  multiplier: (read, d) => void (d.multiplier = read.num(1, 255, 'Multiplier')),
  passive: (read, d) => void (d.passive = read.bool()),
  'echo rx interval': (read, d) =>
    void (d.echo = { ...NO_ECHO, ...d.echo, rxIntervalUs: interval(read) }),
  'echo tx interval': (read, d) =>
    void (d.echo = { ...NO_ECHO, ...d.echo, txIntervalUs: interval(read) }),
  'authentication none': (_read, d) => void (d.kind = 'none'),
  'authentication simple': (_read, d) => void (d.kind = 'simple'),
  'authentication keyed md5': (_read, d) => void (d.kind = 'keyedMd5'),
  'authentication keyed sha1': (_read, d) => void (d.kind = 'keyedSha1'),
  'authentication meticulous keyed md5': (_read, d) => void (d.kind = 'meticulousKeyedMd5'),
  'authentication meticulous keyed sha1': (_read, d) => void (d.kind = 'meticulousKeyedSha1'),
  password: (read, d) => addKey(read, d),
  passwords: (read, d) => void readBlock(read, () => readOption(LIST_SET, read, d)),
};

const REQUEST_OPTIONS: OptionTable<BfdBlock> = {
  graceful: (read, d) => void (d.graceful = read.bool()),
};

const PROTOCOL_SET = optionSet(SESSION_OPTIONS);
const REQUEST_SET = optionSet(SESSION_OPTIONS, REQUEST_OPTIONS);

/** `{ interval 300 ms; multiplier 3; … }`; only what is written. */
export function readBfdOptions(read: Reader, isRequest: boolean): BfdOptionsDraft {
  const at = read.c.token;
  const block: BfdBlock = {};
  const set = isRequest ? REQUEST_SET : PROTOCOL_SET;
  const clean = readBlock(read, () => readOption(set, read, block));
  const { kind = 'none', keys, ...draft } = block;
  if (!clean) return {};
  if (kind !== 'none' && keys) return { ...draft, authentication: { kind, keys } };
  // BIRD only warns of either; without a password we would have to speak unsigned.
  if (kind !== 'none') raise(at, 'semantic', TOGETHER, 'add: password "…";');
  if (keys) read.log.add('warning', at, 'semantic', TOGETHER, 'the password is ignored');
  return draft;
}

const TOGETHER = 'Authentication and password options should be used together';

function addKey(read: Reader, block: BfdBlock): void {
  // BIRD counts keys from 1 where no id is written.
  const key = readKey(read, (block.keys?.length ?? 0) + 1);
  block.keys = [...(block.keys ?? []), key];
}

function readKey(read: Reader, defaultId: number): Key {
  const { c } = read;
  const secret = c.token.kind === 'bytes' ? c.next().text : read.text();
  const key = { id: defaultId, secret };
  if (c.isPunct('{')) readBlock(read, () => readOption(KEY_SET, read, key));
  return key;
}

const LIST_SET = optionSet<BfdBlock>({ password: (read, d) => addKey(read, d) });

const KEY_SET = optionSet<{ id: number }>({
  id: (read, key) => void (key.id = read.num(0, 255, 'Password ID')),
  'generate from': (_read, _key, at) => raiseTimed(at),
  'generate to': (_read, _key, at) => raiseTimed(at),
  'accept from': (_read, _key, at) => raiseTimed(at),
  'accept to': (_read, _key, at) => raiseTimed(at),
  from: (_read, _key, at) => raiseTimed(at),
  to: (_read, _key, at) => raiseTimed(at),
});

function raiseTimed(at: Token): never {
  return raise(
    at,
    'unsupported',
    'times of BFD passwords are not supported by rookery yet',
    'leave them out, and remove the old password when both ends know the new one',
  );
}

function interval(read: Reader): number {
  const at = read.c.token;
  const us = read.durationUs();
  if (us === 0) raise(at, 'range', 'BFD interval must be positive');
  return us;
}
