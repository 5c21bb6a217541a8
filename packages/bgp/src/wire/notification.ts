// NOTIFICATION (RFC 4271 §4.5) with the shutdown text of RFC 9003 and the hard reset of RFC 8538.
// Text from the peer is escaped here, so that every console and log may print it.

import { copyBytes, decodePeerText, encodeTextWithin, formatHex } from '@rookery/net';
import { CEASE, ERROR, HEADER_LENGTH, MESSAGE } from './constants.ts';
import { birdErrorText } from './error-texts.ts';
import { NO_DATA } from './fault.ts';
import type { Notification } from './fault.ts';
import { frameMessage } from './frame-message.ts';

export interface DecodedNotification extends Notification {
  /** RFC 8538 §3: it was wrapped into Cease/Hard Reset; code, subcode and data are the inner ones. */
  readonly hard: boolean;
  /** RFC 9003, escaped for display; absent without text. */
  readonly text?: string;
}

/** Decodes a whole message of at least 21 octets, as the frame reader guarantees. */
export function decodeNotification(
  bytes: Uint8Array,
  start: number,
  end: number,
): DecodedNotification {
  const body = start + HEADER_LENGTH;
  let code = bytes[body]!;
  let subcode = bytes[body + 1]!;
  let dataStart = body + 2;
  let hard = false;
  if (code === ERROR.cease && subcode === CEASE.hardReset && end - dataStart >= 2) {
    hard = true;
    code = bytes[dataStart]!;
    subcode = bytes[dataStart + 1]!;
    dataStart += 2;
  }
  const data = copyBytes(bytes, dataStart, end);
  const text = shutdownText({ code, subcode, data });
  return { code, subcode, data, hard, ...(text !== undefined && { text }) };
}

export function encodeNotification({ code, subcode, data }: Notification): Uint8Array {
  const body = new Uint8Array(2 + data.length);
  body[0] = code;
  body[1] = subcode;
  body.set(data, 2);
  return frameMessage(MESSAGE.notification, body);
}

/** RFC 8538 §3.1: wraps so that the peer does not keep our routes. */
export function hardReset({ code, subcode, data }: Notification): Notification {
  const wrapped = new Uint8Array(2 + data.length);
  wrapped[0] = code;
  wrapped[1] = subcode;
  wrapped.set(data, 2);
  return { code: ERROR.cease, subcode: CEASE.hardReset, data: wrapped };
}

/** Cease with the operator's text where RFC 9003 provides for one (shutdown and reset). */
export function ceaseNotification(subcode: number, text?: string): Notification {
  const wanted = text !== undefined && text !== '' && carriesText(ERROR.cease, subcode);
  if (!wanted) return { code: ERROR.cease, subcode, data: NO_DATA };
  const encoded = encodeTextWithin(text, 255);
  const data = new Uint8Array(1 + encoded.length);
  data[0] = encoded.length;
  data.set(encoded, 1);
  return { code: ERROR.cease, subcode, data };
}

/** RFC 9003 §2: the text, escaped; `undefined` when absent, empty or cut short. */
export function shutdownText({ code, subcode, data }: Notification): string | undefined {
  if (!carriesText(code, subcode) || data.length === 0) return undefined;
  const length = data[0]!;
  // RFC 9003 §4: a length beyond the message is not trusted; nothing is shown.
  if (length === 0 || length > data.length - 1) return undefined;
  return decodePeerText(data, 1, 1 + length);
}

/** BIRD's line without its class word: "Bad peer AS: 64497", `Administrative shutdown: "text"`. */
export function birdNotificationText(notification: Notification): string {
  const { code, subcode, data } = notification;
  const text = birdErrorText(code, subcode);
  const shutdown = shutdownText(notification);
  if (shutdown !== undefined) return `${text}: "${shutdown}"`;
  if (data.length === 0 || carriesText(code, subcode)) return text;
  if (data.length <= 4) return `${text}: ${data.reduce((sum, octet) => sum * 256 + octet, 0)}`;
  return `${text}: ${formatHex(data, 0, Math.min(16, data.length))}`;
}

function carriesText(code: number, subcode: number): boolean {
  return (
    code === ERROR.cease &&
    (subcode === CEASE.administrativeShutdown || subcode === CEASE.administrativeReset)
  );
}
