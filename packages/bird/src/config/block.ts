// `{ item; item; }` with recovery: an error in one item is reported and the next item is read, so
// that a file shows all its errors at once.

import { IssueSignal } from '../issue.ts';
import type { Reader } from './reader.ts';

/**
 * Reads items up to the closing brace, each followed by `;`. Returns true when none had an error.
 * A missing `;` does not lose the item after it.
 */
export function readBlock(read: Reader, readItem: () => void): boolean {
  const { c, log } = read;
  c.expectPunct('{');
  let clean = true;
  while (!c.isPunct('}')) {
    if (c.token.kind === 'end') c.unexpected();
    if (c.acceptPunct(';')) continue;
    const start = c.index;
    try {
      readItem();
      c.expectSemicolon();
    } catch (signal) {
      if (!(signal instanceof IssueSignal)) throw signal;
      log.addSignal(signal);
      clean = false;
      c.recover(signal);
      // A `;` was expected where something else stands: go on with that, unless nothing was read.
      if (c.index === start) c.next();
    }
  }
  c.expectPunct('}');
  return clean;
}
