// `mrtdump "file"` and `mrtdump { states, messages }`: received BGP messages and changes of state as
// BGP4MP records, appended to one file. Off for protocols that do not ask for it.

import type { BgpTap } from '../bgp/tap.ts';
import { tappedSession } from '../bgp/tap.ts';
import type { MrtFlag } from '../config.ts';
import type { Order } from '../io.ts';
import type { BgpProtocol } from '../protocols/bgp.ts';
import { encodeMrt } from './encode-mrt.ts';
import { MRT_STATES } from './record.ts';
import type { MrtRecord, MrtSession } from './record.ts';

export interface MessageDumpDeps {
  readonly order: (order: Order) => void;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
}

export class MrtMessageDump implements BgpTap {
  readonly #deps: MessageDumpDeps;
  readonly #path: string;

  constructor(path: string, deps: MessageDumpDeps) {
    this.#path = path;
    this.#deps = deps;
  }

  messageSeen(
    protocol: BgpProtocol,
    direction: 'received' | 'sent',
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    // BIRD records what it receives; readers take records without LOCAL for that.
    if (direction === 'sent' || !wants(protocol, 'messages')) return;
    const { as4, addPath } = tappedSession(protocol);
    this.#write({
      kind: 'message',
      timeMs: this.#deps.wallMs(),
      session: sessionOf(protocol),
      as4,
      addPath,
      local: false,
      message: bytes.subarray(start, end),
    });
  }

  stateChanged(protocol: BgpProtocol, from: string, to: string): void {
    if (!wants(protocol, 'states')) return;
    const before = stateNumber(from);
    const after = stateNumber(to);
    if (before === after) return;
    this.#write({
      kind: 'state',
      timeMs: this.#deps.wallMs(),
      session: sessionOf(protocol),
      from: before,
      to: after,
    });
  }

  #write(record: Exclude<MrtRecord, { kind: 'other' }>): void {
    const bytes = encodeMrt(record);
    this.#deps.order({ kind: 'writeFile', path: this.#path, bytes, mode: 'append' });
  }
}

function wants(protocol: BgpProtocol, flag: MrtFlag): boolean {
  return protocol.config.mrtDump?.includes(flag) ?? false;
}

function sessionOf(protocol: BgpProtocol): MrtSession {
  const { peer, local, peerAs, localAs } = tappedSession(protocol);
  return { peer, local, peerAs, localAs, ifindex: 0 };
}

/** BIRD's words that are no states of RFC 4271 are the state they stand for. */
function stateNumber(word: string): number {
  if (word === 'Passive') return MRT_STATES.indexOf('Active');
  const number = MRT_STATES.indexOf(word);
  return number > 0 ? number : 1;
}
