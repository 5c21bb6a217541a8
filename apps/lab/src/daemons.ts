// The daemons of the lab, ours and the real ones behind one pair of interfaces: a router that reads
// bird.conf and answers birdc, a node that announces and answers vtysh. Either end can be swapped
// for the real thing, which makes the lab the interop test bench too.

import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until, when } from './expect.ts';
import type { Host } from './host.ts';

export interface RouterDaemon {
  readonly host: Host;
  /** Path of its bird.conf. */
  readonly configFile: string;
  /** Path of its JSON control socket; the real BIRD has none. */
  readonly controlSocket?: string;
  start(config: string): Promise<void>;
  /** Runs one console command and returns what birdc prints. */
  birdc(command: string): Promise<string>;
  /** Replaces the file and says `configure`. */
  configure(config: string): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface NodeDaemon {
  readonly host: Host;
  readonly controlSocket?: string;
  start(): Promise<void>;
  /** Runs `vtysh -c COMMAND` and returns what it prints. */
  vtysh(command: string): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Where a daemon keeps its sockets, configuration and log. */
export interface Place {
  readonly host: Host;
  readonly directory: string;
}

/** `self` is the command that runs Rookery, e.g. [node, dist/rookery.mjs]. */
export function rookeryRouter(place: Place, self: readonly string[]): RouterDaemon {
  const controlSocket = join(place.directory, 'control.sock');
  const run = (files: BirdFiles): readonly string[] => [
    ...self,
    ...['router', '-f', '-c', files.config, '-s', files.socket, '-P', files.pid],
    ...['--control', controlSocket, '--vty-socket', place.directory],
  ];
  const client = (socket: string): readonly string[] => [...self, 'birdc', '-s', socket];
  return birdLike(place, run, client, controlSocket);
}

/** BIRD 2 as Debian has it. */
export function realBird(place: Place): RouterDaemon {
  return birdLike(
    place,
    (files) => ['bird', '-f', '-c', files.config, '-s', files.socket, '-P', files.pid],
    (socket) => ['birdc', '-s', socket],
  );
}

/** Our speaker, driven by the cluster's API. */
export function rookerySpeaker(
  place: Place,
  self: readonly string[],
  cluster: { readonly kubeconfig: string; readonly nodeName: string },
): NodeDaemon {
  const controlSocket = join(place.directory, 'control.sock');
  let child: ChildProcess | undefined;
  return {
    host: place.host,
    controlSocket,
    async start() {
      child = launch(place, 'speaker', [
        ...self,
        ...['speaker', '--node-name', cluster.nodeName, '--namespace', 'metallb'],
        ...['--kubeconfig', cluster.kubeconfig],
        ...['--vty-socket', place.directory, '--control', controlSocket],
      ]);
      await until(`${cluster.nodeName}: speaker answers`, 15_000, () =>
        when(existsSync(join(place.directory, 'bgpd.vty'))),
      );
    },
    async vtysh(command) {
      const argv = [...self, 'vtysh', '--vty_socket', place.directory, '-c', command];
      return (await place.host.run(argv)).stdout;
    },
    stop: (signal) => end(child, signal),
  };
}

/**
 * FRR as Debian has it: zebra and bgpd, and bfdd when the configuration has profiles for it. Unless
 * it is given a port, bgpd does not listen, as in MetalLB's pod. It changes to its own user, so its
 * files live in a directory of that user; it needs a lab that runs as root.
 */
export function realFrr(place: Place, config: string, port = 0): NodeDaemon {
  const children: ChildProcess[] = [];
  const directory = `/run/frr/${place.host.namespace}`;
  const configFile = join(directory, 'frr.conf');
  const daemon = (name: string, ...extra: readonly string[]): readonly string[] => [
    `/usr/lib/frr/${name}`,
    ...['-A', '127.0.0.1', '-f', configFile, '-i', join(directory, `${name}.pid`)],
    ...['--vty_socket', directory, '-z', join(directory, 'zserv.api'), '--log', 'stdout'],
    ...extra,
  ];
  const vtysh = async (command: string): Promise<string> =>
    (await place.host.run(['vtysh', '--vty_socket', directory, '-c', command])).stdout;
  return {
    host: place.host,
    async start() {
      // Sockets of an earlier life would pass for daemons that are up.
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory, { recursive: true });
      writeFileSync(configFile, config);
      await place.host.run(['chown', '-R', 'frr:frr', directory]);
      children.push(launch(place, 'zebra', daemon('zebra')));
      await until(`${place.host.name}: zebra is up`, 10_000, () =>
        when(existsSync(join(directory, 'zserv.api'))),
      );
      if (/^bfd$/m.test(config)) {
        const socket = join(directory, 'bfdd.sock');
        children.push(launch(place, 'bfdd', daemon('bfdd', '--bfdctl', socket)));
        await until(`${place.host.name}: bfdd is up`, 10_000, () =>
          when(existsSync(join(directory, 'bfdd.vty'))),
        );
      }
      children.push(launch(place, 'bgpd', daemon('bgpd', '-p', String(port))));
      await until(`${place.host.name}: bgpd is up`, 10_000, () =>
        when(existsSync(join(directory, 'bgpd.vty'))),
      );
    },
    vtysh,
    async stop(signal) {
      await Promise.all(children.splice(0).map((child) => end(child, signal)));
    },
  };
}

interface BirdFiles {
  readonly config: string;
  readonly socket: string;
  readonly pid: string;
}

function birdLike(
  place: Place,
  run: (files: BirdFiles) => readonly string[],
  client: (socket: string) => readonly string[],
  controlSocket?: string,
): RouterDaemon {
  const files: BirdFiles = {
    config: join(place.directory, 'bird.conf'),
    socket: join(place.directory, 'bird.ctl'),
    pid: join(place.directory, 'bird.pid'),
  };
  let child: ChildProcess | undefined;
  const birdc = async (command: string): Promise<string> => {
    const result = await place.host.run([...client(files.socket), ...command.split(' ')]);
    return result.stdout + result.stderr;
  };
  return {
    host: place.host,
    configFile: files.config,
    ...(controlSocket === undefined ? {} : { controlSocket }),
    async start(config) {
      mkdirSync(place.directory, { recursive: true });
      writeFileSync(files.config, config);
      child = launch(place, 'router', run(files));
      const running = child;
      await until('the router answers birdc', 15_000, async () => {
        if (running.exitCode !== null)
          throw new Error(`the router ended: see ${logOf(place, 'router')}`);
        return when((await birdc('show status')).includes('Daemon is up and running'));
      });
    },
    birdc,
    async configure(config) {
      writeFileSync(files.config, config);
      return birdc('configure');
    },
    stop: (signal) => end(child, signal),
  };
}

/** Starts a process in the host; what it prints goes to a log file in its place. */
export function launch(place: Place, name: string, argv: readonly string[]): ChildProcess {
  mkdirSync(place.directory, { recursive: true });
  const log = openSync(logOf(place, name), 'a');
  return place.host.spawn(argv, { stdio: ['ignore', log, log] });
}

/** The last lines of a daemon's log, for an error message. */
export function tailOf(place: Place, name: string, lines = 10): string {
  const path = logOf(place, name);
  return existsSync(path)
    ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
    : '';
}

/** Ends a process and waits for it; SIGKILL leaves it no time to say goodbye. */
export async function end(
  child: ChildProcess | undefined,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const impatience = setTimeout(() => child.kill('SIGKILL'), 5000);
  await ended;
  clearTimeout(impatience);
}

function logOf(place: Place, name: string): string {
  return join(place.directory, `${name}.log`);
}
