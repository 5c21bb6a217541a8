// `show bgp summary` and its variants, as text and JSON. One block per family that any neighbor
// has; the variants choose rows (established, failed, one neighbor, one AS) or columns (wide).

import { familyOf } from '@rookery/net';
import type { Family } from '@rookery/net';
import {
  ageMs,
  epochSec,
  FAMILIES,
  FAMILY_KEYS,
  FAMILY_TITLES,
  familyOfNeighbor,
  fsmState,
  localAsOf,
  neighborsOf,
  receivedTotal,
  routerIdOf,
  sentTotal,
  tableOf,
} from './context.ts';
import type { Neighbor, VtyContext } from './context.ts';
import { memorySize, peerAge } from './durations.ts';
import { prettyJson } from './json.ts';
import type { Json } from './json.ts';
import { resetText } from './reset-reason.ts';

export interface SummaryOptions {
  /** One family only, printed without its title; absent: every configured one. */
  readonly family?: Family;
  readonly only?: 'established' | 'failed';
  readonly neighbor?: string;
  readonly remoteAs?: number;
  readonly wide: boolean;
  readonly terse: boolean;
  /** Print "IPv4 Unicast Summary" first; FRR leaves it out when the command names the family. */
  readonly titled: boolean;
}

/** FRR reports sizeof() of its own structures; ours differ, so these are nominal. */
const RIB_ENTRY_BYTES = 96;
const PEER_BYTES = 20_600;

const COLUMNS = '  MsgRcvd   MsgSent   TblVer  InQ OutQ  Up/Down State/PfxRcd   PfxSnt Desc';

export function summaryText(context: VtyContext, options: SummaryOptions): string {
  const families = configuredFamilies(context, options);
  if (families.length === 0) return '% No BGP neighbors found in VRF default\n';
  return families.map((family) => familyText(context, family, options)).join('');
}

/** `show ip bgp summary` and families in the command restrict; else all that neighbors have. */
function configuredFamilies(context: VtyContext, options: SummaryOptions): readonly Family[] {
  const neighbors = neighborsOf(context.view);
  return FAMILIES.filter(
    (family) =>
      (options.family === undefined || options.family === family) &&
      neighbors.some((n) => familyOfNeighbor(n.bgp, family)),
  );
}

function familyText(context: VtyContext, family: Family, options: SummaryOptions): string {
  const all = neighborsOf(context.view).filter((n) => familyOfNeighbor(n.bgp, family));
  const title = options.titled ? titleText(family) : '';
  const failed = options.only === 'failed';
  const chosen = all.filter((n) => isChosen(n, family, options));
  if (failed && chosen.length === 0) return `${title}% No failed BGP neighbors found\n`;
  const head = headLines(context, family, all.length, options.terse);
  const count = `Total number of neighbors ${all.length}\n`;
  const filtered = options.only || options.neighbor !== undefined || options.remoteAs !== undefined;
  if (chosen.length === 0 && filtered) return `${title}${head}\n% No matching neighbor\n`;
  const width = Math.max(16, ...chosen.map((n) => n.name.length + 1));
  const header = failed
    ? `${'Neighbor'.padEnd(width)}EstdCnt DropCnt ResetTime Reason`
    : `${'Neighbor'.padEnd(width)}V         AS${options.wide ? '    LocalAS' : ''} ${COLUMNS}`;
  const row = failed ? failedRow : summaryRow;
  const rows = chosen.map((n) => `${row(context, n, family, width, options.wide)}\n`).join('');
  const displayed = filtered ? `Displayed neighbors ${chosen.length}\n` : '';
  return `${title}${head}\n${header}\n${rows}\n${displayed}${count}`;
}

function titleText(family: Family): string {
  return `\n${FAMILY_TITLES[family]} Summary (VRF default):\n`;
}

function headLines(context: VtyContext, family: Family, peers: number, terse: boolean): string {
  const routerId = routerIdOf(context);
  const identity = `BGP router identifier ${routerId}, local AS number ${localAsOf(context.view)} vrf-id 0\n`;
  if (terse) return identity;
  const table = tableOf(context.view, family);
  const entries = table?.networks ?? 0;
  return (
    identity +
    `BGP table version ${table?.version ?? 0}\n` +
    `RIB entries ${entries}, using ${memorySize(entries * RIB_ENTRY_BYTES)} of memory\n` +
    `Peers ${peers}, using ${memorySize(peers * PEER_BYTES)} of memory\n`
  );
}

