// Annotations on Services, in the current prefix and the legacy one. The current one wins when both
// are present, even when it is empty.

import type { Service } from './kubernetes.ts';

export const ANNOTATION = {
  addressPool: 'address-pool',
  loadBalancerIps: 'loadBalancerIPs',
  allowSharedIp: 'allow-shared-ip',
  allocatedFromPool: 'ip-allocated-from-pool',
} as const;
export type AnnotationName = (typeof ANNOTATION)[keyof typeof ANNOTATION];

const CURRENT_PREFIX = 'metallb.io/';
const LEGACY_PREFIX = 'metallb.universe.tf/';

/** Full key under which we write. */
export function annotationKey(name: AnnotationName): string {
  return CURRENT_PREFIX + name;
}

export function legacyAnnotationKey(name: AnnotationName): string {
  return LEGACY_PREFIX + name;
}

/** The value under either prefix; empty when absent. */
export function annotationOf(service: Service, name: AnnotationName): string {
  const { annotations } = service.metadata;
  return annotations[annotationKey(name)] ?? annotations[legacyAnnotationKey(name)] ?? '';
}

/** Keys with the legacy prefix that the service still carries, sorted. */
export function legacyAnnotationsOn(service: Service): readonly string[] {
  return Object.values(ANNOTATION)
    .map(legacyAnnotationKey)
    .filter((key) => Object.hasOwn(service.metadata.annotations, key))
    .toSorted();
}
