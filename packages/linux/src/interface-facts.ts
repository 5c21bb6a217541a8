// Interfaces as the engine sees them, from links and addresses as the kernel reports them: flags in
// BIRD's sense, the scope of an address judged by the address itself (RFC 1918 and unique local
// addresses are "site"), the opposite end of a point-to-point link. Pure; the one sysctl it needs
// is read by the caller.

import { networkOf, prefixContains } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { InterfaceAddress, InterfaceFact } from '@rookery/router';
import * as link from './netlink/link.ts';
import type { Link, LinkAddress } from './netlink/link.ts';

/** Facts in order of interface index. `sendRedirects` is undefined when the sysctl is unreadable. */
export function interfaceFactsFor(
  links: readonly Link[],
  addresses: readonly LinkAddress[],
  sendRedirects: (name: string) => boolean | undefined,
): InterfaceFact[] {
  const byIndex = new Map<number, InterfaceAddress[]>(links.map((l) => [l.ifindex, []]));
  for (const address of addresses) byIndex.get(address.ifindex)?.push(addressFactFor(address));
  return links
    .toSorted((a, b) => a.ifindex - b.ifindex)
    .map((l) => {
      const redirects = sendRedirects(l.name);
      return {
        name: l.name,
        ifindex: l.ifindex,
        ...(l.masterIfindex === undefined ? {} : { masterIfindex: l.masterIfindex }),
        mtu: l.mtu,
        adminUp: (l.flags & link.IFF_UP) !== 0,
        linkUp: (l.flags & link.IFF_LOWER_UP) !== 0,
        flags: {
          broadcast: (l.flags & link.IFF_BROADCAST) !== 0,
          multicast: (l.flags & link.IFF_MULTICAST) !== 0,
          loopback: (l.flags & link.IFF_LOOPBACK) !== 0,
          pointToPoint: (l.flags & link.IFF_POINTOPOINT) !== 0,
        },
        ...(l.macAddress === undefined ? {} : { macAddress: l.macAddress }),
        addresses: byIndex.get(l.ifindex)!,
        ...(redirects === undefined ? {} : { sendRedirects: redirects }),
      };
    });
}

/** Scope in BIRD's words, from the address alone; to BIRD 169.254.0.0/16 is universe. */
export function scopeFor(address: IpAddress): InterfaceAddress['scope'] {
  for (const [prefix, scope] of scopes) if (prefixContains(prefix, address)) return scope;
  return 'universe';
}

const scopes: readonly (readonly [string, InterfaceAddress['scope']])[] = [
  ['127.0.0.0/8', 'host'],
  ['::1/128', 'host'],
  ['fe80::/10', 'link'],
  ['10.0.0.0/8', 'site'],
  ['172.16.0.0/12', 'site'],
  ['192.168.0.0/16', 'site'],
  ['fc00::/7', 'site'],
  ['fec0::/10', 'site'],
];

function addressFactFor(a: LinkAddress): InterfaceAddress {
  return {
    address: a.local,
    length: a.length,
    ...oppositeOf(a),
    scope: scopeFor(a.local),
    // In IPv6 the same bit means a temporary address (RFC 8981), which is secondary to us too.
    secondary: (a.flags & link.IFA_F_SECONDARY) !== 0,
    ...(a.flags & link.IFA_F_TENTATIVE ? { tentative: true } : {}),
  };
}

function oppositeOf(a: LinkAddress): { opposite?: IpAddress } {
  const hostLength = a.family === 'ipv4' ? 32 : 128;
  if (a.address !== a.local) return a.length === hostLength ? { opposite: a.address } : {};
  if (a.family !== 'ipv4' || a.length < 30 || a.length > 31) return {};
  // RFC 3021 and /30: exactly one other host on the link.
  const octets = a.local.split('.');
  const last = Number(octets[3]);
  if (a.length === 31) octets[3] = String(last ^ 1);
  else if ((last & 3) === 1 || (last & 3) === 2) octets[3] = String(last ^ 3);
  else return {};
  const opposite = octets.join('.');
  return networkOf(opposite, a.length) === networkOf(a.local, a.length) ? { opposite } : {};
}
