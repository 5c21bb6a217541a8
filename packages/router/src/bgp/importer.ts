// UPDATE messages of one session into channels. Prefixes go from the wire to the table as numbers;
// attribute blocks are recognised by their octets and processed once per session and family. Faults
// react as RFC 7606 says. The per-prefix path makes no object, closure or string.

import {
  SEGMENT,
  copyAttributeBlock,
  createAttributeScan,
  createUpdateSections,
  decodeNlri,
  decodePathAttributes,
  endOfRibFamily,
  scanPathAttributes,
  splitUpdate,
  worstFault,
} from '@rookery/bgp';
import type { AttributeContext, Negotiated, UpdateSections, WireFault } from '@rookery/bgp';
import { addressFromBytes } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import { BlockTranscoder, WireAttributeCache } from '@rookery/rib';
import type { AttributeStore, RouteAttributes, TranscodeRules } from '@rookery/rib';
import type { Channel } from '../channel.ts';
import type { BgpChannelConfig, BgpConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import type { RouteTable } from '../route-table.ts';
import { importRoute, recursiveRoute } from './import-rules.ts';
import type { ImportSituation } from './import-rules.ts';
import { intakes } from './intake.ts';
import { isInside } from './neighbor.ts';

export interface ImportFamily {
  readonly family: Family;
  readonly channel: Channel;
  readonly addPathRx: boolean;
  readonly extendedNextHop: boolean;
  readonly igp: RouteTable;
}

export interface ImporterOptions {
  readonly engine: Engine;
  readonly config: BgpConfig;
  readonly negotiated: Negotiated;
  readonly peerAddress: IpAddress;
  readonly interface: string | undefined;
  readonly routerId: IpAddress;
  readonly families: readonly ImportFamily[];
  /** A line about the peer's fault: class REMOTE. */
  readonly complain: (text: string) => void;
}

export type UpdateResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'endOfRib'; readonly family: Family }
  | { readonly kind: 'reset'; readonly fault: WireFault };

const DONE: UpdateResult = { kind: 'done' };
/** Outcome in the cache of a block whose routes are withdrawn instead. */
const REFUSED = -1;
const MAX_SHELLS = 4096;

export class Importer {
  readonly #options: ImporterOptions;
  readonly #families = new Map<Family, ImportFamily>();
  readonly #ipv4: ImportFamily | undefined;
  readonly #ipv6: ImportFamily | undefined;
  readonly #contexts: Record<Family, AttributeContext>;
  readonly #cache: WireAttributeCache;
  readonly #sections = createUpdateSections();
  readonly #scan = createAttributeScan();
  #block = new Uint8Array(4096);
  /** Changes when the meaning of a block does: another epoch is another key. */
  #epoch = 0;
  readonly #watched = new Map<string, () => void>();
  /** Ordinary blocks go this way; `undefined` when our rules are not ordinary. */
  readonly #rules: TranscodeRules | undefined;
  readonly #transcoder = new BlockTranscoder();
  /** What a route is apart from `bgp`, by next hop; 0: not ordinary. */
  readonly #shells = new Map<string, number>();
  #lastNextHop = new Uint8Array(0);
  #lastShell = 0;
  readonly #attributes: AttributeStore;
  #closed = false;

