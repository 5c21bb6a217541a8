// The filter language as a console needs it, from packages/bird with the symbols of the running
// configuration. A console line goes on after an expression ("where net.len > 24 all").

import { evalExpression, parseFilterStart } from '@rookery/bird';
import type { ConfigIssue, Scope } from '@rookery/bird';
import type { BirdLanguage, ParsedPolicy } from '@rookery/console';

export function consoleLanguageFor(scope: Scope): BirdLanguage {
  return {
    parseWhere: (text) => parseStart('where ', text, scope),
    parseFilterBody: (text) => parseStart('filter ', text, scope),
    filterNamed: (name) => {
      const symbol = scope.lookup(name);
      return symbol?.kind === 'filter' ? symbol.policy : undefined;
    },
    evaluate: (text) => {
      const result = evalExpression(text, scope);
      if (result.ok) return { kind: 'value', text: result.text };
      if (result.runtime) return { kind: 'runtime error' };
      const [issue] = result.issues;
      return { kind: 'parse error', message: messageOf(issue) };
    },
  };
}

function parseStart(keyword: string, text: string, scope: Scope): ParsedPolicy {
  const result = parseFilterStart(keyword + text, scope);
  if (!result.ok) return { ok: false, message: messageOf(result.issues[0]) };
  return { ok: true, policy: result.policy, length: result.length - keyword.length };
}

function messageOf(issue: ConfigIssue | undefined): string {
  return issue?.message ?? 'syntax error';
}
