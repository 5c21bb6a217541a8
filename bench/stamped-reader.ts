// Reads a TCP socket with the kernel's stamps of arrival. A process needs up to some milliseconds
// to wake up and read; that is nothing that a daemon could be blamed for. What arrives wakes nobody,
// so that it does not take the CPU from the daemon either.

import { MSG_DONTWAIT, SOL_SOCKET, SO_TIMESTAMPNS } from '../packages/linux/src/constants.ts';
import {
  controlMessages,
  createMessageBuffers,
  receiveMessage,
  setOption,
} from '../packages/linux/src/sys.ts';
import type { ReceivedMessage } from '../packages/linux/src/sys.ts';
import { nowMs, timeOfDayOffsetMs } from './clock.ts';

export class StampedReader {
  readonly #fd: number;
  readonly #take: (count: number, buffer: Uint8Array, atMs: number) => void;
  readonly #buffers = createMessageBuffers(256 * 1024);
  readonly #control: DataView;
  readonly #offsetMs = timeOfDayOffsetMs();

  /**
   * Until `stop` nobody else may read the socket. `take` gets octets and when the last of them arrived,
   * on the clock of `nowMs`.
   */
  constructor(fd: number, take: (count: number, buffer: Uint8Array, atMs: number) => void) {
    this.#fd = fd;
    this.#take = take;
    const { control } = this.#buffers;
    this.#control = new DataView(control.buffer, control.byteOffset, control.length);
    const set = setOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    if (!set.ok) throw new Error('the kernel does not stamp what arrives');
  }

  stop(): void {
    setOption(this.#fd, SOL_SOCKET, SO_TIMESTAMPNS, 0);
  }

  /** Reads what is there. */
  look(): void {
    for (;;) {
      const received = receiveMessage(this.#fd, this.#buffers, MSG_DONTWAIT);
      if (!received.ok || received.value.size === 0) return;
      this.#take(received.value.size, this.#buffers.data, this.#stampOf(received.value) ?? nowMs());
    }
  }

  /** None where octets were here before the stamps were asked for. */
  #stampOf(received: ReceivedMessage): number | undefined {
    for (const { level, type, at } of controlMessages(this.#buffers, received)) {
      if (level !== SOL_SOCKET || type !== SO_TIMESTAMPNS) continue;
      const seconds = Number(this.#control.getBigInt64(at, true));
      const nanoseconds = Number(this.#control.getBigInt64(at + 8, true));
      return seconds * 1e3 + nanoseconds / 1e6 - this.#offsetMs;
    }
    return undefined;
  }
}
