// protocol radv seen by a host that nobody here wrote: Linux configures itself from our router
// advertisements, hears of changes at once, and drops the router that takes its leave. The same file
// goes to BIRD first, so that what the host makes of it is known to be right.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Host, realBird, rookeryRouter, until, when } from '@rookery/lab';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/sbin/bird');
const state = skip ? '' : await insideSandbox();
const ROUTER_LL = 'fe80::1';

let host: Host;
let router: Host;

before(async () => {
  if (skip) return;
  [host, router] = [await Host.create('host', 'ra-'), await Host.create('router', 'ra-')];
  await router.ip(
    `link add br-lan type veth peer name eth0 netns ${host.namespace}`,
    'link set lo up',
    'link set br-lan addrgenmode none',
    'link set br-lan up',
    `address add ${ROUTER_LL}/64 dev br-lan nodad`,
    'address add 2001:db8:1::1/64 dev br-lan nodad',
    'address add 2001:db8:2::1/64 dev br-lan nodad',
  );
  // A host that was a host all the time; it asks for a router when its link comes up.
  await host.sysctl({ 'net.ipv6.conf.eth0.accept_ra': 1, 'net.ipv6.conf.eth0.autoconf': 1 });
});

after(async () => {
  if (skip) return;
  await Promise.all([host?.destroy(), router?.destroy()]);
});

for (const [name, daemon] of [
  ['BIRD', realBird],
  ['ours', rookeryRouter],
] as const) {
  test(`a Linux host follows the advertisements of ${name}`, { skip }, async () => {
    await host.ip('link set eth0 down', 'link set eth0 up');
    const running = daemon({ host: router, directory: join(state, name) }, SELF);
    await running.start(configOf('default preference high; default lifetime 1000;'));
    await hostHas(/^default via fe80::1 .* expires (99\d|1000)sec .*mtu 1400 .*pref high$/m);
    const { stdout: addresses } = await host.run(['ip', '-6', 'address', 'show', 'dev', 'eth0']);
    assert.match(addresses, /inet6 2001:db8:1:/, 'configured from the prefix');
    assert.match(addresses, /valid_lft (500|49\d)sec preferred_lft (200|19\d)sec/);
    assert.doesNotMatch(addresses, /2001:db8:2:/, 'the other prefix is skipped');
    await running.configure(configOf('default preference low; default lifetime 1000;'));
    await hostHas(/^default via fe80::1 .*pref low$/m);
    // BIRD has not said it after ten seconds; a host should not build on what is gone.
    if (name === 'ours') await prefixIsDeprecated();
    await running.stop();
    await until('the default router to go', 10_000, async () =>
      when(!/default/.test(await routes())),
    );
  });
}

async function prefixIsDeprecated(): Promise<void> {
  await router.ip('address del 2001:db8:1::1/64 dev br-lan');
  await until('the prefix to be deprecated', 10_000, async () => {
    const { stdout } = await host.run(['ip', '-6', 'address', 'show', 'dev', 'eth0']);
    return when(/inet6 2001:db8:1:.* deprecated/.test(stdout));
  });
}

async function hostHas(route: RegExp): Promise<void> {
  let last = '';
  await until(`a route like ${route.source}`, 15_000, async () => {
    last = await routes();
    return when(route.test(last));
  }).catch((error: Error) => assert.fail(`${error.message}\n${last}`));
}

async function routes(): Promise<string> {
  return (await host.run(['ip', '-6', 'route', 'show'])).stdout;
}

function configOf(options: string): string {
  return `
router id 10.0.0.1;
protocol device { }
protocol radv {
  interface "br-*" { max ra interval 300; min delay 1; link mtu 1400; ${options} };
  prefix 2001:db8:2::/48 { skip; };
  prefix 2001:db8::/32 { valid lifetime 500; preferred lifetime 200; };
}
`;
}
