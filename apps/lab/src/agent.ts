// The small programs that live inside the lab's hosts: the pod (an HTTP server that answers with
// its node's name), the client (opens one new connection per request, for ever, and reports each
// outcome) and the gate (listens on behalf of its parent, which sits outside the namespaces). Parent
// and agent speak JSON over Node's IPC channel; an agent ends with its parent.

import { createSocket } from 'node:dgram';
import { createServer as createHttpServer, request } from 'node:http';
import { createServer } from 'node:net';

export type AgentRole = 'pod' | 'client' | 'gate';

/** Parent to client. */
export type ClientOrder =
  | {
      readonly kind: 'probe';
      readonly host: string;
      readonly port: number;
      readonly everyMs: number;
    }
  | { readonly kind: 'rest' }
  | { readonly kind: 'datagram'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'once';
      readonly id: number;
      readonly host: string;
      readonly port: number;
      readonly timeoutMs: number;
    };

/** Client to parent: the outcome of one request. */
export interface ProbeReport {
  readonly kind: 'probe' | 'once';
  readonly id?: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** First line of the answer, i.e. the node's name. */
  readonly answer?: string;
  readonly error?: string;
}

/** How long a client waits for one answer, so that a blackhole costs a second and not a minute. */
const PROBE_TIMEOUT_MS = 1000;

/** Entry of `rookery lab-agent ROLE …`. */
export function runAgent(role: AgentRole, args: readonly string[]): void {
  process.on('disconnect', () => process.exit(0));
  switch (role) {
    case 'pod':
      return runPod(args[0] ?? '', Number(args[1]), args[2] ?? '');
    case 'client':
      return runClient();
    case 'gate':
      return runGate(args[0] ?? '', Number(args[1]));
  }
}

function runPod(address: string, port: number, nodeName: string): void {
  const server = createHttpServer((_request, response) => {
    response.setHeader('connection', 'close');
    response.end(`${nodeName}\n`);
  });
  server.listen(port, address, () => process.send?.({ kind: 'ready' }));
}

/** The parent is given the socket itself: what it accepts there never passes through this process. */
function runGate(address: string, port: number): void {
  const server = createServer();
  server.listen(port, address, () => {
    process.send?.({ kind: 'ready' }, server, {}, () => process.exit(0));
  });
}

function runClient(): void {
  let timer: NodeJS.Timeout | undefined;
  const udp = createSocket('udp4');
  udp.on('error', () => {});
  process.on('message', (order: ClientOrder) => {
    if (order.kind === 'datagram') {
      udp.send('?', order.port, order.host);
      return;
    }
    if (order.kind === 'once') {
      void get(order.host, order.port, order.timeoutMs).then((report) =>
        process.send?.({ ...report, kind: 'once', id: order.id }),
      );
      return;
    }
    clearInterval(timer);
    if (order.kind === 'rest') return;
    timer = setInterval(() => {
      void get(order.host, order.port, PROBE_TIMEOUT_MS).then((report) => process.send?.(report));
    }, order.everyMs);
  });
  process.send?.({ kind: 'ready' });
}

function get(host: string, port: number, timeoutMs: number): Promise<ProbeReport> {
  const startedAtMs = Date.now();
  const started = performance.now();
  return new Promise((resolve) => {
    const done = (outcome: { answer?: string; error?: string }): void =>
      resolve({ kind: 'probe', startedAtMs, durationMs: performance.now() - started, ...outcome });
    const req = request({ host, port, path: '/', agent: false, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => done({ answer: text.split('\n')[0] ?? '' }));
      response.on('error', (error) => done({ error: error.message }));
    });
    // `timeout` counts idle time; a connect into a blackhole must end as well.
    const limit = setTimeout(() => req.destroy(new Error('no answer')), timeoutMs);
    req.on('close', () => clearTimeout(limit));
    req.on('error', (error) => done({ error: error.message }));
    req.end();
  });
}
