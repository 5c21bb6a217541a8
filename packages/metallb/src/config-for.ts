// From all MetalLB objects of a cluster to a `Config` or to one issue: one pure function. Whoever
// calls it keeps the last good configuration when there is an issue.

import { ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import {
  attachBgpAdvertisements,
  attachL2Advertisements,
  communityAliases,
} from './config-advertisements.ts';
import { bfdProfilesFor, checkEchoProfiles, checkPeersTogether, peersFor } from './config-peers.ts';
import { poolsFor } from './config-pools.ts';
import type { Config, ConfigIssue } from './config.ts';
import { findingsFor } from './findings.ts';
import { anySelectorMatches } from './label-selector.ts';
import type { Labels } from './label-selector.ts';
import type { Resources } from './resources.ts';

/** Resolves all objects, or says what is wrong with the first bad one. */
export function configFor(resources: Resources): Result<Config, ConfigIssue> {
  const bfdProfiles = bfdProfilesFor(resources);
  if (!bfdProfiles.ok) return bfdProfiles;
  const peers = peersFor(resources, bfdProfiles.value);
  if (!peers.ok) return peers;
  const aliases = communityAliases(resources);
  if (!aliases.ok) return aliases;
  const bare = poolsFor(resources);
  if (!bare.ok) return bare;
  const withL2 = attachL2Advertisements(bare.value, resources);
  if (!withL2.ok) return withL2;
  const pools = attachBgpAdvertisements(withL2.value, resources, aliases.value);
  if (!pools.ok) return pools;
  const together = checkPeersTogether(peers.value, resources.nodes);
  if (!together.ok) return together;
  const echo = checkEchoProfiles(pools.value, peers.value, bfdProfiles.value);
  if (!echo.ok) return echo;
  const config = { pools: pools.value, peers: peers.value, bfdProfiles: bfdProfiles.value };
  return ok({ ...config, findings: findingsFor(config) });
}

/**
 * What one node's speaker looks at: peers and advertisements whose selectors exclude this node are
 * dropped before validation, so that a mistake on one node does not stop the others.
 */
export function resourcesForNode(resources: Resources, labels: Labels): Resources {
  return {
    ...resources,
    peers: resources.peers.filter((peer) => anySelectorMatches(peer.nodeSelectors, labels)),
    bgpAdvertisements: resources.bgpAdvertisements.filter((advertisement) =>
      anySelectorMatches(advertisement.nodeSelectors, labels),
    ),
  };
}
