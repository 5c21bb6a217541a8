// BGPPeer in both of its versions, and the conversion between them. MetalLB's own conversion turns
// a v1beta1 object without timers into explicit zeros, which switches liveness off and lets a dead
// node keep its traffic for ever; ours keeps "unset" unset and remembers it in an annotation.
// Objects that MetalLB's webhook has converted already are recognised by what the API server
// recorded about who wrote which field.

import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import { parseDurationMs } from './duration.ts';
import { readMetadata } from './kubernetes.ts';
import type { Metadata } from './kubernetes.ts';
import { readLabelSelector } from './label-selector.ts';
import type { LabelSelector } from './label-selector.ts';
import { nameOfObject, readShape } from './shape.ts';
import type { ShapeIssue } from './shape.ts';

export interface BgpPeer {
  readonly metadata: Metadata;
  readonly apiVersion: string;
  readonly myAsn: number;
  /** 0: not given. */
  readonly peerAsn: number;
  readonly dynamicAsn: string;
  /** 0: not given. */
  readonly localAsn: number;
  readonly peerAddress: string;
  readonly interface: string;
  readonly sourceAddress: string;
  readonly peerPort: number;
  readonly holdTime?: string;
  readonly keepaliveTime?: string;
  readonly connectTime?: string;
  /** Written as v1beta1 without timers: what stands in holdTime and keepaliveTime is nobody's wish. */
  readonly timersLost: boolean;
  readonly routerId: string;
  readonly nodeSelectors: readonly LabelSelector[];
  readonly password: string;
  /** Name of the Secret; empty when not given. */
  readonly passwordSecret: string;
  readonly bfdProfile: string;
  readonly enableGracefulRestart: boolean;
  readonly ebgpMultiHop: boolean;
  readonly vrf: string;
  readonly disableMp: boolean;
  readonly dualStackAddressFamily: boolean;
}

export const V1BETA1 = 'metallb.io/v1beta1';
export const V1BETA2 = 'metallb.io/v1beta2';

/** Set by our conversion on a v1beta2 object whose v1beta1 original had no timers. */
export const UNSET_TIMERS_ANNOTATION = 'rookery/v1beta1-timers';
type JsonRecord = Readonly<Record<string, unknown>>;
const LAST_APPLIED_ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration';

/** Reads a BGPPeer of either version. */
export function readBgpPeer(json: unknown): Result<BgpPeer, ShapeIssue> {
  return readShape(json, 'BGPPeer', (reader) => {
    const spec = reader.object('spec');
    const hold = spec?.text('holdTime');
    const keepalive = spec?.text('keepaliveTime');
    const connect = spec?.text('connectTime');
    const metadata = readMetadata(reader);
    const apiVersion = reader.text('apiVersion') ?? V1BETA2;
    return {
      metadata,
      apiVersion,
      myAsn: spec?.number('myASN') ?? 0,
      peerAsn: spec?.number('peerASN') ?? 0,
      dynamicAsn: spec?.text('dynamicASN') ?? '',
      localAsn: spec?.number('localASN') ?? 0,
      peerAddress: spec?.text('peerAddress') ?? '',
      interface: spec?.text('interface') ?? '',
      sourceAddress: spec?.text('sourceAddress') ?? '',
      // v1beta1 has no default and allows 0.
      peerPort: spec?.number('peerPort') || 179,
      ...(hold === undefined ? {} : { holdTime: hold }),
      ...(keepalive === undefined ? {} : { keepaliveTime: keepalive }),
      ...(connect === undefined ? {} : { connectTime: connect }),
      timersLost: areTimersLost(json, apiVersion, hold, keepalive),
      routerId: spec?.text('routerID') ?? '',
      nodeSelectors: spec?.objects('nodeSelectors', readLabelSelector) ?? [],
      password: spec?.text('password') ?? '',
      passwordSecret: spec?.object('passwordSecret')?.text('name') ?? '',
      bfdProfile: spec?.text('bfdProfile') ?? '',
      enableGracefulRestart: spec?.flag('enableGracefulRestart') ?? false,
      ebgpMultiHop: spec?.flag('ebgpMultiHop') ?? false,
      vrf: spec?.text('vrf') ?? '',
      disableMp: spec?.flag('disableMP') ?? false,
      dualStackAddressFamily: spec?.flag('dualStackAddressFamily') ?? false,
    };
  });
}

/** Fields of v1beta2 that v1beta1 cannot say. */
const ONLY_V1BETA2 = [
  'connectTime',
  'dynamicASN',
  'localASN',
  'interface',
  'vrf',
  'enableGracefulRestart',
  'passwordSecret',
  'disableMP',
  'dualStackAddressFamily',
] as const;

