// What stands in for kube-proxy on each node: turns LoadBalancer services and their endpoints into
// nftables rules. Local policy sends only to the node's own pods and keeps the client's address;
// Cluster policy spreads over all pods and masquerades. Rules are replaced in one transaction.

import type { Host } from './host.ts';

export interface ProxiedService {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly ports: readonly {
    readonly protocol: 'tcp' | 'udp';
    readonly port: number;
    readonly targetPort: number;
  }[];
  readonly externalTrafficPolicy: 'Local' | 'Cluster';
  readonly endpoints: readonly { readonly address: string; readonly nodeName: string }[];
}

/** Loads the rules of all services into one node. */
export async function proxyServices(
  host: Host,
  nodeName: string,
  services: readonly ProxiedService[],
): Promise<void> {
  const { status, stderr } = await host.run(['nft', '-f', '-'], {
    input: renderRules(nodeName, services),
  });
  if (status !== 0) throw new Error(`${nodeName}: nft: ${stderr.trim()}`);
}

/** The complete ruleset of one node. */
export function renderRules(nodeName: string, services: readonly ProxiedService[]): string {
  const chains: string[] = [];
  const elements: string[] = [];
  for (const service of services) {
    const local = service.externalTrafficPolicy === 'Local';
    const endpoints = service.endpoints.filter((e) => !local || e.nodeName === nodeName);
    for (const port of service.ports) {
      const chain = `svc-${service.name}-${port.port}`;
      chains.push(
        renderChain(
          chain,
          port,
          endpoints.map((e) => e.address),
          local,
        ),
      );
      for (const address of service.addresses) {
        elements.push(`      ${address} . ${port.protocol} . ${port.port} : goto ${chain}`);
      }
    }
  }
  const map = elements.length === 0 ? '' : `    elements = {\n${elements.join(',\n')}\n    }\n`;
  return `table ip rookery-lab
delete table ip rookery-lab
table ip rookery-lab {
${chains.join('')}  map services {
    type ipv4_addr . inet_proto . inet_service : verdict
${map}  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr . meta l4proto . th dport vmap @services
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ip daddr . meta l4proto . th dport vmap @services
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark and 0x4000 == 0x4000 masquerade
  }
}
`;
}

function renderChain(
  name: string,
  port: ProxiedService['ports'][number],
  endpoints: readonly string[],
  local: boolean,
): string {
  if (endpoints.length === 0) return `  chain ${name} {\n    drop\n  }\n`;
  const targets = endpoints
    .map((address, i) => `${i} : ${address} . ${port.targetPort}`)
    .join(', ');
  const mark = local ? '' : '    meta mark set meta mark or 0x4000\n';
  return `  chain ${name} {
${mark}    meta l4proto ${port.protocol} dnat to numgen random mod ${endpoints.length} map { ${targets} }
  }
`;
}
