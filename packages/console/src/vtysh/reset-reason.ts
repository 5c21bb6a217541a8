// Why a session ended, in FRR's words, numbers and notification texts (RFC 4271 §6, RFC 4486,
// RFC 8538, RFC 9384). "Waiting for peer OPEN" is the initial value, and stays while the peer
// refuses or closes before an OPEN.

import type { ResetReason } from '@rookery/router';

/** The sentence FRR prints for reasons that are not notifications. */
export function resetText(reason: ResetReason | undefined): string {
  switch (reason?.kind) {
    case undefined:
    case 'none yet':
      return 'Waiting for peer OPEN';
    case 'neighbor not found':
      return 'Waiting for Peer IPv6 LLA';
    case 'notification received':
      return 'BGP Notification received';
    case 'notification sent':
    case 'hold timer expired':
    case 'prefix limit':
      return 'BGP Notification send';
    case 'peer closed':
      return 'Peer closed the session';
    case 'bfd down':
      return 'BFD down received';
    case 'interface down':
      return 'Interface down';
    case 'administrative shutdown':
      return 'Admin. shutdown';
    case 'user reset':
      return 'User reset';
    case 'configuration changed':
      return 'Capability changed';
    case 'socket error':
      return 'Socket Error';
  }
}

/** FRR's position in its list of reasons. */
export function resetCode(reason: ResetReason | undefined): number {
  switch (reason?.kind) {
    case undefined:
    case 'none yet':
      return 32;
    case 'neighbor not found':
      return 28;
    case 'notification received':
      return 13;
    case 'notification sent':
    case 'hold timer expired':
    case 'prefix limit':
      return 14;
    case 'peer closed':
      return 15;
    case 'bfd down':
      return 24;
    case 'interface down':
      return 25;
    case 'administrative shutdown':
      return 11;
    case 'user reset':
      return 12;
    case 'configuration changed':
      return 19;
    case 'socket error':
      return 34;
  }
}

export interface NotificationReset {
  readonly direction: 'sent' | 'received';
  readonly code: number;
  readonly subcode: number;
  readonly hardReset: boolean;
  readonly message: string | undefined;
}

/** The NOTIFICATION behind a reset, if there was one. */
export function notificationOf(reason: ResetReason | undefined): NotificationReset | undefined {
  switch (reason?.kind) {
    case 'notification received':
    case 'notification sent':
      return {
        direction: reason.kind === 'notification sent' ? 'sent' : 'received',
        code: reason.code,
        subcode: reason.subcode,
        hardReset: reason.hardReset ?? false,
        message: reason.message,
      };
    case 'hold timer expired':
      return { direction: 'sent', code: 4, subcode: 0, hardReset: false, message: undefined };
    case 'prefix limit':
      return { direction: 'sent', code: 6, subcode: 1, hardReset: false, message: undefined };
    default:
      return undefined;
  }
}

const CODES: Readonly<Record<number, string>> = {
  1: 'Message Header Error',
  2: 'OPEN Message Error',
  3: 'UPDATE Message Error',
  4: 'Hold Timer Expired',
  5: 'Neighbor Events Error',
  6: 'Cease',
  7: 'ROUTE-REFRESH Message Error',
};

const SUBCODES: Readonly<Record<number, readonly string[]>> = {
  1: ['Unspecific', 'Connection Not Synchronized', 'Bad Message Length', 'Bad Message Type'],
  2: [
    'Unspecific',
    'Unsupported Version Number',
    'Bad Peer AS',
    'Bad BGP Identifier',
    'Unsupported Optional Parameter',
    'Authentication Failure',
    'Unacceptable Hold Time',
    'Unsupported Capability',
    '',
    '',
    '',
    'Role Mismatch',
  ],
  3: [
    'Unspecific',
    'Malformed Attribute List',
    'Unrecognized Well-known Attribute',
    'Missing Well-known Attribute',
    'Attribute Flags Error',
    'Attribute Length Error',
    'Invalid ORIGIN Attribute',
    'AS Routing Loop',
    'Invalid NEXT_HOP Attribute',
    'Optional Attribute Error',
    'Invalid Network Field',
    'Malformed AS_PATH',
  ],
  5: [
    'Unspecific',
    'Receive Unexpected Message in OpenSent State',
    'Receive Unexpected Message in OpenConfirm State',
    'Receive Unexpected Message in Established State',
  ],
  6: [
    'Unspecific',
    'Maximum Number of Prefixes Reached',
    'Administrative Shutdown',
    'Peer De-configured',
    'Administrative Reset',
    'Connection Rejected',
    'Other Configuration Change',
    'Connection Collision Resolution',
    'Out of Resources',
    'Hard Reset',
    'BFD Down',
  ],
  7: ['Unspecific', 'Invalid Message Length'],
};

/** "OPEN Message Error/Bad Peer AS"; "Hold Timer Expired" has no subcodes. */
export function notificationText(code: number, subcode: number, hardReset = false): string {
  const name = CODES[code] ?? 'Unknown';
  const sub = SUBCODES[code]?.[subcode];
  const tail = sub === undefined || sub === '' ? '' : `/${sub}`;
  return `${name}${tail}${hardReset ? '/Hard Reset' : ''}`;
}
