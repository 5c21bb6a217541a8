// Fuzzes one target, or each of them, for a time and keeps what broke it:
//
//   node test/fuzz/run.ts [TARGET] [--seconds N] [--seed N]
//
// An input that breaks a promise is written to test/fuzz/crashers/TARGET, where the unit tier
// replays it from then on. The status is 1 when there was one.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fuzz } from './fuzzer.ts';
import { TARGETS } from './targets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string' }, seed: { type: 'string' } },
});
const [wanted] = positionals;
const targets = TARGETS.filter(({ name }) => wanted === undefined || name === wanted);
if (targets.length === 0) {
  console.error(`no target "${wanted}"; there are ${TARGETS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
for (const target of targets) {
  const seconds = Number(values.seconds ?? 10);
  const seed = Number(values.seed ?? (Math.random() * 2 ** 31) | 0);
  const { executions, corpus, blocks, crashes } = fuzz(target, {
    seed,
    seconds,
    executions: Infinity,
  });
  console.log(
    `${target.name}: ${executions} inputs, ${blocks} blocks, ${corpus} kept, ` +
      `${crashes.length} broke it (seed ${seed})`,
  );
  for (const { input, error } of crashes) {
    const directory = new URL(`crashers/${target.name}/`, import.meta.url);
    mkdirSync(directory, { recursive: true });
    const name = createHash('sha256').update(input).digest('hex').slice(0, 12);
    writeFileSync(new URL(name, directory), input);
    console.log(
      `  crashers/${target.name}/${name}: ${error instanceof Error ? error.stack : String(error)}`,
    );
    process.exitCode = 1;
  }
}
