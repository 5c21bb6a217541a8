// The router's side of the RPKI-to-router protocol (RFC 8210 §6, §8): version negotiation, queries,
// collecting one consistent set of payloads per answer, and the three timers. Events in, actions
// out, no clock. Changes are handed over only at End of Data, so that a table never holds half an
// answer. Transport and tables belong to `protocol rpki`.

import { copyBytes } from '@rookery/net';
import type { Prefix } from '@rookery/net';
import { decodePdu, encodePdu, pduLengthAt, RTR_ERROR, RTR_ERROR_TEXTS } from './pdu.ts';
import type { RtrPdu, RtrTimers, RtrVersion, Vrp } from './pdu.ts';
import { networkOf } from '@rookery/net';

/** BIRD's words for what a session is doing. */
export type RtrStatus =
  | 'Connecting'
  | 'Established'
  | 'Resetting'
  | 'Sync-Start'
  | 'Sync-Running'
  | 'Fast-Reconnect'
  | 'No-Increment-Update-Available'
  | 'Cache-Error-No-Data-Available'
  | 'Fatal-Protocol-Error'
  | 'Transport-Error'
  | 'Down';

export interface RtrOptions {
  readonly timers: RtrTimers;
  /** Timers that the cache may not change. */
  readonly keep: {
    readonly refresh: boolean;
    readonly retry: boolean;
    readonly expire: boolean;
  };
  readonly minVersion: RtrVersion;
  readonly maxVersion: RtrVersion;
}

export type RtrEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'connected' }
  | { readonly kind: 'connectFailed'; readonly text: string }
  | { readonly kind: 'received'; readonly bytes: Uint8Array }
  | { readonly kind: 'closed'; readonly text: string }
  /** Something is due; see `nextDeadlineMs`. */
  | { readonly kind: 'tick' }
  /** Ask for everything again. */
  | { readonly kind: 'reload' }
  | { readonly kind: 'stop' };

export type RtrAction =
  | { readonly kind: 'connect' }
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'close' }
  /** One answer, complete: what to add and what to take away. */
  | { readonly kind: 'apply'; readonly added: readonly Roa[]; readonly removed: readonly Roa[] }
  | {
      readonly kind: 'log';
      readonly class: 'info' | 'warning' | 'error' | 'trace';
      readonly text: string;
    };

export interface Roa {
  readonly net: Prefix;
  readonly maxLength: number;
  readonly asn: number;
}

/** RFC 8210 §6. */
const BOUNDS = {
  refreshSec: [1, 86_400],
  retrySec: [1, 7200],
  expireSec: [600, 172_800],
} as const;

const FAST_RECONNECT_MS = 100;

export class RtrClient {
  status: RtrStatus = 'Down';
  version: RtrVersion;
  sessionId: number | undefined;
  serial: number | undefined;
  lastUpdateMs: number | undefined;
  /** Absolute deadlines; absent while not armed. */
  refreshDueMs: number | undefined;
  retryDueMs: number | undefined;
  expireDueMs: number | undefined;
  timers: RtrTimers;
  options: RtrOptions;
  readonly #roas = new Map<string, Roa>();
  /** What the answer being received makes of `#roas`: a record to add, or `undefined` to remove. */
  #changes = new Map<string, Roa | undefined>();
  /** The answer replaces everything. */
  #full = false;
  #connected = false;
  #negotiated = false;
  #notified = false;
  #rest: Uint8Array = new Uint8Array(0);
  #actions: RtrAction[] = [];
  #nowMs = 0;

  constructor(options: RtrOptions) {
    this.options = options;
    this.version = options.maxVersion;
    this.timers = options.timers;
  }

  /** Records in force. */
  get count(): number {
    return this.#roas.size;
  }

  /** When `tick` is due. */
  nextDeadlineMs(): number | undefined {
    const due = [this.refreshDueMs, this.retryDueMs, this.expireDueMs];
    const armed = due.filter((at): at is number => at !== undefined);
    return armed.length === 0 ? undefined : Math.min(...armed);
  }

  /** Takes other timers without disturbing the session. */
  reconfigure(options: RtrOptions): void {
    this.options = options;
    this.timers = options.timers;
  }

