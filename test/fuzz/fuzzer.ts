// A small coverage-guided fuzzer inside the process: V8's precise coverage tells which inputs reach
// code that none reached before, those are kept and mutated further. Inputs run in batches, because
// reading the coverage costs far more than a decoder; a batch that found something is halved until
// the input is known. Everything is drawn from a seed: the same seed and count is the same run.

import { Session } from 'node:inspector';
import type { Target } from './targets.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Ends after so many inputs, or so many seconds, whichever is first. */
  readonly executions: number;
  readonly seconds: number;
}

export interface FuzzOutcome {
  readonly executions: number;
  /** Inputs kept because they reached something new, seeds included. */
  readonly corpus: number;
  /** Blocks of code of ours that were reached. */
  readonly blocks: number;
  readonly crashes: readonly { readonly input: Uint8Array; readonly error: unknown }[];
}

// Only what is compiled from now on is counted block by block: before the parsers are loaded.
const session = new Session();
session.connect();
post('Profiler.enable');
post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

const BATCH = 128;
const MAX_LENGTH = 8192;
const MAX_CRASHES = 5;
/** Whose coverage leads: code of ours that is not there for tests. */
const PARSERS = /\/packages\/(?!testkit\/src\/(?!planted))/;

export function fuzz(target: Target, options: FuzzOptions): FuzzOutcome {
  const random = generator(options.seed);
  const coverage = new Coverage();
  const corpus: Uint8Array[] = [];
  const crashes: { input: Uint8Array; error: unknown }[] = [];
  const endMs = performance.now() + options.seconds * 1000;
  let executions = 0;
  const run = (input: Uint8Array): void => {
    executions++;
    try {
      target.run(input);
    } catch (error) {
      if (crashes.length < MAX_CRASHES) crashes.push({ input, error });
    }
  };
  /** Runs inputs together; whichever of them reached something new joins the corpus. */
  const explore = (inputs: readonly Uint8Array[]): void => {
    for (const input of inputs) run(input);
    if (!coverage.grew()) return;
    keep(inputs);
  };
  // Blocks are told once, so what a half reaches is measured against what was known before.
  const keep = (inputs: readonly Uint8Array[]): void => {
    for (const block of coverage.rarest(4)) {
      let candidates = inputs;
      while (candidates.length > 1) {
        const half = candidates.slice(0, candidates.length >> 1);
        for (const input of half) run(input);
        candidates = coverage.reaches(block) ? half : candidates.slice(half.length);
      }
      if (!corpus.includes(candidates[0]!)) corpus.push(candidates[0]!);
    }
    coverage.settle();
  };
  for (const seed of target.seeds) {
    run(seed);
    corpus.push(seed);
  }
  coverage.grew();
  coverage.settle();
  while (executions < options.executions && performance.now() < endMs) {
    if (crashes.length >= MAX_CRASHES) break;
    explore(
      Array.from({ length: BATCH }, () =>
        mutate(corpus[random(corpus.length)]!, corpus, target.words ?? [], random),
      ),
    );
  }
  return { executions, corpus: corpus.length, blocks: coverage.size, crashes };
}

/** A block of a function: keys of its function and of itself, and its place. */
interface Block {
  readonly function: string;
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

/** Blocks reached, of files of ours. */
class Coverage {
  readonly #known = new Set<string>();
  readonly #fresh = new Map<string, Block>();

  get size(): number {
    return this.#known.size;
  }

  /** Whether what ran since the last look reached something unknown; remembers what. */
  grew(): boolean {
    for (const [name, ranges] of taken()) {
      for (const { startOffset: start, endOffset: end, count } of ranges) {
        const key = `${name}:${start}-${end}`;
        if (count > 0 && !this.#known.has(key))
          this.#fresh.set(key, { function: name, start, end, count });
      }
    }
    return this.#fresh.size > 0;
  }

  /** Fresh blocks, those that ran least first. */
  rarest(limit: number): readonly Block[] {
    return [...this.#fresh.values()].sort((a, b) => a.count - b.count).slice(0, limit);
  }

  /** Whether what ran since the last look reaches a block. */
  reaches(block: Block): boolean {
    // A block that ran as often as what is around it is not told apart from that.
    const around = (new Map(taken()).get(block.function) ?? []).filter(
      ({ startOffset, endOffset }) => startOffset <= block.start && block.end <= endOffset,
    );
    const innermost = around.sort((a, b) => size(a) - size(b))[0];
    return innermost !== undefined && innermost.count > 0;
  }

  settle(): void {
    for (const key of this.#fresh.keys()) this.#known.add(key);
    this.#fresh.clear();
  }
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

function size({ startOffset, endOffset }: Range): number {
  return endOffset - startOffset;
}

/** Functions of ours and their ranges, counted since the last time. */
function* taken(): Generator<[string, Range[]]> {
  const { result } = post('Profiler.takePreciseCoverage') as { result: Scripts };
  for (const { url, functions } of result) {
    if (!PARSERS.test(url)) continue;
    for (const { ranges } of functions) {
      const whole = ranges[0];
      if (whole && whole.count > 0) yield [`${url}:${whole.startOffset}`, [...ranges]];
    }
  }
}

type Scripts = readonly {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}[];

const INTERESTING = [0, 1, 2, 4, 8, 16, 31, 32, 33, 64, 127, 128, 129, 254, 255];

function mutate(
  input: Uint8Array,
  corpus: readonly Uint8Array[],
  words: readonly Uint8Array[],
  random: (below: number) => number,
): Uint8Array {
  let bytes = Array.from(input);
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(bytes.length + 1);
    switch (random(words.length > 0 ? 9 : 8)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes[at] = INTERESTING[random(INTERESTING.length)]!;
        break;
      case 2:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random(8));
        break;
      case 3:
        bytes.splice(at, 1 + random(8));
        break;
      case 4:
        bytes.splice(at, 0, ...Array.from({ length: 1 + random(8) }, () => random(256)));
        break;
      case 5:
        bytes.splice(at, 0, ...bytes.slice(at, at + 1 + random(32)));
        break;
      case 6: {
        const other = corpus[random(corpus.length)]!;
        const from = random(other.length + 1);
        bytes = [...bytes.slice(0, at), ...other.slice(from)];
        break;
      }
      case 7:
        if (at < bytes.length) bytes[at] = (bytes[at]! + (random(2) === 0 ? 1 : 255)) & 255;
        break;
      default:
        bytes.splice(at, random(4), ...words[random(words.length)]!);
    }
  }
  return Uint8Array.from(bytes.slice(0, MAX_LENGTH), (octet) => octet ?? 0);
}

/** mulberry32: whole numbers below a bound. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % Math.max(1, below);
  };
}

function post(method: string, parameters: object = {}): unknown {
  let answer: unknown;
  session.post(method, parameters, (error, value) => {
    if (error) throw error;
    answer = value;
  });
  return answer;
}
