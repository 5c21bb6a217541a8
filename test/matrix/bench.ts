// Two machines with a cable between them: our router on one, a peer on the other. What a scenario
// does to them is here: start, stop, cut the cable, count what the kernel refused.

import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, Host, launch, until, when } from '@rookery/lab';
import { SELF } from '../support/sandbox.ts';
import { type BirdOptions, parseBirdPaths, renderBirdConf } from './bird-conf.ts';
import { askBird } from './bird-socket.ts';
import type { Path, Peer, PeerPlace, Setup } from './peer.ts';

export const LINK = 'eth0';

/** Addresses of the two ends: on the link, a second one, link-local, loopback. */
export const US = {
  v4: '192.0.2.1',
  v6: '2001:db8:1::1',
  linkLocal: 'fe80::1',
  loopback: '198.51.100.1',
} as const;
export const PEER = {
  v4: '192.0.2.2',
  v6: '2001:db8:1::2',
  linkLocal: 'fe80::2',
  loopback: '198.51.100.2',
} as const;

/** Addresses of the third party. */
export const THIRD = ['192.0.2.3', '192.0.2.4'] as const;

export class Bench {
  readonly us: Router;
  /** Another router of ours, on the switch between the two: whoever a third party has to be. */
  readonly third: Router;
  readonly #switch: Host;
  readonly #watches: ChildProcess[] = [];
  readonly peer: Peer;
  readonly ourHost: Host;
  readonly peerPlace: PeerPlace;
  readonly directory: string;

  private constructor(directory: string, hosts: readonly [Host, Host, Host], peer: Peer) {
    const [ourHost, peerHost, switchHost] = hosts;
    this.directory = directory;
    this.ourHost = ourHost;
    this.peer = peer;
    this.#switch = switchHost;
    this.us = new Router({ host: ourHost, directory: join(directory, 'us') });
    this.third = new Router({ host: switchHost, directory: join(directory, 'third') });
    this.peerPlace = { host: peerHost, directory: join(directory, 'peer') };
  }

  static async build(directory: string, peer: Peer): Promise<Bench> {
    const ourHost = await Host.create('us', `${peer.id}-`);
    const peerHost = await Host.create('peer', `${peer.id}-`);
    const switchHost = await Host.create('switch', `${peer.id}-`);
    for (const host of [ourHost, peerHost, switchHost]) {
      await host.sysctl({
        'net.ipv6.conf.all.accept_dad': 0,
        'net.ipv6.conf.default.accept_dad': 0,
        'net.ipv6.conf.default.accept_ra': 0,
        'net.ipv4.conf.all.rp_filter': 0,
      });
      await host.ip('link set lo up');
    }
    await switchHost.ip(
      'link add name lan type bridge',
      'link set lan up',
      ...THIRD.map((address) => `address add ${address}/24 dev lan`),
    );
    for (const [port, host] of [
      ['us', ourHost],
      ['peer', peerHost],
    ] as const) {
      await switchHost.ip(
        `link add name ${port} type veth peer name ${LINK} netns ${host.namespace}`,
        `link set ${port} master lan up`,
      );
    }
    await addressHost(ourHost, US, PEER);
    await addressHost(peerHost, PEER, US);
    for (const name of ['', 'us', 'peer', 'third']) {
      mkdirSync(join(directory, name), { recursive: true });
      chmodSync(join(directory, name), 0o777);
    }
    return new Bench(directory, [ourHost, peerHost, switchHost], peer);
  }

  /** Starts both ends, the peer first. */
  async start(ours: Setup, theirs: Setup, options: BirdOptions = {}): Promise<void> {
    await this.peer.start(this.peerPlace, theirs);
    await this.us.start(ours, options);
  }

  async stop(): Promise<void> {
    await this.mend();
    await Promise.all([
      this.us.rest(),
      this.third.rest(),
      this.peer.stop('SIGKILL'),
      ...this.#watches.splice(0).map((watch) => end(watch)),
    ]);
    for (const family of ['-4', '-6']) {
      await this.ourHost.run(['ip', family, 'route', 'flush', 'proto', 'bird']);
      for (const protocol of ['bgp', 'zebra', 'bird']) {
        await this.peerPlace.host.run(['ip', family, 'route', 'flush', 'proto', protocol]);
      }
    }
  }

  async destroy(): Promise<void> {
    await Promise.all([this.us.stop('SIGKILL'), this.third.stop('SIGKILL')]);
    await this.ourHost.destroy();
    await this.peerPlace.host.destroy();
    await this.#switch.destroy();
  }

  /** The first neighbor of the setup is up, at both ends. */
  async bothEstablished(theirs: Setup, timeoutMs = 15_000): Promise<void> {
    await until('our end is Established', timeoutMs, async () => when(await this.us.established()));
    await until('the peer says Established', 8000, async () =>
      when(await this.peer.established(theirs.neighbors[0]!)),
    );
  }

  /** Until our table, or the peer's, holds a path that fits. */
  async ourPath(prefix: string, fits: (path: Path) => boolean = () => true): Promise<Path> {
    return until(`our path to ${prefix}`, 8000, async () =>
      (await this.us.paths(prefix)).find(fits),
    );
  }