  /** One event; the actions are to be executed in order. Never throws because of what was received. */
  handle(event: RtrEvent, nowMs: number): readonly RtrAction[] {
    this.#nowMs = nowMs;
    this.#actions = [];
    switch (event.kind) {
      case 'start':
        this.version = this.options.maxVersion;
        this.#connect();
        break;
      case 'connected':
        this.#connected = true;
        this.#rest = new Uint8Array(0);
        this.#query();
        break;
      case 'connectFailed':
        this.#transportError(event.text);
        break;
      case 'received':
        if (this.#connected) this.#receive(event.bytes);
        break;
      case 'closed':
        if (this.#connected) this.#transportError(event.text);
        break;
      case 'tick':
        this.#tick();
        break;
      case 'reload':
        if (this.status !== 'Established') break;
        this.#forgetSerial();
        this.#query();
        break;
      case 'stop':
        this.#stop();
        break;
    }
    return this.#actions;
  }

  #connect(): void {
    this.status = 'Connecting';
    this.#negotiated = false;
    this.#notified = false;
    this.retryDueMs = this.#retryDue();
    this.#actions.push({ kind: 'connect' });
  }

  /** RFC 8210 §8.1: by serial number where there is one, for everything otherwise. */
  #query(): void {
    const { sessionId, serial } = this;
    this.status = 'Sync-Start';
    this.refreshDueMs = undefined;
    // An answer that does not come within the retry interval is a broken transport.
    this.retryDueMs = this.#retryDue();
    this.#notified = false;
    if (sessionId === undefined || serial === undefined) {
      this.#full = true;
      this.#send({ kind: 'resetQuery' });
    } else {
      this.#full = false;
      this.#send({ kind: 'serialQuery', sessionId, serial });
    }
  }

