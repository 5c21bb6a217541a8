// MetalLB's custom resource definitions, group metallb.io, as plain apiextensions v1 objects: every
// kind, field, default, rule and printer column of the drop-in surface, written as compact tables.

import { cloneJson, type JsonObject, type KubeObject } from '../object.ts';
import {
  array,
  asNumber,
  boolean,
  defaulted,
  described,
  integer,
  labelSelectors,
  object,
  rule,
  string,
  strings,
} from './fields.ts';

interface Column {
  name: string;
  type: string;
  jsonPath: string;
  description?: string;
  priority?: number;
}

interface Version {
  name: string;
  storage: boolean;
  spec?: JsonObject;
  status?: JsonObject;
  columns?: Column[];
  deprecation?: string;
  specRequired?: boolean;
}

interface Definition {
  kind: string;
  plural: string;
  about: string;
  versions: Version[];
}

/** The nine definitions, in the order in which MetalLB's manifests carry them. */
export function metallbCrds(): KubeObject[] {
  return [
    bfdProfile,
    bgpAdvertisement,
    bgpPeer,
    community,
    configurationState,
    ipAddressPool,
    l2Advertisement,
    serviceBgpStatus,
    serviceL2Status,
  ].map((definition) => cloneJson(crdFor(definition)));
}

const column = (name: string, jsonPath: string, type = 'string', priority?: number): Column => ({
  name,
  type,
  jsonPath,
  ...(priority === undefined ? {} : { priority }),
});

const poolSelection = {
  ipAddressPools: described(strings(), 'Names of the address pools to advertise.'),
  ipAddressPoolSelectors: described(labelSelectors(), 'Labels of the address pools to advertise.'),
  nodeSelectors: described(
    labelSelectors(),
    'Limits the nodes to advertise as next hops; an empty list means all nodes.',
  ),
  serviceSelectors: described(
    labelSelectors(),
    'Limits the services to advertise by their labels; an empty list means all services.',
  ),
};

const poolColumns = [
  column('IPAddressPools', '.spec.ipAddressPools'),
  column('IPAddressPool Selectors', '.spec.ipAddressPoolSelectors'),
];

const intervalMs = (text: string) => described({ ...integer(10, 60000), format: 'int32' }, text);

const bfdProfile: Definition = {
  kind: 'BFDProfile',
  plural: 'bfdprofiles',
  about: 'BFDProfile holds the settings of a BFD session that BGP sessions may refer to.',
  versions: [
    {
      name: 'v1beta1',
      storage: true,
      spec: object({
        detectMultiplier: described(
          { ...integer(2, 255), format: 'int32' },
          'Lost packets after which the session is down (default 3).',
        ),
        echoInterval: intervalMs(
          'Least interval, in milliseconds, at which echo packets can be handled (default 50).',
        ),
        echoMode: described(boolean(), 'Enables echo mode.'),
        minimumTtl: described(
          { ...integer(1, 254), format: 'int32' },
          'Least TTL of packets from a multihop peer (default 254).',
        ),
        passiveMode: described(boolean(), 'Waits for the peer to start the session.'),
        receiveInterval: intervalMs(
          'Least interval, in milliseconds, at which control packets can be received (default 300).',
        ),
        transmitInterval: intervalMs(
          'Least interval, in milliseconds, at which control packets are sent (default 300).',
        ),
      }),
      status: object({}),
      columns: [
        column('Passive Mode', '.spec.passiveMode', 'boolean'),
        column('Transmit Interval', '.spec.transmitInterval', 'integer'),
        column('Receive Interval', '.spec.receiveInterval', 'integer'),
        column('Multiplier', '.spec.detectMultiplier', 'integer'),
      ],
    },
  ],
};

