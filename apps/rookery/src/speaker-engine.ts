// The routing engine inside a speaker: host, consoles, and the read model completed with what only
// the speaker knows: the configuration that MetalLB would have rendered, the announcements with
// their services, the kernel's routes. Its configuration comes from the cluster and from nowhere
// else, so a console may look, reset and disable, but not configure.

import { readFileSync } from 'node:fs';
import type { BirdLanguage } from '@rookery/console';
import { renderCommunity, frrLogLevel, runningConfigFor } from '@rookery/metallb';
import { resolveIdentity } from '@rookery/linux';
import type {
  AnnouncementView,
  RouteChange,
  RouterConfig,
  RouterControl,
  RouterView,
} from '@rookery/router';
import type { ClusterLog } from './cluster-log.ts';
import type { SpeakerCommand } from './cluster-options.ts';
import { openConsoles } from './consoles.ts';
import type { Consoles } from './consoles.ts';
import { createEngineHost } from './engine-host.ts';
import type { EngineHost } from './engine-host.ts';
import { KernelWatch } from './kernel-watch.ts';
import type { InForce } from './node-announcer.ts';
import { SpeakerLogging } from './speaker-logging.ts';
import { birdVersion } from './version.ts';

export interface SpeakerEngine {
  readonly view: RouterView;
  /** Puts a configuration in force before it returns. */
  configure(config: RouterConfig): void;
  /** The same for routes that differ in it. */
  change(routes: readonly RouteChange[]): void;
  /** Resolves when the engine has ended, by a console's `down` or by `shutdown`. */
  readonly ended: Promise<void>;
  /** Orderly end: peers are told, unless they keep our routes over a restart. */
  shutdown(graceful: boolean): void;
  close(): Promise<void>;
}

const KERNEL_RESCAN_MS = 60_000;

/** Starts an engine that has no peer yet; a sentence when something cannot be had. */
export async function startSpeakerEngine(
  command: SpeakerCommand,
  initial: RouterConfig,
  deps: { readonly log: ClusterLog; readonly inForce: () => InForce | undefined },
): Promise<SpeakerEngine | string> {
  const logging = new SpeakerLogging(deps.log);
  const kernel = new KernelWatch();
  const current: { consoles?: Consoles } = {};
  let finish = (): void => undefined;
  const ended = new Promise<void>((resolve) => (finish = resolve));
  const host: EngineHost = createEngineHost({
    config: initial,
    logging,
    onTurn: () => {
      current.consoles?.touch();
      if (host.router.stopped) finish();
    },
    onFact: (fact, nowMs) => {
      if (kernel.observe(fact, nowMs)) scan();
    },
  });
  const { router, loop, nowMs } = host;
  const scan = (): void => {
    for (const order of kernel.scan()) router.order(order);
  };
  const view = completeView(router.view, kernel, command, deps.inForce);
  const identity = resolveIdentity(undefined, undefined);
  if (!identity.ok) return identity.error;
  const opened = await openConsoles(
    {
      ...(command.birdSocket === undefined ? {} : { bird: command.birdSocket }),
      ...(command.controlSocket === undefined ? {} : { control: command.controlSocket }),
      ...(command.vtyDirectory === undefined ? {} : { vtyDirectory: command.vtyDirectory }),
    },
    {
      view,
      control: controlOf(host, logging),
      loop,
      language: () => NO_LANGUAGE,
      dialect: birdVersion,
      owner: identity.value,
    },
  );
  if (typeof opened === 'string') return opened;
  current.consoles = opened;
  const failure = host.open();
  if (failure !== undefined) {
    opened.close();
    return failure;
  }
  loop.run(scan);
  const rescan = setInterval(() => loop.run(scan), KERNEL_RESCAN_MS);
  rescan.unref();
  return {
    view,
    ended,
    configure: (config) => void loop.run(() => router.configure(config, 'hard', nowMs())),
    change: (routes) => loop.run(() => router.changeRoutes(routes, nowMs())),
    shutdown: (graceful) =>
      loop.run(() => (graceful ? router.gracefulRestart(nowMs()) : router.shutdown(nowMs()))),
    close: async () => {
      clearInterval(rescan);
      await host.close();
      opened.close();
    },
  };
}

