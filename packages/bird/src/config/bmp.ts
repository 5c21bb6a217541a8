// `protocol bmp`: the monitoring station and what it is told.

import type { BmpConfig } from '@rookery/router';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { BmpDraft } from './draft.ts';
import type { OptionTable } from './options.ts';
import { finishCommon } from './protocol-common.ts';
import type { Reader } from './reader.ts';

const MIB = 1024 * 1024;
/** The platform holds no more for one peer. */
const MAX_BUFFER_MIB = 60;

export const BMP_OPTIONS: OptionTable<BmpDraft> = {
  'station address ip': (read, d) => {
    d.station = read.ip();
    if (!read.c.acceptWord('port')) return void read.c.unexpected(['PORT']);
    d.stationPort = read.num(1, 65535, 'Port');
  },
  'monitoring rib in pre_policy': (read, d) => void (d.prePolicy = read.bool()),
  'monitoring rib in post_policy': (read, d) => void (d.postPolicy = read.bool()),
  'tx buffer limit': (read, d) => {
    d.txBufferLimitBytes = Math.min(read.num(1, 1 << 20, 'Limit'), MAX_BUFFER_MIB) * MIB;
  },
};

export function finishBmp(_read: Reader, d: BmpDraft, end: Token): BmpConfig {
  if (d.station === undefined || d.stationPort === undefined) {
    const hint = 'add: station address ip ADDRESS port PORT;';
    return raise(end, 'semantic', 'Station address not specified', hint);
  }
  return {
    kind: 'bmp',
    ...finishCommon(d),
    station: d.station,
    stationPort: d.stationPort,
    prePolicy: d.prePolicy ?? false,
    postPolicy: d.postPolicy ?? false,
    txBufferLimitBytes: d.txBufferLimitBytes ?? MAX_BUFFER_MIB * MIB,
  };
}
