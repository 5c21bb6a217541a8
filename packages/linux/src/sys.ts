// The one module that calls libc, through koffi; nothing else in the repository does. Thin typed
// wrappers: a call returns its value or the errno, it never throws for a failing
// system call. `watch` turns a descriptor's readiness into a callback and handles two traps of
// koffi's poll (a handle nobody references is closed by the garbage collector; the callback is a
// bare native call in which promises and errors go astray). No policy lives here.

import { readFileSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import koffi from 'koffi';
import type { PlatformError } from '@rookery/router';
import { PR_SET_KEEPCAPS, SCHED_FIFO, SO_ATTACH_FILTER, SOL_SOCKET } from './constants.ts';

/** A value, or the errno of a call that failed; negative results never leave this module. */
export type SysResult<T = number> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly errno: number };

const libc = koffi.load(null);
const cSocket = libc.func('int socket(int domain, int type, int protocol)');
const cBind = libc.func('int bind(int fd, const void *addr, uint32_t len)');
const cConnect = libc.func('int connect(int fd, const void *addr, uint32_t len)');
const cSetsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t len)',
);
const cGetsockopt = libc.func(
  'int getsockopt(int fd, int level, int name, void *value, void *len)',
);
const cGetsockname = libc.func('int getsockname(int fd, void *addr, void *len)');
const cSend = libc.func('intptr_t send(int fd, const void *buffer, size_t size, int flags)');
const cWrite = libc.func('intptr_t write(int fd, const void *buffer, size_t size)');
const cSendto = libc.func(
  'intptr_t sendto(int fd, const void *buffer, size_t size, int flags, const void *addr, uint32_t len)',
);
const cRecv = libc.func('intptr_t recv(int fd, void *buffer, size_t size, int flags)');
const cRecvmsg = libc.func('intptr_t recvmsg(int fd, void *message, int flags)');
const cClose = libc.func('int close(int fd)');
const cStrerror = libc.func('const char *strerror(int errno)');
const cPrctl = libc.func(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
);
const cCapset = libc.func('int capset(const void *header, const void *data)');
const cIfNametoindex = libc.func('unsigned int if_nametoindex(const char *name)');
const cSchedSetscheduler = libc.func(
  'int sched_setscheduler(int pid, int policy, const void *parameters)',
);

const cMallocTrim = optional('int malloc_trim(size_t pad)');
const cMadvise = libc.func('int madvise(uintptr_t address, size_t length, int advice)');

/** Not every C library has it. */
function optional(prototype: string): ReturnType<typeof libc.func> | undefined {
  try {
    return libc.func(prototype);
  } catch {
    return undefined;
  }
}

function resultOf(value: number): SysResult {
  return value < 0 ? { ok: false, errno: koffi.errno() } : { ok: true, value };
}

/** socket(2); the descriptor is close-on-exec when `type` says so. */
export function openSocket(domain: number, type: number, protocol: number): SysResult {
  return resultOf(cSocket(domain, type, protocol));
}

export function bindSocket(fd: number, address: Uint8Array): SysResult {
  return resultOf(cBind(fd, address, address.length));
}

export function connectSocket(fd: number, address: Uint8Array): SysResult {
  return resultOf(cConnect(fd, address, address.length));
}

export function setOption(
  fd: number,
  level: number,
  name: number,
  value: Uint8Array | number,
): SysResult {
  const bytes = typeof value === 'number' ? int32Bytes(value) : value;
  return resultOf(cSetsockopt(fd, level, name, bytes, bytes.length));
}

/** Attaches a classic BPF program; each instruction is code, jump if true, jump if false, operand. */
export function attachFilter(
  fd: number,
  program: readonly (readonly [number, number, number, number])[],
): SysResult {
  const code = new Uint8Array(program.length * 8);
  const view = new DataView(code.buffer);
  program.forEach(([operation, whenTrue, whenFalse, operand], i) => {
    view.setUint16(i * 8, operation, true);
    view.setUint8(i * 8 + 2, whenTrue);
    view.setUint8(i * 8 + 3, whenFalse);
    view.setUint32(i * 8 + 4, operand, true);
  });
  // struct sock_fprog of LP64: length, padding, pointer.
  const header = new Uint8Array(16);
  const headerView = new DataView(header.buffer);
  headerView.setUint16(0, program.length, true);
  headerView.setBigUint64(8, addressOf(code), true);
  return setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, header);
}

