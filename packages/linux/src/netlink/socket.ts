// A NETLINK_ROUTE socket for requests: dumps with strict checking and batches of route changes with
// one answer per change. The kernel does the work inside send(2) and recv(2), so requests are
// synchronous and never wait; long dumps are cut into steps by the caller. Events have a socket of
// their own (monitor.ts).

import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import { KERNEL_CHANGE } from '@rookery/router';
import type { Order, PlatformError } from '@rookery/router';
import * as c from '../constants.ts';
import { encodeNetlinkAddress } from '../sockaddr.ts';
import * as sys from '../sys.ts';
import {
  decodeAcknowledgement,
  MessageWriter,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  readMessages,
  readU32,
} from './message.ts';
import type { MessageHeader } from './message.ts';
import { encodeNexthop } from './nexthop.ts';
import { encodeRoutes } from './route.ts';

export type RouteOrder = Extract<Order, { kind: 'kernelRoutes' | 'kernelNexthop' }>;

export interface Failure {
  readonly index: number;
  readonly error: PlatformError;
}

/** Changes [from, to) of an order, as messages numbered from `firstSeq`. */
interface Span {
  readonly order: RouteOrder;
  readonly from: number;
  readonly to: number;
  readonly firstSeq: number;
  readonly failures: Failure[];
}

export type DumpVisitor = (bytes: Uint8Array, message: MessageHeader) => void;

/** A dump in progress; call `step` until it is no longer 'more'. */
export interface Dump {
  /** Receives at most `datagrams` (about 32 KiB each). 'interrupted': the table changed meanwhile. */
  step(datagrams: number): 'more' | 'done' | 'interrupted' | PlatformError;
}

/** Messages per send(2): beyond 64 the rate no longer grows, and the answers must fit the buffer. */
const batchMessages = 128;
/** Every message of `applyMeanwhile` may be refused. */
const receiveBufferBytes = 32 * 1024 * 1024;
const sendBufferBytes = 2 * 1024 * 1024;
const ENOBUFS = 105;

export class RouteSocket {
  /** Netlink port id: what the kernel writes into notifications about our own changes. */
  readonly port: number;
  /** The buffers have room for thousands of changes and their answers: it takes CAP_NET_ADMIN. */
  readonly isWide: boolean;
  readonly #fd: number;
  readonly #writer = new MessageWriter();
  readonly #buffer = new Uint8Array(65536);
  #seq = 1;

  private constructor(fd: number, port: number, isWide: boolean) {
    this.#fd = fd;
    this.port = port;
    this.isWide = isWide;
  }

  /** Needs no privilege; changes do (CAP_NET_ADMIN) and then fail with EPERM one by one. */
  static open(): Result<RouteSocket, PlatformError> {
    const opened = openNetlink(0);
    if (!opened.ok) return opened;
    const fd = opened.value;
    sys.setOption(fd, c.SOL_NETLINK, c.NETLINK_EXT_ACK, 1);
    sys.setOption(fd, c.SOL_NETLINK, c.NETLINK_CAP_ACK, 1);
    sys.setOption(fd, c.SOL_NETLINK, c.NETLINK_GET_STRICT_CHK, 1);
    const receives = setBufferSize(fd, c.SO_RCVBUFFORCE, c.SO_RCVBUF, receiveBufferBytes);
    const sends = setBufferSize(fd, c.SO_SNDBUFFORCE, c.SO_SNDBUF, sendBufferBytes);
    const name = sys.socketName(fd);
    return ok(new RouteSocket(fd, name.ok ? readU32(name.value, 4) : 0, receives && sends));
  }

