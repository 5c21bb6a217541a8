// BGPPeer between v1beta1 and v1beta2. Field for field as MetalLB's conversion, except that absent
// timers stay absent: MetalLB writes 0s for both, which turns off dead peer detection by accident.
// v1beta1 cannot express the newer fields of v1beta2; they are not shown there.

import {
  cloneJson,
  isObject,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
} from '../object.ts';

const sharedFields = [
  'myASN',
  'peerASN',
  'peerAddress',
  'sourceAddress',
  'peerPort',
  'holdTime',
  'keepaliveTime',
  'routerID',
  'password',
  'bfdProfile',
  'ebgpMultiHop',
];

export function convertBgpPeer(object: KubeObject, toApiVersion: string): KubeObject | undefined {
  const spec = objectAt(object, 'spec');
  switch (toApiVersion) {
    case 'metallb.io/v1beta1':
      return {
        ...object,
        apiVersion: toApiVersion,
        spec: { ...pick(spec), ...selectors(spec, toOldSelector) },
      };
    case 'metallb.io/v1beta2':
      return {
        ...object,
        apiVersion: toApiVersion,
        spec: { ...pick(spec), ...selectors(spec, toNewSelector) },
      };
    default:
      return undefined;
  }
}

function pick(spec: JsonObject): JsonObject {
  return Object.fromEntries(
    sharedFields.flatMap((name) => (spec[name] === undefined ? [] : [[name, spec[name]]])),
  );
}

function selectors(spec: JsonObject, convert: (selector: JsonObject) => JsonObject): JsonObject {
  if (spec['nodeSelectors'] === undefined) return {};
  const list = listAt(spec, 'nodeSelectors').filter(isObject);
  return { nodeSelectors: list.map((selector) => convert(cloneJson(selector))) };
}

/** v1beta1 wants values in every expression; Exists and DoesNotExist have none. */
function toOldSelector(selector: JsonObject): JsonObject {
  const expressions = listAt(selector, 'matchExpressions').filter(isObject);
  if (expressions.length === 0) return selector;
  return {
    ...selector,
    matchExpressions: expressions.map((expression) => ({ values: [], ...expression })),
  };
}

function toNewSelector(selector: JsonObject): JsonObject {
  return selector;
}