/** An integer socket option. */
export function getOption(fd: number, level: number, name: number): SysResult {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  const result = resultOf(cGetsockopt(fd, level, name, value, length));
  return result.ok ? { ok: true, value: value[0]! } : result;
}

/** getsockname(2) as raw sockaddr bytes. */
export function socketName(fd: number): SysResult<Uint8Array> {
  const address = new Uint8Array(128);
  const length = new Uint32Array([address.length]);
  const result = resultOf(cGetsockname(fd, address, length));
  return result.ok ? { ok: true, value: address.subarray(0, length[0]) } : result;
}

export function sendBytes(fd: number, bytes: Uint8Array, flags: number): SysResult {
  return resultOf(cSend(fd, bytes, bytes.length, flags));
}

/**
 * `sendBytes` in another thread, for a call that keeps the kernel busy; `bytes` stay as they are until
 * `done`.
 */
export function sendMeanwhile(
  fd: number,
  bytes: Uint8Array,
  flags: number,
  done: (sent: SysResult) => void,
): void {
  cSend.async(fd, bytes, bytes.length, flags, (error: unknown, value: number) => {
    // The errno stays with that thread: the second call fails for the same reason, and tells it.
    done(error || value < 0 ? sendBytes(fd, bytes, flags) : { ok: true, value });
  });
}

/** write(2), for a descriptor that does not block; Node ignores SIGPIPE. */
export function writeBytes(fd: number, bytes: Uint8Array): SysResult {
  return resultOf(cWrite(fd, bytes, bytes.length));
}

export function sendBytesTo(
  fd: number,
  bytes: Uint8Array,
  flags: number,
  address: Uint8Array,
): SysResult {
  return resultOf(cSendto(fd, bytes, bytes.length, flags, address, address.length));
}

export function receiveBytes(fd: number, into: Uint8Array, flags: number): SysResult {
  return resultOf(cRecv(fd, into, into.length, flags));
}

/** Buffers of one recvmsg(2) call, allocated once per socket and reused. */
export interface MessageBuffers {
  readonly data: Uint8Array;
  readonly name: Uint8Array;
  readonly control: Uint8Array;
  readonly header: Uint8Array;
}

/** msghdr of LP64: name, namelen, iov, iovlen, control, controllen, flags. */
export function createMessageBuffers(dataSize: number): MessageBuffers {
  return {
    data: new Uint8Array(dataSize),
    name: new Uint8Array(128),
    control: new Uint8Array(256),
    // msghdr (56 octets) followed by its one iovec (16).
    header: new Uint8Array(72),
  };
}

export interface ReceivedMessage {
  readonly size: number;
  readonly nameLength: number;
  readonly controlLength: number;
  readonly flags: number;
}

/** recvmsg(2); what it says about lengths is returned, the octets are in `buffers`. */
export function receiveMessage(
  fd: number,
  buffers: MessageBuffers,
  flags: number,
): SysResult<ReceivedMessage> {
  const { header, name, data, control } = buffers;
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  view.setBigUint64(0, addressOf(name), true);
  view.setUint32(8, name.length, true);
  view.setBigUint64(16, addressOf(header) + 56n, true);
  view.setBigUint64(24, 1n, true);
  view.setBigUint64(32, addressOf(control), true);
  view.setBigUint64(40, BigInt(control.length), true);
  view.setInt32(48, 0, true);
  view.setBigUint64(56, addressOf(data), true);
  view.setBigUint64(64, BigInt(data.length), true);
  const result = resultOf(cRecvmsg(fd, header, flags));
  if (!result.ok) return result;
  return {
    ok: true,
    value: {
      size: result.value,
      nameLength: view.getUint32(8, true),
      controlLength: Number(view.getBigUint64(40, true)),
      flags: view.getInt32(48, true),
    },
  };
}

export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  /** Where its data stands in the control buffer. */
  readonly at: number;
  readonly length: number;
}

/** The ancillary data of a received message; cmsghdr of LP64: length (8), level, type, data. */
export function* controlMessages(
  { control }: MessageBuffers,
  { controlLength }: ReceivedMessage,
): Iterable<ControlMessage> {
  const view = new DataView(control.buffer, control.byteOffset, control.length);
  for (let at = 0; at + 16 <= controlLength;) {
    const length = Number(view.getBigUint64(at, true));
    if (length < 16 || at + length > controlLength) return;
    const level = view.getInt32(at + 8, true);
    yield { level, type: view.getInt32(at + 12, true), at: at + 16, length: length - 16 };
    at += (length + 7) & ~7;
  }
}

