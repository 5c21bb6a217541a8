// Netlink notifications: link and address changes, and route changes made by somebody else. Our own
// route changes are dropped inside the kernel by a socket filter on the port id that caused them,
// so installing a full table does not flood us with our own echo. An overflow is reported as such:
// what was lost is unknown and only a scan helps.

import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import type { KernelRoute, PlatformError } from '@rookery/router';
import * as c from '../constants.ts';
import * as sys from '../sys.ts';
import { RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK } from './link.ts';
import { readMessages } from './message.ts';
import { decodeRoute, RTM_DELROUTE, RTM_NEWROUTE } from './route.ts';
import { openNetlink, setBufferSize } from './socket.ts';

const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV4_ROUTE = 0x40;
const RTMGRP_IPV6_IFADDR = 0x100;
const RTMGRP_IPV6_ROUTE = 0x400;
const ENOBUFS = 105;

/** Datagrams per turn: fewer overflow the buffer in a burst, more starve the sessions. */
const datagramsPerTurn = 4096;
const receiveBufferBytes = 8 * 1024 * 1024;

export interface MonitorHandlers {
  /** Once per turn, however many links or addresses changed. */
  readonly interfacesChanged: () => void;
  readonly routeChanged: (change: 'new' | 'removed', route: KernelRoute) => void;
  readonly overrun: () => void;
}

export interface Monitor {
  close(): void;
}

/** Starts listening; changes caused by the netlink socket `ownPort` are not reported. */
export function openMonitor(
  ownPort: number,
  handlers: MonitorHandlers,
): Result<Monitor, PlatformError> {
  const groups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  const opened = openNetlink(groups);
  if (!opened.ok) return err(opened.error);
  const fd = opened.value;
  setBufferSize(fd, c.SO_RCVBUFFORCE, c.SO_RCVBUF, receiveBufferBytes);
  sys.attachFilter(fd, dropPortFilter(ownPort));
  const buffer = new Uint8Array(65536);
  const stop = sys.watch(fd, () => drain(fd, buffer, handlers));
  return ok({
    close: () => {
      stop();
      setImmediate(() => sys.closeDescriptor(fd));
    },
  });
}

function drain(fd: number, buffer: Uint8Array, handlers: MonitorHandlers): void {
  let interfaces = false;
  for (let i = 0; i < datagramsPerTurn; i++) {
    const received = sys.receiveBytes(fd, buffer, c.MSG_DONTWAIT);
    if (!received.ok) {
      if (received.errno !== ENOBUFS) break;
      // Links and addresses may be among what was lost.
      interfaces = true;
      handlers.overrun();
      continue;
    }
    for (const message of readMessages(buffer, received.value)) {
      switch (message.type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
        case RTM_NEWADDR:
        case RTM_DELADDR:
          interfaces = true;
          break;
        case RTM_NEWROUTE:
        case RTM_DELROUTE: {
          const route = decodeRoute(buffer, message);
          if (!route) break;
          handlers.routeChanged(message.type === RTM_NEWROUTE ? 'new' : 'removed', route);
          break;
        }
        default:
          break;
      }
    }
  }
  if (interfaces) handlers.interfacesChanged();
}

/** Classic BPF: accept unless nlmsg_pid (loaded in network order from offset 12) is `port`. */
export function dropPortFilter(
  port: number,
): readonly (readonly [number, number, number, number])[] {
  const swapped =
    (((port & 0xff) << 24) |
      ((port & 0xff00) << 8) |
      ((port >>> 8) & 0xff00) |
      ((port >>> 24) & 0xff)) >>>
    0;
  return [
    [0x20, 0, 0, 12],
    [0x15, 0, 1, swapped],
    [0x06, 0, 0, 0],
    [0x06, 0, 0, 0xffffffff],
  ];
}
