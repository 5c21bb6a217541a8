// Text that a peer controls (host names, shutdown messages, software versions) made safe for a
// terminal, a log line and a page: valid UTF-8 is kept, control characters and bidirectional
// overrides are escaped, invalid octets appear as \xNN. Nothing a peer sends can move a cursor.

/** Decodes UTF-8 and escapes what could act instead of being read. */
export function decodePeerText(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = '';
  let at = start;
  while (at < end) {
    const size = sequenceLength(bytes, at, end);
    if (size === 0) {
      text += `\\x${(bytes[at]! + 256).toString(16).slice(1)}`;
      at++;
      continue;
    }
    let code = size === 1 ? bytes[at]! : bytes[at]! & (0x7f >> size);
    for (let i = 1; i < size; i++) code = (code << 6) | (bytes[at + i]! & 0x3f);
    text += printable(code);
    at += size;
  }
  return text;
}

/** UTF-8 octets of a text. */
export function encodeText(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) {
      // A lone surrogate is no character; U+FFFD stands for it.
      const valid = code >= 0xd800 && code <= 0xdfff ? 0xfffd : code;
      bytes.push(0xe0 | (valid >> 12), 0x80 | ((valid >> 6) & 63), 0x80 | (valid & 63));
    } else {
      bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63));
      bytes.push(0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
  }
  return Uint8Array.from(bytes);
}

/** At most `limit` octets of a text's UTF-8, never cutting a character. */
export function encodeTextWithin(text: string, limit: number): Uint8Array {
  const bytes = encodeText(text);
  if (bytes.length <= limit) return bytes;
  let end = limit;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.slice(0, end);
}

/** Octets of the well-formed sequence at `at` (Unicode table 3-7); 0 when ill-formed. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + size > end) return 0;
  for (let i = 1; i < size; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1]!;
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return size;
}

/** Format characters (marks of direction, joiners, tags) and the separators of lines. */
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}]/u;

function printable(code: number): string {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
    return `\\x${(code + 256).toString(16).slice(1)}`;
  const invisible = code >= 0x80 && INVISIBLE.test(String.fromCodePoint(code));
  return invisible ? `\\u${code.toString(16).padStart(4, '0')}` : String.fromCodePoint(code);
}
