// `rookery lab`: gives the lab the command that runs this program and the live page.

import { join } from 'node:path';
import { runLab } from '@rookery/lab';
import { startPage } from '@rookery/web';
import { rookeryRoot } from './root.ts';

export function run(args: readonly string[]): Promise<number> {
  return runLab(args, {
    self: [process.execPath, process.argv[1]!],
    startPage: (gather, port) =>
      startPage({ directory: join(rookeryRoot(), 'dist/web'), port, gather }),
  });
}