  async theirPath(prefix: string, fits: (path: Path) => boolean = () => true): Promise<Path> {
    return until(`the peer's path to ${prefix}`, 8000, async () =>
      (await this.peer.paths(prefix)).find(fits),
    );
  }

  /** The cable carries nothing any more, but neither end sees that. */
  async cut(): Promise<void> {
    const rules = `table inet cut { chain in { type filter hook input priority 0; iifname "${LINK}" drop; }; }`;
    for (const host of [this.ourHost, this.peerPlace.host]) {
      const { status, stderr } = await host.run(['nft', '-f', '-'], { input: rules });
      if (status !== 0) throw new Error(`nft: ${stderr}`);
    }
  }

  async mend(): Promise<void> {
    for (const host of [this.ourHost, this.peerPlace.host]) {
      await host.run(['nft', 'delete', 'table', 'inet', 'cut']);
    }
  }

  /** Notes from now on which routes leave our kernel. */
  watchRoutes(): { deleted(prefix: string): Promise<readonly string[]> } {
    const child = this.ourHost.spawn(['ip', 'monitor', 'route'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#watches.push(child);
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return {
      async deleted(prefix) {
        await end(child);
        return text.split('\n').filter((line) => line.startsWith(`Deleted ${prefix}`));
      },
    };
  }

  /** A counter of the kernel's TCP, since the machine was made. */
  async counter(host: Host, name: string): Promise<number> {
    const { stdout } = await host.run(['cat', '/proc/net/netstat']);
    const [names = [], values = []] = stdout
      .split('\n')
      .filter((line) => line.startsWith('TcpExt:'))
      .map((line) => line.split(' '));
    return Number(values[names.indexOf(name)] ?? 0);
  }
}

/** A configuration of nothing. */
const REST: Setup = { as: 1, routerId: '192.0.2.255', neighbors: [], originate: [] };

/** Our router on a machine. It goes on running between two setups, since its start costs most. */
export class Router {
  readonly #place: PeerPlace;
  #child: ChildProcess | undefined;
  /** Where the log of the present setup begins. */
  #logStart = 0;

  constructor(place: PeerPlace) {
    this.#place = place;
  }

  get #socket(): string {
    return join(this.#place.directory, 'bird.ctl');
  }

  async start(setup: Setup, options: BirdOptions & { recover?: boolean } = {}): Promise<void> {
    if (!options.recover) this.#logStart += this.log().length;
    if (this.#child?.exitCode === null) return this.configure(setup, options);
    const { directory } = this.#place;
    const configFile = join(directory, 'bird.conf');
    writeFileSync(configFile, renderBirdConf(setup, options));
    rmSync(this.#socket, { force: true });
    const child = launch(this.#place, 'router', [
      ...SELF,
      ...['router', '-f', '-c', configFile, '-s', this.#socket, '--vty-socket', directory],
      ...(options.recover ? ['-R'] : []),
    ]);
    this.#child = child;
    await until('our router answers', 15_000, async () => {
      if (child.exitCode !== null) throw new Error(`our router ended: ${this.log()}`);
      return when((await this.ask('show status')).includes('Daemon is up and running'));
    });
  }

  ask(command: string): Promise<string> {
    return askBird(this.#socket, command);
  }

  async vtysh(command: string): Promise<string> {
    const { host, directory } = this.#place;
    return (await host.run([...SELF, 'vtysh', '--vty_socket', directory, '-c', command])).stdout;
  }

  async configure(setup: Setup, options: BirdOptions = {}): Promise<void> {
    writeFileSync(join(this.#place.directory, 'bird.conf'), renderBirdConf(setup, options));
    const answer = await this.ask('configure');
    if (!/Reconfigur/.test(answer)) throw new Error(`configure: ${answer}`);
  }

  /** Forgets its setup; ends if it does not manage to. */
  async rest(): Promise<void> {
    if (!this.#child) return;
    try {
      await this.configure(REST);
      await until('nothing is left', 5000, async () =>
        when(!/^n\d /m.test(await this.ask('show protocols'))),
      );
    } catch {
      await this.stop('SIGKILL');
    }
  }

  async established(name = 'n1'): Promise<boolean> {
    return /\bEstablished\b/.test(await this.ask(`show protocols ${name}`));
  }

  async paths(prefix: string): Promise<readonly Path[]> {
    return parseBirdPaths(await this.ask(`show route ${prefix} all`));
  }

  log(): string {
    const file = join(this.#place.directory, 'router.log');
    return existsSync(file) ? readFileSync(file, 'utf8').slice(this.#logStart) : '';
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    // The signal must reach the router itself, not `ip netns exec`, which becomes it.
    await end(this.#child, signal);
    this.#child = undefined;
  }
}

async function addressHost(
  host: Host,
  own: typeof US | typeof PEER,
  other: typeof US | typeof PEER,
) {
  await host.ip(
    `link set ${LINK} addrgenmode none`,
    `link set ${LINK} up`,
    `address add ${own.v4}/24 dev ${LINK}`,
    `address add ${own.v6}/64 dev ${LINK} nodad`,
    `address add ${own.linkLocal}/64 dev ${LINK} nodad`,
    `address add ${own.loopback}/32 dev lo`,
    `route add ${other.loopback}/32 via ${other.v4}`,
  );
}