/**
 * Converts a BGPPeer between its versions, as a conversion webhook must. Unlike upstream's, a
 * v1beta1 object without timers stays without timers. v1beta2 to v1beta1 loses what v1beta1 lacks.
 */
export function convertBgpPeer(json: unknown, apiVersion: string): Result<unknown, ShapeIssue> {
  const object = `BGPPeer ${nameOfObject(json)}`;
  if (!isRecord(json)) return err({ object, message: 'not an object' });
  if (apiVersion !== V1BETA1 && apiVersion !== V1BETA2) {
    return err({ object, message: `unknown version ${apiVersion}` });
  }
  const from = json['apiVersion'];
  if (from === apiVersion) return ok(json);
  const metadata = recordAt(json, 'metadata');
  const annotations = recordAt(metadata, 'annotations');
  const spec: Record<string, unknown> = { ...recordAt(json, 'spec') };
  const { [UNSET_TIMERS_ANNOTATION]: mark, ...otherAnnotations } = annotations;
  let newAnnotations: Readonly<Record<string, unknown>> = otherAnnotations;
  if (apiVersion === V1BETA2) {
    if (spec['peerPort'] === undefined || spec['peerPort'] === 0) spec['peerPort'] = 179;
    if (spec['holdTime'] === undefined && spec['keepaliveTime'] === undefined) {
      newAnnotations = { ...otherAnnotations, [UNSET_TIMERS_ANNOTATION]: 'unset' };
    }
  } else {
    for (const field of ONLY_V1BETA2) delete spec[field];
    if (mark === 'unset' && isZero(spec['holdTime']) && isZero(spec['keepaliveTime'])) {
      delete spec['holdTime'];
      delete spec['keepaliveTime'];
    }
  }
  const { annotations: _, ...otherMetadata } = metadata;
  const newMetadata =
    Object.keys(newAnnotations).length > 0
      ? { ...otherMetadata, annotations: newAnnotations }
      : otherMetadata;
  return ok({ ...json, apiVersion, metadata: newMetadata, spec });
}

/**
 * True when the timers of this object were never chosen by anybody: a v1beta1 object without them,
 * or the zeros that MetalLB's conversion made of one.
 */
function areTimersLost(
  json: unknown,
  apiVersion: string,
  hold: string | undefined,
  keepalive: string | undefined,
): boolean {
  if (!isZero(hold) || !isZero(keepalive)) return false;
  if (apiVersion === V1BETA1) return hold === undefined && keepalive === undefined;
  const metadata = isRecord(json) ? recordAt(json, 'metadata') : {};
  const annotations = recordAt(metadata, 'annotations');
  // The mark outlives a later rewrite as v1beta2, so it never overrules a zero that stands there.
  if (hold === undefined && keepalive === undefined) {
    if (annotations[UNSET_TIMERS_ANNOTATION] === 'unset') return true;
  }
  return (
    wasManagedWithoutTimers(metadata['managedFields']) ??
    wasAppliedWithoutTimers(annotations[LAST_APPLIED_ANNOTATION]) ??
    false
  );
}

/** From kubectl's client-side apply: what the user's file said. Undefined: the file is not known. */
function wasAppliedWithoutTimers(annotation: unknown): boolean | undefined {
  if (typeof annotation !== 'string') return undefined;
  let applied: unknown;
  try {
    applied = JSON.parse(annotation);
  } catch {
    return undefined;
  }
  if (!isRecord(applied) || !isRecord(applied['spec'])) return undefined;
  if (applied['apiVersion'] !== V1BETA1) return false;
  return (
    applied['spec']['holdTime'] === undefined && applied['spec']['keepaliveTime'] === undefined
  );
}

/**
 * From managedFields: somebody owns fields through v1beta1, and nobody owns a timer. Undefined: the
 * server does not say.
 */
function wasManagedWithoutTimers(managedFields: unknown): boolean | undefined {
  if (!Array.isArray(managedFields) || managedFields.length === 0) return undefined;
  let throughV1beta1 = false;
  for (const entry of managedFields as unknown[]) {
    if (!isRecord(entry) || !isRecord(entry['fieldsV1'])) continue;
    const spec = entry['fieldsV1']['f:spec'];
    if (!isRecord(spec)) continue;
    if (spec['f:holdTime'] !== undefined || spec['f:keepaliveTime'] !== undefined) return false;
    if (entry['apiVersion'] === V1BETA1) throughV1beta1 = true;
  }
  return throughV1beta1;
}

function isZero(duration: unknown): boolean {
  if (duration === undefined || duration === null) return true;
  return typeof duration === 'string' && parseDurationMs(duration) === 0;
}

function recordAt(source: JsonRecord, key: string): JsonRecord {
  const value = source[key];
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
