// The daemons that are compared: how each is configured for the same task (accept everything, tell
// everybody the best route, no timers of its own) and how it is started in the foreground.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DUT } from './network.ts';
import type { Scenario } from './scenarios.ts';

export interface BenchPeer {
  readonly name: string;
  readonly address: string;
  readonly as: number;
}

export interface DaemonTask {
  readonly family: 'ipv4' | 'ipv6';
  readonly peers: readonly BenchPeer[];
  /** Best routes go to the kernel. */
  readonly kernel: boolean;
  /** Definitions and `filter policy` in BIRD's language, and which way it applies. */
  readonly policy?: { readonly text: string; readonly on: 'import' | 'export' } | undefined;
}

export interface Daemon {
  readonly name: string;
  /** False when its Debian package is not installed. */
  readonly available: boolean;
  /** Can it do what the scenario asks at all? */
  readonly fits: (scenario: Scenario) => boolean;
  readonly configure: (task: DaemonTask) => string;
  /** Shell command; `dir` is private to the run, the configuration is in `dir`/conf. */
  readonly command: (dir: string, task: DaemonTask) => string;
}

const root = join(import.meta.dirname, '..');
const node = join(root, `node_modules/node-linux-${process.arch}/bin/node`);

/** `profileDir`: Rookery runs from its sources, under V8's profilers, and leaves its profiles there. */
export function knownDaemons(profileDir?: string): readonly Daemon[] {
  const all = (): boolean => true;
  const options = (dir: string): string => `-c ${dir}/conf -s ${dir}/ctl -P ${dir}/pid`;
  return [
    {
      name: 'rookery',
      available: existsSync(join(root, 'dist/rookery.mjs')),
      fits: all,
      configure: birdConfig,
      command: (dir) =>
        profileDir === undefined
          ? `exec ${root}/bin/rookery router -f ${options(dir)}`
          : `ROOKERY_ROOT=${root} exec ${node} --cpu-prof --heap-prof --cpu-prof-dir=${profileDir} ` +
            `--heap-prof-dir=${profileDir} ${root}/apps/rookery/src/main.ts router -f ${options(dir)}`,
    },
    {
      name: 'bird',
      available: existsSync('/usr/sbin/bird'),
      fits: all,
      configure: birdConfig,
      command: (dir) => `exec /usr/sbin/bird -f ${options(dir)}`,
    },
    {
      name: 'frr',
      available: existsSync('/usr/lib/frr/bgpd'),
      fits: ({ policyOn }) => !policyOn,
      configure: frrConfig,
      command: frrCommand,
    },
    {
      name: 'gobgp',
      available: existsSync('/usr/bin/gobgpd'),
      // It needs zebra for the kernel.
      fits: ({ kernel, policyOn }) => !kernel && !policyOn,
      configure: gobgpConfig,
      command: (dir) =>
        `exec /usr/bin/gobgpd -f ${dir}/conf -l error --api-hosts 127.0.0.1:50051 --pprof-disable`,
    },
    {
      name: 'openbgpd',
      available: existsSync('/usr/sbin/bgpd') && existsSync('/usr/sbin/bgpctl'),
      fits: ({ kernel, policyOn, generators, receivers }) =>
        !kernel && !policyOn && generators + receivers < 50,
      configure: openbgpdConfig,
      // Its home, which nobody makes where no service manager runs.
      command: (dir) => `mkdir -p /run/openbgpd; exec /usr/sbin/bgpd -d -f ${dir}/conf`,
    },
  ];
}

function ownAddress(task: DaemonTask): string {
  return DUT[task.family];
}

function birdConfig(task: DaemonTask): string {
  const lines = [
    'log stderr { warning, error, fatal, bug };',
    `router id ${DUT.ipv4};`,
    'protocol device { }',
  ];
  if (task.policy) lines.push(task.policy.text);
  const rule = (way: 'import' | 'export'): string =>
    task.policy?.on === way ? `${way} filter policy` : `${way} all`;
  if (task.kernel) lines.push(`protocol kernel { ${task.family} { import none; export all; }; }`);
  for (const peer of task.peers) {
    lines.push(
      `protocol bgp ${peer.name} {`,
      `  local ${ownAddress(task)} as ${DUT.as};`,
      `  neighbor ${peer.address} as ${peer.as};`,
      '  passive on;',
      `  ${task.family} { ${rule('import')}; ${rule('export')}; };`,
      '}',
    );
  }
  return `${lines.join('\n')}\n`;
}

function frrConfig(task: DaemonTask): string {
  return [
    'frr defaults traditional',
    'log stderr errors',
    `router bgp ${DUT.as}`,
    ` bgp router-id ${DUT.ipv4}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ...task.peers.flatMap(({ address, as }) => [
      ` neighbor ${address} remote-as ${as}`,
      ` neighbor ${address} passive`,
    ]),
    ` address-family ${task.family} unicast`,
    ...task.peers.map(({ address }) => `  neighbor ${address} activate`),
    ' exit-address-family',
    '',
  ].join('\n');
}

function frrCommand(dir: string, task: DaemonTask): string {
  const own = `-u frr -g frr --vty_socket ${dir} -z ${dir}/zserv`;
  return [
    `chown -R frr:frr ${dir}`,
    `/usr/lib/frr/zebra -d ${own} -i ${dir}/zebra.pid -A 127.0.0.1 -f /dev/null -s 90000000`,
    `while [ ! -S ${dir}/zserv ]; do sleep 0.01; done`,
    `exec /usr/lib/frr/bgpd ${task.kernel ? '' : '-n'} ${own} -i ${dir}/bgpd.pid -A 127.0.0.1 -f ${dir}/conf`,
  ].join('; ');
}

function gobgpConfig(task: DaemonTask): string {
  const own = ownAddress(task);
  const neighbors = task.peers.map(
    ({ address, as }) =>
      `[[neighbors]]\n[neighbors.config]\nneighbor-address = "${address}"\npeer-as = ${as}\n` +
      `[neighbors.transport.config]\npassive-mode = true\nlocal-address = "${own}"\n` +
      `[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "${task.family}-unicast"\n`,
  );
  return (
    `[global.config]\nas = ${DUT.as}\nrouter-id = "${DUT.ipv4}"\n` +
    `local-address-list = ["${own}"]\n${neighbors.join('')}`
  );
}

function openbgpdConfig(task: DaemonTask): string {
  const family = task.family === 'ipv4' ? 'IPv4' : 'IPv6';
  const neighbors = task.peers.map(
    ({ address, as }) =>
      `neighbor ${address} {\n remote-as ${as}\n passive\n announce ${family} unicast\n}\n`,
  );
  return (
    `AS ${DUT.as}\nrouter-id ${DUT.ipv4}\nlisten on ${ownAddress(task)}\nfib-update no\n` +
    `${neighbors.join('')}allow from ebgp\nallow to ebgp\n`
  );
}
