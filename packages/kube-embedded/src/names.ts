// Names of objects: which characters each kind allows, and the causes when a name is wrong.

import { fieldInvalid, fieldRequired, invalid, type StatusCause } from './api-error.ts';
import type { KubeObject } from './object.ts';
import type { ResourceDef } from './resource.ts';

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const label1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Throws 422 when the name, labels or annotations of a new object are not allowed. */
export function checkIdentity(def: ResourceDef, object: KubeObject): void {
  const name = object.metadata.name ?? '';
  const causes =
    name === ''
      ? [fieldRequired('metadata.name', 'name or generateName is required')]
      : nameFaults(def, name);
  causes.push(...labelFaults(object.metadata.labels ?? {}));
  if (causes.length > 0) throw invalid(def.group, def.kind, name, causes);
}

function nameFaults(def: ResourceDef, name: string): StatusCause[] {
  if (def.group === 'rbac.authorization.k8s.io' || def.kind === 'Event') {
    const bad = name === '.' || name === '..' || /[/%]/.test(name);
    return bad
      ? [fieldInvalid('metadata.name', name, "may not be '.', '..' or contain '/' or '%'")]
      : [];
  }
  if (def.kind === 'Service' && def.group === '') {
    return name.length <= 63 && label1035.test(name)
      ? []
      : [
          fieldInvalid(
            'metadata.name',
            name,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
          ),
        ];
  }
  if (def.kind === 'Namespace') {
    return name.length <= 63 && label.test(name)
      ? []
      : [
          fieldInvalid(
            'metadata.name',
            name,
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
          ),
        ];
  }
  return name.length <= 253 && subdomain.test(name)
    ? []
    : [
        fieldInvalid(
          'metadata.name',
          name,
          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
        ),
      ];
}

function labelFaults(labels: Record<string, string>): StatusCause[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    const causes: StatusCause[] = [];
    if (!/^([^/]{1,253}\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(key)) {
      causes.push(
        fieldInvalid(
          'metadata.labels',
          key,
          "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        ),
      );
    }
    if (!/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/.test(value)) {
      causes.push(
        fieldInvalid(
          'metadata.labels',
          value,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        ),
      );
    }
    return causes;
  });
}
