// `rookery speaker`: announces the addresses of Services from one node, in the place of MetalLB's
// speaker and its FRR. Wiring and process matters only: cluster state in, engine configuration out,
// at once. Layer 2 mode is not served; L2Advertisement objects are read and have no effect.

import { connectionFor, EventWriter, KubeClient, SideWrites } from '@rookery/kube';
import { peersOfAnnouncement, speakerRouterConfigFor } from '@rookery/metallb';
import type { Node } from '@rookery/metallb';
import type { RouterConfig } from '@rookery/router';
import { BgpStatusWriter } from './bgp-status.ts';
import { clusterLog } from './cluster-log.ts';
import type { ClusterLog } from './cluster-log.ts';
import { commonMetrics, serveMetrics } from './cluster-metrics.ts';
import { parseSpeakerOptions, speakerUsage } from './cluster-options.ts';
import type { SpeakerCommand } from './cluster-options.ts';
import { ClusterState } from './cluster-state.ts';
import { ConfigurationStateWriter } from './cluster-status.ts';
import { giveMemoryBackWhenQuiet } from './memory.ts';
import { NodeAnnouncer } from './node-announcer.ts';
import { startSpeakerEngine } from './speaker-engine.ts';
import { speakerMetrics } from './speaker-metrics.ts';

/** Runs until SIGTERM or SIGINT, or until a console says down. */
export async function run(args: readonly string[]): Promise<number> {
  const command = parseSpeakerOptions(args, process.env);
  if ('error' in command) {
    process.stderr.write(`rookery speaker: ${command.error}\n${speakerUsage}`);
    return 2;
  }
  if (command.kind === 'help') {
    process.stdout.write(speakerUsage);
    return 0;
  }
  const connection = connectionFor({
    ...(command.kubeconfig === undefined ? {} : { kubeconfig: command.kubeconfig }),
    env: process.env,
  });
  if (!connection.ok) {
    process.stderr.write(`rookery speaker: ${connection.error}\n`);
    return 1;
  }
  const log = clusterLog('speaker', command.logLevel);
  const { server } = connection.value;
  log.info({ server, node: command.nodeName, namespace: command.namespace }, 'speaker starts');
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // A second signal ends a speaker whose orderly end takes too long.
      if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
      stop.abort();
    });
  }
  process.on('unhandledRejection', (error) =>
    log.error({ error: String(error) }, 'internal error'),
  );
  const failure = await runSpeaker(command, new KubeClient(connection.value, 'rookery-speaker'), {
    log,
    signal: stop.signal,
  });
  if (failure !== undefined) {
    log.error({}, failure);
    return 1;
  }
  log.info({}, 'speaker ends');
  return 0;
}

/** The speaker of one node against one API server, until aborted; a sentence when it cannot start. */
export async function runSpeaker(
  command: SpeakerCommand,
  client: KubeClient,
  process_: { readonly log: ClusterLog; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const { log, signal } = process_;
  const { namespace, nodeName } = command;
  if (command.ignored.length > 0) {
    log.info({ flags: command.ignored }, 'these flags of MetalLB have no effect here');
  }
  const engine = await startSpeakerEngine(command, emptyConfig(nodeName), {
    log,
    inForce: () => announcer.inForce,
  });
  if (typeof engine === 'string') return engine;
  const metrics = commonMetrics();
  const side = new SideWrites();
  const events = new EventWriter(client, {
    component: 'metallb-speaker',
    host: nodeName,
    side,
    onIssue: (message) => log.warn({ message }, 'event lost'),
  });
  const stateWriter = new ConfigurationStateWriter(client, { namespace, node: nodeName }, log);
  const statusWriter = new BgpStatusWriter(
    client,
    {
      namespace,
      node: nodeName,
      ...(command.podName === undefined ? {} : { podName: command.podName }),
    },
    { log, side },
  );
  const findingsTold = new Set<string>();
  const cluster: ClusterState = new ClusterState(
    client,
    { namespace, role: 'speaker' },
    {
      log,
      handlers: {
        onSynced: () => {
          log.info({ services: cluster.services.size }, 'cluster state loaded');
          announcer.start();
          statusWriter.start();
        },
        onChange: (change) => {
          metrics.updates.inc();
          announcer.onChange(change);
        },
      },
    },
  );
  const announcer: NodeAnnouncer = new NodeAnnouncer(
    nodeName,
    cluster,
    {
      apply: (router) => engine.configure(router),
      change: (routes) => engine.change(routes),
      decided: (service, announcement) =>
        statusWriter.want(service, announcement ? peersOfAnnouncement(announcement) : []),
      announced: (service) =>
        events.write(
          { apiVersion: 'v1', kind: 'Service', metadata: service.metadata },
          {
            type: 'Normal',
            reason: 'nodeAssigned',
            message: `announcing from node "${nodeName}" with protocol "bgp"`,
          },
        ),
      configured: (config, issue) => {
        metrics.configStale.set(issue ? 1 : 0);
        if (config) metrics.configLoaded.set(1);
        for (const { id, object, message, cure } of config?.findings ?? []) {
          const key = `${id} ${object.metadata.uid}`;
          if (findingsTold.has(key)) continue;
          findingsTold.add(key);
          log.warn({ finding: id, object: object.metadata.name, cure }, message);
        }
        const warnings = (config?.findings ?? []).map((finding) => finding.message);
        stateWriter.write({ ...(issue ? { issue } : {}), warnings });
      },
    },
    { lbClass: command.lbClass, ignoreExcludeLabel: command.ignoreExcludeLabel },
    log,
  );
  speakerMetrics(metrics.registry, nodeName, announcer, engine.view);
  const server = serveMetrics(
    metrics.registry,
    { host: command.host, port: command.port, ready: () => cluster.synced },
    log,
  );
  cluster.start();
  void giveMemoryBackWhenQuiet();
  const aborted = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  await Promise.race([aborted, engine.ended]);
  const peers = [...(announcer.inForce?.config.peers.values() ?? [])];
  // A peer that was promised graceful restart keeps forwarding while this pod is replaced.
  engine.shutdown(peers.length > 0 && peers.every((peer) => peer.gracefulRestart));
  const patience = new Promise<void>((resolve) => setTimeout(resolve, 1500).unref());
  await Promise.race([engine.ended, patience]);
  await engine.close();
  events.stop();
  server?.close();
  await Promise.all([cluster.stop(), statusWriter.stop()]);
  client.close();
  return undefined;
}

/** An engine without peers, until the cluster is known. */
function emptyConfig(nodeName: string): RouterConfig {
  const metadata = {
    name: nodeName,
    namespace: '',
    uid: '',
    resourceVersion: '',
    labels: {},
    annotations: {},
  };
  const node: Node = { metadata, addresses: [], networkUnavailable: false };
  const nothing = { pools: new Map(), peers: new Map(), bfdProfiles: new Map(), findings: [] };
  return speakerRouterConfigFor(node, nothing, []);
}
