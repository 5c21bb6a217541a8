// The command line of `rookery router`: BIRD's own options with BIRD's own defaults, and three of
// ours for the sockets that BIRD does not have.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

export interface RouterCommand {
  readonly kind: 'run' | 'check' | 'version' | 'help';
  readonly configFile: string;
  readonly socket: string;
  readonly controlSocket: string;
  readonly vtyDirectory?: string;
  readonly pidFile?: string;
  readonly user?: string;
  readonly group?: string;
  readonly debugFile?: string;
  readonly debug: boolean;
  readonly foreground: boolean;
  readonly recover: boolean;
  /** What the birdc dialect claims to be. */
  readonly dialect?: string;
}

export const routerUsage = `Usage: rookery router [--version] [--help] [-c <config-file>] [OPTIONS]

Options:
  -c <config-file>     Use given configuration file instead of
                       ${defaultConfigFile()}
  -d                   Enable debug messages and run in foreground
  -D <debug-file>      Log debug messages to given file instead of stderr
  -f                   Run in foreground
  -g <group>           Use given group ID
  -h, --help           Display this information
  -l                   Look for a configuration file and a control socket
                       in the current working directory
  -p                   Test configuration file and exit without start
  -P <pid-file>        Create a PID file with given filename
  -R                   Apply graceful restart recovery after start
  -s <control-socket>  Use given filename for a control socket
  -u <user>            Drop privileges and use given user ID
  --version            Display version

Beyond BIRD:
  --control <socket>   Unix socket of the JSON control API (default: rookery.sock
                       beside the control socket)
  --vty-socket <dir>   Answer vtysh through sockets in this directory
  --bird-version <v>   BIRD version that the control socket claims (default 2.0.12)
`;

/** The command, or the sentence to print with the usage. */
export function parseRouterOptions(args: readonly string[]): RouterCommand | { error: string } {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', short: 'c' },
        debug: { type: 'boolean', short: 'd' },
        'debug-file': { type: 'string', short: 'D' },
        foreground: { type: 'boolean', short: 'f' },
        group: { type: 'string', short: 'g' },
        help: { type: 'boolean', short: 'h' },
        local: { type: 'boolean', short: 'l' },
        parse: { type: 'boolean', short: 'p' },
        'pid-file': { type: 'string', short: 'P' },
        recover: { type: 'boolean', short: 'R' },
        socket: { type: 'string', short: 's' },
        user: { type: 'string', short: 'u' },
        version: { type: 'boolean' },
        control: { type: 'string' },
        'vty-socket': { type: 'string' },
        'bird-version': { type: 'string' },
      },
    }));
  } catch (error) {
    return { error: (error as Error).message };
  }
  const local = values.local === true;
  const socket = values.socket ?? (local ? 'bird.ctl' : '/run/bird/bird.ctl');
  const debug = values.debug === true;
  return {
    kind: values.help ? 'help' : values.version ? 'version' : values.parse ? 'check' : 'run',
    configFile: values.config ?? (local ? 'bird.conf' : defaultConfigFile()),
    socket,
    controlSocket: values.control ?? join(dirname(socket), 'rookery.sock'),
    debug,
    foreground: values.foreground === true || debug,
    recover: values.recover === true,
    ...optional('vtyDirectory', values['vty-socket']),
    ...optional('pidFile', values['pid-file']),
    ...optional('user', values.user),
    ...optional('group', values.group),
    ...optional('debugFile', values['debug-file']),
    ...optional('dialect', values['bird-version']),
  };
}

/** Debian's place, or OpenWrt's where only that exists. */
function defaultConfigFile(): string {
  const debian = '/etc/bird/bird.conf';
  const openWrt = '/etc/bird.conf';
  return !existsSync(debian) && existsSync(openWrt) ? openWrt : debian;
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: string });
}