function completeView(
  view: RouterView,
  kernel: KernelWatch,
  command: SpeakerCommand,
  inForce: () => InForce | undefined,
): RouterView {
  return {
    status: () => view.status(),
    protocols: () => view.protocols(),
    tables: () => view.tables(),
    interfaces: () => view.interfaces(),
    walkRoutes: (query) => view.walkRoutes(query),
    symbols: () => view.symbols(),
    bfdSessions: () => view.bfdSessions(),
    memory: () => view.memory(),
    kernelRoutes: (family) => kernel.routes(family),
    runningConfig: () => {
      const current = inForce();
      if (!current) return undefined;
      return runningConfigFor(current.node, current.config, current.plan, {
        hostname: command.nodeName,
        logLevel: frrLogLevel(command.logLevel),
        logTarget: { kind: 'stdout' },
        ipForwarding: isOn('/proc/sys/net/ipv4/ip_forward'),
        ipv6Forwarding: isOn('/proc/sys/net/ipv6/conf/all/forwarding'),
      });
    },
    announcements: () => announcementViews(inForce()),
  };
}

function announcementViews(inForce: InForce | undefined): readonly AnnouncementView[] {
  if (!inForce) return [];
  return inForce.plan.map((planned) => {
    const attributes = [...planned.peers.values()];
    const localPref = Math.max(0, ...attributes.map((one) => one.localPref));
    const communities = attributes.flatMap((one) =>
      one.communities.map(
        (community) => (community.kind === 'large' ? 'large:' : '') + renderCommunity(community),
      ),
    );
    return {
      prefix: planned.prefix,
      services: planned.services,
      pool: planned.pool,
      peers: [...planned.peers.keys()].flatMap((name) => {
        const peer = inForce.config.peers.get(name);
        return peer?.address ?? peer?.interface ?? [];
      }),
      ...(localPref === 0 ? {} : { localPref }),
      communities: [...new Set(communities)],
    };
  });
}

function controlOf(host: EngineHost, logging: SpeakerLogging): RouterControl {
  const { router, loop, nowMs } = host;
  return {
    enable: (names, message) => loop.run(() => router.enable(names, message, nowMs())),
    disable: (names, message) => loop.run(() => router.disable(names, message, nowMs())),
    restart: (names, message) => loop.run(() => router.restart(names, message, nowMs())),
    reload: (names, direction) => loop.run(() => router.reload(names, direction, nowMs())),
    clear: (names) => loop.run(() => router.clear(names, nowMs())),
    configure: (_request, done) =>
      done({
        kind: 'rejected',
        file: 'the cluster',
        message: 'a speaker is configured by BGPPeer and BGPAdvertisement objects: use kubectl',
      }),
    shutdown: () => loop.run(() => router.shutdown(nowMs())),
    gracefulRestart: () => loop.run(() => router.gracefulRestart(nowMs())),
    dumpTables: (command) => loop.run(() => router.dumpTables(command, nowMs())),
    setDebug: (names, mask) => loop.run(() => router.setDebug(names, mask)),
    subscribeLog: (classes, onLine) => logging.follow(classes, onLine),
  };
}

function isOn(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

const NO_FILTERS = 'there are no filters on a speaker';

/** birdc's filter expressions need a bird.conf. */
const NO_LANGUAGE: BirdLanguage = {
  parseWhere: () => ({ ok: false, message: NO_FILTERS }),
  parseFilterBody: () => ({ ok: false, message: NO_FILTERS }),
  filterNamed: () => undefined,
  evaluate: () => ({ kind: 'parse error', message: NO_FILTERS }),
};
