// A bound on log lines whose number somebody outside decides: strangers that call, a neighbor that
// sends nothing but malformed routes. The first lines of a window are written, the last of them says
// that more are only counted, and the next window begins with their number.

/** Lines of one kind within `windowMs`. */
const WINDOW_MS = 10_000;
const LINES = 10;

export class LogLimit {
  readonly #write: (text: string) => void;
  readonly #nowMs: () => number;
  /** What the lines are about, in the plural: "connects from unknown addresses". */
  readonly #what: string;
  #windowEndsMs = -Infinity;
  #lines = 0;
  #unwritten = 0;

  constructor(what: string, write: (text: string) => void, nowMs: () => number) {
    this.#what = what;
    this.#write = write;
    this.#nowMs = nowMs;
  }

  write(text: string): void {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#windowEndsMs) {
      if (this.#unwritten > 0) this.#write(`${this.#unwritten} more ${this.#what} were not logged`);
      this.#windowEndsMs = nowMs + WINDOW_MS;
      this.#lines = 0;
      this.#unwritten = 0;
    }
    if (this.#lines === LINES) {
      this.#unwritten++;
      return;
    }
    this.#lines++;
    this.#write(
      this.#lines < LINES ? text : `${text}; more of them are counted for ${WINDOW_MS / 1000} s`,
    );
  }
}