export function closeDescriptor(fd: number): void {
  cClose(fd);
}

export function setKeepCapabilities(keep: boolean): SysResult {
  return resultOf(cPrctl(PR_SET_KEEPCAPS, keep ? 1 : 0, 0, 0, 0));
}

/** capset(2): the permitted and effective sets of the calling thread become exactly `numbers`. */
export function setCapabilities(numbers: readonly number[]): SysResult {
  const mask = numbers.reduce((sum, n) => sum | (1n << BigInt(n)), 0n);
  const low = Number(mask & 0xffffffffn);
  const high = Number(mask >> 32n);
  const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
  return resultOf(
    cCapset(
      new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]),
      new Uint32Array([low, low, 0, high, high, 0]),
    ),
  );
}

/** Index of an interface in the calling thread's namespace; 0 when there is none. */
export function interfaceIndex(name: string): number {
  return cIfNametoindex(name) as number;
}

/** The calling thread runs before all ordinary ones. Needs CAP_SYS_NICE or an rtprio limit. */
export function setRealtimePriority(priority: number): SysResult {
  return resultOf(cSchedSetscheduler(0, SCHED_FIFO, int32Bytes(priority)));
}

/** True when the calling thread's effective set has the capability. */
export function hasCapability(number: number): boolean {
  return capabilitySet('CapEff', number);
}

/** True when the calling thread may make the capability effective. */
export function isPermitted(number: number): boolean {
  return capabilitySet('CapPrm', number);
}

/** malloc_trim(3), where there is one: free memory of the allocator goes back to the system. */
export function trimAllocator(): void {
  cMallocTrim?.(0);
}

/** madvise(2) for whole pages; `address` and `length` in octets. */
export function adviseMemory(address: number, length: number, advice: number): SysResult {
  return resultOf(cMadvise(address, length, advice));
}

/** strerror(3), e.g. "Connection refused". */
export function errorText(errno: number): string {
  return cStrerror(errno) as string;
}

/** errno name, e.g. "ECONNREFUSED". */
export function errorName(errno: number): string {
  return errnoNames.get(errno) ?? `E${errno}`;
}

/** A failed system call as a fact carries it. */
export function platformError(operation: string, errno: number): PlatformError {
  return { operation, code: errorName(errno), message: errorText(errno) };
}

/** An error of Node's own I/O as a fact carries it; the text is strerror's, as BIRD prints it. */
export function platformErrorFrom(operation: string, error: unknown): PlatformError {
  const { code, message } = error as { code?: string; message?: string };
  const errno = code === undefined ? undefined : errnoNumbers[code];
  if (errno !== undefined) return platformError(operation, errno);
  return { operation, code: code ?? 'EIO', message: message ?? String(error) };
}

/**
 * Calls `drain` in a turn of its own whenever `fd` is readable (level triggered, so `drain` may
 * stop early and is called again). Returns the function that ends it; close the descriptor only
 * after that. The watch keeps the event loop alive.
 */
export function watch(fd: number, drain: () => void): () => void {
  let queued = false;
  let ended = false;
  const handle = koffi.node.poll(fd, { readable: true }, () => {
    if (queued) return;
    queued = true;
    // A bare native call: microtasks queued here would wait for the next unrelated event.
    setImmediate(() => {
      queued = false;
      if (!ended) drain();
    });
  });
  // koffi holds the handle weakly; without this the collector closes it and events just stop.
  liveHandles.add(handle);
  return () => {
    if (ended) return;
    ended = true;
    liveHandles.delete(handle);
    handle.close();
  };
}

const liveHandles = new Set<unknown>();

const errnoNumbers = osConstants.errno as unknown as Readonly<Record<string, number>>;
const errnoNames: ReadonlyMap<number, string> = new Map(
  // EWOULDBLOCK and EOPNOTSUPP share numbers with EAGAIN and ENOTSUP; the first name wins.
  Object.entries(errnoNumbers)
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP')
    .map(([name, number]) => [number, name]),
);

function capabilitySet(field: string, number: number): boolean {
  const status = readFileSync('/proc/thread-self/status', 'utf8');
  const match = new RegExp(`^${field}:\\s*([0-9a-f]+)`, 'm').exec(status);
  return match !== null && ((BigInt(`0x${match[1]!}`) >> BigInt(number)) & 1n) === 1n;
}

function addressOf(bytes: Uint8Array): bigint {
  return BigInt(koffi.address(bytes));
}

function int32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}
