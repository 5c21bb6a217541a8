// `rookery router`: the router that takes BIRD's place. Reads the configuration, goes into the
// background as BIRD does, and hands over to router-daemon.ts. Wiring and process matters only.

import { closeSync, openSync } from 'node:fs';
import { loadConfigFile } from './config-file.ts';
import { parseRouterOptions, routerUsage } from './router-options.ts';
import { birdVersion, rookeryVersion } from './version.ts';

/** Set for the process that a daemonising start leaves behind. */
const childVariable = 'ROOKERY_DAEMON_CHILD';

export async function run(args: readonly string[]): Promise<number> {
  const command = parseRouterOptions(args);
  if ('error' in command) {
    process.stderr.write(`bird: ${command.error}\n${routerUsage}`);
    return 1;
  }
  if (command.kind === 'help') {
    process.stdout.write(routerUsage);
    return 0;
  }
  if (command.kind === 'version') {
    const claimed = command.dialect ?? birdVersion;
    process.stderr.write(`BIRD version ${claimed} (Rookery ${rookeryVersion})\n`);
    return 0;
  }
  const loaded = loadConfigFile(command.configFile);
  if (!loaded.ok) {
    process.stderr.write(loaded.report);
    return 1;
  }
  const isChild = process.env[childVariable] !== undefined;
  const serves = command.kind === 'run' && (command.foreground || isChild);
  if (!serves) {
    // A daemon logs its warnings; whoever stands before it reads them here.
    for (const warning of loaded.warnings) process.stderr.write(`bird: ${warning}\n`);
    return command.kind === 'check' ? 0 : daemonise(args);
  }
  const { startRouter } = await import('./router-daemon.ts');
  const started = await startRouter(command, loaded);
  if (typeof started === 'string') {
    process.stderr.write(`bird: ${started}\n`);
    process.exit(1);
  }
  if (isChild) leaveTerminal();
  return started.ended;
}

/** Starts this program again in a session of its own; its start decides our exit status. */
async function daemonise(args: readonly string[]): Promise<number> {
  const [{ spawn }, { once }] = await Promise.all([
    import('node:child_process'),
    import('node:events'),
  ]);
  const child = spawn(
    process.execPath,
    [...process.execArgv, process.argv[1]!, 'router', ...args],
    {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, [childVariable]: '1' },
    },
  );
  const [outcome] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [
    unknown,
  ];
  if (outcome !== 'started') return typeof outcome === 'number' ? outcome : 1;
  child.disconnect();
  child.unref();
  return 0;
}

/** Tells the parent, and lets go of its standard error: whoever reads that waits for its end. */
function leaveTerminal(): void {
  process.send?.('started', undefined, undefined, () => process.disconnect?.());
  closeSync(2);
  openSync('/dev/null', 'r+');
}
