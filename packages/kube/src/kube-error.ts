// Why a request to the API server did not succeed: a closed union. Nothing in this package throws
// because of what a server, a kubeconfig or the network did.

export type KubeError =
  /** No answer: refused, reset, unresolvable, timed out, TLS failure. */
  | { readonly kind: 'unreachable'; readonly message: string; readonly code?: string }
  /** An answer with an error status; `reason` is the API's word, e.g. "NotFound". */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly reason: string;
      readonly message: string;
      readonly retryAfterSec?: number;
    }
  /** An answer that is not what the API sends. */
  | { readonly kind: 'malformed'; readonly message: string }
  /** Credentials could not be obtained (token file, exec plugin). */
  | { readonly kind: 'credentials'; readonly message: string }
  | { readonly kind: 'aborted' };

/** One sentence for a log line. */
export function renderKubeError(error: KubeError): string {
  switch (error.kind) {
    case 'unreachable':
      return `API server not reachable: ${error.message}`;
    case 'status':
      return `API server answers ${error.status} ${error.reason}: ${error.message}`;
    case 'malformed':
      return `API server sends what is no valid answer: ${error.message}`;
    case 'credentials':
      return `no credentials: ${error.message}`;
    case 'aborted':
      return 'stopped';
  }
}

/** 404. */
export function isNotFound(error: KubeError): boolean {
  return error.kind === 'status' && error.status === 404;
}

/** 409: somebody else was faster, or the object exists. */
export function isConflict(error: KubeError): boolean {
  return error.kind === 'status' && error.status === 409;
}

/** 410: the resource version is too old; list again. */
export function isGone(error: KubeError): boolean {
  return error.kind === 'status' && (error.status === 410 || error.reason === 'Expired');
}
