// What we offer in OPEN, and what both OPENs amount to: capabilities (RFC 5492), families (RFC 4760),
// AS numbers (RFC 6793), identifiers (RFC 6286), hold time (RFC 4271 §6.2), roles (RFC 9234),
// graceful restart (RFC 4724, 9494). Pure functions; an unacceptable peer yields the NOTIFICATION.

import { err, ok } from '@rookery/net';
import type { Family, Result } from '@rookery/net';
import { AS_TRANS, CAPABILITY, ERROR, OPEN_ERROR } from '../wire/constants.ts';
import { NO_CAPABILITIES, encodeCapabilities } from '../wire/capabilities.ts';
import type { CapabilitySet } from '../wire/capability-set.ts';
import { FAMILIES } from '../wire/family.ts';
import { NO_DATA } from '../wire/fault.ts';
import type { Notification } from '../wire/fault.ts';
import type { DecodedOpen, Open } from '../wire/open.ts';
import type {
  Endpoints,
  Negotiated,
  NegotiatedFamily,
  RequiredCapability,
  RoleName,
  SessionChannelConfig,
  SessionConfig,
  SessionIdentity,
} from './types.ts';

/** RFC 9234 §4.1. */
export const ROLE: Readonly<Record<RoleName, number>> = {
  provider: 0,
  rs_server: 1,
  rs_client: 2,
  customer: 3,
  peer: 4,
};

/** The channels that are BGP families, by family. */
export function sessionChannels(
  config: SessionConfig,
): readonly { readonly family: Family; readonly channel: SessionChannelConfig }[] {
  return FAMILIES.flatMap((family) => {
    const channel = config.channels.find(({ netType }) => netType === family);
    return channel ? [{ family, channel }] : [];
  });
}

/**
 * The OPEN we send. `capabilities` is false for a peer that refused them (RFC 5492 §3); `again` is
 * true when we had a session with it before in this life.
 */
export function openFor(
  config: SessionConfig,
  identity: SessionIdentity,
  { capabilities, again }: { readonly capabilities: boolean; readonly again: boolean },
): Open {
  return {
    asn: publicAs(config),
    holdTimeSec: config.holdTimeSec,
    id: identity.routerId,
    capabilities:
      capabilities && config.capabilities
        ? localCapabilities(config, identity, again)
        : NO_CAPABILITIES,
  };
}

/** RFC 5065 §4: outside the confederation we are known by its identifier. */
export function publicAs(config: SessionConfig): number {
  const inside = config.peerType === 'internal' || config.confederationMember;
  return config.confederation !== undefined && !inside ? config.confederation : config.localAs;
}

/** Judges the peer's OPEN against the configuration and combines it with ours. */
export function negotiate(
  config: SessionConfig,
  identity: SessionIdentity,
  local: Open,
  remote: DecodedOpen,
  endpoints: Endpoints,
): Result<Negotiated, Notification> {
  const as4 = local.capabilities.as4 !== undefined && remote.capabilities.as4 !== undefined;
  const peerAs = as4 ? remote.capabilities.as4! : remote.as2;
  const wrongAs = checkPeerAs(config, peerAs, remote);
  if (wrongAs) return err(wrongAs);
  // RFC 6286 §2.2: zero is never an identifier; inside an AS ours is taken.
  const ownId = config.peerType === 'internal' && remote.id === identity.routerId;
  if (remote.id === '0.0.0.0' || ownId) {
    return refuse(OPEN_ERROR.badIdentifier, addressOctets(remote.id));
  }
  const holdTimeSec = Math.min(config.holdTimeSec, remote.holdTimeSec);
  const keepaliveTimeSec = keepaliveTime(config, holdTimeSec);
  const tooOften = holdTimeSec > 0 && keepaliveTimeSec < config.minKeepaliveTimeSec;
  if (holdTimeSec < config.minHoldTimeSec || tooOften) {
    return refuse(OPEN_ERROR.unacceptableHoldTime, twoOctets(remote.holdTimeSec));
  }
  const families = negotiateFamilies(config, local.capabilities, remote.capabilities);
  if (!families.ok) return families;
  const missing = missingRequirement(config, remote.capabilities);
  if (missing) return err(missing);
  const mismatch = checkRole(config, remote.capabilities);
  if (mismatch) return err(mismatch);
  const both = (key: BooleanCapability): boolean =>
    local.capabilities[key] && remote.capabilities[key];
  const gracefulRestart =
    !!local.capabilities.gracefulRestart && !!remote.capabilities.gracefulRestart;
  return ok({
    peerAs,
    peerId: remote.id,
    peerType: config.peerType,
    as4,
    extendedMessages: both('extendedMessages'),
    routeRefresh: both('routeRefresh'),
    enhancedRouteRefresh: both('enhancedRouteRefresh'),
    families: families.value,
    holdTimeSec,
    keepaliveTimeSec,
    sendHoldTimeSec: config.sendHoldTimeSec ?? holdTimeSec * 2,
    gracefulRestart,
    gracefulNotification:
      gracefulRestart &&
      local.capabilities.gracefulRestart!.notification &&
      remote.capabilities.gracefulRestart!.notification,
    longLived: gracefulRestart && !!local.capabilities.longLived && !!remote.capabilities.longLived,
    local: local.capabilities,
    remote: remote.capabilities,
    endpoints,
  });
}

