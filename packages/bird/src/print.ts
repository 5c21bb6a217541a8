// The canonical text of a configuration: one statement a line, two spaces a level, includes in
// place, comments gone. Printing what was parsed and parsing it again gives the same text.

import { needsSpace, tokenText } from './filter/canonical.ts';
import type { Token } from './lexer.ts';

/** Renders tokens of a configuration that parsed without errors. */
export function printConfig(tokens: readonly Token[]): string {
  const lines: string[] = [];
  let line = '';
  let depth = 0;
  /** Brackets and braces that belong to an expression: `{16,24}`, `debug { states }`. */
  const inline: string[] = [];
  let before: Token | undefined;
  const flush = (): void => {
    if (line !== '') lines.push('  '.repeat(depth) + line);
    line = '';
    before = undefined;
  };
  tokens.forEach((token, i) => {
    if (token.kind === 'end') return flush();
    const text = tokenText(token);
    if (token.kind === 'punct' && inline.length === 0) {
      if (text === '{' && isBlock(tokens, i)) {
        append(text, token);
        flush();
        depth++;
        return;
      }
      if (text === '}') {
        flush();
        depth = Math.max(0, depth - 1);
        append(text, token);
        // A `;` or `else` that follows stays on the line.
        const next = tokens[i + 1];
        if (next?.text !== ';' && next?.text !== 'else') flush();
        return;
      }
      if (text === ';') {
        line += text;
        return flush();
      }
    }
    if (token.kind === 'punct') {
      if (text === '(' || text === '[' || text === '{' || text === '[=') inline.push(text);
      else if (text === ')' || text === ']' || text === '}' || text === '=]') inline.pop();
    }
    append(text, token);
  });
  flush();
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;

  function append(text: string, token: Token): void {
    if (before !== undefined && needsSpace(before, token)) line += ' ';
    line += text;
    before = token;
  }
}

/** A brace that holds statements, as opposed to `{a,b}` of a pattern or a list of flags. */
function isBlock(tokens: readonly Token[], at: number): boolean {
  for (let i = at + 1; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind === 'end') return true;
    if (token.kind !== 'punct') continue;
    if (token.text === '}') return i === at + 1 || tokens[i - 1]!.text === ';';
    if ([';', '{', 'else:', ':'].includes(token.text)) return true;
  }
  return true;
}
