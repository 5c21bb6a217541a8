// The tool against itself: a generator straight into a receiver. What this takes is what the tool may
// at most add to a figure.

import type { ChildProcess } from 'node:child_process';
import { DUT, generatorAddress, openTestBed, receiverAddress } from './network.ts';
import { openSide } from './run.ts';
import { FIRST_GENERATOR_AS } from './table.ts';

/** Generator straight into receiver: what the tool itself costs, for a million prefixes. */
export async function testSelf(): Promise<string> {
  const receiver = receiverAddress('ipv4', 0);
  const generator = generatorAddress('ipv4', 0);
  const bed = openTestBed(process.pid.toString(36), [generator, receiver]);
  const children: ChildProcess[] = [];
  try {
    const common = {
      table: { family: 'ipv4', count: 1_000_000, seed: 1 },
      dut: { address: DUT.ipv4, as: DUT.as },
      generators: [generator],
      disjoint: false,
    } as const;
    const sessions = [{ address: generator, as: FIRST_GENERATOR_AS }];
    const [source, sink] = await Promise.all([
      openSide(bed.tester, { ...common, role: 'generator', sessions }, children),
      openSide(
        bed.dut,
        { ...common, role: 'receiver', sessions: [{ address: DUT.ipv4, as: DUT.as }], serve: true },
        children,
      ),
    ]);
    const cpu = async (): Promise<number> =>
      ((await source.ask({ command: 'cpu' })).cpuSec as number) +
      ((await sink.ask({ command: 'cpu' })).cpuSec as number);
    await Promise.all([source.ask({ command: 'connect' }), sink.ask({ command: 'connect' })]);
    const before = await cpu();
    const waiting = sink.ask({
      command: 'expect',
      kind: 'announced',
      count: 1_000_000,
      quietMs: 100,
      limitMs: 20_000,
    });
    const sent = await source.ask({ command: 'announce' });
    const reached = await waiting;
    const after = await cpu();
    const checked = await sink.ask({ command: 'check', state: 'full' });
    const ms = (reached.reachedMs as number) - (sent.startMs as number);
    const problems = checked.problems as string[];
    return (
      `Self-test: 1,000,000 prefixes from generator to receiver without a daemon in ${ms.toFixed(0)} ms ` +
      `with ${(after - before).toFixed(2)} s of CPU in both processes; ` +
      `${problems.length === 0 ? 'the table was right' : `WRONG: ${problems.join('; ')}`}.`
    );
  } finally {
    for (const child of children) child.kill();
    await bed.close();
  }
}