  constructor(options: ImporterOptions) {
    this.#options = options;
    for (const family of options.families) this.#families.set(family.family, family);
    this.#ipv4 = this.#families.get('ipv4');
    this.#ipv6 = this.#families.get('ipv6');
    const { negotiated, config } = options;
    const context = {
      as4: negotiated.as4,
      peerType: negotiated.peerType,
      confederation: config.confederation !== undefined && isInside(config),
      allowLocalPref: config.allowBgpLocalPref,
      allowAsSets: config.allowAsSets,
      aigp: negotiated.peerType === 'internal',
      extendedNextHop: false,
    };
    const extended = this.#ipv4?.extendedNextHop ?? false;
    this.#contexts = { ipv4: { ...context, extendedNextHop: extended }, ipv6: context };
    this.#attributes = options.families[0]!.channel.table.attributes;
    this.#rules = transcodeRulesFor(options);
    this.#cache = new WireAttributeCache({
      attributes: this.#attributes,
      seed: Math.floor(options.engine.random() * 0x7fffffff),
    });
  }

  /** Takes in the whole message bytes[start, end); what it says of routes waits for `apply`. */
  update(bytes: Uint8Array, start: number, end: number): UpdateResult {
    const ended = endOfRibFamily(bytes, start, end);
    if (ended !== undefined) return { kind: 'endOfRib', family: ended };
    const s = this.#sections;
    const broken = splitUpdate(bytes, start, end, s);
    if (broken) return { kind: 'reset', fault: broken };
    if (s.withdrawnEnd > s.withdrawnStart) {
      const fault = this.#withdraw(bytes, s.withdrawnStart, s.withdrawnEnd, 'ipv4');
      if (fault) return { kind: 'reset', fault };
    }
    if (s.attributesEnd === s.attributesStart && s.nlriEnd === s.nlriStart) return DONE;
    const easy = this.#reachEasily(bytes, s);
    if (easy) return easy;
    const scan = this.#scan;
    scanPathAttributes(bytes, s.attributesStart, s.attributesEnd, scan);
    if (!scan.wellFormed) return this.#malformed(bytes, s);
    if (scan.mpUnreachStart >= 0) {
      const family = familyFor(scan.mpUnreachAfi, scan.mpUnreachSafi);
      if (family) {
        const { mpUnreachNlriStart: from, mpUnreachEnd: to } = scan;
        const fault = this.#withdraw(bytes, from, to, family);
        if (fault) return { kind: 'reset', fault };
      }
    }
    if (s.nlriEnd > s.nlriStart) {
      const fault = this.#reach(
        bytes,
        s.attributesStart,
        s.attributesEnd,
        'classic',
        'ipv4',
        s.nlriStart,
        s.nlriEnd,
      );
      if (fault) return { kind: 'reset', fault };
    }
    if (scan.mpReachStart >= 0) {
      const family = familyFor(scan.mpReachAfi, scan.mpReachSafi);
      if (family) {
        const { mpReachNlriStart: from, mpReachEnd: to } = scan;
        const fault = this.#reach(
          bytes,
          s.attributesStart,
          s.attributesEnd,
          'mp',
          family,
          from,
          to,
        );
        if (fault) return { kind: 'reset', fault };
      }
    }
    return DONE;
  }

  /** Changes the routes as the messages since the last call say. */
  apply(): void {
    for (const { family, channel } of this.#options.families) {
      intakes[family].openFor(this, this.#attributes);
      intakes[family].applyTo(channel);
    }
  }

  /** Interfaces or options changed: blocks are judged anew from now on. */
  forgetVerdicts(): void {
    this.#epoch++;
    this.#cache.clear();
    this.#dropShells();
  }

  close(): void {
    this.#closed = true;
    intakes.ipv4.closeFor(this);
    intakes.ipv6.closeFor(this);
    this.#cache.clear();
    this.#dropShells();
    for (const unwatch of this.#watched.values()) unwatch();
    this.#watched.clear();
  }

  /**
   * The prefixes of one family with ordinary attributes, most of a full table: nothing is looked at
   * twice. `undefined`: something is not ordinary.
   */
  #reachEasily(bytes: Uint8Array, s: UpdateSections): UpdateResult | undefined {
    const block = this.#transcoder;
    if (!this.#rules) return undefined;
    if (!block.transcode(bytes, s.attributesStart, s.attributesEnd, this.#rules)) return undefined;
    const isClassic = block.nextHopLength === 4;
    if (!isClassic && s.nlriEnd > s.nlriStart) return undefined;
    const target = isClassic ? this.#ipv4 : this.#ipv6;
    const shell = target
      ? this.#shellFor(bytes, block.nextHopFrom, block.nextHopLength, target)
      : 0;
    const number = shell === 0 ? 0 : this.#attributes.internTranscoded(shell, block);
    if (!target || number === 0) return undefined;
    const { family, addPathRx } = target;
    const batch = intakes[family].openFor(this, this.#attributes);
    const fault = isClassic
      ? decodeNlri(bytes, s.nlriStart, s.nlriEnd, family, addPathRx, batch)
      : decodeNlri(bytes, block.mpNlriFrom, block.mpNlriTo, family, addPathRx, batch);
    if (fault) {
      this.#attributes.release(number);
      return { kind: 'reset', fault };
    }
    intakes[family].add(number);
    return DONE;
  }

  #reach(
    bytes: Uint8Array,
    attributesStart: number,
    attributesEnd: number,
    reach: 'classic' | 'mp',
    family: Family,
    nlriStart: number,
    nlriEnd: number,
  ): WireFault | undefined {
    const target = this.#families.get(family);
    if (!target) return undefined;
    const batch = intakes[family].openFor(this, this.#attributes);
    const before = batch.count;
    const bad = decodeNlri(bytes, nlriStart, nlriEnd, family, target.addPathRx, batch);
    if (bad) return bad;
    const outcome = this.#blockOutcome(bytes, attributesStart, attributesEnd, reach, target);
    if (typeof outcome !== 'number') {
      batch.count = before;
      return outcome;
    }
    // RFC 7606 §2: what is refused is as if it had been withdrawn; BIRD counts it so.
    intakes[family].add(outcome === REFUSED ? 0 : outcome);
    return undefined;
  }

  /** Attributes number with a reference, `REFUSED`, or the fault that resets the session. */
  #blockOutcome(
    bytes: Uint8Array,
    start: number,
    end: number,
    reach: 'classic' | 'mp',
    target: ImportFamily,
  ): number | WireFault {
    let block = bytes;
    let from = start;
    let to = end;
    if (reach === 'mp' || this.#scan.mpReachStart >= 0 || this.#scan.mpUnreachStart >= 0) {
      if (this.#block.length < end - start + 1) this.#block = new Uint8Array(end - start + 1);
      block = this.#block;
      from = 0;
      to = copyAttributeBlock(bytes, start, end, this.#scan, reach, block);
    }
    const cache = this.#cache;
    const context = this.#epoch * 4 + (target.family === 'ipv4' ? 0 : 2) + (reach === 'mp' ? 1 : 0);
    cache.begin(context);
    cache.add(block, from, to);
    const known = cache.find();
    const { attributes } = target.channel.table;
    if (known > 0) attributes.retain(known);
    if (known !== 0) return known;
    const decoded = decodePathAttributes(block, from, to, this.#contexts[target.family], reach);
    const fault = worstFault(decoded.faults);
    if (fault) {
      if (fault.reaction === 'sessionReset') return fault;
      this.#options.complain(`${fault.section}: ${fault.detail}`);
      if (fault.reaction === 'treatAsWithdraw') {
        cache.insert(REFUSED);
        return REFUSED;
      }
    }
    const outcome = importRoute(decoded.attributes, this.#situation(target));
    if (outcome.kind === 'refused') {
      if (outcome.text !== undefined) {
        this.#options.complain(`Invalid NEXT_HOP attribute - ${outcome.text}`);
      }
      cache.insert(REFUSED);
      return REFUSED;
    }
    if (outcome.recursive !== undefined) this.#watch(target, outcome.recursive);
    const number = attributes.intern(outcome.attributes);
    cache.insert(number);
    return number;
  }

  #shellFor(block: Uint8Array, at: number, length: number, target: ImportFamily): number {
    if (this.#isLastNextHop(block, at, length)) return this.#lastShell;
    this.#lastNextHop = block.slice(at, at + length);
    this.#lastShell = this.#findShell(block, at, length, target);
    return this.#lastShell;
  }

  /** A peer says the same next hop again and again. */
  #isLastNextHop(block: Uint8Array, at: number, length: number): boolean {
    const last = this.#lastNextHop;
    if (last.length !== length) return false;
    for (let i = 0; i < length; i++) if (last[i] !== block[at + i]) return false;
    return true;
  }

  #findShell(block: Uint8Array, at: number, length: number, target: ImportFamily): number {
    // Sixteen octets are an IPv6 next hop, four an IPv4 one, each for the prefixes of its family.
    const key = String.fromCharCode(...block.subarray(at, at + length));
    const known = this.#shells.get(key);
    if (known !== undefined) return known;
    // The import rules decide on a route that differs from the block only in what the transcoder has
    // checked already.
    const nextHop = addressFromBytes(block, at, length === 4 ? 4 : 16);
    const asns = [this.#options.negotiated.peerAs];
    const asPath = this.#rules!.firstAs === 0 ? [] : [{ type: SEGMENT.asSequence, asns }];
    const outcome = importRoute({ origin: 0, asPath, nextHop }, this.#situation(target));
    let shell = 0;
    if (outcome.kind === 'route') {
      const { bgp: _bgp, ...rest } = outcome.attributes;
      shell = this.#attributes.intern(rest);
      if (outcome.recursive !== undefined) this.#watch(target, outcome.recursive);
    }
    // A peer may name very many next hops.
    if (this.#shells.size >= MAX_SHELLS) this.#dropShells();
    this.#shells.set(key, shell);
    return shell;
  }

  #dropShells(): void {
    this.#lastNextHop = new Uint8Array(0);
    for (const shell of this.#shells.values()) if (shell !== 0) this.#attributes.release(shell);
    this.#shells.clear();
  }

  #withdraw(bytes: Uint8Array, start: number, end: number, family: Family): WireFault | undefined {
    const target = this.#families.get(family);
    if (!target) return undefined;
    const batch = intakes[family].openFor(this, this.#attributes);
    const bad = decodeNlri(bytes, start, end, family, target.addPathRx, batch);
    if (bad) return bad;
    intakes[family].add(0);
    return undefined;
  }

  /** The attribute list is broken: RFC 7606 §3 (d) and §4 withdraw every prefix the message names. */
  #malformed(bytes: Uint8Array, s: UpdateSections): UpdateResult {
    const context = this.#contexts.ipv4;
    const reach = s.nlriEnd > s.nlriStart ? 'classic' : 'none';
    const decoded = decodePathAttributes(bytes, s.attributesStart, s.attributesEnd, context, reach);
    const fault = worstFault(decoded.faults);
    if (fault?.reaction === 'sessionReset') return { kind: 'reset', fault };
    if (fault) this.#options.complain(`${fault.section}: ${fault.detail}`);
    // RFC 7606 §5.1: what stands before the break was understood.
    for (const place of [decoded.mpUnreach, decoded.mpReach]) {
      if (!place?.family) continue;
      const bad = this.#withdraw(bytes, place.nlriStart, place.nlriEnd, place.family);
      if (bad) return { kind: 'reset', fault: bad };
    }
    if (s.nlriEnd === s.nlriStart) return DONE;
    const bad = this.#withdraw(bytes, s.nlriStart, s.nlriEnd, 'ipv4');
    return bad ? { kind: 'reset', fault: bad } : DONE;
  }

  #situation(target: ImportFamily): ImportSituation {
    const { config, negotiated, peerAddress, routerId, engine } = this.#options;
    return {
      config,
      channel: target.channel.config as BgpChannelConfig,
      family: target.family,
      peerAs: negotiated.peerAs,
      peerAddress,
      routerId,
      interfaces: engine.interfaces,
      igp: target.igp,
      interface: this.#options.interface,
    };
  }

  #watch(target: ImportFamily, nextHop: IpAddress): void {
    const key = `${target.family} ${nextHop}`;
    if (this.#watched.has(key)) return;
    const unwatch = target.igp.watchNexthop(nextHop, () => this.#nextHopChanged(target, nextHop));
    this.#watched.set(key, unwatch);
  }

  /** Gives every route through this next hop its new resolution, in slices. */
  #nextHopChanged(target: ImportFamily, nextHop: IpAddress): void {
    if (this.#closed) return;
    this.forgetVerdicts();
    const { channel, igp } = target;
    const { importTable } = channel;
    const { rib, attributes } = importTable ?? channel.table;
    const { engine } = this.#options;
    const walk = rib.walkSource(channel.source);
    const { source } = channel;
    const paths = new Int32Array(256);
    const outcomes = new Map<number, number>();
    const resolved = recursiveRoute(nextHop, igp);
    engine.work.add({
      owner: channel.protocol,
      run: (budget) => {
        if (this.#closed || channel.source !== source) return 0;
        let done = 0;
        while (done < budget) {
          if (walk.done) {
            for (const outcome of outcomes.values()) attributes.release(outcome);
            return 0;
          }
          const count = walk.next(paths);
          for (let i = 0; i < count; i++) {
            const path = paths[i]!;
            const before = rib.attributesOf(path);
            let after = outcomes.get(before);
            if (after === undefined) {
              const route = attributes.get(before);
              if (route.bgp?.nextHop !== nextHop) continue;
              after = attributes.intern(withResolution(route, resolved));
              outcomes.set(before, after);
            }
            const net = rib.netOf(path);
            const flags = rib.isFiltered(path) ? 1 : 0;
            const pathId = rib.pathIdOf(path);
            if (importTable) channel.importRoute(net, after, pathId);
            else rib.apply(net, source, pathId, after, engine.nowMs, flags);
          }
          done += Math.max(count, 1);
        }
        return budget;
      },
    });
  }
}

/** Peers for whom blocks can be judged by their octets: no roles, no confederation, wide AS numbers. */
function transcodeRulesFor(options: ImporterOptions): TranscodeRules | undefined {
  const { config, negotiated } = options;
  const external = config.peerType === 'external';
  if (!negotiated.as4 || config.localRole !== undefined) return undefined;
  if (config.confederation !== undefined) return undefined;
  return {
    internal: !external,
    defaultLocalPref: config.defaultLocalPref,
    ownAs: config.localAs,
    firstAs: external && config.enforceFirstAs ? negotiated.peerAs : 0,
  };
}

function withResolution(
  route: RouteAttributes,
  resolved: Pick<RouteAttributes, 'dest' | 'nexthops' | 'igpMetric' | 'unresolved'>,
): RouteAttributes {
  const { igpMetric: _metric, unresolved: _unresolved, ...rest } = route;
  return { ...rest, ...resolved };
}

function familyFor(afi: number, safi: number): Family | undefined {
  if (safi !== 1) return undefined;
  return afi === 1 ? 'ipv4' : afi === 2 ? 'ipv6' : undefined;
}