const bgpAdvertisement: Definition = {
  kind: 'BGPAdvertisement',
  plural: 'bgpadvertisements',
  about: 'BGPAdvertisement announces the addresses of services over BGP.',
  versions: [
    {
      name: 'v1beta1',
      storage: true,
      spec: {
        ...object({
          aggregationLength: described(
            defaulted({ ...integer(1), format: 'int32' }, 32),
            'Length to which IPv4 addresses are rolled up.',
          ),
          aggregationLengthV6: described(
            defaulted({ type: 'integer', format: 'int32' }, 128),
            'Length to which IPv6 addresses are rolled up.',
          ),
          communities: described(
            strings(),
            'Communities: "16bit:16bit", "large:32bit:32bit:32bit" or the name of an alias.',
          ),
          localPref: described(
            { type: 'integer', format: 'int32' },
            'LOCAL_PREF of the route; higher is preferred. For internal sessions only.',
          ),
          peers: described(
            strings(),
            'Names of the BGP peers to advertise to; an empty list means all peers.',
          ),
          ...poolSelection,
        }),
        ...rule(
          '!has(self.serviceSelectors) || size(self.serviceSelectors) == 0 || ((!has(self.aggregationLength) || self.aggregationLength == 32) && (!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))',
          'serviceSelectors cannot be used with an aggregation length other than 32 or 128',
        ),
      },
      status: object({}),
      columns: [
        ...poolColumns,
        column('Peers', '.spec.peers'),
        column('Node Selectors', '.spec.nodeSelectors', 'string', 10),
      ],
    },
  ],
};

const peerColumns = [
  column('Address', '.spec.peerAddress'),
  column('ASN', '.spec.peerASN'),
  column('BFD Profile', '.spec.bfdProfile'),
  column('Multi Hops', '.spec.ebgpMultiHop'),
];

const peerShared = {
  bfdProfile: described(string(), 'Name of the BFD profile for this session; none disables BFD.'),
  ebgpMultiHop: described(boolean(), 'Set when the peer is more than one hop away.'),
  holdTime: described(string(), 'Requested BGP hold time, RFC 4271 section 4.2.'),
  keepaliveTime: described(string(), 'Requested BGP keepalive time, RFC 4271 section 4.4.'),
  myASN: described(asNumber(), 'AS number of the local end of the session.'),
  password: described(string(), 'Password for the TCP MD5 authentication of the session.'),
  peerASN: described(asNumber(), 'AS number to expect from the remote end of the session.'),
  peerAddress: described(string(), 'Address to dial when establishing the session.'),
  routerID: described(string(), 'BGP router ID to advertise to the peer.'),
  sourceAddress: described(string(), 'Source address to use for the session.'),
};

const oldNodeSelector = object({
  matchExpressions: array(
    object({ key: string(), operator: string(), values: { ...strings(), minItems: 1 } }, [
      'key',
      'operator',
      'values',
    ]),
  ),
  matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
});

const bgpPeer: Definition = {
  kind: 'BGPPeer',
  plural: 'bgppeers',
  about: 'BGPPeer is a BGP router the cluster announces its service addresses to.',
  versions: [
    {
      name: 'v1beta1',
      storage: false,
      deprecation: 'v1beta1 is deprecated, please use v1beta2',
      spec: object(
        {
          ...peerShared,
          nodeSelectors: described(
            array(oldNodeSelector),
            'Only connect to this peer from nodes that match one of these selectors.',
          ),
          peerPort: described(
            { ...integer(0, 16384) },
            'Port to dial when establishing the session.',
          ),
        },
        ['myASN', 'peerASN', 'peerAddress'],
      ),
      status: object({}),
      columns: peerColumns,
    },
    {
      name: 'v1beta2',
      storage: true,
      spec: object(
        {
          ...peerShared,
          connectTime: described(
            {
              ...string(),
              'x-kubernetes-validations': [
                {
                  rule: 'duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535',
                  message: 'connect time should be between 1 seconds to 65535',
                },
                {
                  rule: 'duration(self).getMilliseconds() % 1000 == 0',
                  message: 'connect time should contain a whole number of seconds',
                },
              ],
            },
            'Time BGP waits between attempts to connect to the peer.',
          ),
          disableMP: described(
            defaulted(boolean(), false),
            'Deprecated: has no effect, use dualStackAddressFamily.',
          ),
          dualStackAddressFamily: described(
            defaulted(boolean(), false),
            'Activates both address families on the session.',
          ),
          dynamicASN: described(
            { ...string(), enum: ['internal', 'external'] },
            'Learns the AS number of the peer: internal for the same, external for another. Excludes peerASN.',
          ),
          ebgpMultiHop: described(boolean(), 'Set when the peer is more than one hop away.'),
          enableGracefulRestart: described(
            {
              ...boolean(),
              'x-kubernetes-validations': [
                {
                  rule: 'self == oldSelf',
                  message: 'EnableGracefulRestart cannot be changed after creation',
                },
              ],
            },
            'Lets the peer keep routes while the speaker restarts. Cannot be changed after creation.',
          ),
          interface: described(
            string(),
            'Interface of an unnumbered session. Excludes peerAddress.',
          ),
          localASN: described(
            { ...integer(1, 4294967295), format: 'int64' },
            'AS number to present to this peer instead of myASN.',
          ),
          nodeSelectors: described(
            labelSelectors(),
            'Only connect to this peer from nodes that match one of these selectors.',
          ),
          passwordSecret: described(
            {
              ...object({ name: string(), namespace: string() }),
              'x-kubernetes-map-type': 'atomic',
            },
            'Secret of type kubernetes.io/basic-auth with the password. Excludes password.',
          ),
          peerPort: described(
            defaulted(integer(1, 16384), 179),
            'Port to dial when establishing the session.',
          ),
          vrf: described(string(), 'VRF the session is in.'),
        },
        ['myASN'],
      ),
      status: object({}),
      columns: peerColumns,
    },
  ],
};

