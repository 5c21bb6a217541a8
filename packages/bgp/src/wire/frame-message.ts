// The fixed header around a message body (RFC 4271 §4.1).

import { HEADER_LENGTH, MESSAGE } from './constants.ts';
import type { MessageType } from './constants.ts';
import { NO_DATA } from './fault.ts';

/** Marker, length and type in front of the body. */
export function frameMessage(type: MessageType, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEADER_LENGTH + body.length);
  message.fill(255, 0, 16);
  message[16] = message.length >>> 8;
  message[17] = message.length;
  message[18] = type;
  message.set(body, HEADER_LENGTH);
  return message;
}

export function encodeKeepalive(): Uint8Array {
  return frameMessage(MESSAGE.keepalive, NO_DATA);
}
