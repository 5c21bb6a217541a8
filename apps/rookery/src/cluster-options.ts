// Command lines of `rookery controller` and `rookery speaker`: MetalLB's flags with its environment
// variables and defaults, and a few of ours. A flag of MetalLB's that has no meaning here (layer 2
// membership, certificate rotation, the FRR back end) is accepted and named in the log, so that its
// manifests work unchanged.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LOG_LEVELS } from './cluster-log.ts';
import type { LogLevel } from './cluster-log.ts';

export interface ClusterCommand {
  readonly kind: 'run' | 'help';
  readonly namespace: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
  /** Metrics; 0: none. */
  readonly port: number;
  readonly host: string;
  readonly lbClass: string;
  readonly podName?: string;
  /** Flags that were given and have no effect here. */
  readonly ignored: readonly string[];
}

export interface ControllerCommand extends ClusterCommand {
  readonly leaderElect: boolean;
}

export interface SpeakerCommand extends ClusterCommand {
  readonly nodeName: string;
  readonly vtyDirectory?: string;
  readonly controlSocket?: string;
  readonly birdSocket?: string;
  readonly ignoreExcludeLabel: boolean;
}

type Env = Readonly<Record<string, string | undefined>>;

export const controllerUsage = `Usage: rookery controller [OPTIONS]

Options (MetalLB's):
  --namespace NS       namespace of MetalLB's objects (METALLB_NAMESPACE, or the pod's)
  --port N             metrics over HTTP, 0 for none (default 9120)
  --log-level LEVEL    ${LOG_LEVELS.join(', ')} (default info)
  --lb-class CLASS     handle only Services of this loadBalancerClass
  --pod-name NAME      this pod (METALLB_POD_NAME)
Beyond MetalLB:
  --kubeconfig FILE    default: $KUBECONFIG, the pod's service account, ~/.kube/config
  --host ADDRESS       address for metrics (default: all)
  --leader-elect       run several, one of which allocates (Lease metallb-controller)
`;

export const speakerUsage = `Usage: rookery speaker --node-name NODE [OPTIONS]

Options (MetalLB's):
  --node-name NODE     this node (METALLB_NODE_NAME)
  --namespace NS       namespace of MetalLB's objects (METALLB_NAMESPACE, or the pod's)
  --port N             metrics over HTTP, 0 for none (default 9120)
  --log-level LEVEL    ${LOG_LEVELS.join(', ')} (default info)
  --lb-class CLASS     handle only Services of this loadBalancerClass
  --ignore-exclude-lb  announce from nodes with the exclude-from-external-load-balancers label
  --pod-name NAME      this pod (METALLB_POD_NAME)
Beyond MetalLB:
  --kubeconfig FILE    default: $KUBECONFIG, the pod's service account, ~/.kube/config
  --host ADDRESS       address for metrics (default: all)
  --vty-socket DIR     answer vtysh through sockets in this directory
  --control SOCKET     Unix socket of the JSON control API
  --socket SOCKET      Unix socket for birdc
`;

