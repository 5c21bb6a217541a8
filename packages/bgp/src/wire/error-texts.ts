// NOTIFICATION codes as operators read them: one row per code and subcode with the wording of
// birdc and logs (BIRD) and of vtysh (FRR's "CODE/SUBCODE"). RFC 4271 §4.5, 4486, 5492, 6608, 7313,
// 8538, 9234, 9384, 9687.

interface ErrorRow {
  readonly code: number;
  readonly subcode: number;
  readonly bird: string;
  readonly frr: string;
}

const ROWS: readonly ErrorRow[] = [
  [1, 0, 'Invalid message header', 'Unspecific'],
  [1, 1, 'Connection not synchronized', 'Connection Not Synchronized'],
  [1, 2, 'Bad message length', 'Bad Message Length'],
  [1, 3, 'Bad message type', 'Bad Message Type'],
  [2, 0, 'Invalid OPEN message', 'Unspecific'],
  [2, 1, 'Unsupported version number', 'Unsupported Version Number'],
  [2, 2, 'Bad peer AS', 'Bad Peer AS'],
  [2, 3, 'Bad BGP identifier', 'Bad BGP Identifier'],
  [2, 4, 'Unsupported optional parameter', 'Unsupported Optional Parameter'],
  [2, 5, 'Authentication failure', 'Authentication Failure'],
  [2, 6, 'Unacceptable hold time', 'Unacceptable Hold Time'],
  [2, 7, 'Required capability missing', 'Unsupported Capability'],
  [2, 8, 'No supported AFI/SAFI', 'Unspecific'],
  [2, 11, 'Role mismatch', 'Role Mismatch'],
  [3, 0, 'Invalid UPDATE message', 'Unspecific'],
  [3, 1, 'Malformed attribute list', 'Malformed Attribute List'],
  [3, 2, 'Unrecognized well-known attribute', 'Unrecognized Well-known Attribute'],
  [3, 3, 'Missing mandatory attribute', 'Missing Well-known Attribute'],
  [3, 4, 'Invalid attribute flags', 'Attribute Flags Error'],
  [3, 5, 'Invalid attribute length', 'Attribute Length Error'],
  [3, 6, 'Invalid ORIGIN attribute', 'Invalid ORIGIN Attribute'],
  [3, 7, 'AS routing loop', 'AS Routing Loop'],
  [3, 8, 'Invalid NEXT_HOP attribute', 'Invalid NEXT_HOP Attribute'],
  [3, 9, 'Optional attribute error', 'Optional Attribute Error'],
  [3, 10, 'Invalid network field', 'Invalid Network Field'],
  [3, 11, 'Malformed AS_PATH', 'Malformed AS_PATH'],
  [4, 0, 'Hold timer expired', ''],
  [5, 0, 'Finite state machine error', 'Unspecific'],
  [5, 1, 'Unexpected message in OpenSent state', 'Receive Unexpected Message in OpenSent State'],
  [
    5,
    2,
    'Unexpected message in OpenConfirm state',
    'Receive Unexpected Message in OpenConfirm State',
  ],
  [
    5,
    3,
    'Unexpected message in Established state',
    'Receive Unexpected Message in Established State',
  ],
  [6, 0, 'Cease', 'Unspecific'],
  [6, 1, 'Maximum number of prefixes reached', 'Maximum Number of Prefixes Reached'],
  [6, 2, 'Administrative shutdown', 'Administrative Shutdown'],
  [6, 3, 'Peer de-configured', 'Peer De-configured'],
  [6, 4, 'Administrative reset', 'Administrative Reset'],
  [6, 5, 'Connection rejected', 'Connection Rejected'],
  [6, 6, 'Other configuration change', 'Other Configuration Change'],
  [6, 7, 'Connection collision resolution', 'Connection Collision Resolution'],
  [6, 8, 'Out of Resources', 'Out of Resources'],
  [6, 9, 'Hard reset', 'Hard Reset'],
  [6, 10, 'BFD down', 'BFD Down'],
  [7, 0, 'Invalid ROUTE-REFRESH message', 'Unspecific'],
  [7, 1, 'Invalid ROUTE-REFRESH message', 'Invalid Message Length'],
  [8, 0, 'Send hold timer expired', ''],
].map(([code, subcode, bird, frr]) => ({ code, subcode, bird, frr }) as ErrorRow);

const FRR_CODES: Readonly<Record<number, string>> = {
  1: 'Message Header Error',
  2: 'OPEN Message Error',
  3: 'UPDATE Message Error',
  4: 'Hold Timer Expired',
  5: 'Neighbor Events Error',
  6: 'Cease',
  7: 'ROUTE-REFRESH Message Error',
  8: 'Send Hold Timer Expired',
};

/** BIRD's words: "Bad peer AS"; "Unknown error 6.77" for what has no row. */
export function birdErrorText(code: number, subcode: number): string {
  return rowOf(code, subcode)?.bird ?? `Unknown error ${code}.${subcode}`;
}

/** FRR's words: "OPEN Message Error/Bad Peer AS", "Hold Timer Expired". */
export function frrErrorText(code: number, subcode: number): string {
  const name = FRR_CODES[code] ?? 'Unknown';
  const row = rowOf(code, subcode);
  const sub = row ? row.frr : subcode === 0 ? 'Unspecific' : 'Unknown';
  return sub === '' ? name : `${name}/${sub}`;
}

/** Four hexadecimal digits, code then subcode: FRR's lastErrorCodeSubcode. */
export function frrErrorDigits(code: number, subcode: number): string {
  return ((code << 8) | subcode).toString(16).toUpperCase().padStart(4, '0');
}

function rowOf(code: number, subcode: number): ErrorRow | undefined {
  return ROWS.find((row) => row.code === code && row.subcode === subcode);
}
