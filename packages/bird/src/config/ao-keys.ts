// `keys { key { id 1; secret "…"; algorithm hmac sha256; preferred; }; }` of `authentication ao`
// (RFC 5925), in the order in which they are used: preferred ones first, deprecated ones only when
// the neighbor asks for them.

import { encodeTextWithin } from '@rookery/net';
import type { TcpAoKey } from '@rookery/router';
import { raise } from '../lexer.ts';
import { readBlock } from './block.ts';
import { optionSet, readOption } from './options.ts';
import type { Reader } from './reader.ts';

interface KeyDraft {
  sendId?: number;
  recvId?: number;
  secret?: readonly number[];
  algorithm: string;
  rank: 'preferred' | 'plain' | 'deprecated';
}

/** BIRD's words and the kernel's. */
const ALGORITHMS: Readonly<Record<string, string>> = {
  'hmac md5': 'hmac(md5)',
  'hmac sha1': 'hmac(sha1)',
  'hmac sha224': 'hmac(sha224)',
  'hmac sha256': 'hmac(sha256)',
  'hmac sha384': 'hmac(sha384)',
  'hmac sha512': 'hmac(sha512)',
  'cmac aes128': 'cmac(aes128)',
};
/** What the kernel takes, in octets. */
const MAX_SECRET = 80;
const RANKS = ['preferred', 'plain', 'deprecated'] as const;

const KEY_OPTIONS = optionSet<KeyDraft>({
  id: (read, d) => void (d.sendId = d.recvId = read.num(0, 255, 'Key ID')),
  'send id': (read, d) => void (d.sendId = read.num(0, 255, 'Send ID')),
  'recv id': (read, d) => void (d.recvId = read.num(0, 255, 'Recv ID')),
  secret: (read, d) => void (d.secret = readSecret(read)),
  preferred: (_read, d) => void (d.rank = 'preferred'),
  deprecated: (_read, d) => void (d.rank = 'deprecated'),
  ...Object.fromEntries(
    Object.entries(ALGORITHMS).map(([words, name]) => [
      `algorithm ${words}`,
      (_read: Reader, d: KeyDraft) => void (d.algorithm = name),
    ]),
  ),
});

const LIST_OPTIONS = optionSet<KeyDraft[]>({ key: (read, list) => void list.push(readKey(read)) });

/** Reads the block behind `keys`. */
export function readAoKeys(read: Reader): readonly TcpAoKey[] {
  const at = read.c.token;
  const list: KeyDraft[] = [];
  if (!readBlock(read, () => readOption(LIST_OPTIONS, read, list))) return [];
  if (!list.some(({ rank }) => rank !== 'deprecated')) {
    raise(at, 'semantic', 'At least one key must not be deprecated');
  }
  for (const side of ['sendId', 'recvId'] as const) {
    if (new Set(list.map((key) => key[side])).size < list.length) {
      raise(at, 'semantic', `${side === 'sendId' ? 'Send' : 'Recv'} IDs of keys must be unique`);
    }
  }
  return list
    .toSorted((a, b) => RANKS.indexOf(a.rank) - RANKS.indexOf(b.rank))
    .map(({ sendId, recvId, secret, algorithm }) => ({
      sendId: sendId!,
      recvId: recvId!,
      secret: secret!,
      algorithm,
    }));
}

function readKey(read: Reader): KeyDraft {
  const at = read.c.token;
  const draft: KeyDraft = { algorithm: ALGORITHMS['hmac sha1']!, rank: 'plain' };
  if (!readBlock(read, () => readOption(KEY_OPTIONS, read, draft))) return draft;
  if (draft.sendId === undefined || draft.recvId === undefined) {
    raise(at, 'semantic', 'Key IDs must be set', 'add: id 1; or send id 1; recv id 2;');
  }
  if (draft.secret === undefined) raise(at, 'semantic', 'Secret must be set', 'add: secret "…";');
  return draft;
}

/** A text, or octets in hexadecimal. */
function readSecret(read: Reader): readonly number[] {
  const at = read.c.token;
  const octets =
    at.kind === 'bytes'
      ? (read.c.next().text.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))
      : [...encodeTextWithin(read.text(), MAX_SECRET + 1)];
  if (octets.length === 0 || octets.length > MAX_SECRET) {
    raise(at, 'range', `Secret must have 1 to ${MAX_SECRET} octets`);
  }
  return octets;
}
