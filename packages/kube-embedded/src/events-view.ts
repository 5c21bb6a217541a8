// events.k8s.io/v1 is a second view of core v1 events: one store, two shapes.

import { isObject, type KubeObject, numberAt, objectAt, textAt } from './object.ts';

export function toEventsV1(core: KubeObject): KubeObject {
  const {
    involvedObject,
    message,
    source,
    firstTimestamp,
    lastTimestamp,
    count,
    reportingComponent,
    ...rest
  } = core;
  return {
    ...rest,
    apiVersion: 'events.k8s.io/v1',
    eventTime: core['eventTime'] ?? null,
    regarding: involvedObject,
    note: message,
    reportingController: reportingComponent ?? '',
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  };
}

export function toCoreEvent(event: KubeObject): KubeObject {
  const {
    regarding,
    note,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    ...rest
  } = event;
  const core: KubeObject = {
    ...rest,
    apiVersion: 'v1',
    involvedObject: isObject(regarding) ? regarding : {},
    message: note ?? '',
    reportingComponent: textAt({ reportingController }, 'reportingController'),
    source: objectAt({ deprecatedSource }, 'deprecatedSource'),
  };
  if (deprecatedFirstTimestamp !== undefined) core['firstTimestamp'] = deprecatedFirstTimestamp;
  if (deprecatedLastTimestamp !== undefined) core['lastTimestamp'] = deprecatedLastTimestamp;
  const count = numberAt({ deprecatedCount }, 'deprecatedCount');
  if (count !== undefined) core['count'] = count;
  if (core['eventTime'] === null) delete core['eventTime'];
  return core;
}
