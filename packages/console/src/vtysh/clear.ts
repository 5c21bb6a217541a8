// `clear bgp`: closes sessions, or with `soft` runs policy again without closing them.

import { neighborsOf } from './context.ts';
import type { VtyContext } from './context.ts';
import type { Parameters } from './grammar.ts';

export function clearBgp(context: VtyContext, p: Parameters): string {
  const everyone = p['everyone'] !== undefined;
  const chosen = neighborsOf(context.view).filter((n) => everyone || n.name === p['peer']);
  if (chosen.length === 0) {
    return everyone ? '' : `%BGP: Unknown neighbor - "${p['peer']}"\n`;
  }
  const names = chosen.map((n) => n.protocol.name);
  if (p['soft'] === undefined) {
    context.control.clear(names);
    return '';
  }
  const direction = p['direction'];
  const outcomes = context.control.reload(
    names,
    direction === 'in' || direction === 'out' ? direction : 'both',
  );
  return outcomes
    .filter((o) => o.outcome === 'reload failed')
    .map((o) => `% BGP: neighbor of ${o.protocol} cannot refresh its routes (RFC 2918)\n`)
    .join('');
}
