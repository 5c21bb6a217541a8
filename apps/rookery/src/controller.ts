// `rookery controller`: gives addresses to Services of type LoadBalancer, in MetalLB's place. Wiring
// and process matters only; what is decided is in packages/metallb, the order of work in
// allocation-loop.ts. Validating and conversion webhooks are not served.

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { connectionFor, EventWriter, KubeClient, LeaderElection } from '@rookery/kube';
import type { Config } from '@rookery/metallb';
import { AllocationLoop } from './allocation-loop.ts';
import { clusterLog } from './cluster-log.ts';
import type { ClusterLog } from './cluster-log.ts';
import { commonMetrics, PoolMetrics, serveMetrics } from './cluster-metrics.ts';
import { controllerUsage, parseControllerOptions } from './cluster-options.ts';
import type { ControllerCommand } from './cluster-options.ts';
import { ClusterState } from './cluster-state.ts';
import { ConfigurationStateWriter, PoolStatusWriter } from './cluster-status.ts';
import { giveMemoryBackWhenQuiet } from './memory.ts';
import { writeService } from './service-status.ts';

/** Runs until SIGTERM or SIGINT. */
export async function run(args: readonly string[]): Promise<number> {
  const command = parseControllerOptions(args, process.env);
  if ('error' in command) {
    process.stderr.write(`rookery controller: ${command.error}\n${controllerUsage}`);
    return 2;
  }
  if (command.kind === 'help') {
    process.stdout.write(controllerUsage);
    return 0;
  }
  const connection = connectionFor({
    ...(command.kubeconfig === undefined ? {} : { kubeconfig: command.kubeconfig }),
    env: process.env,
  });
  if (!connection.ok) {
    process.stderr.write(`rookery controller: ${connection.error}\n`);
    return 1;
  }
  const log = clusterLog('controller', command.logLevel);
  log.info({ server: connection.value.server, namespace: command.namespace }, 'controller starts');
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  process.on('unhandledRejection', (error) =>
    log.error({ error: String(error) }, 'internal error'),
  );
  await runController(command, new KubeClient(connection.value, 'rookery-controller'), {
    log,
    signal: stop.signal,
  });
  log.info({}, 'controller ends');
  return 0;
}

/** The controller against one API server, until aborted. */
export async function runController(
  command: ControllerCommand,
  client: KubeClient,
  process_: { readonly log: ClusterLog; readonly signal: AbortSignal },
): Promise<void> {
  const { log, signal } = process_;
  const { namespace } = command;
  if (command.ignored.length > 0) {
    log.info({ flags: command.ignored }, 'these flags of MetalLB have no effect here');
  }
  const metrics = commonMetrics();
  const poolMetrics = new PoolMetrics(metrics.registry);
  const events = new EventWriter(client, {
    component: 'metallb-controller',
    onIssue: (message) => log.warn({ message }, 'event lost'),
  });
  const stateWriter = new ConfigurationStateWriter(client, { namespace }, log);
  const poolWriter = new PoolStatusWriter(client, namespace, log);
  const findings = new FindingTeller(events, log);
  const cluster: ClusterState = new ClusterState(
    client,
    { namespace, role: 'controller' },
    {
      log,
      handlers: {
        onSynced: () => {
          log.info({ services: cluster.services.size }, 'cluster state loaded');
          if (!command.leaderElect) loop.start();
        },
        onChange: (change) => {
          metrics.updates.inc();
          loop.onChange(change);
        },
      },
    },
  );
  const loop = new AllocationLoop(
    cluster,
    {
      writeService: async (service, convergence) => {
        const outcome = await writeService(client, service, convergence);
        if (outcome.ok) cluster.adoptService(outcome.object);
        else {
          metrics.updateErrors.inc();
          log.warn({ service: service.metadata.name, error: outcome.error }, 'status not written');
        }
        return outcome.ok;
      },
      event: (service, event) =>
        events.write({ apiVersion: 'v1', kind: 'Service', metadata: service.metadata }, event),
      usage: (usage) => {
        poolMetrics.set(usage);
        poolWriter.write(usage, cluster.rawObjects('pools'));
      },
      configured: (config, issue) => {
        metrics.configStale.set(issue ? 1 : 0);
        if (!issue) metrics.configLoaded.set(1);
        if (config) findings.tell(config);
        stateWriter.write({ ...(issue ? { issue } : {}), warnings: [] });
      },
    },
    { lbClass: command.lbClass },
    log,
  );
  const server = serveMetrics(
    metrics.registry,
    { host: command.host, port: command.port, ready: () => cluster.synced },
    log,
  );
  cluster.start();
  void giveMemoryBackWhenQuiet();
  if (command.leaderElect) await lead(command, client, { log, signal, cluster, loop });
  else
    await new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => resolve(), { once: true }),
    );
  loop.stop();
  events.stop();
  server?.close();
  await cluster.stop();
  client.close();
}

/** Tells each finding once, as a log line and as an event on the object it is about. */
class FindingTeller {
  readonly #events: EventWriter;
  readonly #log: ClusterLog;
  #told = new Set<string>();

  constructor(events: EventWriter, log: ClusterLog) {
    this.#events = events;
    this.#log = log;
  }

  tell(config: Config): void {
    const current = new Set<string>();
    for (const finding of config.findings) {
      const { id, object, message, cure } = finding;
      const key = `${id} ${object.metadata.uid} ${message}`;
      current.add(key);
      if (this.#told.has(key)) continue;
      this.#log.warn({ finding: id, object: object.metadata.name, cure }, message);
      const note = {
        type: 'Warning',
        reason: finding.reason,
        message: `${message}. Cure: ${cure}`,
      } as const;
      this.#events.write(object, note);
    }
    this.#told = current;
  }
}

/** Allocates only while holding the lease; ends when aborted. */
async function lead(
  command: ControllerCommand,
  client: KubeClient,
  parts: {
    readonly log: ClusterLog;
    readonly signal: AbortSignal;
    readonly cluster: ClusterState;
    readonly loop: AllocationLoop;
  },
): Promise<void> {
  const { log, cluster, loop } = parts;
  const identity = command.podName ?? `${hostname()}-${randomUUID().slice(0, 8)}`;
  const election = new LeaderElection(client, {
    namespace: command.namespace,
    name: 'metallb-controller',
    identity,
    onIssue: (message) => log.warn({ message }, 'leader election'),
  });
  const begin = (): void => {
    if (!election.leading) return;
    if (cluster.synced) loop.start();
    else setTimeout(begin, 100).unref();
  };
  await election.run(parts.signal, {
    onLead: () => {
      log.info({ identity }, 'leading');
      begin();
    },
    onLose: () => {
      log.warn({ identity }, 'no longer leading; writing nothing');
      loop.stop();
    },
  });
}
