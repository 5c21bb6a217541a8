// The framing of the birdc protocol: four-digit codes, "-" on every line but the last, and the
// compression rule that a line with the same code as the one before starts with a single space.
// One writer lives as long as one reply; asynchronous lines ("+text") go around it.

/** Longest text BIRD puts on one line; longer text is cut with " ...". */
const MAX_TEXT = 500;

export class ReplyWriter {
  private lastCode = -1;
  private readonly parts: string[] = [];
  private length = 0;

  /** A line that another one follows. */
  line(code: number, text: string): void {
    const cut = clip(text);
    this.push(code === this.lastCode ? ` ${cut}\n` : `${codeText(code)}-${cut}\n`);
    this.lastCode = code;
  }

  /** The last line of the reply. */
  end(code: number, text = ''): void {
    this.push(`${codeText(code)} ${clip(text)}\n`);
    this.lastCode = -1;
  }

  /** Characters written and not yet taken. */
  get pending(): number {
    return this.length;
  }

  /** Takes what was written so far. */
  take(): string {
    const text = this.parts.join('');
    this.parts.length = 0;
    this.length = 0;
    return text;
  }

  private push(text: string): void {
    this.parts.push(text);
    this.length += text.length;
  }
}

function codeText(code: number): string {
  return String(code).padStart(4, '0');
}

/** A line end in data would end the reply line; it becomes a space. */
function clip(text: string): string {
  const flat = text.includes('\n') ? text.replaceAll('\n', ' ') : text;
  return flat.length > MAX_TEXT ? `${flat.slice(0, MAX_TEXT - 4)} ...` : flat;
}