  close(): void {
    sys.closeDescriptor(this.#fd);
  }

  /** Starts a dump. Only one may be in progress on a socket, and no batch meanwhile. */
  startDump(encode: (writer: MessageWriter, seq: number) => void, visit: DumpVisitor): Dump {
    const seq = this.#takeSeqs(1);
    this.#writer.clear();
    encode(this.#writer, seq);
    const sent = sys.sendBytes(this.#fd, this.#writer.bytes(), 0);
    let failure = sent.ok ? undefined : sys.platformError('netlink dump', sent.errno);
    let interrupted = false;
    return {
      step: (datagrams) => {
        if (failure) return failure;
        for (let i = 0; i < datagrams; i++) {
          const received = sys.receiveBytes(this.#fd, this.#buffer, c.MSG_DONTWAIT);
          if (!received.ok) {
            failure = sys.platformError('netlink dump', received.errno);
            return failure;
          }
          for (const message of readMessages(this.#buffer, received.value)) {
            if (message.seq !== seq) continue;
            if (message.flags & NLM_F_DUMP_INTR) interrupted = true;
            if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
              const ack = decodeAcknowledgement(this.#buffer, message);
              if (ack.errno === 0) return interrupted ? 'interrupted' : 'done';
              failure = refusal('netlink dump', ack.errno, ack.text);
              return failure;
            }
            visit(this.#buffer, message);
          }
        }
        return 'more';
      },
    };
  }

  /** A whole dump at once, for what is small (links, addresses). Repeats when interrupted. */
  dump(
    encode: (writer: MessageWriter, seq: number) => void,
    visit: DumpVisitor,
    restart: () => void,
  ): PlatformError | undefined {
    for (let attempt = 0; attempt < 5; attempt++) {
      restart();
      const dump = this.startDump(encode, visit);
      let state = dump.step(64);
      while (state === 'more') state = dump.step(64);
      if (state === 'done') return undefined;
      if (state !== 'interrupted') return state;
    }
    return undefined;
  }

  /** Makes the changes of an order; returns those that failed. */
  apply(order: RouteOrder): Failure[] {
    const failures: Failure[] = [];
    const count = changesIn(order);
    for (let from = 0; from < count; from += batchMessages) {
      this.#writer.clear();
      const span = this.#write(order, from, Math.min(count, from + batchMessages), failures);
      const sent = sys.sendBytes(this.#fd, this.#writer.bytes(), 0);
      if (sent.ok) this.#readAnswers([span]);
      else failSpan(span, 'netlink send', sent.errno);
    }
    return failures;
  }

  /**
   * `apply` for many changes: another thread waits for the kernel. Nobody may use the socket before
   * `done` is called, with the failures of each order.
   */
  applyMeanwhile(
    orders: readonly RouteOrder[],
    done: (failures: readonly Failure[][]) => void,
  ): void {
    this.#writer.clear();
    const spans = orders.map((order) => this.#write(order, 0, changesIn(order), []));
    sys.sendMeanwhile(this.#fd, this.#writer.bytes(), 0, (sent) => {
      // A datagram that is refused as a whole, because of its size, has changed nothing.
      if (!sent.ok) return done(orders.map((order) => this.apply(order)));
      this.#readAnswers(spans);
      done(spans.map(({ failures }) => failures));
    });
  }

  /** Changes [from, to) of an order in messages, of which only the last asks for an answer. */
  #write(order: RouteOrder, from: number, to: number, failures: Failure[]): Span {
    const firstSeq = this.#takeSeqs(to - from);
    if (order.kind === 'kernelRoutes') encodeRoutes(this.#writer, order.batch, from, to, firstSeq);
    else encodeNexthop(this.#writer, firstSeq, order.change, order.object);
    return { order, from, to, firstSeq, failures };
  }

  /** The answers to what was sent, which are all queued when send(2) returns. */
  #readAnswers(spans: readonly Span[]): void {
    for (;;) {
      const received = sys.receiveBytes(this.#fd, this.#buffer, c.MSG_DONTWAIT);
      if (!received.ok) {
        if (received.errno !== ENOBUFS) return;
        // Answers were dropped: what is not known to have failed is reported as unknown.
        for (const span of spans) failSpan(span, 'netlink receive', ENOBUFS);
        continue;
      }
      for (const message of readMessages(this.#buffer, received.value)) {
        if (message.type !== NLMSG_ERROR) continue;
        const ack = decodeAcknowledgement(this.#buffer, message);
        if (ack.errno === 0) continue;
        const span = spans.find(({ firstSeq, from, to }) => (ack.seq - firstSeq) >>> 0 < to - from);
        if (!span) continue;
        const index = span.from + ((ack.seq - span.firstSeq) >>> 0);
        const error = refusal(operationOf(span.order, index), ack.errno, ack.text);
        span.failures.push({ index, error });
      }
    }
  }

  /** The first of `count` numbers that no other message has. */
  #takeSeqs(count: number): number {
    const first = this.#seq;
    this.#seq = (first + count) >>> 0;
    return first;
  }
}

/** A bound netlink socket, subscribed to the RTMGRP_* bits in `groups`. */
export function openNetlink(groups: number): Result<number, PlatformError> {
  const opened = sys.openSocket(c.AF_NETLINK, c.SOCK_RAW | c.SOCK_CLOEXEC, c.NETLINK_ROUTE);
  if (!opened.ok) return err(sys.platformError('netlink socket', opened.errno));
  const bound = sys.bindSocket(opened.value, encodeNetlinkAddress(0, groups));
  if (bound.ok) return ok(opened.value);
  sys.closeDescriptor(opened.value);
  return err(sys.platformError('netlink bind', bound.errno));
}

/**
 * The privileged option first, which is not bound by the sysctl limit; false when that is refused
 * and the buffer may be smaller.
 */
export function setBufferSize(fd: number, force: number, plain: number, bytes: number): boolean {
  if (sys.setOption(fd, c.SOL_SOCKET, force, bytes).ok) return true;
  sys.setOption(fd, c.SOL_SOCKET, plain, bytes);
  return false;
}

/** Routes or next hop objects that an order changes. */
export function changesIn(order: RouteOrder): number {
  return order.kind === 'kernelRoutes' ? order.batch.count : 1;
}

function failSpan({ from, to, failures }: Span, operation: string, errno: number): void {
  const failed = new Set(failures.map(({ index }) => index));
  for (let index = from; index < to; index++) {
    if (!failed.has(index)) failures.push({ index, error: sys.platformError(operation, errno) });
  }
  failures.sort((a, b) => a.index - b.index);
}

function operationOf(order: RouteOrder, index: number): string {
  if (order.kind === 'kernelNexthop') return `nexthop ${order.change}`;
  return routeOperations[order.batch.changes[index]!]!;
}

/** By KERNEL_CHANGE. */
const routeOperations = Object.keys(KERNEL_CHANGE).map((name) =>
  name === 'remove' ? 'route delete' : `route ${name}`,
);

/** The text is strerror's, which is what BIRD logs; the kernel's own explanation follows it. */
function refusal(operation: string, errno: number, text: string | undefined): PlatformError {
  const error = sys.platformError(operation, errno);
  return text === undefined ? error : { ...error, operation: `${operation}: ${text}` };
}
