// The mask of `mrtdump`: which BGP events of a protocol are recorded.

import type { MrtFlag } from '@rookery/router';
import type { Reader } from './reader.ts';

/** `all | off | { states, messages }` */
export function readMrtMask(read: Reader): readonly MrtFlag[] {
  const { c } = read;
  if (c.acceptWord('all')) return ['states', 'messages'];
  if (c.acceptWord('off')) return [];
  c.expectPunct('{');
  const flags = new Set<MrtFlag>();
  do {
    if (c.acceptWord('states')) flags.add('states');
    else {
      c.expectWord('messages');
      flags.add('messages');
    }
  } while (c.acceptPunct(','));
  c.expectPunct('}');
  return [...flags];
}
