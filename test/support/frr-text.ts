// Makes what our vtysh prints comparable with what FRR 9.1 printed: times, counters, memory and what
// a machine chooses by itself become placeholders of the same width, and the few lines in which we
// differ on purpose are changed in FRR's text, each with its reason. Everything else must be equal.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const GOLDENS = join(import.meta.dirname, '../lab/goldens');

/** A captured output, or the post's own text (`post/…`). */
export function golden(path: string): string {
  return readFileSync(join(GOLDENS, path), 'utf8');
}

/** What differs between any two runs of the same daemon. */
export function comparable(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => maskLine(line.trimEnd()))
    .join('\n');
}

/** FRR's text with our deliberate differences written in. */
export function asOurs(frr: string): string {
  return DIFFERENCES.reduce((text, { frr, ours }) => text.replaceAll(frr, ours), frr);
}

/** The blog shows output with runs of blanks collapsed and another node's name and addresses. */
export function asInPost(text: string): string {
  return comparable(text)
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
    .join('\n');
}

/** The post's node in the place of the lab's first. */
export function fromPost(text: string): string {
  return asOurs(
    text
      .replaceAll(/\b192\.168\.1\.(37|40)\b/g, '192.168.1.32')
      .replaceAll('10.2.7.13', '10.2.32.13')
      .replaceAll('fd5c:6784:b290::2a1', 'fd5c:6784:b290::32')
      .replaceAll(/\.{3,4}lan/g, 'node1'),
  );
}

/** The lab's nodes reach each other's pods by static routes; in the post something else does. */
export function withoutPodRoutes(text: string): string {
  return text.replaceAll(/^K>\* 10\.2\.3[34]\.13\/32 .*\n/gm, '');
}

/** Keys in order, strings and truth values as they are, numbers only as numbers. */
export function jsonShape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(jsonShape);
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).map(([key, member]) => [
      key,
      // As in the text: whoever made the capture had cleared the session by hand.
      key === 'lastResetDueTo' ? typeof member : jsonShape(member),
    ]);
  }
  if (typeof value === 'number') return 'number';
  return typeof value === 'string' ? maskLine(value) : value;
}

const DIFFERENCES: readonly { readonly frr: RegExp; readonly ours: string }[] = [
  // docs/adr/0006: a v1beta1 peer without timers keeps its liveness.
  {
    frr: /hold time is 0 seconds, keepalive interval is 0 seconds/gi,
    ours: 'Hold time is 8 seconds, keepalive interval is 2 seconds',
  },
  { frr: /Configured Hold time/g, ours: 'Configured hold time' },
  { frr: /timers 0 0/g, ours: 'timers 2 8' },
  // FRR took the router ID from the service address on kube-proxy's IPVS interface.
  { frr: /(local router ID|BGP router identifier) 192\.168\.2\.1/g, ours: '$1 192.168.1.32' },
  { frr: /("(?:localR|r)outerId":)"192\.168\.2\.1"/g, ours: '$1"192.168.1.32"' },
  // We offer no ADD-PATH (RFC 7911): a speaker takes no routes.
  { frr: / *AddPath:\n( *IPv[46] Unicast: RX advertised\n)+/g, ours: '' },
  { frr: / *"addPath":\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\},\n/g, ours: '' },
  // A dead router is tried again after seconds, not after two minutes.
  { frr: /Connect Retry Timer in Seconds: 120/g, ours: 'Connect Retry Timer in Seconds: 5' },
  // Our log goes where a container's log belongs.
  { frr: /log file \/etc\/frr\/frr\.log informational/g, ours: 'log stdout informational' },
  { frr: /\bnode1\.lan\b/g, ours: 'node1' },
];

function maskLine(line: string): string {
  return line
    .replaceAll(/\b(\d\d:\d\d:\d\d|\d+d\d\dh\d\dm|\d\dw\dd\d\dh)\b/g, '<time>')
    .replace(/fe80::[0-9a-f:]+/, '<link-local>')
    .replace(/(Local port:|FD used:|timer due in|Estimated round trip time:) -?\d+/, '$1 #')
    .replace(/(Last reset <time>, ).*/, '$1<reason>')
    .replace(/using \d+ (KiB|bytes) of memory/, 'using # of memory')
    .replace(/^(BGP table version) \d+/, '$1 #')
    .replace(/(Update group) \d+, subgroup \d+/, '$1 #, subgroup #')
    .replace(/(Connections established) \d+; dropped \d+/, '$1 #; dropped #')
    .replace(/^( *[A-Z][A-Za-z ]+:)((?: +\d+){2})$/, (_, label: string, counters: string) =>
      label.concat(maskNumbers(counters)),
    )
    .replace(/^(\S+ +4 +\d+)((?: +\d+){2})/, (_, peer: string, counters: string) =>
      peer.concat(maskNumbers(counters)),
    );
}

/** Right-aligned numbers keep their columns. */
function maskNumbers(text: string): string {
  return text.replaceAll(/ +\d+/g, (number) => '#'.padStart(number.length));
}
