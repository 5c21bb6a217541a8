// Protocols while they are being read: mutable, partial, copied whole by `from`. A draft becomes
// configuration only when its closing brace has been read and its checks have passed.

import type {
  BfdAuthentication,
  BfdConfig,
  BfdInterfaceConfig,
  BgpChannelConfig,
  BgpConfig,
  BmpConfig,
  ChannelConfig,
  DebugMask,
  DeviceConfig,
  DirectConfig,
  KernelConfig,
  MrtConfig,
  MrtFlag,
  NetType,
  PipeConfig,
  ProtocolConfig,
  RadvConfig,
  RadvPrefixConfig,
  RpkiConfig,
  StaticConfig,
} from '@rookery/router';
import type { Token } from '../lexer.ts';

export type ProtocolKind = ProtocolConfig['kind'];

type Loose<T> = { -readonly [K in keyof T]?: T[K] | undefined };

/** A channel of any protocol; BGP's own options are absent elsewhere. */
export type ChannelDraft = Loose<Omit<BgpChannelConfig, 'netType'>> & {
  readonly netType: NetType;
  /** Where the channel was opened. */
  at: Token;
};

export interface DraftCommon {
  name: string;
  template: boolean;
  disabled: boolean;
  debug: DebugMask;
  mrtDump?: readonly MrtFlag[] | undefined;
  description?: string | undefined;
  routerId?: string | undefined;
  vrf?: string | undefined;
  channels: ChannelDraft[];
  /** An error inside has been reported; skip the checks at the end. */
  broken: boolean;
}

type Own<T> = Loose<Omit<T, keyof DraftCommon | 'kind' | 'channels' | 'channel'>>;

export type DeviceDraft = DraftCommon & { kind: 'device' } & Own<DeviceConfig>;
export type DirectDraft = DraftCommon & { kind: 'direct' } & Own<DirectConfig>;
export type KernelDraft = DraftCommon & { kind: 'kernel'; mergeLimit?: number } & Own<KernelConfig>;
export type StaticDraft = DraftCommon & {
  kind: 'static';
  /** Where each route was written. */
  routeTokens?: ReadonlyMap<string, Token>;
} & Own<StaticConfig>;
export type PipeDraft = DraftCommon & {
  kind: 'pipe';
  peerTableToken?: Token;
} & Own<PipeConfig>;
export type BfdDraft = DraftCommon & { kind: 'bfd' } & Own<BfdConfig>;
export type RpkiDraft = DraftCommon & { kind: 'rpki' } & Own<RpkiConfig>;
export type MrtDraft = DraftCommon & { kind: 'mrt' } & Own<MrtConfig>;
export type BmpDraft = DraftCommon & { kind: 'bmp' } & Own<BmpConfig>;
export type RadvDraft = DraftCommon & {
  kind: 'radv';
  prefixes?: readonly RadvPrefixConfig[];
} & Own<RadvConfig>;
export type BgpDraft = DraftCommon & {
  kind: 'bgp';
  direct?: boolean;
  authentication?: 'none' | 'md5' | 'ao';
  /** RFC 8212 without a complaint: a channel without policy passes nothing. */
  defaultReject?: boolean;
  minLongLivedStaleTimeSec?: number;
  maxLongLivedStaleTimeSec?: number;
} & Own<BgpConfig>;

export type ProtocolDraft =
  | DeviceDraft
  | DirectDraft
  | KernelDraft
  | StaticDraft
  | PipeDraft
  | BfdDraft
  | RpkiDraft
  | MrtDraft
  | BmpDraft
  | RadvDraft
  | BgpDraft;

export interface BfdOptionsDraft {
  minRxIntervalUs?: number;
  minTxIntervalUs?: number;
  idleTxIntervalUs?: number;
  multiplier?: number;
  passive?: boolean;
  echo?: NonNullable<BfdInterfaceConfig['echo']>;
  authentication?: BfdAuthentication;
  graceful?: boolean;
}

/** Defaults of `protocol bfd` interfaces. */
export const BFD_DEFAULTS: BfdInterfaceConfig = {
  minRxIntervalUs: 10_000,
  minTxIntervalUs: 100_000,
  idleTxIntervalUs: 1_000_000,
  multiplier: 5,
  passive: false,
};

/** A copy that can be edited without touching the original; leaves (policies, strings) are shared. */
export function copyDraft<D extends ProtocolDraft>(draft: D): D {
  const copy: Record<string, unknown> = { ...draft };
  for (const [key, value] of Object.entries(copy)) if (Array.isArray(value)) copy[key] = [...value];
  copy['channels'] = draft.channels.map((channel) => ({ ...channel }));
  return copy as unknown as D;
}

/** Default preference of a protocol's routes. */
export const PREFERENCE: Readonly<Record<ProtocolKind, number>> = {
  direct: 240,
  static: 200,
  kernel: 10,
  bgp: 100,
  pipe: 0,
  device: 0,
  bfd: 0,
  rpki: 100,
  mrt: 0,
  bmp: 0,
  radv: 0,
};

/** Fills a channel of a protocol that is not BGP. */
export function finishChannel(
  draft: ChannelDraft,
  kind: ProtocolKind,
  tableName: string,
): ChannelConfig {
  return {
    netType: draft.netType,
    table: tableName,
    importPolicy: draft.importPolicy ?? { kind: 'all' },
    exportPolicy: draft.exportPolicy ?? { kind: kind === 'pipe' ? 'all' : 'none' },
    ...defined('receiveLimit', draft.receiveLimit),
    ...defined('importLimit', draft.importLimit),
    ...defined('exportLimit', draft.exportLimit),
    preference: draft.preference ?? PREFERENCE[kind],
    importKeepFiltered: draft.importKeepFiltered ?? false,
    rpkiReload: draft.rpkiReload ?? true,
    debug: draft.debug ?? [],
  };
}

/** `{ key: value }`, or nothing when the value is undefined. */
export function defined<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
