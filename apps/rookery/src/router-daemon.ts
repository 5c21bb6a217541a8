// The composition root of a running router: engine, platform, log, sockets, signals. What is started
// here is stopped here, whatever ends the daemon.

import { unlinkSync, writeFileSync } from 'node:fs';
import {
  dropPrivileges,
  missingCapabilities,
  platformErrorFrom,
  resolveIdentity,
} from '@rookery/linux';
import type { RouterView } from '@rookery/router';
import { loadConfigFile } from './config-file.ts';
import { openConsoles } from './consoles.ts';
import type { Consoles } from './consoles.ts';
import { createEngineHost } from './engine-host.ts';
import type { EngineHost } from './engine-host.ts';
import { Logging } from './logging.ts';
import { collectSeldom, giveMemoryBack, giveMemoryBackWhenQuiet } from './memory.ts';
import { rehearse } from './rehearsal.ts';
import { DaemonControl } from './router-control.ts';
import type { GoodConfig } from './router-control.ts';
import type { RouterCommand } from './router-options.ts';
import { birdVersion } from './version.ts';

export interface RunningRouter {
  /** Exit status, once the daemon has ended in good order. */
  readonly ended: Promise<number>;
}

/** Starts everything; a sentence when something cannot be had. */
export async function startRouter(
  command: RouterCommand,
  loaded: GoodConfig,
): Promise<RunningRouter | string> {
  const identity = resolveIdentity(command.user, command.group);
  if (!identity.ok) return identity.error;
  const logging = new Logging({
    debug: command.debug,
    ident: 'bird',
    ...(command.debugFile === undefined ? {} : { debugFile: command.debugFile }),
  });
  const current: { consoles?: Consoles } = {};
  let finish: ((status: number) => void) | undefined;
  const ended = new Promise<number>((resolve) => (finish = resolve));
  const host: EngineHost = createEngineHost({
    config: loaded.config,
    logging,
    recovering: command.recover,
    onTurn: () => {
      current.consoles?.touch();
      control.settle();
      // Stopped without being asked: it could not start.
      if (host.router.stopped) finish?.(host.router.state === 'shutting down' ? 0 : 1);
    },
  });
  const { router, loop } = host;
  const control: DaemonControl = new DaemonControl(
    {
      router,
      loop,
      logging,
      nowMs: host.nowMs,
      load: loadConfigFile,
      onApplied: (applied) => logging.configure(applied.config),
    },
    command.configFile,
    loaded,
  );
  const opened = await openConsoles(
    {
      bird: command.socket,
      extra: loaded.config.sockets,
      control: command.controlSocket,
      ...(command.vtyDirectory === undefined ? {} : { vtyDirectory: command.vtyDirectory }),
    },
    {
      view: viewWithFile(router.view, control),
      control,
      loop,
      language: () => control.current.language,
      dialect: command.dialect ?? birdVersion,
      owner: identity.value,
    },
  );
  if (typeof opened === 'string') return opened;
  current.consoles = opened;
  const pidFailure = writePidFile(command.pidFile);
  const failure = pidFailure ?? dropPrivileges(identity.value);
  if (failure !== undefined) {
    opened.close();
    return failure;
  }
  logging.configure(loaded.config);
  for (const warning of loaded.warnings) logging.write('warning', warning);
  reportMissing(logging);
  const openFailure = host.open();
  if (openFailure !== undefined) {
    opened.close();
    return openFailure;
  }
  handleSignals(control, logging, router.view);
  let turns = 0;
  rehearse({
    // Between two reads of a table there is nothing to do, either.
    isBusy: () => {
      const before = turns;
      ({ turns } = loop.metrics);
      return turns !== before || loop.isBehind || router.hasWork();
    },
    // Reading a long configuration lets the nursery grow, and nothing is compiled yet.
    onBegin: () => giveMemoryBack('last-resort'),
    onDone: () => {
      collectSeldom();
      void giveMemoryBackWhenQuiet();
    },
    policies: loaded.config.protocols.flatMap((protocol) =>
      'channels' in protocol
        ? protocol.channels.flatMap((channel) => [channel.importPolicy, channel.exportPolicy])
        : [],
    ),
  });
  return {
    ended: ended.then(async (status) => {
      await host.close();
      opened.close();
      removeFile(command.pidFile);
      logging.close();
      return process.exit(status);
    }),
  };
}

/** What the engine cannot know about itself. */
function viewWithFile(view: RouterView, control: DaemonControl): RouterView {
  return {
    status: () => {
      const { undoDueMs, configFile } = control;
      return { ...view.status(), configFile, ...(undoDueMs === undefined ? {} : { undoDueMs }) };
    },
    protocols: () => view.protocols(),
    tables: () => view.tables(),
    interfaces: () => view.interfaces(),
    walkRoutes: (query) => view.walkRoutes(query),
    symbols: () => view.symbols(),
    bfdSessions: () => view.bfdSessions(),
    memory: () => view.memory(),
    kernelRoutes: (family) => view.kernelRoutes(family),
    runningConfig: () => view.runningConfig(),
    announcements: () => view.announcements(),
  };
}

function handleSignals(control: DaemonControl, logging: Logging, view: RouterView): void {
  process.on('SIGHUP', () => {
    logging.reopen();
    control.configureBySignal();
  });
  // A second signal ends a daemon whose orderly end takes too long.
  let ending = false;
  const end = (signal: NodeJS.Signals): void => {
    if (ending) process.exit(signal === 'SIGINT' ? 130 : 143);
    ending = true;
    control.shutdown();
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  process.on('SIGUSR1', () => void dumpState(logging, view));
}

async function dumpState(logging: Logging, view: RouterView): Promise<void> {
  const { controlState } = await import('@rookery/console');
  try {
    removeFile('bird.dump');
    writeFileSync('bird.dump', `${JSON.stringify(controlState(view), null, 2)}\n`, { mode: 0o400 });
  } catch (error) {
    logging.write('error', `Cannot write bird.dump: ${platformErrorFrom('open', error).message}`);
  }
}

function reportMissing(logging: Logging): void {
  const missing = missingCapabilities();
  if (missing.length === 0) return;
  logging.write(
    'warning',
    `Running without ${missing.join(' and ')}: kernel routes and ports below 1024 will be refused; ` +
      'start as root, or give the capabilities',
  );
}

function writePidFile(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    writeFileSync(path, `${process.pid}\n`);
    return undefined;
  } catch (error) {
    return `Cannot create PID file ${path}: ${platformErrorFrom('open', error).message}`;
  }
}

function removeFile(path: string | undefined): void {
  if (path === undefined) return;
  try {
    unlinkSync(path);
  } catch {
    // It was never written, or somebody tidied up.
  }
}
