// The sockets through which a daemon is looked at and commanded, for router and speaker alike: the
// BIRD control socket, the JSON control API, and FRR's vty sockets. Each is optional; what cannot be
// opened is one sentence.

import type { BirdcEnvironment, BirdLanguage } from '@rookery/console';
import type { RouterControl, RouterView } from '@rookery/router';
import type { ControlServer } from './control-server.ts';
import type { EngineLoop } from './daemon.ts';
import { createLazyServer, listenUnix } from './unix-server.ts';
import type { SocketOwner } from './unix-server.ts';

export interface ConsoleDeps {
  readonly view: RouterView;
  readonly control: RouterControl;
  readonly loop: EngineLoop;
  readonly language: () => BirdLanguage;
  /** What the birdc dialect claims to be. */
  readonly dialect: string;
  readonly owner: SocketOwner;
}

export interface ConsolePlaces {
  readonly bird?: string;
  /** BIRD's `cli` statements. */
  readonly extra?: readonly { readonly path: string; readonly restrict: boolean }[];
  readonly control?: string;
  readonly vtyDirectory?: string;
}

export interface Consoles {
  /** After a turn of the engine. */
  touch(): void;
  close(): void;
}

/** Opens the BIRD socket first, which is also how a second daemon is noticed. */
export async function openConsoles(
  places: ConsolePlaces,
  deps: ConsoleDeps,
): Promise<Consoles | string> {
  const closers: (() => void)[] = [];
  const touches: (() => void)[] = [];
  const close = (): void => closers.splice(0).forEach((one) => one());
  const failure =
    (await openBird(places.bird, false, deps, closers)) ??
    (await openExtra(places.extra ?? [], deps, closers)) ??
    (await openControl(places.control, deps, closers, touches)) ??
    (await openVty(places.vtyDirectory, deps, closers));
  if (failure !== undefined) {
    close();
    return failure;
  }
  return { touch: () => touches.forEach((one) => one()), close };
}

async function openExtra(
  sockets: NonNullable<ConsolePlaces['extra']>,
  deps: ConsoleDeps,
  closers: (() => void)[],
): Promise<string | undefined> {
  for (const { path, restrict } of sockets) {
    const failure = await openBird(path, restrict, deps, closers);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

async function openBird(
  path: string | undefined,
  restricted: boolean,
  deps: ConsoleDeps,
  closers: (() => void)[],
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const { view, control, loop, dialect } = deps;
  const server = createLazyServer(async () => {
    const { serveBirdc } = await import('./birdc-server.ts');
    const environment = (): BirdcEnvironment => ({
      view,
      control,
      language: deps.language(),
      version: dialect,
      offset: localOffset,
      restricted,
    });
    return (socket) => serveBirdc(socket, { environment, run: (command) => loop.run(command) });
  });
  const outcome = await listenUnix(server, path, deps.owner);
  if (outcome.kind === 'taken') return 'I found another BIRD running.';
  if (outcome.kind === 'failed') return `Cannot create control socket ${path}: ${outcome.message}`;
  closers.push(outcome.close);
  return undefined;
}

async function openControl(
  path: string | undefined,
  deps: ConsoleDeps,
  closers: (() => void)[],
  touches: (() => void)[],
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  let api: ControlServer | undefined;
  const server = createLazyServer(async () => {
    const [{ createControlServer }, { controlState }] = await Promise.all([
      import('./control-server.ts'),
      import('@rookery/console'),
    ]);
    const created = createControlServer({
      state: () => controlState(deps.view),
      metrics: () => ({ loop: deps.loop.metrics, memory: process.memoryUsage() }),
    });
    api = created;
    return (socket) => void created.server.emit('connection', socket);
  });
  const outcome = await listenUnix(server, path, deps.owner);
  if (outcome.kind === 'taken') return `Another daemon answers on ${path}`;
  if (outcome.kind === 'failed') return `Cannot create control socket ${path}: ${outcome.message}`;
  closers.push(outcome.close, () => api?.close());
  touches.push(() => api?.touch());
  return undefined;
}

async function openVty(
  directory: string | undefined,
  deps: ConsoleDeps,
  closers: (() => void)[],
): Promise<string | undefined> {
  if (directory === undefined) return undefined;
  const { openVtySockets } = await import('./vty-server.ts');
  const { view, control, loop } = deps;
  const sockets = await openVtySockets(
    directory,
    async () => {
      const { vtyReply } = await import('@rookery/console');
      return (daemon, line) =>
        loop.run(() => vtyReply({ view, control, daemon, offset: localOffset }, line));
    },
    deps.owner,
  );
  if ('error' in sockets) return sockets.error;
  closers.push(sockets.close);
  return undefined;
}

/** Minutes east of UTC, from the zone of the process. */
function localOffset(unixMs: number): number {
  return -new Date(unixMs).getTimezoneOffset();
}
