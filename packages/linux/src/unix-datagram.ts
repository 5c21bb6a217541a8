// A Unix datagram socket to receive on, such as /dev/log: Node's own dgram has no such family.

import type { Result } from '@rookery/net';
import { err, ok } from '@rookery/net';
import type { PlatformError } from '@rookery/router';
import { AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from './constants.ts';
import { encodeUnixAddress } from './sockaddr.ts';
import {
  bindSocket,
  closeDescriptor,
  openSocket,
  platformError,
  receiveBytes,
  watch,
} from './sys.ts';

/** Longest datagram that is kept whole; syslog allows 1024 and BIRD sends less. */
const MAX_DATAGRAM = 8192;

/**
 * Binds `path` (which must not exist) and calls `onMessage` for each datagram. The value closes it.
 */
export function listenUnixDatagram(
  path: string,
  onMessage: (bytes: Uint8Array) => void,
): Result<() => void, PlatformError> {
  const socket = openSocket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (!socket.ok) return err(platformError('socket', socket.errno));
  const fd = socket.value;
  const bound = bindSocket(fd, encodeUnixAddress(path));
  if (!bound.ok) {
    closeDescriptor(fd);
    return err(platformError('bind', bound.errno));
  }
  const buffer = new Uint8Array(MAX_DATAGRAM);
  const unwatch = watch(fd, () => {
    for (;;) {
      const got = receiveBytes(fd, buffer, MSG_DONTWAIT);
      if (!got.ok || got.value <= 0) return;
      onMessage(buffer.slice(0, got.value));
    }
  });
  return ok(() => {
    unwatch();
    closeDescriptor(fd);
  });
}
