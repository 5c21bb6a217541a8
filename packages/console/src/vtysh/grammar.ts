// FRR's command grammar: patterns such as "show [ip] bgp neighbors [A.B.C.D$peer] [json]" and
// matching of a typed line against all of them at once. Every word may be shortened to an
// unambiguous prefix; at one position an exact word beats an address or number, which beats a
// shortened word, which beats a free WORD. The outcome is a command with its parameters, or why
// there is none (unknown, ambiguous, incomplete).

import { parseAddress, parseCidr } from '@rookery/net';

/**
 * Pattern language: words; "[x]" optional; "(a|b)" alternatives; "NAME$key" a parameter called
 * key, where NAME is one of the kinds below; "word$key" a word whose use is recorded under key.
 */
export interface CommandPattern<T> {
  readonly pattern: string;
  readonly run: T;
}

export type Parameters = Readonly<Record<string, string>>;

export type Matched<T> =
  | { readonly kind: 'command'; readonly run: T; readonly parameters: Parameters }
  | { readonly kind: 'unknown' | 'ambiguous' | 'incomplete' };

interface GrammarToken {
  /** The word, or the kind of parameter. */
  readonly name: string;
  readonly parameter: boolean;
  /** Where the value goes in `Parameters`. */
  readonly key: string | undefined;
}

/** A position in a compiled pattern: what may come next, and whether the line may end here. */
interface State<T> {
  readonly edges: Edge<T>[];
  final: T | undefined;
}
interface Edge<T> {
  readonly token: GrammarToken;
  readonly to: State<T>;
}

export interface Grammar<T> {
  readonly starts: readonly State<T>[];
}

/** Compiles the patterns once; a malformed pattern is a programming error and throws. */
export function compileGrammar<T>(patterns: readonly CommandPattern<T>[]): Grammar<T> {
  return { starts: patterns.map((p) => compilePattern(p)) };
}

/** Matches a line; runs of blanks count as one. */
export function matchCommand<T>(grammar: Grammar<T>, line: string): Matched<T> {
  const words = line.split(/\s+/).filter((word) => word !== '');
  const outcome = matchFrom(grammar.starts, words, 0);
  if (outcome.kind !== 'command') return { kind: outcome.kind };
  return { kind: 'command', run: outcome.run, parameters: Object.fromEntries(outcome.values) };
}

type Outcome<T> =
  | { readonly kind: 'command'; readonly run: T; readonly values: [string, string][] }
  | { readonly kind: 'unknown' | 'ambiguous' | 'incomplete' };

/** Follows every branch that the next word fits; the branch whose word fits best decides. */
function matchFrom<T>(
  states: readonly State<T>[],
  words: readonly string[],
  index: number,
): Outcome<T> {
  const word = words[index];
  if (word === undefined) {
    const done = states.find((state) => state.final !== undefined);
    return done ? { kind: 'command', run: done.final!, values: [] } : { kind: 'incomplete' };
  }
  const branches = new Map<string, { rank: number; edges: Edge<T>[] }>();
  for (const state of states) {
    for (const edge of state.edges) {
      const rank = fits(edge.token, word);
      if (rank === 0) continue;
      const id = `${edge.token.name} ${edge.token.key ?? ''}`;
      const branch = branches.get(id) ?? { rank, edges: [] };
      branch.edges.push(edge);
      branches.set(id, branch);
    }
  }
  let best: Outcome<T> = { kind: 'unknown' };
  let bestRank = 0;
  for (const { rank, edges } of branches.values()) {
    const outcome = matchFrom(
      edges.map((edge) => edge.to),
      words,
      index + 1,
    );
    if (outcome.kind === 'unknown') continue;
    if (outcome.kind === 'command') {
      const { key, parameter, name } = edges[0]!.token;
      if (key !== undefined) outcome.values.push([key, parameter ? word : name]);
    }
    best = better(best, bestRank, outcome, rank);
    bestRank = Math.max(bestRank, rank);
  }
  return best;
}

function better<T>(
  best: Outcome<T>,
  bestRank: number,
  outcome: Outcome<T>,
  rank: number,
): Outcome<T> {
  if (best.kind === 'unknown') return outcome;
  // A complete command is always preferred over one that lacks words.
  if (best.kind === 'incomplete' && outcome.kind !== 'incomplete') return outcome;
  if (outcome.kind === 'incomplete') return best;
  if (rank !== bestRank) return rank > bestRank ? outcome : best;
  return { kind: 'ambiguous' };
}

/** 0: does not fit; the higher the better. */
function fits(token: GrammarToken, word: string): number {
  if (token.parameter) return fitsParameter(token.name, word);
  if (token.name === word) return 4;
  return token.name.startsWith(word) ? 2 : 0;
}

function fitsParameter(kind: string, word: string): number {
  const address = parseAddress(word) !== undefined;
  const prefix = word.includes('/') && parseCidr(word) !== undefined;
  switch (kind) {
    case 'WORD':
      return 1;
    case 'A.B.C.D':
      return address && !word.includes(':') ? 3 : 0;
    case 'X:X::X:X':
      return address && word.includes(':') ? 3 : 0;
    case 'A.B.C.D/M':
      return prefix && !word.includes(':') ? 3 : 0;
    case 'X:X::X:X/M':
      return prefix && word.includes(':') ? 3 : 0;
    case 'NUMBER':
      return /^\d{1,10}$/.test(word) ? 3 : 0;
    default:
      return 0;
  }
}

const KINDS = ['WORD', 'A.B.C.D', 'X:X::X:X', 'A.B.C.D/M', 'X:X::X:X/M', 'NUMBER'];

function compilePattern<T>({ pattern, run }: CommandPattern<T>): State<T> {
  const symbols = pattern.match(/[[\]()|]|[^\s[\]()|]+/g) ?? [];
  let at = 0;
  const fail = (): never => {
    throw new Error(`malformed command pattern "${pattern}"`);
  };
  /** Compiles from `from` states until a closing symbol; returns where the sequence may end. */
  const sequence = (from: readonly State<T>[]): readonly State<T>[] => {
    let ends = from;
    while (at < symbols.length && !['|', ')', ']'].includes(symbols[at]!)) ends = item(ends);
    return ends;
  };
  const item = (from: readonly State<T>[]): readonly State<T>[] => {
    const symbol = symbols[at++]!;
    if (symbol === '[') {
      const ends = alternatives(from, ']');
      return [...from, ...ends];
    }
    if (symbol === '(') return alternatives(from, ')');
    const [name, key] = symbol.split('$');
    const to: State<T> = { edges: [], final: undefined };
    const token: GrammarToken = { name: name!, parameter: KINDS.includes(name!), key };
    for (const state of from) state.edges.push({ token, to });
    return [to];
  };
  const alternatives = (from: readonly State<T>[], close: string): readonly State<T>[] => {
    const ends: State<T>[] = [];
    for (;;) {
      ends.push(...sequence(from));
      const symbol = symbols[at++];
      if (symbol === close) return ends;
      if (symbol !== '|') fail();
    }
  };
  const start: State<T> = { edges: [], final: undefined };
  for (const end of sequence([start])) end.final = run;
  if (at < symbols.length) fail();
  return start;
}