function isChosen(neighbor: Neighbor, family: Family, options: SummaryOptions): boolean {
  const up = isUp(neighbor, family);
  if (options.only === 'established' && !up) return false;
  if (options.only === 'failed' && up) return false;
  if (options.neighbor !== undefined && options.neighbor !== neighbor.name) return false;
  return options.remoteAs === undefined || options.remoteAs === neighbor.bgp.neighborAs;
}

/** An established session without this family counts as failed for it. */
function isUp({ bgp }: Neighbor, family: Family): boolean {
  return bgp.state === 'Established' && familyOfNeighbor(bgp, family)?.negotiated === true;
}

function summaryRow(
  context: VtyContext,
  neighbor: Neighbor,
  family: Family,
  width: number,
  wide: boolean,
): string {
  const { bgp, protocol } = neighbor;
  const state = stateColumns(neighbor, family);
  const columns = [
    `4 ${String(bgp.neighborAs).padStart(10)}`,
    ...(wide ? [String(bgp.localAs).padStart(10)] : []),
    String(receivedTotal(bgp)).padStart(9),
    String(sentTotal(bgp)).padStart(9),
    String(tableVersion(neighbor, family)).padStart(8),
    '   0',
    String(outQueue(neighbor)).padStart(4),
    upDown(context, neighbor).padStart(8),
    state[0].padStart(12),
    state[1].padStart(8),
  ].join(' ');
  return `${neighbor.name.padEnd(width)}${columns} ${descriptionText(protocol.description, wide)}`;
}

function stateColumns(neighbor: Neighbor, family: Family): readonly [string, string] {
  const { bgp } = neighbor;
  if (bgp.state !== 'Established') return [stateWord(neighbor), '0'];
  const view = familyOfNeighbor(bgp, family);
  if (!view?.negotiated) return ['NoNeg', 'NoNeg'];
  return [String(view.acceptedPrefixes), String(view.sentPrefixes)];
}

function stateWord({ bgp, protocol }: Neighbor): string {
  if (protocol.disabled) return 'Idle (Admin)';
  const limited = bgp.lastError?.class === 'automatic shutdown';
  return bgp.state === 'Down' && limited ? 'Idle (PfxCt)' : fsmState(bgp);
}

function tableVersion({ bgp }: Neighbor, family: Family): number {
  if (bgp.state !== 'Established') return 0;
  const view = familyOfNeighbor(bgp, family);
  return view?.negotiated ? view.tableVersion : 0;
}

/** Messages waiting for the socket; we count octets, so any rest is one message at least. */
function outQueue({ bgp }: Neighbor): number {
  return (bgp.connection?.queuedBytes ?? 0) > 0 ? 1 : 0;
}

/** When the session came up or went down; absent while it never was up. */
export function changedMs({ bgp, protocol }: Neighbor): number | undefined {
  if (bgp.state === 'Established') return bgp.establishedMs;
  if (bgp.connectionsEstablished === 0) return undefined;
  return bgp.lastReset?.atMs ?? protocol.sinceMs;
}

function upDown(context: VtyContext, neighbor: Neighbor): string {
  const changed = changedMs(neighbor);
  return changed === undefined ? 'never' : peerAge(ageMs(context, changed));
}

function failedRow(
  context: VtyContext,
  neighbor: Neighbor,
  _family: Family,
  width: number,
): string {
  const { bgp } = neighbor;
  const reset = bgp.lastReset ? peerAge(ageMs(context, bgp.lastReset.atMs)) : 'never';
  return (
    neighbor.name.padEnd(width) +
    `${String(bgp.connectionsEstablished).padStart(7)} ${String(bgp.connectionsDropped).padStart(7)} ` +
    `${reset.padStart(9)}  ${failedReason(neighbor)}`
  );
}

function failedReason({ bgp }: Neighbor): string {
  return bgp.state === 'Established' ? 'AFI/SAFI Not Negotiated' : resetText(bgp.lastReset?.reason);
}

/** Cut at a word to 20 characters, or 64 in the wide form. */
function descriptionText(description: string | undefined, wide: boolean): string {
  if (description === undefined) return 'N/A';
  const limit = wide ? 64 : 20;
  if (description.length <= limit) return description;
  const cut = description.slice(0, limit + 1).lastIndexOf(' ');
  return description.slice(0, cut > 0 ? cut : limit);
}

