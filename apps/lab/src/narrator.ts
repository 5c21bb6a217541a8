// How the story is told on the terminal: a title per stage, one line per checked fact with its
// evidence, what a long step is waiting for, and a summary that decides the exit status.

export interface Narrator {
  stage(number: number, title: string): void;
  /** Plain narration. */
  tell(text: string): void;
  /** Runs one check; its returned text is the evidence. A throw is a failed check, not the end. */
  fact(claim: string, prove: () => Promise<string> | string): Promise<boolean>;
  /** Shows a command and what it printed, as a user would see it. */
  show(command: string, output: string): void;
  readonly passed: number;
  readonly failed: readonly string[];
}

/** Writes to a terminal or a file; colours and the waiting line only where there is a terminal. */
export function createNarrator(out: NodeJS.WriteStream): Narrator {
  const style = (code: number, text: string): string =>
    out.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text;
  const failed: string[] = [];
  let passed = 0;
  return {
    stage(number, title) {
      out.write(`\n${style(1, `${number}. ${title}`)}\n`);
    },
    tell(text) {
      for (const line of text.split('\n')) out.write(`   ${line}\n`);
    },
    async fact(claim, prove) {
      const stopWaiting = showWaiting(out, claim);
      try {
        const evidence = await prove();
        stopWaiting();
        passed++;
        out.write(`   ${style(32, '✓')} ${claim}${evidence ? style(2, `: ${evidence}`) : ''}\n`);
        return true;
      } catch (error) {
        stopWaiting();
        const text = error instanceof Error ? error.message : String(error);
        failed.push(`${claim}: ${text}`);
        out.write(`   ${style(31, '✗')} ${claim}: ${text}\n`);
        return false;
      }
    },
    show(command, output) {
      out.write(`   ${style(36, `$ ${command}`)}\n`);
      for (const line of output.trimEnd().split('\n')) out.write(`     ${style(2, line)}\n`);
    },
    get passed() {
      return passed;
    },
    get failed() {
      return failed;
    },
  };
}

/** After a second, says what is being waited for and for how long; erased when it is over. */
function showWaiting(out: NodeJS.WriteStream, claim: string): () => void {
  if (!out.isTTY) return () => {};
  const started = performance.now();
  let shown = false;
  const timer = setInterval(() => {
    shown = true;
    const seconds = Math.round((performance.now() - started) / 1000);
    out.write(`\r\u001b[K   … ${claim} (${seconds} s)`);
  }, 1000);
  return () => {
    clearInterval(timer);
    if (shown) out.write('\r\u001b[K');
  };
}