const community: Definition = {
  kind: 'Community',
  plural: 'communities',
  about: 'Community names BGP communities, so that advertisements can use the names.',
  versions: [
    {
      name: 'v1beta1',
      storage: true,
      spec: object({
        communities: array(
          object({
            name: described(string(), 'The name of the alias.'),
            value: described(
              string(),
              'The community: "16bit:16bit" or "large:32bit:32bit:32bit".',
            ),
          }),
        ),
      }),
      status: object({}),
    },
  ],
};

const condition = object(
  {
    type: {
      ...string(),
      maxLength: 316,
      pattern:
        '^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$',
    },
    status: { ...string(), enum: ['True', 'False', 'Unknown'] },
    reason: {
      ...string(),
      minLength: 1,
      maxLength: 1024,
      pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$',
    },
    message: { ...string(), maxLength: 32768 },
    lastTransitionTime: { ...string(), format: 'date-time' },
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
  },
  ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
);

const configurationState: Definition = {
  kind: 'ConfigurationState',
  plural: 'configurationstates',
  about:
    'ConfigurationState says whether the configuration could be applied, by the controller and by each speaker.',
  versions: [
    {
      name: 'v1beta1',
      storage: true,
      specRequired: false,
      status: object({
        result: described(
          { ...string(), enum: ['Valid', 'Invalid', 'Unknown'] },
          'The outcome of all checks.',
        ),
        errorSummary: described(string(), 'The errors of all checks, one a line.'),
        conditions: {
          ...array(condition),
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
        },
      }),
      columns: [
        column('Result', '.status.result'),
        column('ErrorSummary', '.status.errorSummary'),
        column('Age', '.metadata.creationTimestamp', 'date'),
      ],
    },
  ],
};

const count = (text: string) => described({ type: 'integer', format: 'int64' }, text);

const ipAddressPool: Definition = {
  kind: 'IPAddressPool',
  plural: 'ipaddresspools',
  about: 'IPAddressPool is a set of addresses that services of type LoadBalancer get theirs from.',
  versions: [
    {
      name: 'v1beta1',
      storage: true,
      specRequired: true,
      spec: object(
        {
          addresses: described(
            strings(),
            'Addresses of the pool: each a CIDR or a range "start-end".',
          ),
          autoAssign: described(
            defaulted(boolean(), true),
            'Whether addresses are taken from this pool without being asked for by name.',
          ),
          avoidBuggyIPs: described(
            defaulted(boolean(), false),
            'Never hands out IPv4 addresses that end in .0 or .255.',
          ),
          serviceAllocation: described(
            object({
              namespaceSelectors: described(
                labelSelectors(),
                'Labels of the namespaces that may use the pool.',
              ),
              namespaces: described(strings(), 'Names of the namespaces that may use the pool.'),
              priority: described(
                { type: 'integer' },
                'Order among pools that fit: lower first, 0 last.',
              ),
              serviceSelectors: described(
                labelSelectors(),
                'Labels of the services that may use the pool.',
              ),
            }),
            'Restricts the pool to some namespaces and services.',
          ),
        },
        ['addresses'],
      ),
      status: object(
        {
          assignedIPv4: count('Assigned IPv4 addresses.'),
          assignedIPv6: count('Assigned IPv6 addresses.'),
          availableIPv4: count('Free IPv4 addresses.'),
          availableIPv6: count('Free IPv6 addresses.'),
        },
        ['assignedIPv4', 'assignedIPv6', 'availableIPv4', 'availableIPv6'],
      ),
      columns: [
        column('Auto Assign', '.spec.autoAssign', 'boolean'),
        column('Avoid Buggy IPs', '.spec.avoidBuggyIPs', 'boolean'),
        column('Addresses', '.spec.addresses'),
      ],
    },
  ],
};

