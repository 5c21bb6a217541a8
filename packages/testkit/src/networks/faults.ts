// Trouble for a simulated network, drawn from a seed: what breaks for good is repaired by `heal`,
// what an operator changes (origins, policies, options) stays changed, in the plan as well.

import type { RouterConfig } from '@rookery/router';
import type { SimNetwork } from '../sim-network.ts';
import type { SimRouter } from '../sim-router.ts';
import { configFor } from './configs.ts';
import type { OutOfService } from './configs.ts';
import type { Draw } from './draw.ts';
import type { EndPlan, NetworkPlan, RouterPlan, SessionPlan } from './plan.ts';
import { redrawRules } from './rules.ts';

/** How often each is drawn, and what it does. */
const WEIGHTS = {
  quality: 1,
  cut: 2,
  partition: 1,
  'power off': 1,
  kill: 2,
  'graceful restart': 1,
  shutdown: 1,
  boot: 4,
  disable: 1,
  remove: 1,
  'back in service': 3,
  restart: 1,
  reload: 1,
  policy: 2,
  'soft policy': 1,
  origin: 4,
  interface: 2,
  'hold time': 1,
  'add-path': 1,
  'merge paths': 1,
} as const;
export type FaultKind = keyof typeof WEIGHTS;
export const FAULT_KINDS = Object.keys(WEIGHTS) as FaultKind[];
const DRAWN = FAULT_KINDS.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));

/** Where a fault strikes. */
interface Place {
  readonly router: RouterPlan;
  readonly sim: SimRouter;
  readonly alive: boolean;
  readonly session: SessionPlan;
  readonly own: EndPlan;
}

export class Faults {
  /** One line per event, with its time. */
  readonly log: string[] = [];
  /** Kinds that had an effect. */
  readonly struck = new Set<FaultKind>();
  readonly #plan: NetworkPlan;
  readonly #network: SimNetwork;
  readonly #routers: readonly SimRouter[];
  readonly #draw: Draw;
  readonly #dead = new Set<number>();
  readonly #cut = new Set<string>();
  readonly #out = new Map<number, Map<string, 'disabled' | 'absent'>>();

  constructor(plan: NetworkPlan, network: SimNetwork, routers: readonly SimRouter[], draw: Draw) {
    this.#plan = plan;
    this.#network = network;
    this.#routers = routers;
    this.#draw = draw;
  }

