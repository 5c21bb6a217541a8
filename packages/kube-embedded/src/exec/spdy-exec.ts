// placeholder
import { ApiError } from '../api-error.ts';
import type { ExecRequest, ExecSession, ExecUpgrade } from './exec.ts';

export function acceptSpdyExec(
  _upgrade: ExecUpgrade,
  _request: ExecRequest,
  _start: () => Promise<ExecSession>,
): void {
  throw new ApiError(
    400,
    'BadRequest',
    'cannot upgrade to SPDY/3.1: use a client that speaks WebSocket (kubectl 1.30 or later)',
  );
}
