// `protocol mrt`: which tables go to which file how often.

import type { MrtConfig } from '@rookery/router';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { readPolicy, readTable } from './channel.ts';
import type { MrtDraft } from './draft.ts';
import type { OptionTable } from './options.ts';
import { finishCommon } from './protocol-common.ts';
import type { Reader } from './reader.ts';

export const MRT_OPTIONS: OptionTable<MrtDraft> = {
  table: (read, d) => {
    d.table = read.c.token.kind === 'text' ? read.text() : readTable(read);
  },
  filter: (read, d) => {
    // The same words as behind `import`.
    read.c.index--;
    d.policy = readPolicy(read);
  },
  where: (read, d) => {
    read.c.index--;
    d.policy = readPolicy(read);
  },
  filename: (read, d) => void (d.filename = read.text()),
  period: (read, d) => void (d.periodSec = read.num(1, 0xffffffff, 'Period')),
  'always add path': (read, d) => void (d.alwaysAddPath = read.bool()),
};

export function finishMrt(_read: Reader, d: MrtDraft, end: Token): MrtConfig {
  const { table, filename, periodSec } = d;
  if (table === undefined) return missing(end, 'Table not specified', 'table "*";');
  if (filename === undefined) {
    return missing(end, 'File name not specified', 'filename "/var/log/bird/%N_%F_%T.mrt";');
  }
  if (periodSec === undefined) return missing(end, 'Period not specified', 'period 300;');
  return {
    kind: 'mrt',
    ...finishCommon(d),
    table,
    policy: d.policy ?? { kind: 'all' },
    filename,
    periodSec,
    alwaysAddPath: d.alwaysAddPath ?? false,
  };
}

function missing(end: Token, message: string, example: string): never {
  return raise(end, 'semantic', message, `add: ${example}`);
}
