// `show running-config`: the configuration an FRR in the speaker's place would hold, in FRR 9.1's
// order (global lines, router bgp, prefix lists, route maps, BFD profiles), only what differs from
// the defaults. A router without such a model says where its configuration lives instead.

import type {
  RunningBfdProfile,
  RunningBgpInstance,
  RunningNeighbor,
  RunningPrefixList,
  RunningRouteMap,
  SpeakerRunningConfig,
} from '@rookery/router';
import type { Family } from '@rookery/net';
import { FAMILIES } from './context.ts';
import type { VtyContext } from './context.ts';

export function runningConfigText(context: VtyContext): string {
  const config = context.view.runningConfig();
  const body = config ? configLines(context, config) : routerLines(context);
  const lines = ['Building configuration...', '', 'Current configuration:', '!', ...body, 'end'];
  return lines.map((line) => `${line}\n`).join('');
}

/** One daemon's own answer has no frame and only its own part. */
export function daemonConfigText(context: VtyContext): string {
  const config = context.view.runningConfig();
  const head = [`frr version ${context.version}`, 'frr defaults traditional', '!'];
  const lines = config ? bodyLines(config, context.daemon) : routerLines(context);
  return [...head, ...globalLines(config), '!', ...lines].map((line) => `${line}\n`).join('');
}

function routerLines(context: VtyContext): string[] {
  const file = context.status.configFile ?? 'its configuration file';
  return [`! This router is configured by ${file}, in BIRD's language.`, '!'];
}

function configLines(context: VtyContext, config: SpeakerRunningConfig): string[] {
  return [
    `frr version ${context.version}`,
    'frr defaults traditional',
    ...globalLines(config),
    'service integrated-vtysh-config',
    '!',
    ...bodyLines(config, 'vtysh'),
  ];
}

function globalLines(config: SpeakerRunningConfig | undefined): string[] {
  if (!config) return [];
  const { logTarget } = config;
  const target = logTarget.kind === 'file' ? `file ${logTarget.path}` : 'stdout';
  return [
    `hostname ${config.hostname}`,
    `log ${target} ${config.logLevel}`,
    'log timestamp precision 3',
    ...(config.ipForwarding ? [] : ['no ip forwarding']),
    ...(config.ipv6Forwarding ? [] : ['no ipv6 forwarding']),
  ];
}

function bodyLines(config: SpeakerRunningConfig, daemon: string): string[] {
  const wants = (...daemons: readonly string[]): boolean =>
    daemon === 'vtysh' || daemons.includes(daemon);
  return [
    ...(wants('bgpd') ? config.instances.flatMap((i) => instanceLines(i)) : []),
    ...(wants('bgpd', 'zebra') ? filterLines(config) : []),
    ...(wants('bfdd') ? profileLines(config.bfdProfiles) : []),
  ];
}

function filterLines(config: SpeakerRunningConfig): string[] {
  return [
    ...config.prefixLists.filter((l) => l.family === 'ipv4').flatMap((l) => prefixListLines(l)),
    ...config.prefixLists.filter((l) => l.family === 'ipv6').flatMap((l) => prefixListLines(l)),
    ...config.routeMaps.flatMap((m) => routeMapLines(m)),
  ];
}

function instanceLines(instance: RunningBgpInstance): string[] {
  const vrf = instance.vrf === undefined ? '' : ` vrf ${instance.vrf}`;
  const neighbors = instance.neighbors;
  return [
    `router bgp ${instance.localAs}${vrf}`,
    ...(instance.routerId === undefined ? [] : [` bgp router-id ${instance.routerId}`]),
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' bgp graceful-restart preserve-fw-state',
    ' no bgp network import-check',
    ...neighbors.flatMap((n) => neighborLines(n)),
    ...FAMILIES.flatMap((family) => familyLines(instance, family)),
    'exit',
    '!',
  ];
}

function nameOf(neighbor: RunningNeighbor): string {
  return neighbor.address ?? neighbor.interface ?? '';
}

