// BIRD as Debian has it: 2.0 of this machine, and the newer 2 and 3.

import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, launch, until, when } from '@rookery/lab';
import { bgpCommunityCount, parseBirdPaths, renderBirdConf } from '../bird-conf.ts';
import { INSTALLED, NEWER } from '../../../tools/newer-debian.ts';
import { askBird } from '../bird-socket.ts';
import type { Peer, PeerPlace, Variant } from '../peer.ts';

const NO_AO =
  'Both ends have TCP-AO, but the kernels so far were built without it (CONFIG_TCP_AO).';

export const BIRDS: readonly Peer[] = [
  birdPeer({
    id: 'bird',
    from: INSTALLED,
    cannot: { 'tcp-ao': 'BIRD has TCP-AO from 2.17 on.' },
  }),
  birdPeer({ id: 'bird-newer', from: NEWER, cannot: { 'tcp-ao': NO_AO } }),
  birdPeer({
    id: 'bird3',
    from: NEWER,
    cannot: { 'tcp-ao': NO_AO },
    program: '/opt/bird3/usr/sbin/bird',
    refresh: 'reload bgp in n1',
  }),
];

interface BirdVariant extends Variant {
  readonly program?: string;
  /** The command that sends ROUTE-REFRESH. */
  readonly refresh?: string;
}

function birdPeer(variant: BirdVariant): Peer {
  const { from, program = '/usr/sbin/bird', refresh = 'reload in n1', ...differences } = variant;
  let child: ChildProcess | undefined;
  let place: PeerPlace;
  const path = (name: string): string => join(place.directory, name);
  const ask = (command: string): Promise<string> => askBird(path('bird.ctl'), command);
  let lastRefresh = 0;
  return {
    name: 'BIRD',
    ...differences,
    programs: [from.locate(program)],
    cannot: {
      ...differences.cannot,
      'software-version': 'No BIRD has the capability.',
      'gr-notification': 'No BIRD sets the N bit.',
      interface: 'BIRD dials addresses only; it listens for a range on an interface, as we do.',
    },
    async version(host) {
      const { stdout, stderr } = await host.run(from.command([program, '--version']));
      return /version (\S+)/.exec(stdout + stderr)?.[1] ?? 'unknown';
    },
    async start(at, setup, again) {
      place = at;
      writeFileSync(path('bird.conf'), renderBirdConf(setup));
      if (!again) rmSync(path('bird.log'), { force: true });
      rmSync(path('bird.ctl'), { force: true });
      const argv = [program, '-f', '-c', path('bird.conf'), '-s', path('bird.ctl')];
      child = launch(place, 'bird', from.command([...argv, ...(again ? ['-R'] : [])]));
      await until('BIRD answers', 10_000, async () =>
        when((await ask('show status')).includes('Daemon is up and running')),
      );
    },
    stop: (signal) => end(child, signal),
    async established() {
      return /\bEstablished\b/.test(await ask('show protocols n1'));
    },
    async paths(prefix) {
      return parseBirdPaths(await ask(`show route ${prefix} all`));
    },
    async communityCount(prefix) {
      return bgpCommunityCount(ask, prefix);
    },
    async askForRefresh() {
      await ask(refresh);
    },
    async sawRefresh() {
      const log = readFileSync(path('bird.log'), 'utf8');
      const count = (log.match(/Got ROUTE-REFRESH/g) ?? []).length;
      const more = count > lastRefresh;
      lastRefresh = count;
      return more;
    },
    async shutDown(_neighbor, text) {
      await ask(`disable n1 "${text}"`);
    },
    async bfdUp({ remote }) {
      return new RegExp(`^${remote} .* Up `, 'm').test(await ask('show bfd sessions'));
    },
    async story() {
      return (await ask('show protocols all n1')) + readFileSync(path('bird.log'), 'utf8');
    },
  };
}
