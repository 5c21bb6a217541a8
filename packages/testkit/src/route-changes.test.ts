import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withRouteChanges } from '@rookery/router';
import type { RouteChange, RouterConfig, StaticRoute } from '@rookery/router';
import fc from 'fast-check';
import { blackhole, deviceConfig, routerConfig, staticConfig } from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import type { SimRouter } from './sim-router.ts';
import { build, table } from './speakers.ts';

const marked = (net: string, med: number): StaticRoute => ({
  ...blackhole(net),
  set: {
    text: `med ${med}`,
    apply: (route) => ({ ...route, bgp: { asPath: [], origin: 0, med } }),
  },
});
const change = (net: string, route?: StaticRoute): RouteChange => ({
  protocol: 'static1',
  net,
  ...(route === undefined ? {} : { route }),
});

function routerWith(config: RouterConfig): SimRouter {
  const lan = new SimLan();
  const interfaces = [lanInterface('enp1s0', 2, ['192.168.1.1/24'])];
  const router = lan.add({ name: 'r1', config, interfaces });
  lan.advance(100);
  return router;
}

function routesOf(router: SimRouter): unknown {
  return [...table(router)]
    .map(([net, { bgp }]) => [net, bgp?.med])
    .toSorted(([a], [b]) => String(a).localeCompare(String(b)));
}

type Step =
  | { readonly kind: 'change'; readonly changes: readonly RouteChange[] }
  | { readonly kind: 'configure' }
  | { readonly kind: 'disable' | 'enable' | 'restart' };

const net = fc.integer({ min: 1, max: 6 }).map((n) => `10.0.${n}.0/24`);
const anyChange = fc
  .tuple(net, fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }))
  .map(([to, med]) => change(to, med === undefined ? undefined : marked(to, med)));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      changes: fc.array(anyChange, { maxLength: 4 }),
    }),
  },
  fc.constantFrom<Step>(
    { kind: 'configure' },
    { kind: 'disable' },
    { kind: 'enable' },
    { kind: 'restart' },
  ),
);

test('changed routes equal a configuration with them, whatever else happens', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      // The same network twice: candidates that a change replaces together.
      const first = [marked('10.0.1.0/24', 1), marked('10.0.1.0/24', 2), marked('10.0.2.0/24', 1)];
      let config: RouterConfig = routerConfig([deviceConfig(), staticConfig(first)]);
      const changed = routerWith(config);
      const configured = routerWith(config);
      assert.notDeepEqual(routesOf(configured), []);
      for (const one of steps) {
        if (one.kind === 'change') {
          config = withRouteChanges(config, one.changes);
          changed.command((router, nowMs) => router.changeRoutes(one.changes, nowMs));
          configured.configure(config);
        } else if (one.kind === 'configure') {
          changed.configure(config);
          configured.configure(config);
        } else {
          for (const router of [changed, configured]) {
            router.command((engine, nowMs) => void engine[one.kind](['static1'], undefined, nowMs));
          }
        }
        assert.deepEqual(routesOf(changed), routesOf(configured));
      }
    }),
    { numRuns: 60 },
  );
});

test('networks that came and went are forgotten in time', () => {
  const router = routerWith(routerConfig([deviceConfig(), staticConfig([])]));
  for (let i = 0; i < 2500; i++) {
    const to = `10.${i >> 8}.${i & 255}.0/24`;
    router.command((engine, nowMs) => engine.changeRoutes([change(to, blackhole(to))], nowMs));
    router.command((engine, nowMs) => engine.changeRoutes([change(to)], nowMs));
  }
  router.command((engine, nowMs) =>
    engine.changeRoutes([change('10.99.0.0/24', blackhole('10.99.0.0/24'))], nowMs),
  );
  assert.deepEqual(routesOf(router), [['10.99.0.0/24', undefined]]);
});

test('one service among thousands is one UPDATE, and no session notices', () => {
  const many = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  const { lan, at } = build(
    { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65002 }], routes: many },
    { n: 2, asn: 65002, sessions: [{ to: 1, asn: 65001 }] },
  );
  lan.until(() => table(at(2)).size === many.length, 60_000, 'all routes at 2');
  const session = () =>
    at(1)
      .router.view.protocols()
      .find(({ name }) => name === 'to2')!;
  const before = session();
  at(1).command((router, nowMs) =>
    router.changeRoutes([change('10.99.0.0/24', blackhole('10.99.0.0/24'))], nowMs),
  );
  lan.until(() => table(at(2)).has('10.99.0.0/24'), 60_000, 'the new route');
  at(1).command((router, nowMs) => router.changeRoutes([change('10.0.7.0/24')], nowMs));
  lan.until(() => !table(at(2)).has('10.0.7.0/24'), 60_000, 'its absence');
  assert.equal(session().bgp!.sent.update, before.bgp!.sent.update + 2);
  assert.equal(session().sinceMs, before.sinceMs);
  assert.equal(table(at(2)).size, many.length);
});