/** With a family in the command the family's object itself, else an object per family. */
export function summaryJson(context: VtyContext, options: SummaryOptions): string {
  const families = configuredFamilies(context, options);
  const style = { escapeSlash: false };
  if (families.length === 0) return '{\n}\n';
  if (!options.titled) {
    return `${prettyJson(familyJson(context, families[0]!, options), style)}\n`;
  }
  // bgpd writes the outer object by hand, hence the odd line breaks.
  const parts = families.map(
    (f) => `"${FAMILY_KEYS[f]}":${prettyJson(familyJson(context, f, options), style)}\n`,
  );
  return `{\n${parts.join(',\n')}}\n`;
}

/** `show bgp vrf all … summary json`: the same below the VRF's name. */
export function summaryVrfJson(context: VtyContext, options: SummaryOptions): string {
  const inner = summaryJson(context, options);
  return `{\n"default":${inner}}\n`;
}

function familyJson(context: VtyContext, family: Family, options: SummaryOptions): Json {
  const all = neighborsOf(context.view).filter((n) => familyOfNeighbor(n.bgp, family));
  const chosen = all.filter((n) => isChosen(n, family, options));
  const failed = all.filter((n) => !isUp(n, family)).length;
  if (options.only === 'failed' && chosen.length === 0) {
    return { failedPeersCount: 0, dynamicPeers: 0, totalPeers: all.length };
  }
  const table = tableOf(context.view, family);
  const peers: Record<string, Json> = {};
  const peer = options.only === 'failed' ? failedJson : peerJson;
  for (const neighbor of chosen) peers[neighbor.name] = peer(context, neighbor, family);
  return {
    routerId: routerIdOf(context),
    as: localAsOf(context.view),
    vrfId: 0,
    vrfName: 'default',
    tableVersion: table?.version ?? 0,
    ribCount: table?.networks ?? 0,
    ribMemory: (table?.networks ?? 0) * RIB_ENTRY_BYTES,
    peerCount: all.length,
    peerMemory: all.length * PEER_BYTES,
    peers,
    failedPeers: failed,
    displayedPeers: chosen.length,
    totalPeers: all.length,
    dynamicPeers: all.filter((n) => n.bgp.dynamic).length,
    ...(options.only !== 'failed' && { bestPath: { multiPathRelax: 'false' } }),
  };
}

function peerJson(context: VtyContext, neighbor: Neighbor, family: Family): Json {
  const { bgp, protocol } = neighbor;
  const view = familyOfNeighbor(bgp, family);
  const negotiated = bgp.state === 'Established' && view?.negotiated === true;
  return {
    ...(bgp.dynamic && { dynamicPeer: true }),
    ...hostJson(neighbor),
    remoteAs: bgp.neighborAs,
    localAs: bgp.localAs,
    version: 4,
    msgRcvd: receivedTotal(bgp),
    msgSent: sentTotal(bgp),
    tableVersion: tableVersion(neighbor, family),
    outq: outQueue(neighbor),
    inq: 0,
    ...uptimeJson(context, neighbor),
    pfxRcd: negotiated ? view.acceptedPrefixes : 0,
    pfxSnt: negotiated ? view.sentPrefixes : 0,
    state: stateWord(neighbor),
    peerState: protocol.disabled ? 'Admin' : bgp.passive ? 'Passive' : 'OK',
    connectionsEstablished: bgp.connectionsEstablished,
    connectionsDropped: bgp.connectionsDropped,
    ...(protocol.description !== undefined && { desc: protocol.description }),
    idType: idType(neighbor),
  };
}

function failedJson(context: VtyContext, neighbor: Neighbor): Json {
  const { bgp } = neighbor;
  return {
    connectionsEstablished: bgp.connectionsEstablished,
    connectionsDropped: bgp.connectionsDropped,
    ...uptimeJson(context, neighbor),
    lastResetDueTo: failedReason(neighbor),
    idType: idType(neighbor),
  };
}

function idType({ name, bgp }: Neighbor): string {
  return bgp.unnumbered ? 'interface' : familyOf(name);
}

function hostJson({ bgp }: Neighbor): { hostname?: string; domainname?: string } {
  const hostname = bgp.neighborCapabilities?.hostname;
  if (!hostname) return {};
  return {
    hostname: hostname.host,
    ...(hostname.domain !== '' && { domainname: hostname.domain }),
  };
}

function uptimeJson(context: VtyContext, neighbor: Neighbor): { [key: string]: Json } {
  const changed = changedMs(neighbor);
  if (changed === undefined) return { peerUptime: 'never', peerUptimeMsec: 0 };
  const age = ageMs(context, changed);
  return {
    peerUptime: peerAge(age),
    peerUptimeMsec: Math.floor(age / 1000) * 1000,
    peerUptimeEstablishedEpoch: epochSec(context, changed),
  };
}
