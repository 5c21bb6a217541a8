import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { openUdpReceiver, openUdpSender } from './udp.ts';
import type { UdpPacket } from './udp.ts';

for (const [family, loopback] of [
  ['ipv4', '127.0.0.1'],
  ['ipv6', '::1'],
] as const) {
  test(`${family}: packets arrive with TTL, local address and interface`, async () => {
    const port = await freePort(family, loopback);
    const packets: UdpPacket[] = [];
    let wake: (() => void) | undefined;
    const receiver = openUdpReceiver({
      family,
      port,
      onPacket: (packet) => {
        packets.push({ ...packet, bytes: packet.bytes.slice() });
        wake?.();
      },
    });
    assert.ok(receiver.ok);
    const arrived = async (count: number): Promise<void> => {
      while (packets.length < count) await new Promise<void>((resolve) => (wake = resolve));
    };
    const sender = openUdpSender({ remote: loopback, remotePort: port, local: loopback }, 12345);
    assert.ok(sender.ok);
    assert.ok(sender.value.localPort >= 49152);
    assert.equal(sender.value.send(new Uint8Array([1, 2, 3])), undefined);
    await arrived(1);
    // An ordinary program sends with TTL 64: what GTSM must be able to refuse.
    const ordinary = dgram.createSocket(family === 'ipv4' ? 'udp4' : 'udp6');
    ordinary.send(new Uint8Array([9]), port, loopback);
    await arrived(2);
    ordinary.close();
    sender.value.close();
    receiver.value.close();
    const [own, other] = packets;
    assert.deepEqual([...own!.bytes], [1, 2, 3]);
    assert.deepEqual(
      [own!.remote, own!.remotePort, own!.local, own!.ttl],
      [loopback, sender.value.localPort, loopback, 255],
    );
    assert.ok(own!.ifindex > 0);
    assert.equal(other!.ttl, 64);
  });
}

async function freePort(family: 'ipv4' | 'ipv6', address: string): Promise<number> {
  const socket = dgram.createSocket(family === 'ipv4' ? 'udp4' : 'udp6');
  socket.bind(0, address);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}
