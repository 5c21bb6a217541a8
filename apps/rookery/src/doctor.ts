// `rookery doctor`: prints the picture that the live page of the running lab draws. The status tells
// a script: 0 all is well, 1 degraded, 2 broken, 3 nobody to ask.

import { type Picture, renderPicture } from '@rookery/doctor';
import { runningPage } from '@rookery/lab';

const USAGE = 'Usage: rookery doctor [--json] [PAGE-URL]\n';
const STATUS = { good: 0, degraded: 1, broken: 2 } as const;
const NOBODY_TO_ASK = 3;

export async function run(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  const [url = runningPage(), ...rest] = args.filter((arg) => arg !== '--json');
  if (rest.length > 0 || url?.startsWith('-')) {
    process.stderr.write(USAGE);
    return NOBODY_TO_ASK;
  }
  if (url === undefined) {
    process.stderr.write('rookery: no lab is running; start one with "npm start"\n');
    return NOBODY_TO_ASK;
  }
  try {
    const response = await fetch(new URL('/api/picture', url));
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const picture = (await response.json()) as Picture;
    process.stdout.write(json ? `${JSON.stringify(picture, null, 2)}\n` : renderPicture(picture));
    return STATUS[picture.verdict.level];
  } catch (error) {
    process.stderr.write(`rookery: ${url} does not answer: ${String(error)}\n`);
    return NOBODY_TO_ASK;
  }
}