/** FRR's own order: AS, sessions, BFD, then timers. */
function neighborLines(neighbor: RunningNeighbor): string[] {
  const lines: string[] = [];
  const say = (text: string): void => void lines.push(` neighbor ${nameOf(neighbor)} ${text}`);
  const unnumbered = neighbor.address === undefined ? 'interface ' : '';
  say(`${unnumbered}remote-as ${neighbor.remoteAs}`);
  if (neighbor.localAs !== undefined) say(`local-as ${neighbor.localAs} no-prepend replace-as`);
  if (neighbor.description !== undefined) say(`description ${neighbor.description}`);
  if (neighbor.bfd) say('bfd');
  if (neighbor.bfdProfile !== undefined) say(`bfd profile ${neighbor.bfdProfile}`);
  // A password is never printed: anybody who may read this could join the session.
  if (neighbor.hasPassword) say('password <hidden>');
  if (neighbor.ebgpMultihop !== undefined) say(`ebgp-multihop ${neighbor.ebgpMultihop}`);
  if (neighbor.disableConnectedCheck) say('disable-connected-check');
  if (neighbor.port !== undefined) say(`port ${neighbor.port}`);
  if (neighbor.timers) say(`timers ${neighbor.timers.keepaliveSec} ${neighbor.timers.holdSec}`);
  if (neighbor.connectTimeSec !== undefined) say(`timers connect ${neighbor.connectTimeSec}`);
  if (neighbor.updateSource !== undefined) say(`update-source ${neighbor.updateSource}`);
  if (neighbor.gracefulRestart) say('graceful-restart');
  return lines;
}

function familyLines(instance: RunningBgpInstance, family: Family): string[] {
  const lines: string[] = instance.networks[family].map((net) => `  network ${net}`);
  for (const neighbor of instance.neighbors) {
    const view = neighbor.families.find((f) => f.family === family);
    if (!view) continue;
    const name = nameOf(neighbor);
    lines.push(`  neighbor ${name} activate`);
    if (view.routeMapIn !== undefined) {
      lines.push(`  neighbor ${name} route-map ${view.routeMapIn} in`);
    }
    if (view.routeMapOut !== undefined) {
      lines.push(`  neighbor ${name} route-map ${view.routeMapOut} out`);
    }
  }
  if (lines.length === 0) return [];
  return [' !', ` address-family ${family} unicast`, ...lines, ' exit-address-family'];
}

function prefixListLines(list: RunningPrefixList): string[] {
  const keyword = list.family === 'ipv4' ? 'ip' : 'ipv6';
  if (list.entries.length === 0) return [];
  return [
    ...list.entries.map(
      (e) => `${keyword} prefix-list ${list.name} seq ${e.seq} ${e.action} ${e.prefix}`,
    ),
    '!',
  ];
}

function routeMapLines(map: RunningRouteMap): string[] {
  return map.entries.flatMap((entry) => [
    `route-map ${map.name} ${entry.action} ${entry.seq}`,
    ...entry.matches.map((match) => ` match ${match}`),
    ...entry.sets.map((set) => ` set ${set}`),
    ...(entry.onMatchNext ? [' on-match next'] : []),
    'exit',
    '!',
  ]);
}

/** Values equal to FRR's defaults (300 ms, 300 ms, 3) are not printed. */
function profileLines(profiles: readonly RunningBfdProfile[]): string[] {
  if (profiles.length === 0) return [];
  const body = profiles.flatMap((profile) => {
    const value = (name: string, given: number | undefined, standard: number): string[] =>
      given === undefined || given === standard ? [] : [`  ${name} ${given}`];
    return [
      ` profile ${profile.name}`,
      ...value('detect-multiplier', profile.detectMultiplier, 3),
      ...value('transmit-interval', profile.transmitIntervalMs, 300),
      ...value('receive-interval', profile.receiveIntervalMs, 300),
      ...(profile.passiveMode ? ['  passive-mode'] : []),
      ...(profile.echoMode ? ['  echo-mode'] : []),
      ...value('echo transmit-interval', profile.echoIntervalMs, 50),
      ...value('echo receive-interval', profile.echoIntervalMs, 50),
      ...value('minimum-ttl', profile.minimumTtl, 254),
      ' exit',
      ' !',
    ];
  });
  return ['bfd', ...body, 'exit', '!'];
}