const l2Advertisement: Definition = {
  kind: 'L2Advertisement',
  plural: 'l2advertisements',
  about: 'L2Advertisement announces the addresses of services by ARP and NDP.',
  versions: [
    {
      name: 'v1beta1',
      storage: true,
      spec: object({
        ...poolSelection,
        interfaces: described(strings(), 'Interfaces to answer on; an empty list means all.'),
        preferredNodeSelectors: described(
          array(
            object(
              {
                weight: described(
                  { ...integer(1, 100), format: 'int32' },
                  'Added to the score of matching nodes.',
                ),
                preference: labelSelectors()['items'] as JsonObject,
              },
              ['preference', 'weight'],
            ),
          ),
          'Nodes to prefer when a service is announced, among those of nodeSelectors.',
        ),
      }),
      status: object({}),
      columns: [
        ...poolColumns,
        column('Interfaces', '.spec.interfaces'),
        column('Node Selectors', '.spec.nodeSelectors', 'string', 10),
      ],
    },
  ],
};

const fixed = (text: string): JsonObject =>
  described({ ...string(), ...rule('self == oldSelf', 'Value is immutable') }, text);

const serviceIdentity = {
  node: fixed('The node that announces the service.'),
  serviceName: fixed('The name of the service.'),
  serviceNamespace: fixed('The namespace of the service.'),
};

const serviceL2Status: Definition = {
  kind: 'ServiceL2Status',
  plural: 'servicel2statuses',
  about: 'ServiceL2Status says which node announces a service by ARP and NDP.',
  versions: [
    {
      name: 'v1beta1',
      storage: true,
      specRequired: false,
      spec: object({}),
      status: object({
        ...serviceIdentity,
        interfaces: described(
          array(object({ name: string() })),
          'The interfaces announced on; empty for all.',
        ),
      }),
      columns: [
        column('Allocated Node', '.status.node'),
        column('Service Name', '.status.serviceName'),
        column('Service Namespace', '.status.serviceNamespace'),
      ],
    },
  ],
};

const serviceBgpStatus: Definition = {
  kind: 'ServiceBGPStatus',
  plural: 'servicebgpstatuses',
  about: 'ServiceBGPStatus says to which peers a node announces a service.',
  versions: [
    {
      name: 'v1beta1',
      storage: true,
      specRequired: false,
      spec: object({}),
      status: object({
        ...serviceIdentity,
        peers: described(strings(), 'Names of the BGP peers the service is advertised to.'),
      }),
      columns: [
        column('Node', '.status.node'),
        column('Service Name', '.status.serviceName'),
        column('Service Namespace', '.status.serviceNamespace'),
      ],
    },
  ],
};

function crdFor(definition: Definition): KubeObject {
  const { kind, plural } = definition;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.metallb.io` },
    spec: {
      group: 'metallb.io',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      scope: 'Namespaced',
      versions: definition.versions.map((version) => versionFor(definition, version)),
    },
  };
}

function versionFor(definition: Definition, version: Version): JsonObject {
  const properties: JsonObject = {
    apiVersion: described(string(), 'The version of this representation of the object.'),
    kind: described(string(), 'The kind of the object.'),
    metadata: { type: 'object' },
  };
  if (version.spec)
    properties['spec'] = described(version.spec, `The desired state of ${definition.kind}.`);
  if (version.status)
    properties['status'] = described(version.status, `The observed state of ${definition.kind}.`);
  return {
    name: version.name,
    served: true,
    storage: version.storage,
    ...(version.deprecation === undefined
      ? {}
      : { deprecated: true, deprecationWarning: version.deprecation }),
    ...(version.columns ? { additionalPrinterColumns: version.columns } : {}),
    schema: {
      openAPIV3Schema: {
        description: definition.about,
        type: 'object',
        properties,
        ...(version.specRequired ? { required: ['spec'] } : {}),
      },
    },
    subresources: { status: {} },
  };
}
