// Failures as Kubernetes reports them: an HTTP code and a metav1.Status body whose reason and
// causes kubectl prints. Thrown inside request handling only and turned into a response at its edge.

import type { JsonObject } from './object.ts';

export interface StatusCause {
  reason: string;
  message: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** A metav1.Status failure that travels as an exception inside one request. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  toStatus(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    };
  }
}

export interface Subject {
  group: string;
  plural: string;
}

export function successStatus(subject: Subject, name: string, uid: string): JsonObject {
  const details = { name, group: subject.group, kind: subject.plural, uid };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

export const badRequest = (message: string) => new ApiError(400, 'BadRequest', message);

export const notFound = (subject: Subject, name: string) =>
  new ApiError(404, 'NotFound', `${resourceText(subject)} "${name}" not found`, {
    name,
    group: subject.group,
    kind: subject.plural,
  });

export const pathNotFound = () =>
  new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});

export const alreadyExists = (subject: Subject, name: string) =>
  new ApiError(409, 'AlreadyExists', `${resourceText(subject)} "${name}" already exists`, {
    name,
    group: subject.group,
    kind: subject.plural,
  });

export const conflict = (subject: Subject, name: string, why: string) =>
  new ApiError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${resourceText(subject)} "${name}": ${why}`,
    { name, group: subject.group, kind: subject.plural },
  );

export const staleObject = (subject: Subject, name: string) =>
  conflict(
    subject,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );

export const methodNotAllowed = () =>
  new ApiError(
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
    {},
  );

export const expired = (message: string) => new ApiError(410, 'Expired', message);

/** 422 with one cause per field. `kind` is the object's kind, as in `Service "x" is invalid`. */
export function invalid(
  group: string,
  kind: string,
  name: string,
  causes: StatusCause[],
): ApiError {
  const lines = causes.map((cause) =>
    cause.field ? `${cause.field}: ${cause.message}` : cause.message,
  );
  const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  const qualified = group === '' ? kind : `${kind}.${group}`;
  const details = { name, group, kind, causes };
  return new ApiError(422, 'Invalid', `${qualified} "${name}" is invalid: ${text}`, details);
}

export const fieldInvalid = (field: string, value: unknown, why: string): StatusCause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${JSON.stringify(value) ?? 'null'}: ${why}`,
  field,
});

export const fieldRequired = (field: string, why = ''): StatusCause => ({
  reason: 'FieldValueRequired',
  message: why === '' ? 'Required value' : `Required value: ${why}`,
  field,
});

export const fieldNotSupported = (
  field: string,
  value: unknown,
  allowed: readonly unknown[],
): StatusCause => ({
  reason: 'FieldValueNotSupported',
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${allowed
    .map((item) => JSON.stringify(item))
    .join(', ')}`,
  field,
});

export const fieldForbidden = (field: string, why: string): StatusCause => ({
  reason: 'FieldValueForbidden',
  message: `Forbidden: ${why}`,
  field,
});

function resourceText(subject: Subject): string {
  return subject.group === '' ? subject.plural : `${subject.plural}.${subject.group}`;
}
