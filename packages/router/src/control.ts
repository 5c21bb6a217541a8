// What an operator may ask a running router to do. The engine or the daemon around it implements
// `RouterControl`; the consoles and the control API call it. Every outcome is a value of a closed
// union: the dialects turn it into reply codes and sentences. Reading a configuration file takes
// the daemon out of the pure core, so `configure` answers through a callback, exactly once.

import type { Policy } from '@rookery/rib';
import type { DebugMask, LogClass } from './config.ts';

export interface RouterControl {
  /** Names are existing protocols. `message` is kept and, for BGP, sent (RFC 9003). */
  enable(names: readonly string[], message?: string): readonly ProtocolOutcome[];
  disable(names: readonly string[], message?: string): readonly ProtocolOutcome[];
  restart(names: readonly string[], message?: string): readonly ProtocolOutcome[];
  /** Runs filters again: imports (by route refresh), exports, or both. */
  reload(names: readonly string[], direction: 'in' | 'out' | 'both'): readonly ProtocolOutcome[];
  /** Closes sessions of these BGP protocols (Cease/Administrative Reset) and lets them reconnect. */
  clear(names: readonly string[]): readonly ProtocolOutcome[];
  configure(request: ConfigureRequest, done: (reply: ConfigureReply) => void): void;
  /** Orderly end of the daemon. */
  shutdown(): void;
  /** End of the daemon that leaves routes in the kernel for its successor. */
  gracefulRestart(): void;
  /** `undefined` names: every protocol. */
  setDebug(names: readonly string[] | undefined, mask: DebugMask): void;
  /** Writes tables to a file in the background; false when no table matches. */
  dumpTables(command: TableDumpCommand): boolean;
  /** Log lines for one console, by class; an empty list ends it. Returns the end of it. */
  subscribeLog(classes: readonly LogClass[], onLine: (text: string) => void): () => void;
}

/** `mrt dump table PATTERN to FILE`. */
export interface TableDumpCommand {
  /** A name or a glob. */
  readonly pattern: string;
  readonly filename: string;
  readonly policy?: Policy;
}

export interface ProtocolOutcome {
  readonly protocol: string;
  readonly outcome:
    | 'done'
    /** Already enabled, already disabled, or not running. */
    | 'already'
    | 'not up'
    /** The neighbor cannot resend (no route refresh). */
    | 'reload failed';
}

export type ConfigureRequest =
  | {
      readonly kind: 'load';
      /** Absent: the file that was loaded last. */
      readonly file?: string;
      /** Do not apply changes of filters. */
      readonly soft: boolean;
      /** Undo by itself unless confirmed. */
      readonly timeoutSec?: number;
    }
  | { readonly kind: 'check'; readonly file?: string }
  | { readonly kind: 'undo' }
  | { readonly kind: 'confirm' };

export type ConfigureReply =
  | {
      readonly kind:
        | 'reconfigured'
        /** Protocols have to restart first. */
        | 'in progress'
        | 'queued'
        | 'shutting down'
        | 'unqueued'
        | 'confirmed'
        | 'nothing to do'
        | 'valid';
      /** Absent for undo and confirm. */
      readonly file?: string;
    }
  | {
      readonly kind: 'rejected';
      readonly file: string;
      /** "FILE:LINE:COLUMN message" or "FILE: No such file or directory". */
      readonly message: string;
    };
