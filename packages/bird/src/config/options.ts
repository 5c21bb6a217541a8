// Options by their words. A table maps `hold time` to what reads its value; matching takes the
// longest run of words that is an option, so `graceful restart` and `graceful restart time` can
// both exist. Unknown words become BIRD's syntax error plus a suggestion from the same table.

import type { Cursor } from '../cursor.ts';
import { nearestWord, suggestWord } from '../issue.ts';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { Reader } from './reader.ts';

export type OptionTable<D> = Readonly<Record<string, (read: Reader, draft: D, at: Token) => void>>;

interface Node<D> {
  readonly next: Map<string, Node<D>>;
  option?: OptionTable<D>[string];
}

/** Options of one kind of block, ready for matching. */
export interface OptionSet<D> {
  readonly names: readonly string[];
  readonly root: Node<D>;
}

/** Prepares tables for matching; later tables override earlier ones. */
export function optionSet<D>(...tables: readonly OptionTable<D>[]): OptionSet<D> {
  const root: Node<D> = { next: new Map() };
  const all: OptionTable<D> = Object.assign({}, ...tables);
  for (const [name, option] of Object.entries(all)) {
    let node = root;
    for (const word of name.split(' ')) {
      let next = node.next.get(word);
      if (next === undefined) node.next.set(word, (next = { next: new Map() }));
      node = next;
    }
    node.option = option;
  }
  return { names: Object.keys(all), root };
}

/** Reads one option, without its `;`. `hintFor` may explain a word that is not an option here. */
export function readOption<D>(
  options: OptionSet<D>,
  read: Reader,
  draft: D,
  hintFor: (word: string) => string | undefined = () => undefined,
): void {
  const { c } = read;
  const at = c.token;
  let node = options.root;
  let match: Node<D> | undefined;
  let matchEnd = c.index;
  while (c.token.kind === 'word' && !c.token.quoted) {
    const next = node.next.get(c.token.text);
    if (next === undefined) break;
    c.next();
    node = next;
    if (node.option !== undefined) {
      match = node;
      matchEnd = c.index;
    }
  }
  if (match === undefined) return unknownOption(options, c, at, hintFor);
  c.index = matchEnd;
  match.option!(read, draft, at);
}

function unknownOption<D>(
  options: OptionSet<D>,
  c: Cursor,
  start: Token,
  hintFor: (word: string) => string | undefined,
): never {
  const token = c.token;
  if (token.kind === 'end') c.unexpected();
  const words: string[] = [];
  for (let i = c.tokens.indexOf(start); c.tokens[i]?.kind === 'word' && words.length < 5; i++) {
    words.push(c.tokens[i]!.text);
  }
  const near = suggestOption(options.names, words);
  const hint = hintFor(start.text) ?? (near === undefined ? undefined : `did you mean '${near}'?`);
  return raise(token, 'syntax', `syntax error, unexpected ${c.describe(token)}`, hint);
}

/** The option whose words resemble the beginning of `words` most. */
function suggestOption(names: readonly string[], words: readonly string[]): string | undefined {
  let best: { readonly word: string; readonly distance: number } | undefined;
  for (let length = words.length; length > 0; length--) {
    const written = words.slice(0, length).join(' ');
    const sameLength = names.filter((name) => name.split(' ').length === length);
    const near = nearestWord(written, sameLength);
    if (near !== undefined && (best === undefined || near.distance < best.distance)) best = near;
  }
  if (best !== undefined) return best.word;
  const joined = words.join('_');
  return suggestWord(joined, names) ?? names.find((name) => name.split(' ')[0] === words[0]);
}