const COMMON = {
  help: { type: 'boolean', short: 'h' },
  namespace: { type: 'string' },
  kubeconfig: { type: 'string' },
  'log-level': { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string' },
  'lb-class': { type: 'string' },
  'pod-name': { type: 'string' },
} as const;

/** Accepted for the sake of MetalLB's manifests. */
const IGNORED_TEXT = [
  'ml-secret-name',
  'deployment',
  'cert-dir',
  'cert-service-name',
  'webhook-secret',
  'webhook-mode',
  'pprof-bind-address',
  'health-probe-port',
  'tls-min-version',
  'tls-cipher-suites',
  'tls-curve-preferences',
  'metrics-cert-dir',
  'ml-bindaddr',
  'ml-bindport',
  'ml-labels',
  'ml-secret-key-path',
  'bgp-debounce-timeout',
  'frrk8s-namespace',
] as const;
const IGNORED_FLAGS = [
  'disable-cert-rotation',
  'webhook-http2',
  'ml-wan-config',
  'frrk8s-secret-passthrough',
] as const;
const IGNORED = {
  ...Object.fromEntries(IGNORED_TEXT.map((name) => [name, { type: 'string' as const }])),
  ...Object.fromEntries(IGNORED_FLAGS.map((name) => [name, { type: 'boolean' as const }])),
};

type Values = Readonly<Record<string, string | boolean | undefined>>;

/** The command, or the sentence to print with the usage. */
export function parseControllerOptions(
  args: readonly string[],
  env: Env,
): ControllerCommand | { readonly error: string } {
  const values = parse(args, { 'leader-elect': { type: 'boolean' } });
  if ('error' in values) return values as { error: string };
  const common = commonFrom(values, env);
  if ('error' in common) return common;
  return { ...common, leaderElect: values['leader-elect'] === true };
}

/** The command, or the sentence to print with the usage. */
export function parseSpeakerOptions(
  args: readonly string[],
  env: Env,
): SpeakerCommand | { readonly error: string } {
  const values = parse(args, {
    'node-name': { type: 'string' },
    'vty-socket': { type: 'string' },
    control: { type: 'string' },
    socket: { type: 'string' },
    'ignore-exclude-lb': { type: 'boolean' },
  });
  if ('error' in values) return values as { error: string };
  const common = commonFrom(values, env);
  if ('error' in common) return common;
  const nodeName = textOf(values, 'node-name') ?? env['METALLB_NODE_NAME'] ?? '';
  if (nodeName === '' && common.kind === 'run') {
    return { error: 'which node is this? Give --node-name or set METALLB_NODE_NAME' };
  }
  const vtyDirectory = textOf(values, 'vty-socket');
  const controlSocket = textOf(values, 'control');
  const birdSocket = textOf(values, 'socket');
  return {
    ...common,
    nodeName,
    ...(vtyDirectory === undefined ? {} : { vtyDirectory }),
    ...(controlSocket === undefined ? {} : { controlSocket }),
    ...(birdSocket === undefined ? {} : { birdSocket }),
    ignoreExcludeLabel: values['ignore-exclude-lb'] === true,
  };
}

function parse(
  args: readonly string[],
  own: Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>,
): Values {
  // Go's flag package, which MetalLB uses, takes one dash as well as two.
  const dashed = args.map((arg) => (/^-[a-z][a-z0-9-]+/.test(arg) ? `-${arg}` : arg));
  try {
    return parseArgs({ args: dashed, options: { ...COMMON, ...IGNORED, ...own } }).values as Values;
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

function commonFrom(values: Values, env: Env): ClusterCommand | { readonly error: string } {
  const level = textOf(values, 'log-level') ?? 'info';
  if (!(LOG_LEVELS as readonly string[]).includes(level)) {
    return { error: `--log-level ${level}: known are ${LOG_LEVELS.join(', ')}` };
  }
  const port = Number(textOf(values, 'port') ?? '9120');
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    return { error: `--port ${textOf(values, 'port')}: not a port` };
  }
  const namespace = textOf(values, 'namespace') ?? env['METALLB_NAMESPACE'] ?? podNamespace();
  const help = values['help'] === true;
  if (namespace === undefined && !help) {
    return {
      error: "in which namespace are MetalLB's objects? Give --namespace or set METALLB_NAMESPACE",
    };
  }
  const kubeconfig = textOf(values, 'kubeconfig');
  const podName = textOf(values, 'pod-name') ?? env['METALLB_POD_NAME'];
  const ignorable: readonly string[] = [...IGNORED_TEXT, ...IGNORED_FLAGS];
  return {
    kind: help ? 'help' : 'run',
    namespace: namespace ?? '',
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    logLevel: level as LogLevel,
    port,
    host: textOf(values, 'host') ?? '::',
    lbClass: textOf(values, 'lb-class') ?? '',
    ...(podName === undefined || podName === '' ? {} : { podName }),
    ignored: ignorable.filter((name) => values[name] !== undefined).map((name) => `--${name}`),
  };
}

function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function podNamespace(): string | undefined {
  try {
    return readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/namespace', 'utf8').trim();
  } catch {
    return undefined;
  }
}
