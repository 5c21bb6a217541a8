// WireFault: what is wrong with bytes from a peer, and the reaction the standard asks for (RFC 7606
// with the fallback NOTIFICATION of RFC 4271 §6). Whoever finds the fault knows the clause, so
// nobody upstream decides again. Faults of one UPDATE are collected and the worst reaction wins.

/** A NOTIFICATION as it goes on the wire. */
export interface Notification {
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

export type Reaction = 'ignore' | 'attributeDiscard' | 'treatAsWithdraw' | 'sessionReset';

export interface WireFault {
  readonly reaction: Reaction;
  /** What a session reset would send, and does when `reaction` is `sessionReset`. */
  readonly notification: Notification;
  /** Path attribute type, when one is to blame. */
  readonly attribute?: number;
  /** Where in the given bytes. */
  readonly offset: number;
  /** The clause, e.g. "RFC 7606 §7.3". */
  readonly section: string;
  /** One English clause for the log, free of peer-controlled text. */
  readonly detail: string;
}

const SEVERITY: Readonly<Record<Reaction, number>> = {
  ignore: 0,
  attributeDiscard: 1,
  treatAsWithdraw: 2,
  sessionReset: 3,
};

/** RFC 7606 §3 (h): the strongest reaction among the faults; `undefined` without faults. */
export function worstFault(faults: readonly WireFault[]): WireFault | undefined {
  let worst: WireFault | undefined;
  for (const fault of faults) {
    if (!worst || SEVERITY[fault.reaction] > SEVERITY[worst.reaction]) worst = fault;
  }
  return worst;
}

export const NO_DATA: Uint8Array = new Uint8Array(0);