  #receive(bytes: Uint8Array): void {
    const stream = this.#rest.length === 0 ? bytes : joined(this.#rest, bytes);
    let at = 0;
    while (this.#connected) {
      const length = pduLengthAt(stream, at);
      if (length === undefined) break;
      if (!length.ok) return this.#fail(length.error.code, length.error.text, stream.subarray(at));
      if (stream.length - at < length.value) break;
      const octets = stream.subarray(at, at + length.value);
      at += length.value;
      this.#receivePdu(octets);
    }
    this.#rest = this.#connected ? copyBytes(stream, at) : new Uint8Array(0);
  }

  #receivePdu(octets: Uint8Array): void {
    const type = octets[1]!;
    if (!this.#negotiate(octets)) return;
    const decoded = decodePdu(octets);
    if (!decoded.ok) {
      // RFC 8210 §12: no report about a report.
      if (type === 10) return this.#fatal(decoded.error.text);
      return this.#fail(decoded.error.code, decoded.error.text, octets);
    }
    this.#handlePdu(decoded.value.pdu, octets);
  }

  /** RFC 8210 §7; false when the PDU is not to be looked at. */
  #negotiate(octets: Uint8Array): boolean {
    const version = octets[0]!;
    const type = octets[1]!;
    if (version === this.version) {
      if (type !== 0) this.#negotiated = true;
      return true;
    }
    // A Serial Notify before the first answer is ignored, whatever its version.
    if (!this.#negotiated && type === 0) return false;
    if (type === 10) {
      const decoded = decodePdu(octets);
      const code = decoded.ok && decoded.value.pdu.kind === 'errorReport' && decoded.value.pdu.code;
      if (code === RTR_ERROR.unsupportedVersion && !this.#negotiated) {
        this.#downgrade(version);
        return false;
      }
      return true;
    }
    if (!this.#negotiated && version < this.version && version >= this.options.minVersion) {
      this.#log('info', `Downgrading protocol version to ${version}`);
      this.version = version as RtrVersion;
      this.#negotiated = true;
      return true;
    }
    const code = this.#negotiated ? RTR_ERROR.unexpectedVersion : RTR_ERROR.unsupportedVersion;
    this.#fail(code, `received protocol version ${version}, expected ${this.version}`, octets);
    return false;
  }

  /** The cache does not speak our version: once more with a lower one. */
  #downgrade(offered: number): void {
    const next = Math.min(offered, this.version - 1);
    if (next < this.options.minVersion) {
      return this.#fatal(`cache supports only protocol version ${offered}`);
    }
    this.#log('info', `Downgrading protocol version to ${next}`);
    this.version = next as RtrVersion;
    this.#close();
    this.status = 'Fast-Reconnect';
    this.retryDueMs = this.#nowMs + FAST_RECONNECT_MS;
  }

  #handlePdu(pdu: RtrPdu, octets: Uint8Array): void {
    switch (pdu.kind) {
      case 'serialNotify':
        return this.#serialNotify(pdu.sessionId, pdu.serial, octets);
      case 'cacheResponse':
        return this.#cacheResponse(pdu.sessionId, octets);
      case 'prefix':
        return this.#prefix(pdu.announce, pdu.vrp, octets);
      case 'endOfData':
        return this.#endOfData(pdu, octets);
      case 'cacheReset':
        return this.#cacheReset(octets);
      case 'routerKey':
        if (this.status === 'Sync-Running') return;
        return this.#fail(RTR_ERROR.corruptData, 'Router Key outside an answer', octets);
      case 'errorReport':
        return this.#errorReport(pdu.code, pdu.text);
      case 'serialQuery':
      case 'resetQuery':
        return this.#fail(RTR_ERROR.invalidRequest, 'a query came from the cache', octets);
    }
  }

  #serialNotify(sessionId: number, serial: number, octets: Uint8Array): void {
    if (this.sessionId !== undefined && sessionId !== this.sessionId) {
      return this.#sessionMismatch(sessionId, octets);
    }
    if (serial === this.serial) return;
    if (this.status === 'Established') this.#query();
    else this.#notified = true;
  }

  #cacheResponse(sessionId: number, octets: Uint8Array): void {
    if (this.status !== 'Sync-Start') {
      return this.#fail(RTR_ERROR.invalidRequest, 'Cache Response without a query', octets);
    }
    if (!this.#full && sessionId !== this.sessionId) {
      return this.#sessionMismatch(sessionId, octets);
    }
    this.sessionId = sessionId;
    this.#changes = new Map();
    this.status = 'Sync-Running';
    this.retryDueMs = this.#retryDue();
  }

  #prefix(announce: boolean, vrp: Vrp, octets: Uint8Array): void {
    if (this.status !== 'Sync-Running') {
      return this.#fail(RTR_ERROR.corruptData, 'prefix outside an answer', octets);
    }
    const { maxLength, asn } = vrp;
    const roa: Roa = { net: networkOf(vrp.address, vrp.length), maxLength, asn };
    const key = `${roa.net}-${maxLength} ${asn}`;
    const known = this.#changes.has(key)
      ? this.#changes.get(key) !== undefined
      : !this.#full && this.#roas.has(key);
    // RFC 8210 §5.6: neither twice nor away what was never there.
    if (announce && known) {
      return this.#fail(RTR_ERROR.duplicateAnnouncement, `${key} was announced twice`, octets);
    }
    if (!announce && !known) {
      return this.#fail(RTR_ERROR.withdrawalOfUnknown, `${key} is not known`, octets);
    }
    this.#changes.set(key, announce ? roa : undefined);
    this.retryDueMs = this.#retryDue();
  }

  #endOfData(pdu: Extract<RtrPdu, { kind: 'endOfData' }>, octets: Uint8Array): void {
    if (this.status !== 'Sync-Running') {
      return this.#fail(RTR_ERROR.corruptData, 'End of Data outside an answer', octets);
    }
    if (pdu.sessionId !== this.sessionId) return this.#sessionMismatch(pdu.sessionId, octets);
    if (pdu.timers) this.#adoptTimers(pdu.timers);
    this.#applyChanges();
    this.serial = pdu.serial;
    this.lastUpdateMs = this.#nowMs;
    this.status = 'Established';
    this.retryDueMs = undefined;
    this.refreshDueMs = this.#nowMs + this.timers.refreshSec * 1000;
    this.expireDueMs = this.#nowMs + this.timers.expireSec * 1000;
    if (this.#notified) this.#query();
  }

  #cacheReset(octets: Uint8Array): void {
    if (this.status !== 'Sync-Start') {
      return this.#fail(RTR_ERROR.invalidRequest, 'Cache Reset without a query', octets);
    }
    // RFC 8210 §8.3: what is known stays in force until the whole new set has arrived.
    this.#forgetSerial();
    this.#log('trace', 'Cache has no increment, asking for everything');
    this.#query();
  }

  #errorReport(code: number, text: string): void {
    const name = RTR_ERROR_TEXTS[code] ?? `error ${code}`;
    const full = text === '' ? name : `${name}: ${text}`;
    if (code === RTR_ERROR.unsupportedVersion && !this.#negotiated) {
      return this.#downgrade(this.version - 1);
    }
    if (code !== RTR_ERROR.noDataAvailable) return this.#fatal(`Received ${full}`);
    // RFC 8210 §8.4: the only error that is not fatal.
    this.#log('warning', `Received ${full}`);
    this.#forgetSerial();
    this.status = 'Cache-Error-No-Data-Available';
    this.retryDueMs = this.#retryDue();
  }

  #applyChanges(): void {
    const added: Roa[] = [];
    const removed: Roa[] = [];
    if (this.#full) {
      for (const [key, roa] of this.#roas) {
        if (this.#changes.get(key) !== undefined) continue;
        removed.push(roa);
        this.#roas.delete(key);
      }
    }
    for (const [key, roa] of this.#changes) {
      const known = this.#roas.get(key);
      if (roa && !known) {
        added.push(roa);
        this.#roas.set(key, roa);
      } else if (!roa && known) {
        removed.push(known);
        this.#roas.delete(key);
      }
    }
    this.#changes = new Map();
    if (added.length + removed.length > 0) this.#actions.push({ kind: 'apply', added, removed });
  }

  /** RFC 8210 §6: values out of range are not taken over. */
  #adoptTimers(offered: RtrTimers): void {
    const { keep, timers } = this.options;
    const choose = (name: keyof RtrTimers, kept: boolean): number => {
      const [low, high] = BOUNDS[name];
      if (kept || offered[name] < low || offered[name] > high) return timers[name];
      return offered[name];
    };
    const refreshSec = choose('refreshSec', keep.refresh);
    const retrySec = choose('retrySec', keep.retry);
    const expireSec = choose('expireSec', keep.expire);
    const isSound = expireSec > refreshSec && expireSec > retrySec;
    this.timers = isSound ? { refreshSec, retrySec, expireSec } : timers;
    if (!isSound) this.#log('warning', 'Cache offered timers that contradict each other, ignored');
  }

  #tick(): void {
    if (this.expireDueMs !== undefined && this.expireDueMs <= this.#nowMs) this.#expire();
    if (this.refreshDueMs !== undefined && this.refreshDueMs <= this.#nowMs) {
      this.refreshDueMs = undefined;
      if (this.status === 'Established') this.#query();
    }
    if (this.retryDueMs === undefined || this.retryDueMs > this.#nowMs) return;
    this.retryDueMs = undefined;
    switch (this.status) {
      case 'Cache-Error-No-Data-Available':
        return this.#query();
      case 'Connecting':
      case 'Sync-Start':
      case 'Sync-Running':
        this.#close();
        return this.#transportError('no answer from the cache');
      case 'Transport-Error':
      case 'Fatal-Protocol-Error':
        // The cache may have been replaced by one that speaks more.
        this.version = this.options.maxVersion;
        return this.#connect();
      case 'Fast-Reconnect':
        return this.#connect();
      case 'Down':
      case 'Established':
      case 'Resetting':
      case 'No-Increment-Update-Available':
        return;
    }
  }

  /** RFC 8210 §6: what could not be confirmed for so long is not believed any more. */
  #expire(): void {
    this.expireDueMs = undefined;
    this.#log('warning', 'Expire timer ran out, dropping all records');
    this.#forgetSerial();
    this.#removeAll();
  }

  #sessionMismatch(sessionId: number, octets: Uint8Array): void {
    // RFC 8210 §5.1: terminate, and flush what was learned.
    const text = `session ID is ${sessionId}, expected ${this.sessionId}`;
    this.#fail(RTR_ERROR.corruptData, text, octets);
    this.#removeAll();
    this.expireDueMs = undefined;
  }

  #removeAll(): void {
    const removed = [...this.#roas.values()];
    this.#roas.clear();
    if (removed.length > 0) this.#actions.push({ kind: 'apply', added: [], removed });
  }

  /** Reports a fault of the cache and ends the session. */
  #fail(code: number, text: string, about: Uint8Array): void {
    const enclosed = copyBytes(about, 0, Math.min(about.length, 256));
    this.#send({ kind: 'errorReport', code, about: enclosed, text });
    this.#fatal(`${RTR_ERROR_TEXTS[code] ?? code}: ${text}`);
  }

  #fatal(text: string): void {
    this.#log('error', text);
    this.#close();
    this.#forgetSerial();
    this.status = 'Fatal-Protocol-Error';
    this.retryDueMs = this.#retryDue();
  }

  #transportError(text: string): void {
    this.#log('trace', `Transport error: ${text}`);
    this.#connected = false;
    this.#changes = new Map();
    this.refreshDueMs = undefined;
    this.status = 'Transport-Error';
    this.retryDueMs = this.#retryDue();
  }

  #stop(): void {
    this.#close();
    this.#removeAll();
    this.#forgetSerial();
    this.status = 'Down';
    this.expireDueMs = this.retryDueMs = undefined;
    this.lastUpdateMs = undefined;
  }

  #close(): void {
    this.#connected = false;
    this.#changes = new Map();
    this.refreshDueMs = undefined;
    this.#actions.push({ kind: 'close' });
  }

  #forgetSerial(): void {
    this.sessionId = this.serial = undefined;
  }

  #retryDue(): number {
    return this.#nowMs + this.timers.retrySec * 1000;
  }

  #send(pdu: RtrPdu): void {
    this.#actions.push({ kind: 'send', bytes: encodePdu(pdu, this.version) });
  }

  #log(logClass: Extract<RtrAction, { kind: 'log' }>['class'], text: string): void {
    this.#actions.push({ kind: 'log', class: logClass, text });
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