type BooleanCapability = 'extendedMessages' | 'routeRefresh' | 'enhancedRouteRefresh';

function localCapabilities(
  config: SessionConfig,
  identity: SessionIdentity,
  again: boolean,
): CapabilitySet {
  const channels = sessionChannels(config);
  // RFC 8538 §2: after a mere NOTIFICATION nothing was lost here, and the peer must hear that.
  const forwardingPreserved = identity.restarting || (again && config.gracefulNotification);
  const addPath = channels
    .filter(({ channel }) => channel.addPaths !== 'off')
    .map(({ family, channel: { addPaths } }) => ({
      family,
      rx: addPaths !== 'tx',
      tx: addPaths !== 'rx',
    }));
  const longLived = config.gracefulRestart !== 'off' && config.longLivedGracefulRestart !== 'off';
  return {
    ...NO_CAPABILITIES,
    any: true,
    families: channels.map(({ family }) => family),
    routeRefresh: config.enableRouteRefresh,
    enhancedRouteRefresh: config.enableRouteRefresh && config.enableEnhancedRouteRefresh,
    extendedMessages: config.enableExtendedMessages,
    extendedNextHop: channels
      .filter(({ family, channel }) => family === 'ipv4' && channel.extendedNextHop)
      .map(({ family }) => family),
    addPath,
    ...(config.localRole && config.peerType === 'external' && { role: ROLE[config.localRole] }),
    ...(config.enableAs4 && { as4: publicAs(config) }),
    ...(config.advertiseHostname &&
      identity.hostname !== undefined && { hostname: identity.hostname }),
    ...(config.advertiseSoftwareVersion &&
      identity.softwareVersion !== undefined && { softwareVersion: identity.softwareVersion }),
    ...(config.gracefulRestart !== 'off' && {
      gracefulRestart: {
        restarting: identity.restarting,
        notification: config.gracefulNotification,
        restartTimeSec: config.gracefulRestartTimeSec,
        // A helper lists no family: it keeps no forwarding state of its own (RFC 4724 §3).
        families:
          config.gracefulRestart === 'on'
            ? channels
                .filter(({ channel }) => channel.gracefulRestart)
                .map(({ family }) => ({ family, forwardingPreserved }))
            : [],
      },
    }),
    ...(longLived && {
      longLived: {
        families:
          config.longLivedGracefulRestart === 'on'
            ? channels
                .filter(({ channel }) => channel.longLivedGracefulRestart)
                .map(({ family, channel }) => ({
                  family,
                  forwardingPreserved,
                  staleTimeSec: channel.longLivedStaleTimeSec ?? config.longLivedStaleTimeSec,
                }))
            : [],
      },
    }),
  };
}

function checkPeerAs(
  config: SessionConfig,
  peerAs: number,
  remote: DecodedOpen,
): Notification | undefined {
  // RFC 7607 §2: AS 0 is nobody's.
  let good = peerAs !== 0;
  if (config.neighborAs !== 0) {
    // RFC 6793 §4.2.1: a peer with a large number that speaks two octets shows AS_TRANS.
    const disguised = config.neighborAs > 0xffff && remote.as2 === AS_TRANS;
    good &&= peerAs === config.neighborAs || (disguised && peerAs === AS_TRANS);
  } else {
    good &&= (peerAs === config.localAs) === (config.peerType === 'internal');
  }
  if (good) return undefined;
  const data = Uint8Array.of(peerAs >>> 24, peerAs >>> 16, peerAs >>> 8, peerAs);
  return { code: ERROR.open, subcode: OPEN_ERROR.badPeerAs, data };
}

