// The least that a daemon on Node can do: what one connection says is given to the other, the way
// Rookery reads and writes (packages/linux/src/tcp.ts), with no BGP in between. What an echo takes
// through it is the floor for an echo of Rookery's.

import net from 'node:net';
import { writeBytes } from '../packages/linux/src/sys.ts';
import { descriptorOf, takeOver } from '../packages/linux/src/tcp.ts';

const buffer = new Uint8Array(64 * 1024);
const ends: net.Socket[] = [];

net
  .createServer({ noDelay: true, pauseOnConnect: true }, (accepted) => {
    const socket = takeOver(accepted, { buffer, callback: (count) => handOn(socket, count) });
    socket.on('error', () => process.exit(1));
    ends.push(socket);
    if (ends.length === 2) for (const end of ends) end.resume();
  })
  .listen(179);

function handOn(from: net.Socket, count: number): boolean {
  const to = ends.find((end) => end !== from)!;
  const bytes = buffer.subarray(0, count);
  const sent = to.writableLength > 0 ? undefined : writeBytes(descriptorOf(to)!, bytes);
  const taken = sent?.ok ? sent.value : 0;
  if (taken < count) to.write(bytes.slice(taken));
  return true;
}
