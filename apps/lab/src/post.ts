// The blog post that Rookery starts from, as text: its router configuration in each stage, its
// Kubernetes objects as YAML and as Terraform. What the post spells out is kept word for word; what
// it leaves to the reader (the other nodes' entries) follows its own pattern.

import { CLUSTER_ASN, NODES, type NodeName } from './topology.ts';

const HEAD = `log syslog all;
debug protocols all;
router id 192.168.1.1;
`;

const KERNEL4_EXPORT_NONE = `protocol kernel kernel4 {
ipv4 {
export none;
};
}
`;

const KERNEL4_EXPORT_ALL = `protocol kernel kernel4 {
ipv4 {
export all;
};
}
`;

const KERNEL4_MERGE_PATHS = `protocol kernel kernel4 {
merge paths on;
ipv4 {
export all;
};
}
`;

const KERNEL6 = `protocol kernel kernel6 {
ipv6 {
export none;
};
}
`;

const DEVICE = `# without this bird doesnt listen on anything
protocol device {
}
`;

const BFD = `protocol bfd {
interface "br-lan" {
interval 300 ms;
multiplier 3;
};
}
`;

const TEMPLATE = `template bgp metallb {
local as 64496;
ipv4 {
import all;
export none;
};
}
`;

const TEMPLATE_WITH_BFD = TEMPLATE.replace('ipv4 {', 'bfd on;\nipv4 {');

const neighbor = (node: NodeName): string => `protocol bgp ${node} from metallb {
neighbor ${NODES.find((n) => n.name === node)!.address} as ${CLUSTER_ASN};
}
`;

const ALL_NODES = NODES.map((node) => neighbor(node.name)).join('');

/** bird.conf of the post, stage by stage, and with BFD, which the post does without. */
export const BIRD_CONF = {
  minimal: HEAD + KERNEL4_EXPORT_NONE + KERNEL6,
  device: HEAD + KERNEL4_EXPORT_NONE + KERNEL6 + DEVICE,
  firstNode: HEAD + KERNEL4_EXPORT_NONE + KERNEL6 + DEVICE + TEMPLATE + neighbor('node1'),
  allNodes: HEAD + KERNEL4_EXPORT_NONE + KERNEL6 + DEVICE + TEMPLATE + ALL_NODES,
  exportAll: HEAD + KERNEL4_EXPORT_ALL + KERNEL6 + DEVICE + TEMPLATE + ALL_NODES,
  mergePaths: HEAD + KERNEL4_MERGE_PATHS + KERNEL6 + DEVICE + TEMPLATE + ALL_NODES,
  bfd: HEAD + KERNEL4_MERGE_PATHS + KERNEL6 + DEVICE + BFD + TEMPLATE_WITH_BFD + ALL_NODES,
} as const;

/** The post's three MetalLB objects, as YAML for kubectl. */
export const MANIFESTS = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: bgp-pool
  namespace: metallb
spec:
  addresses:
  - 192.168.2.0/24
  # not sure if i'll be affected by this but will avoid
  # for now while just trying to get this to work
  avoidBuggyIPs: true
---
apiVersion: metallb.io/v1beta1
kind: BGPPeer
metadata:
  name: bgp-router-peer
  namespace: metallb
spec:
  peerAddress: 192.168.1.1
  peerASN: 64496
  myASN: 64497
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata:
  name: bgp-pool-advertisement
  namespace: metallb
spec:
  ipAddressPools:
  - bgp-pool
  peers:
  - bgp-router-peer
`;

/** The other half of `BIRD_CONF.bfd`: the post's peer with a profile. */
export const BFD_MANIFESTS = `apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata:
  name: fast
  namespace: metallb
spec:
  receiveInterval: 300
  transmitInterval: 300
  detectMultiplier: 3
---
apiVersion: metallb.io/v1beta1
kind: BGPPeer
metadata:
  name: bgp-router-peer
  namespace: metallb
spec:
  peerAddress: 192.168.1.1
  peerASN: 64496
  myASN: 64497
  bfdProfile: fast
