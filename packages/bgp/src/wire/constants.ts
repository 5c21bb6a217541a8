// Numbers of the BGP-4 wire format (RFC 4271 §4 and successors) under their RFC names.
// The texts of errors are in error-texts.ts; path attribute rows are in attribute-table.ts.

/** Octets of marker, length and type. */
export const HEADER_LENGTH = 19;
export const MAX_MESSAGE_LENGTH = 4096;
/** RFC 8654. */
export const MAX_EXTENDED_MESSAGE_LENGTH = 65535;

export const MESSAGE = {
  open: 1,
  update: 2,
  notification: 3,
  keepalive: 4,
  routeRefresh: 5,
} as const;
export type MessageType = (typeof MESSAGE)[keyof typeof MESSAGE];
export type MessageName = keyof typeof MESSAGE;

/** The two-octet stand-in for a four-octet AS, RFC 6793 §9. */
export const AS_TRANS = 23456;

/** NOTIFICATION error codes; RFC 4271 §6, RFC 7313 §5, RFC 9687. */
export const ERROR = {
  header: 1,
  open: 2,
  update: 3,
  holdTimerExpired: 4,
  finiteStateMachine: 5,
  cease: 6,
  routeRefresh: 7,
  sendHoldTimerExpired: 8,
} as const;

export const HEADER_ERROR = { notSynchronized: 1, badLength: 2, badType: 3 } as const;

export const OPEN_ERROR = {
  unspecific: 0,
  unsupportedVersion: 1,
  badPeerAs: 2,
  badIdentifier: 3,
  unsupportedParameter: 4,
  unacceptableHoldTime: 6,
  unsupportedCapability: 7,
  roleMismatch: 11,
} as const;

export const UPDATE_ERROR = {
  malformedAttributeList: 1,
  unrecognizedWellKnown: 2,
  missingWellKnown: 3,
  attributeFlags: 4,
  attributeLength: 5,
  invalidOrigin: 6,
  invalidNextHop: 8,
  optionalAttribute: 9,
  invalidNetworkField: 10,
  malformedAsPath: 11,
} as const;

/** RFC 6608. */
export const FSM_ERROR = { openSent: 1, openConfirm: 2, established: 3 } as const;

/** RFC 4486, RFC 8538, RFC 9384. */
export const CEASE = {
  unspecific: 0,
  maximumPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  configurationChange: 6,
  collision: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const;

/** RFC 7313 §5. */
export const ROUTE_REFRESH_ERROR = { invalidLength: 1 } as const;

export const CAPABILITY = {
  multiprotocol: 1,
  routeRefresh: 2,
  extendedNextHop: 5,
  extendedMessage: 6,
  role: 9,
  gracefulRestart: 64,
  as4: 65,
  dynamic: 67,
  addPath: 69,
  enhancedRouteRefresh: 70,
  longLivedGracefulRestart: 71,
  fqdn: 73,
  softwareVersion: 75,
  pathsLimit: 76,
  routeRefreshOld: 128,
} as const;

export const ATTRIBUTE = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  aigp: 26,
  largeCommunities: 32,
  otc: 35,
} as const;

/** Flags octet of a path attribute, RFC 4271 §4.3. */
export const FLAG = { optional: 0x80, transitive: 0x40, partial: 0x20, extended: 0x10 } as const;

/** ROUTE-REFRESH subtypes, RFC 7313 §3.2. */
export const REFRESH = { request: 0, begin: 1, end: 2 } as const;
