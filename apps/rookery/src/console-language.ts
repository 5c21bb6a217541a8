// The filter language as a console needs it, from packages/bird with the symbols of the running
// configuration. A console line goes on after an expression ("where net.len > 24 all"), so the
// longest part that parses is taken.

import { evalExpression, lexLine, parseFilterText } from '@rookery/bird';
import type { ConfigIssue, Scope } from '@rookery/bird';
import type { BirdLanguage, ParsedPolicy } from '@rookery/console';

export function consoleLanguageFor(scope: Scope): BirdLanguage {
  return {
    parseWhere: (text) => parseLongest('where ', text, scope),
    parseFilterBody: (text) => parseLongest('filter ', text, scope),
    filterNamed: (name) => {
      const symbol = scope.lookup(name);
      return symbol?.kind === 'filter' ? symbol.policy : undefined;
    },
    evaluate: (text) => {
      const result = evalExpression(text, scope);
      if (result.ok) return { kind: 'value', text: result.text };
      const [issue] = result.issues;
      return { kind: 'parse error', message: messageOf(issue) };
    },
  };
}

function parseLongest(keyword: string, text: string, scope: Scope): ParsedPolicy {
  const whole = parseFilterText(keyword + text, scope);
  if (whole.ok) return { ok: true, policy: whole.policy, length: text.length };
  const { tokens } = lexLine(text);
  // Each cut is before a token; the last token is the end of the line.
  for (let i = tokens.length - 2; i > 0; i--) {
    const length = tokens[i]!.column - 1;
    const part = parseFilterText(keyword + text.slice(0, length), scope);
    if (part.ok) return { ok: true, policy: part.policy, length };
  }
  return { ok: false, message: messageOf(whole.issues[0]) };
}

function messageOf(issue: ConfigIssue | undefined): string {
  return issue?.message ?? 'syntax error';
}
