// The post's network as data: who there is, on which wire, with which addresses. Interface indexes
// and the router's routes are the post's too (br-lan 12, wan 7, docker0 16; connected routes of
// protocol static, as OpenWrt's netifd installs them), so that its log lines come out word for word.
//
//      client 192.168.1.100        node1 .32   node2 .33   node3 .34      control .31
//            |                        |           |           |              |
//   =========+======== br-lan (switch) ============================================
//                         |
//                      router 192.168.1.1  -- wan 72.85.191.10 ----- 72.85.191.1 isp (client beyond)

import type { Host } from './host.ts';

export const ROUTER_LAN = '192.168.1.1';
export const ROUTER_ASN = 64496;
export const CLUSTER_ASN = 64497;
export const NODES = [
  { name: 'node1', address: '192.168.1.32', pod: '10.2.32.13' },
  { name: 'node2', address: '192.168.1.33', pod: '10.2.33.13' },
  { name: 'node3', address: '192.168.1.34', pod: '10.2.34.13' },
] as const;
export type NodeName = (typeof NODES)[number]['name'];
export const CONTROL_ADDRESS = '192.168.1.31';
export const LAN_CLIENT_ADDRESS = '192.168.1.100';
export const ISP_ADDRESS = '72.85.191.1';
/** Every pod answers here; the service's port is 80. */
export const POD_PORT = 8080;

export const HOST_NAMES = [
  'switch',
  'router',
  'control',
  ...NODES.map((n) => n.name),
  'client',
  'isp',
] as const;
export type HostName = 'switch' | 'router' | 'control' | NodeName | 'client' | 'isp';

/** Puts wires, addresses, routes and sysctls into freshly made namespaces. */
export async function wire(hosts: Readonly<Record<HostName, Host>>): Promise<void> {
  const { router, control, client, isp } = hosts;
  await hosts.switch.ip('link add br0 type bridge forward_delay 0', 'link set br0 up');
  await plug(hosts, 'router', 'br-lan', 12);
  await router.ip(
    'link set lo up',
    `link add wan index 7 type veth peer name eth0 netns ${isp.namespace}`,
    'link add docker0 index 16 type bridge',
    'link set wan up',
    'link set docker0 up',
    'link set br-lan up',
    'address add 72.85.191.10/24 dev wan noprefixroute',
    'address add 172.17.0.1/16 dev docker0 noprefixroute',
    `address add ${ROUTER_LAN}/24 dev br-lan noprefixroute`,
    'address add fd5c:6784:b290::1/64 dev br-lan noprefixroute nodad',
    'route add 72.85.191.0/24 dev wan proto static scope link src 72.85.191.10',
    'route add default via 72.85.191.1 dev wan proto static',
    'route add 172.17.0.0/16 dev docker0 proto static scope link src 172.17.0.1',
    `route add 192.168.1.0/24 dev br-lan proto static scope link src ${ROUTER_LAN}`,
    'route add fd5c:6784:b290::/64 dev br-lan proto static metric 256',
    'route add unreachable 2600:4040:5786:ee00::/56 proto static metric 2147483647',
    'route add unreachable fd5c:6784:b290::/48 proto static metric 2147483647',
  );
  await router.sysctl({
    'net.ipv4.ip_forward': 1,
    'net.ipv6.conf.all.forwarding': 1,
    // Spread by connection, not by client address; the kernel's default spreads by address only.
    'net.ipv4.fib_multipath_hash_policy': 1,
    'net.ipv4.conf.all.rp_filter': 0,
    'net.ipv4.conf.default.rp_filter': 0,
  });
  await isp.ip(
    'link set lo up',
    'link set eth0 up',
    `address add ${ISP_ADDRESS}/24 dev eth0`,
    // Stands for a static route of the provider: the pool is reached through the router.
    'route add 192.168.0.0/16 via 72.85.191.10',
  );
  await station(hosts, 'client', LAN_CLIENT_ADDRESS);
  await station(hosts, 'control', CONTROL_ADDRESS);
  for (const node of NODES) await addNode(hosts, node);
  await client.sysctl({ 'net.ipv4.conf.all.accept_redirects': 1 });
  await control.sysctl({ 'net.ipv4.conf.all.rp_filter': 0 });
}

async function addNode(
  hosts: Readonly<Record<HostName, Host>>,
  node: (typeof NODES)[number],
): Promise<void> {
  await station(hosts, node.name, node.address);
  const host = hosts[node.name];
  await host.ip(
    // This kernel may lack the dummy driver; a bridge without ports does the same.
    'link add cilium_host type bridge',
    'link set cilium_host up',
    `address add ${node.pod}/32 dev cilium_host`,
    `address add fd5c:6784:b290::${node.address.split('.')[3]}/64 dev enp1s0 nodad`,
    ...NODES.filter((other) => other !== node).map(
      (other) => `route add ${other.pod}/32 via ${other.address}`,
    ),
  );
  await host.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv4.conf.all.rp_filter': 0 });
}

/** A host with one wire to the switch and the router as its default gateway. */
async function station(
  hosts: Readonly<Record<HostName, Host>>,
  name: HostName,
  address: string,
): Promise<void> {
  await plug(hosts, name, 'enp1s0');
  await hosts[name].ip(
    'link set lo up',
    'link set enp1s0 up',
    `address add ${address}/24 dev enp1s0`,
    `route add default via ${ROUTER_LAN} dev enp1s0 src ${address} metric 100`,
  );
}

async function plug(
  hosts: Readonly<Record<HostName, Host>>,
  name: HostName,
  link: string,
  ifindex?: number,
): Promise<void> {
  const host = hosts[name];
  const index = ifindex === undefined ? '' : ` index ${ifindex}`;
  await host.ip(
    `link add ${link}${index} type veth peer name ${name} netns ${hosts.switch.namespace}`,
  );
  await hosts.switch.ip(`link set ${name} master br0`, `link set ${name} up`);
}