  /** One event somewhere; some have no effect on what they hit (a dead router), which is fine. */
  strike(): void {
    const kind = this.#draw.pick(DRAWN);
    const session = this.#draw.pick(this.#plan.sessions);
    const own = this.#draw.pick(session.ends);
    const router = this.#plan.routers[own.router]!;
    const sim = this.#routers[router.index]!;
    const place = { router, sim, alive: !this.#dead.has(router.index), session, own };
    const effect = this.#apply(kind, place);
    this.#note(`${kind}: r${router.index}, ${session.name}${effect ? '' : ' (no effect)'}`);
    if (effect) this.struck.add(kind);
  }

  /** Everything that is broken becomes whole; nothing that was decided is undone. */
  heal(): void {
    const { sessions, routers } = this.#plan;
    this.#note('heal');
    for (const { segment } of sessions) {
      this.#network.setQuality(segment, { delayMs: 1 + (segment.length % 3), loss: 0 });
    }
    for (const pair of this.#cut) this.#setCut(pair, false);
    this.#out.clear();
    for (const router of routers) {
      const sim = this.#routers[router.index]!;
      for (const fact of sim.host.interfaces()) {
        if (!fact.adminUp) sim.host.setInterface(fact.name, { adminUp: true });
      }
      if (this.#dead.has(router.index)) sim.boot(this.#configOf(router));
      else {
        sim.configure(this.#configOf(router));
        const names = sessions
          .filter(({ ends }) => ends.some((end) => end.router === router.index))
          .map(({ name }) => name);
        sim.command((engine, nowMs) => engine.enable(names, undefined, nowMs));
      }
    }
    this.#dead.clear();
  }

  /** False when nothing changed. */
  #apply(kind: FaultKind, place: Place): boolean {
    switch (kind) {
      case 'quality':
        this.#network.setQuality(place.session.segment, {
          delayMs: this.#draw.pick([1, 20, 200]),
          loss: this.#draw.pick([0, 0.1, 0.5]),
        });
        return true;
      case 'cut': {
        const [a, b] = place.session.ends;
        this.#setCut(`${a.router} ${b.router}`);
        return true;
      }
      case 'partition':
        return this.#partition();
      case 'interface': {
        const fact = place.sim.host.interfaces().find((i) => i.name === place.own.interface)!;
        place.sim.host.setInterface(fact.name, { adminUp: !fact.adminUp });
        return true;
      }
      case 'boot':
        return this.#boot();
      case 'power off':
      case 'kill':
      case 'graceful restart':
      case 'shutdown':
        if (!place.alive) return false;
        this.#end(kind, place.sim);
        this.#dead.add(place.router.index);
        return true;
      case 'disable':
      case 'remove':
      case 'back in service':
        return this.#serve(kind, place);
      case 'restart':
      case 'reload':
        return this.#command(kind, place);
      default:
        return this.#decide(kind, place);
    }
  }

  /** The operator changes the plan; a router that is dead learns of it when it boots. */
  #decide(
    kind: 'policy' | 'soft policy' | 'origin' | 'hold time' | 'add-path' | 'merge paths',
    { router, sim, alive, session, own }: Place,
  ): boolean {
    const draw = this.#draw;
    switch (kind) {
      case 'policy':
      case 'soft policy':
        if (session.kind !== 'external') return false;
        redrawRules(draw, this.#plan, session, own);
        break;
      case 'origin': {
        const net = draw.pick(this.#plan.nets);
        if (!router.origins.delete(net)) router.origins.add(net);
        break;
      }
      case 'hold time':
        own.holdTimeSec = draw.pick([30, 60, 90]);
        break;
      case 'add-path':
        // Only where the plan began with it: who takes several paths there passes none of them on.
        if (!session.manyPaths) return false;
        if (own.rrClient || own.rsClient) own.sendsPaths = !own.sendsPaths;
        else own.takesPaths = !own.takesPaths;
        break;
      case 'merge paths':
        router.mergePaths = !router.mergePaths;
        break;
    }
    if (!alive) return true;
    if (kind !== 'soft policy') sim.configure(this.#configOf(router));
    else {
      // A soft reconfiguration leaves routes as they are until the operator reloads.
      sim.configure(this.#configOf(router), 'soft');
      sim.command((engine, nowMs) => engine.reload([session.name], 'both', nowMs));
    }
    return true;
  }

  #serve(kind: 'disable' | 'remove' | 'back in service', place: Place): boolean {
    const { router, sim, alive, session } = place;
    const out = this.#out.get(router.index) ?? new Map<string, 'disabled' | 'absent'>();
    this.#out.set(router.index, out);
    const before = out.get(session.name);
    if (kind === 'back in service') {
      // Where this one is in service already, any other that is not.
      const name = before ? session.name : [...out.keys()][0];
      if (name === undefined) return false;
      const was = out.get(name);
      out.delete(name);
      if (!alive) return true;
      if (was === 'absent') sim.configure(this.#configOf(router));
      else sim.command((engine, nowMs) => engine.enable([name], undefined, nowMs));
      return true;
    }
    if (before) return false;
    out.set(session.name, kind === 'remove' ? 'absent' : 'disabled');
    if (!alive) return true;
    if (kind === 'remove') sim.configure(this.#configOf(router));
    else sim.command((engine, nowMs) => engine.disable([session.name], undefined, nowMs));
    return true;
  }

  #command(kind: 'restart' | 'reload', { router, sim, alive, session }: Place): boolean {
    if (!alive || this.#out.get(router.index)?.has(session.name)) return false;
    const direction = this.#draw.pick(['in', 'out', 'both'] as const);
    sim.command((engine, nowMs) =>
      kind === 'restart'
        ? engine.restart([session.name], undefined, nowMs)
        : engine.reload([session.name], direction, nowMs),
    );
    return true;
  }

  /** Two halves of the network no longer see one another. */
  #partition(): boolean {
    const left = new Set(this.#plan.routers.filter(() => this.#draw.chance(0.5)));
    let pairs = 0;
    for (const { ends } of this.#plan.sessions) {
      const [a, b] = ends.map((end) => this.#plan.routers[end.router]!);
      if (left.has(a!) === left.has(b!)) continue;
      this.#setCut(`${a!.index} ${b!.index}`, true);
      pairs++;
    }
    return pairs > 0;
  }

  /** Cuts or mends the way between two routers; without `cut` the other of what it is. */
  #setCut(pair: string, cut = !this.#cut.has(pair)): void {
    if (cut) this.#cut.add(pair);
    else this.#cut.delete(pair);
    const [a, b] = pair.split(' ').map((index) => this.#routers[Number(index)]!.host);
    this.#network.setPartition(a!, b!, cut);
  }

  #boot(): boolean {
    const [index] = this.#dead;
    if (index === undefined) return false;
    const sim = this.#routers[index]!;
    const recovering = this.#draw.chance(0.5) && sim.host.powered;
    sim.boot(this.#configOf(this.#plan.routers[index]!), recovering);
    this.#dead.delete(index);
    return true;
  }

  #end(kind: 'power off' | 'kill' | 'graceful restart' | 'shutdown', sim: SimRouter): void {
    if (kind === 'power off') sim.powerOff();
    if (kind === 'kill') sim.kill();
    if (kind === 'graceful restart') sim.gracefulRestart();
    if (kind === 'shutdown') sim.shutdown();
  }

  #configOf(router: RouterPlan): RouterConfig {
    const out: OutOfService | undefined = this.#out.get(router.index);
    return configFor(this.#plan, router, out);
  }

  #note(text: string): void {
    this.log.push(`${(this.#network.clock.nowMs / 1000).toFixed(3)} ${text}`);
  }
}
