// Session options of BFD, the same in `protocol bfd` and in `protocol bgp { bfd { … } }`.

import { raise } from '../lexer.ts';
import { readBlock } from './block.ts';
import type { BfdOptionsDraft } from './draft.ts';
import { optionSet, readOption } from './options.ts';
import type { OptionTable } from './options.ts';
import type { Reader } from './reader.ts';

const SESSION_OPTIONS: OptionTable<BfdOptionsDraft> = {
  interval: (read, d) => void (d.minRxIntervalUs = d.minTxIntervalUs = interval(read)),
  'min rx interval': (read, d) => void (d.minRxIntervalUs = interval(read)),
  'min tx interval': (read, d) => void (d.minTxIntervalUs = interval(read)),
  'idle tx interval': (read, d) => void (d.idleTxIntervalUs = interval(read)),
  multiplier: (read, d) => void (d.multiplier = read.num(1, 255, 'Multiplier')),
  passive: (read, d) => void (d.passive = read.bool()),
  'authentication none': () => undefined,
  authentication: (_read, _d, at) =>
    raise(
      at,
      'unsupported',
      'BFD authentication is not supported by rookery yet',
      'remove it on both ends: MetalLB and FRR do not use it either',
    ),
};

const REQUEST_OPTIONS: OptionTable<BfdOptionsDraft> = {
  graceful: (read, d) => void (d.graceful = read.bool()),
};

const PROTOCOL_SET = optionSet(SESSION_OPTIONS);
const REQUEST_SET = optionSet(SESSION_OPTIONS, REQUEST_OPTIONS);

/** `{ interval 300 ms; multiplier 3; … }`; only what is written. */
export function readBfdOptions(read: Reader, isRequest: boolean): BfdOptionsDraft {
  const draft: BfdOptionsDraft = {};
  const set = isRequest ? REQUEST_SET : PROTOCOL_SET;
  const clean = readBlock(read, () => readOption(set, read, draft));
  return clean ? draft : {};
}

function interval(read: Reader): number {
  const at = read.c.token;
  const us = read.durationUs();
  if (us === 0) raise(at, 'range', 'BFD interval must be positive');
  return us;
}
