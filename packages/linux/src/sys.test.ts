import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as c from './constants.ts';
import { decodeSocketAddress, encodeSocketAddress } from './sockaddr.ts';
import * as sys from './sys.ts';

function openLoopback(): { fd: number; port: number } {
  const opened = sys.openSocket(c.AF_INET, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0);
  assert.ok(opened.ok);
  assert.ok(sys.bindSocket(opened.value, encodeSocketAddress('127.0.0.1', 0)).ok);
  const name = sys.socketName(opened.value);
  assert.ok(name.ok);
  return { fd: opened.value, port: decodeSocketAddress(name.value)!.port };
}

async function send(port: number): Promise<void> {
  const sender = dgram.createSocket('udp4');
  sender.send('x', port, '127.0.0.1');
  await once(sender, 'listening');
  await new Promise<void>((done) => sender.send('y', port, '127.0.0.1', () => done()));
  sender.close();
}

// Trap 1 of koffi's poll: the handle is held weakly and the collector closes it.
test('a watch survives garbage collection', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { fd, port } = openLoopback();
  const buffer = new Uint8Array(16);
  let wake: (() => void) | undefined;
  const stop = sys.watch(fd, () => {
    while (sys.receiveBytes(fd, buffer, c.MSG_DONTWAIT).ok);
    wake?.();
  });
  for (let round = 0; round < 5; round++) {
    const woken = new Promise<void>((done) => (wake = done));
    collect();
    await new Promise((done) => setImmediate(done));
    collect();
    await send(port);
    await woken;
  }
  stop();
  setImmediate(() => sys.closeDescriptor(fd));
});

// Trap 2: the callback is a bare native call in which microtasks wait for an unrelated event.
test('promises queued in a drain run in the same turn', async () => {
  const { fd, port } = openLoopback();
  const buffer = new Uint8Array(16);
  const order: string[] = [];
  let finished: (() => void) | undefined;
  const done = new Promise<void>((resolve) => (finished = resolve));
  const stop = sys.watch(fd, () => {
    if (!sys.receiveBytes(fd, buffer, c.MSG_DONTWAIT).ok) return;
    if (order.length > 0) return;
    order.push('drain');
    // Both are queued now; a microtask must come before the next turn of the loop.
    setImmediate(() => {
      order.push('next turn');
      finished!();
    });
    void Promise.resolve().then(() => order.push('microtask'));
  });
  await send(port);
  await done;
  stop();
  setImmediate(() => sys.closeDescriptor(fd));
  assert.deepEqual(order, ['drain', 'microtask', 'next turn']);
});

test('a failing call returns errno, with the name and text that BIRD logs', () => {
  const result = sys.setOption(-1, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  assert.ok(!result.ok);
  assert.deepEqual(sys.platformError('setsockopt', result.errno), {
    operation: 'setsockopt',
    code: 'EBADF',
    message: 'Bad file descriptor',
  });
  assert.equal(
    sys.platformErrorFrom('connect', { code: 'ECONNREFUSED' }).message,
    'Connection refused',
  );
  assert.equal(sys.platformErrorFrom('x', new Error('odd')).message, 'odd');
});
