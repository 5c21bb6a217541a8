// Entry of the thread that writes routes: the kernel does its work inside send(2), in whoever calls,
// and for a full table that is half a second that belongs to the sessions. It uses the main thread's
// netlink socket, which that leaves alone meanwhile.

import { parentPort, workerData } from 'node:worker_threads';
import { RouteSocket } from './netlink/socket.ts';
import type { Failure } from './netlink/socket.ts';
import type { RouteOrder } from './route-thread.ts';

export interface RouteWorkerData {
  readonly fd: number;
  readonly port: number;
}

export interface RoutesWritten {
  readonly seq: number;
  readonly failures: readonly Failure[];
}

if (parentPort) serve(parentPort, workerData as RouteWorkerData);

function serve(port: NonNullable<typeof parentPort>, data: RouteWorkerData): void {
  const socket = new RouteSocket(data.fd, data.port);
  port.on('message', (order: RouteOrder) => {
    const answer: RoutesWritten = { seq: order.seq, failures: socket.apply(order) };
    port.postMessage(answer);
  });
}