function negotiateFamilies(
  config: SessionConfig,
  local: CapabilitySet,
  remote: CapabilitySet,
): Result<readonly NegotiatedFamily[], Notification> {
  // RFC 4760 §8: without the capability on either side, IPv4 unicast is what BGP-4 carries.
  const spoken = (set: CapabilitySet): readonly Family[] =>
    set.families.length === 0 && set.otherFamilies.length === 0 ? ['ipv4'] : set.families;
  const wanted = sessionChannels(config);
  const agreed = wanted.filter(
    ({ family }) => spoken(local).includes(family) && spoken(remote).includes(family),
  );
  const missing = wanted.filter(
    (entry) => !agreed.includes(entry) && (entry.channel.mandatory || agreed.length === 0),
  );
  if (missing.length > 0 || agreed.length === 0) {
    const families = missing.map(({ family }) => family);
    const data = encodeCapabilities({ ...NO_CAPABILITIES, families });
    return refuse(OPEN_ERROR.unsupportedCapability, data);
  }
  return ok(
    agreed.map(({ family }) => {
      const ours = local.addPath.find((entry) => entry.family === family);
      const theirs = remote.addPath.find((entry) => entry.family === family);
      return {
        family,
        addPathTx: !!ours?.tx && !!theirs?.rx,
        addPathRx: !!ours?.rx && !!theirs?.tx,
        extendedNextHop:
          local.extendedNextHop.includes(family) && remote.extendedNextHop.includes(family),
      };
    }),
  );
}

const REQUIREMENTS: Readonly<
  Record<RequiredCapability, { readonly code: number; has: (set: CapabilitySet) => boolean }>
> = {
  'graceful restart': {
    code: CAPABILITY.gracefulRestart,
    has: (set) => set.gracefulRestart !== undefined,
  },
  'long lived graceful restart': {
    code: CAPABILITY.longLivedGracefulRestart,
    has: (set) => set.longLived !== undefined,
  },
  'route refresh': { code: CAPABILITY.routeRefresh, has: (set) => set.routeRefresh },
  'enhanced route refresh': {
    code: CAPABILITY.enhancedRouteRefresh,
    has: (set) => set.enhancedRouteRefresh,
  },
  as4: { code: CAPABILITY.as4, has: (set) => set.as4 !== undefined },
  'extended messages': { code: CAPABILITY.extendedMessage, has: (set) => set.extendedMessages },
  hostname: { code: CAPABILITY.fqdn, has: (set) => set.hostname !== undefined },
};

// RFC 5492 §5: the data lists the capabilities that are missing.
function missingRequirement(
  config: SessionConfig,
  remote: CapabilitySet,
): Notification | undefined {
  const missing = config.requireCapabilities
    .filter((name) => !REQUIREMENTS[name].has(remote))
    .map((name) => REQUIREMENTS[name].code);
  for (const { family, channel } of sessionChannels(config)) {
    if (channel.requireExtendedNextHop && !remote.extendedNextHop.includes(family)) {
      missing.push(CAPABILITY.extendedNextHop);
    }
    const paths = remote.addPath.find((entry) => entry.family === family);
    const { addPaths } = channel;
    const lacksRx = (addPaths === 'rx' || addPaths === 'on') && !paths?.tx;
    const lacksTx = (addPaths === 'tx' || addPaths === 'on') && !paths?.rx;
    if (channel.requireAddPaths && (lacksRx || lacksTx)) missing.push(CAPABILITY.addPath);
  }
  if (missing.length === 0) return undefined;
  const data = Uint8Array.from(missing.flatMap((code) => [code, 0]));
  return { code: ERROR.open, subcode: OPEN_ERROR.unsupportedCapability, data };
}

// RFC 9234 §4.2: the allowed pairs.
function checkRole(config: SessionConfig, remote: CapabilitySet): Notification | undefined {
  if (config.localRole === undefined || config.peerType === 'internal') return undefined;
  const fits: Readonly<Record<RoleName, RoleName>> = {
    provider: 'customer',
    customer: 'provider',
    rs_server: 'rs_client',
    rs_client: 'rs_server',
    peer: 'peer',
  };
  const matches =
    remote.role === undefined ? !config.requireRoles : remote.role === ROLE[fits[config.localRole]];
  if (matches) return undefined;
  return { code: ERROR.open, subcode: OPEN_ERROR.roleMismatch, data: NO_DATA };
}

/** RFC 4271 §4.4: a third of the hold time; a configured interval shrinks with a lower hold time. */
function keepaliveTime(config: SessionConfig, holdTimeSec: number): number {
  if (holdTimeSec === 0) return 0;
  const third = Math.max(1, Math.floor(holdTimeSec / 3));
  const wanted = config.keepaliveTimeSec;
  if (wanted === undefined || wanted === 0) return third;
  const scale = config.holdTimeSec > 0 ? holdTimeSec / config.holdTimeSec : 1;
  return Math.max(1, Math.floor(wanted * Math.min(1, scale)));
}

function addressOctets(id: string): Uint8Array {
  return Uint8Array.from(id.split('.').map(Number));
}

function twoOctets(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 255);
}

function refuse(
  subcode: number,
  data: Uint8Array,
): { readonly ok: false; readonly error: Notification } {
  return err({ code: ERROR.open, subcode, data });
}