`;

/** A second pool with its own advertisement, to move the service to and back. */
export const SECOND_POOL = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: other-pool
  namespace: metallb
spec:
  addresses:
  - 192.168.3.0/24
  avoidBuggyIPs: true
  autoAssign: false
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata:
  name: other-pool-advertisement
  namespace: metallb
spec:
  ipAddressPools:
  - other-pool
  peers:
  - bgp-router-peer
`;

/** The post's service: the annotation is the post's, the rest is any web service with a pod per node. */
export const SERVICE = `apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: default
  annotations:
    metallb.io/address-pool: "bgp-pool"
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector:
    app: web
  ports:
  - name: http
    port: 80
    targetPort: 8080
`;

/** The post's Terraform, as its author keeps it. */
export const TERRAFORM = `resource "kubernetes_manifest" "bgp_ip_address_pool" {
manifest = {
apiVersion = "metallb.io/v1beta1"
kind = "IPAddressPool"
metadata = {
name = "bgp-pool"
namespace = "metallb"
}
spec = {
addresses = [
"192.168.2.0/24"
]
# not sure if i'll be affected by this but will avoid
# for now while just trying to get this to work
avoidBuggyIPs = true
}
}
}
resource "kubernetes_manifest" "bgp_peer" {
manifest = {
apiVersion = "metallb.io/v1beta1"
kind = "BGPPeer"
metadata = {
name = "bgp-router-peer"
namespace = "metallb"
}
spec = {
peerAddress = "192.168.1.1"
peerASN = 64496
myASN = 64497
}
}
}
resource "kubernetes_manifest" "bgp_advertisemnt" {
manifest = {
apiVersion = "metallb.io/v1beta1"
kind = "BGPAdvertisement"
metadata = {
name = "bgp-pool-advertisement"
namespace = "metallb"
}
spec = {
ipAddressPools = [
kubernetes_manifest.bgp_ip_address_pool.manifest.metadata.name
]
peers = [
kubernetes_manifest.bgp_peer.manifest.metadata.name
]
}
}
}
`;

/** FRR's configuration of a node as the post's "show running" prints it. */
export function frrConfFor(hostname: string): string {
  return `frr version 9.1_git
frr defaults traditional
hostname ${hostname}
log timestamp precision 3
no ipv6 forwarding
service integrated-vtysh-config
!
router bgp 64497
no bgp ebgp-requires-policy
no bgp default ipv4-unicast
bgp graceful-restart preserve-fw-state
no bgp network import-check
neighbor 192.168.1.1 remote-as 64496
neighbor 192.168.1.1 timers 0 0
!
address-family ipv4 unicast
network 192.168.2.1/32
neighbor 192.168.1.1 activate
neighbor 192.168.1.1 route-map 192.168.1.1-in in
neighbor 192.168.1.1 route-map 192.168.1.1-out out
exit-address-family
!
address-family ipv6 unicast
neighbor 192.168.1.1 activate
neighbor 192.168.1.1 route-map 192.168.1.1-in in
neighbor 192.168.1.1 route-map 192.168.1.1-out out
exit-address-family
exit
!
ip prefix-list 192.168.1.1-pl-ipv4 seq 1 permit 192.168.2.1/32
!
ipv6 prefix-list 192.168.1.1-pl-ipv4 seq 2 deny any
!
route-map 192.168.1.1-in deny 20
exit
!
route-map 192.168.1.1-out permit 1
match ip address prefix-list 192.168.1.1-pl-ipv4
exit
!
route-map 192.168.1.1-out permit 2
match ipv6 address prefix-list 192.168.1.1-pl-ipv4
exit
!
end
`;
}

/** The same with BFD as MetalLB renders it. */
export function frrBfdConfFor(hostname: string): string {
  return frrConfFor(hostname)
    .replace(
      'neighbor 192.168.1.1 timers 0 0\n',
      (line) => `${line}neighbor 192.168.1.1 bfd\nneighbor 192.168.1.1 bfd profile fast\n`,
    )
    .replace(
      /end\n$/,
      `bfd
profile fast
detect-multiplier 3
receive-interval 300
transmit-interval 300
exit
exit
!
end
`,
    );
}
