// Cuts a byte stream into JSON values, one per line, as a watch sends them. A line that is not JSON
// is an issue and skipped; a line longer than the limit ends the stream, since memory is finite.

import { StringDecoder } from 'node:string_decoder';

export type JsonLine =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string; readonly fatal: boolean };

/** Longer than any object etcd stores (1.5 MiB), with room for escapes. */
const MAX_LINE_CHARS = 16 * 1024 * 1024;

export class JsonLines {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  /** Complete lines in what has arrived so far. */
  push(chunk: Uint8Array): readonly JsonLine[] {
    const text = this.#rest + this.#decoder.write(chunk);
    const lines = text.split('\n');
    this.#rest = lines.pop() ?? '';
    const values = lines.filter((line) => line.trim() !== '').map(parseLine);
    if (this.#rest.length > MAX_LINE_CHARS) {
      values.push({
        ok: false,
        fatal: true,
        message: `a line of more than ${MAX_LINE_CHARS} characters`,
      });
      this.#rest = '';
    }
    return values;
  }
}

function parseLine(line: string): JsonLine {
  try {
    return { ok: true, value: JSON.parse(line) as unknown };
  } catch {
    return { ok: false, fatal: false, message: `a line of ${line.length} characters is not JSON` };
  }
}
