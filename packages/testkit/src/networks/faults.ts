// Trouble for a simulated network, drawn from a seed: what breaks for good is repaired by `heal`,
// what an operator changes (origins, policies, options) stays changed, in the plan as well.

import type { SimNetwork } from '../sim-network.ts';
import type { SimRouter } from '../sim-router.ts';
import { configFor } from './configs.ts';
import type { Draw } from './draw.ts';
import type { NetworkPlan, RouterPlan, SessionPlan } from './plan.ts';
import { redrawRules } from './topology.ts';

const KINDS = [
  'quality',
  'partition',
  'partition',
  'power off',
  'kill',
  'kill',
  'graceful restart',
  'shutdown',
  'boot',
  'boot',
  'boot',
  'disable',
  'enable',
  'restart',
  'reload',
  'policy',
  'policy',
  'soft policy',
  'origin',
  'origin',
  'origin',
  'origin',
  'interface',
  'interface',
  'hold time',
  'add-path',
  'merge paths',
] as const;
type FaultKind = (typeof KINDS)[number];

export class Faults {
  /** One line per event, with its time. */
  readonly log: string[] = [];
  readonly #plan: NetworkPlan;
  readonly #network: SimNetwork;
  readonly #routers: readonly SimRouter[];
  readonly #draw: Draw;
  readonly #dead = new Set<number>();
  readonly #cut = new Set<string>();
  readonly #disabled = new Map<number, Set<string>>();

  constructor(plan: NetworkPlan, network: SimNetwork, routers: readonly SimRouter[], draw: Draw) {
    this.#plan = plan;
    this.#network = network;
    this.#routers = routers;
    this.#draw = draw;
  }

  /** One event somewhere; some have no effect on what they hit (a dead router), which is fine. */
  strike(): void {
    const draw = this.#draw;
    const kind = draw.pick(KINDS);
    const session = draw.pick(this.#plan.sessions);
    const router = this.#plan.routers[draw.pick(session.ends).router]!;
    this.#note(kind, router, session);
    this.#apply(kind, router, session);
  }

  /** Everything that is broken becomes whole; nothing that was decided is undone. */
  heal(): void {
    const { sessions, routers } = this.#plan;
    this.log.push(`${(this.#network.clock.nowMs / 1000).toFixed(3)} heal`);
    for (const { segment } of sessions) {
      this.#network.setQuality(segment, { delayMs: 1 + (segment.length % 3), loss: 0 });
    }
    for (const pair of this.#cut) {
      const [a, b] = pair.split(' ').map(Number);
      this.#network.setPartition(this.#routers[a!]!.host, this.#routers[b!]!.host, false);
    }
    this.#disabled.clear();
    for (const router of routers) {
      const sim = this.#routers[router.index]!;
      for (const fact of sim.host.interfaces()) {
        if (!fact.adminUp) sim.host.setInterface(fact.name, { adminUp: true });
      }
      if (this.#dead.has(router.index)) sim.boot(configFor(this.#plan, router));
      else {
        sim.configure(configFor(this.#plan, router));
        const names = sessions
          .filter(({ ends }) => ends.some((end) => end.router === router.index))
          .map(({ name }) => name);
        sim.command((engine, nowMs) => engine.enable(names, undefined, nowMs));
      }
    }
    this.#dead.clear();
  }

  #apply(kind: FaultKind, router: RouterPlan, session: SessionPlan): void {
    const draw = this.#draw;
    const sim = this.#routers[router.index]!;
    const alive = !this.#dead.has(router.index);
    const own = session.ends[session.ends[0].router === router.index ? 0 : 1];
    switch (kind) {
      case 'quality':
        this.#network.setQuality(session.segment, {
          delayMs: draw.pick([1, 20, 200]),
          loss: draw.pick([0, 0.1, 0.5]),
        });
        return;
      case 'partition': {
        const [a, b] = session.ends.map((end) => end.router);
        const cut = !this.#cut.delete(`${a} ${b}`);
        if (cut) this.#cut.add(`${a} ${b}`);
        this.#network.setPartition(this.#routers[a!]!.host, this.#routers[b!]!.host, cut);
        return;
      }
      case 'power off':
      case 'kill':
      case 'graceful restart':
      case 'shutdown':
        if (alive) this.#end(kind, sim);
        this.#dead.add(router.index);
        return;
      case 'boot':
        for (const index of this.#dead) {
          const dead = this.#routers[index]!;
          const recovering = draw.chance(0.5) && dead.host.powered;
          dead.boot(this.#configOf(this.#plan.routers[index]!), recovering);
          this.#dead.delete(index);
          return;
        }
        return;
      case 'disable':
      case 'enable': {
        const off = kind === 'disable';
        const disabled = this.#disabled.get(router.index) ?? new Set();
        if (off) disabled.add(session.name);
        else disabled.delete(session.name);
        this.#disabled.set(router.index, disabled);
        if (!alive) return;
        sim.command((engine, nowMs) =>
          off
            ? engine.disable([session.name], undefined, nowMs)
            : engine.enable([session.name], undefined, nowMs),
        );
        return;
      }
      case 'restart':
        if (alive) sim.command((e, nowMs) => e.restart([session.name], undefined, nowMs));
        return;
      case 'reload': {
        const direction = draw.pick(['in', 'out', 'both'] as const);
        if (alive) sim.command((e, nowMs) => e.reload([session.name], direction, nowMs));
        return;
      }
      case 'policy':
      case 'soft policy':
        redrawRules(draw, this.#plan, session, own);
        if (!alive) return;
        if (kind === 'policy') return sim.configure(this.#configOf(router));
        // A soft reconfiguration leaves routes as they are until the operator reloads.
        sim.configure(this.#configOf(router), 'soft');
        sim.command((e, nowMs) => e.reload([session.name], 'both', nowMs));
        return;
      case 'origin': {
        const net = draw.pick(this.#plan.nets);
        if (!router.origins.delete(net)) router.origins.add(net);
        break;
      }
      case 'interface': {
        const fact = sim.host.interfaces().find((i) => i.name === own.interface)!;
        sim.host.setInterface(fact.name, { adminUp: !fact.adminUp });
        return;
      }
      case 'hold time':
        own.holdTimeSec = draw.pick([30, 60, 90]);
        break;
      case 'add-path':
        // Only where the plan began with it: who takes several paths there passes none of them on.
        if (!session.manyPaths) return;
        if (own.rrClient || own.rsClient) own.sendsPaths = !own.sendsPaths;
        else own.takesPaths = !own.takesPaths;
        break;
      case 'merge paths':
        router.mergePaths = !router.mergePaths;
        break;
    }
    if (alive) sim.configure(this.#configOf(router));
  }

  #end(kind: 'power off' | 'kill' | 'graceful restart' | 'shutdown', sim: SimRouter): void {
    if (kind === 'power off') sim.powerOff();
    if (kind === 'kill') sim.kill();
    if (kind === 'graceful restart') sim.gracefulRestart();
    if (kind === 'shutdown') sim.shutdown();
  }

  #configOf(router: RouterPlan): ReturnType<typeof configFor> {
    return configFor(this.#plan, router, this.#disabled.get(router.index));
  }

  #note(kind: FaultKind, router: RouterPlan, session: SessionPlan): void {
    const at = (this.#network.clock.nowMs / 1000).toFixed(3);
    this.log.push(`${at} ${kind}: r${router.index}, ${session.name}`);
  }
}
