// What a birdc line may ask for, as data, and what the parser needs to know of its surroundings:
// which names exist, and who parses filters. `packages/bird` is in the same layer, so its parser
// is injected by the composition root as a `BirdLanguage`.

import type { Prefix } from '@rookery/net';
import type { AdjTable, DebugFlag, LogClass } from '@rookery/router';
import type { Policy } from '@rookery/rib';

/** Protocols by name, by glob, or all of them. */
export type ProtocolPattern =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'glob'; readonly glob: string }
  | { readonly kind: 'all' };

export type SymbolClass =
  | 'constant'
  | 'filter'
  | 'function'
  | 'protocol'
  | 'template'
  | 'routing table'
  | 'variable'
  | 'undefined'
  | 'custom attribute';

/** `show route` as written; tables are resolved when it runs. */
export interface ShowRoute {
  readonly kind: 'show route';
  readonly net?: { readonly kind: 'exact' | 'for' | 'in'; readonly prefix: Prefix };
  /** In the order given; 'all' stands for every table. */
  readonly tables: readonly string[];
  readonly allTables: boolean;
  readonly policy?: Policy;
  readonly all: boolean;
  readonly primary: boolean;
  readonly filtered: boolean;
  readonly export?: {
    readonly kind: 'export' | 'preexport' | 'noexport' | 'exported';
    readonly protocol: string;
    readonly channel?: string;
  };
  readonly protocol?: string;
  readonly report: 'routes' | 'stats' | 'count';
  /** `import table P.C` or `export table P.C`. */
  readonly adjTable?: AdjTable;
}

export type BirdcCommand =
  | { readonly kind: 'show status' }
  | { readonly kind: 'show memory' }
  | { readonly kind: 'show protocols'; readonly all: boolean; readonly pattern: ProtocolPattern }
  | { readonly kind: 'show interfaces'; readonly summary: boolean }
  | { readonly kind: 'show symbols'; readonly class?: SymbolClass; readonly name?: string }
  | ShowRoute
  | { readonly kind: 'show static'; readonly name?: string }
  | { readonly kind: 'show bfd sessions'; readonly name?: string; readonly all: boolean }
  | { readonly kind: 'show absent'; readonly protocol: string }
  | {
      readonly kind: 'switch';
      readonly action: 'enable' | 'disable' | 'restart';
      readonly pattern: ProtocolPattern;
      readonly message?: string;
    }
  | {
      readonly kind: 'reload';
      readonly direction: 'in' | 'out' | 'both';
      readonly pattern: ProtocolPattern;
    }
  | {
      readonly kind: 'configure';
      readonly soft: boolean;
      readonly file?: string;
      readonly timeoutSec?: number;
    }
  | { readonly kind: 'configure check'; readonly file?: string }
  | { readonly kind: 'configure confirm' }
  | { readonly kind: 'configure undo' }
  | { readonly kind: 'configure status' }
  | {
      readonly kind: 'debug';
      readonly pattern: ProtocolPattern;
      readonly mask: readonly DebugFlag[];
    }
  | { readonly kind: 'echo'; readonly classes: readonly LogClass[] }
  | { readonly kind: 'eval'; readonly text: string }
  | { readonly kind: 'dump'; readonly what: string }
  | {
      readonly kind: 'mrt dump';
      readonly pattern: string;
      readonly filename: string;
      readonly policy?: Policy;
    }
  | { readonly kind: 'mrtdump' }
  | { readonly kind: 'down' }
  | { readonly kind: 'graceful restart' }
  | { readonly kind: 'restrict' };

export type ParsedPolicy =
  | {
      readonly ok: true;
      readonly policy: Policy;
      /** Characters consumed. */ readonly length: number;
    }
  | { readonly ok: false; readonly message: string };

export type Evaluated =
  | { readonly kind: 'value'; readonly text: string }
  | { readonly kind: 'parse error'; readonly message: string }
  | { readonly kind: 'runtime error' };

/** The filter language, as far as a console needs it. */
export interface BirdLanguage {
  /** Parses a boolean expression at the start of `text`; what follows it is not looked at. */
  parseWhere(text: string): ParsedPolicy;
  /** Parses a filter body "{ … }" at the start of `text`. */
  parseFilterBody(text: string): ParsedPolicy;
  /** The filter of that name, if the configuration defines it. */
  filterNamed(name: string): Policy | undefined;
  /** Evaluates a whole expression, as `eval` prints it. */
  evaluate(text: string): Evaluated;
}

/** Names that exist while a command is parsed. */
export interface CommandScope {
  classOf(name: string): SymbolClass | undefined;
  channelsOf(protocol: string): readonly string[];
}

export type ParsedCommand =
  | { readonly ok: true; readonly command: BirdcCommand }
  | { readonly ok: false; readonly message: string };
