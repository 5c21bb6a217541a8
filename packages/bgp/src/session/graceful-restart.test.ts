// What outlives a session: RFC 4724, RFC 8538 (NOTIFICATION and Hard Reset), RFC 9494.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CapabilitySet } from '../wire/capability-set.ts';
import { CEASE } from '../wire/constants.ts';
import { NO_DATA } from '../wire/fault.ts';
import {
  ceaseNotification,
  decodeNotification,
  encodeNotification,
  hardReset,
} from '../wire/notification.ts';
import { decodeOpen } from '../wire/open.ts';
import { negotiatedOf } from './peer-state.ts';
import { CAPABILITIES, ENDPOINTS, channelFor, establish, kindsOf, logsOf } from './test-peers.ts';
import type { Lone } from './test-peers.ts';
import type { Retention, SessionAction, SessionConfig } from './types.ts';

// What FRR says by default: helper without families, LLGR with stale time 0 (lab.md §4.2).
const FRR_HELPER: CapabilitySet = {
  ...CAPABILITIES,
  gracefulRestart: { restarting: false, notification: true, restartTimeSec: 120, families: [] },
  longLived: {
    families: [{ family: 'ipv4', forwardingPreserved: true, staleTimeSec: 0 }],
  },
};
const FRR_RESTARTER: CapabilitySet = {
  ...CAPABILITIES,
  gracefulRestart: {
    restarting: false,
    notification: true,
    restartTimeSec: 120,
    families: [{ family: 'ipv4', forwardingPreserved: true }],
  },
};
const AWARE = { gracefulRestart: 'aware', longLivedGracefulRestart: 'aware' } as const;

function retentionAfter(
  capabilities: CapabilitySet,
  end: (lone: Lone) => readonly SessionAction[],
  config: Partial<SessionConfig> = AWARE,
): Retention['families'] {
  const actions = end(establish(config, capabilities));
  const down = actions.find((action) => action.kind === 'sessionDown');
  assert.ok(down?.kind === 'sessionDown');
  return down.retention.families;
}

const vanish = (lone: Lone): readonly SessionAction[] =>
  lone.send({ kind: 'tcpClosed', connection: 'incoming' });
const silence = (lone: Lone): readonly SessionAction[] => lone.wait(181);

test('routes outlive a session only where the peer listed the family', () => {
  const kept = [{ family: 'ipv4', restartTimeSec: 120, llgrStaleTimeSec: 0 }];
  assert.deepEqual(retentionAfter(FRR_HELPER, vanish), []);
  assert.deepEqual(retentionAfter(FRR_HELPER, silence), []);
  assert.deepEqual(retentionAfter(FRR_RESTARTER, vanish), kept);
  assert.deepEqual(retentionAfter(FRR_RESTARTER, silence), kept);
  assert.deepEqual(retentionAfter(CAPABILITIES, vanish), []);
  const off = { gracefulRestart: 'off' } as const;
  assert.deepEqual(retentionAfter(FRR_RESTARTER, vanish, off), []);
  const bounded = { ...AWARE, maxGracefulRestartTimeSec: 30 };
  assert.equal(retentionAfter(FRR_RESTARTER, vanish, bounded)[0]?.restartTimeSec, 30);
  const raised = { ...AWARE, minGracefulRestartTimeSec: 300 };
  assert.equal(retentionAfter(FRR_RESTARTER, vanish, raised)[0]?.restartTimeSec, 300);
  const longLived: CapabilitySet = {
    ...FRR_HELPER,
    longLived: { families: [{ family: 'ipv4', forwardingPreserved: true, staleTimeSec: 3600 }] },
  };
  assert.deepEqual(retentionAfter(longLived, vanish), [
    { family: 'ipv4', restartTimeSec: 0, llgrStaleTimeSec: 3600 },
  ]);
  const channels = [{ ...channelFor('ipv4'), maxLongLivedStaleTimeSec: 600 }];
  const shorter = retentionAfter(longLived, vanish, { ...AWARE, channels });
  assert.equal(shorter[0]?.llgrStaleTimeSec, 600);
});

test('a spoken end keeps no routes', () => {
  const cease = { code: 6, subcode: 4, data: NO_DATA };
  const say = (bytes: Uint8Array) => (lone: Lone) => lone.message('incoming', bytes);
  assert.deepEqual(retentionAfter(FRR_RESTARTER, say(encodeNotification(cease))), []);
  assert.deepEqual(retentionAfter(FRR_RESTARTER, say(encodeNotification(hardReset(cease)))), []);
  const bfd = (lone: Lone): readonly SessionAction[] => lone.send({ kind: 'bfdDown' });
  assert.deepEqual(retentionAfter(FRR_RESTARTER, bfd), []);
  const graceful = { ...AWARE, bfd: { graceful: true } };
  assert.equal(retentionAfter(FRR_RESTARTER, bfd, graceful).length, 1);
});

test('a restarted peer that calls again replaces its old session', () => {
  const lone = establish(AWARE, FRR_RESTARTER);
  lone.nowMs += 60_000;
  const actions = lone.send({ kind: 'tcpAccepted', ...ENDPOINTS, remotePort: 50000 });
  assert.deepEqual(kindsOf(actions), [
    'sessionDown',
    'closeTransport',
    'acceptTransport',
    'sendMessage',
  ]);
  assert.ok(logsOf(actions).includes('Neighbor graceful restart detected'));
  assert.equal(lone.state.incoming.state, 'OpenSent');
  assert.equal(negotiatedOf(lone.state), undefined);
});

const NOTIFYING = { ...AWARE, gracefulRestart: 'on', gracefulNotification: true } as const;
const ADMIN_RESET = { code: 6, subcode: CEASE.administrativeReset, data: NO_DATA };
const UPDATE_ERROR = { code: 3, subcode: 1, data: NO_DATA };

/** The NOTIFICATION among actions, as the peer reads it. */
function notificationIn(actions: readonly SessionAction[]) {
  const sent = actions.find((a) => a.kind === 'sendMessage' && a.bytes[18] === 3);
  assert.ok(sent?.kind === 'sendMessage');
  return decodeNotification(sent.bytes, 0, sent.bytes.length);
}

test('with the N bit on both sides a NOTIFICATION keeps routes, a Hard Reset does not', () => {
  const say = (bytes: Uint8Array) => (lone: Lone) => lone.message('incoming', bytes);
  const kept = (bytes: Uint8Array, capabilities = FRR_RESTARTER): boolean =>
    retentionAfter(capabilities, say(bytes), NOTIFYING).length > 0;
  assert.ok(kept(encodeNotification(ADMIN_RESET)));
  assert.ok(kept(encodeNotification(UPDATE_ERROR)));
  assert.ok(!kept(encodeNotification(hardReset(ADMIN_RESET))));
  const silent = { ...FRR_RESTARTER.gracefulRestart!, notification: false };
  assert.ok(!kept(encodeNotification(ADMIN_RESET), { ...FRR_RESTARTER, gracefulRestart: silent }));
});

test('after a Cease we come back soon, after an error of ours we wait', () => {
  const ceased = establish(NOTIFYING, FRR_RESTARTER);
  ceased.message('incoming', encodeNotification(ADMIN_RESET));
  assert.equal(ceased.state.phase, 'running');
  const erred = establish(NOTIFYING, FRR_RESTARTER);
  const actions = erred.message('incoming', encodeNotification(UPDATE_ERROR));
  assert.ok(!kindsOf(actions).includes('instanceStopped'), 'its routes stay');
  assert.equal(erred.state.phase, 'delayed');
  erred.wait(60);
  assert.equal(erred.state.phase, 'running');
});

test('an operator’s wish to stay down after a Cease or an error outweighs the N bit', () => {
  const cease = [CEASE.administrativeReset];
  const lone = establish({ ...NOTIFYING, disableAfterCease: cease }, FRR_RESTARTER);
  lone.message('incoming', encodeNotification(ADMIN_RESET));
  assert.equal(lone.state.phase, 'down');
  const strict = establish({ ...NOTIFYING, disableAfterError: true }, FRR_RESTARTER);
  strict.message('incoming', encodeNotification(UPDATE_ERROR));
  assert.equal(strict.state.phase, 'down');
});

test('who reports an error keeps the routes of the peer as well', () => {
  const lone = establish(NOTIFYING, FRR_RESTARTER);
  const actions = lone.send({
    kind: 'updateRejected',
    fault: {
      reaction: 'sessionReset',
      notification: UPDATE_ERROR,
      section: 'RFC 4271 §6.3',
      detail: 'test',
      offset: 0,
    },
  });
  assert.deepEqual(notificationIn(actions), { ...UPDATE_ERROR, hard: false });
  const down = actions.find((action) => action.kind === 'sessionDown');
  assert.ok(down?.kind === 'sessionDown');
  assert.equal(down.retention.families.length, 1);
  assert.equal(lone.state.phase, 'delayed');
});

test('an end that drops routes is sent as a Hard Reset, where the peer knows what that is', () => {
  const reason = { kind: 'adminShutdown', text: 'bye' } as const;
  const end = (config: Partial<SessionConfig>): SessionAction[] => {
    const lone = establish(config, FRR_RESTARTER);
    return [...lone.send({ kind: 'stop', reason })];
  };
  const { data } = ceaseNotification(CEASE.administrativeShutdown, 'bye');
  const wanted = { code: 6, subcode: CEASE.administrativeShutdown, data, text: 'bye' };
  assert.deepEqual(notificationIn(end(NOTIFYING)), { ...wanted, hard: true });
  assert.deepEqual(notificationIn(end(AWARE)), { ...wanted, hard: false });
});

test('the next OPEN says that forwarding went on; the first one of a life does not', () => {
  const lone = establish(NOTIFYING, FRR_RESTARTER);
  lone.message('incoming', encodeNotification(ADMIN_RESET));
  lone.send({ kind: 'tcpAccepted', ...ENDPOINTS });
  const opens = lone.actions.filter((a) => a.kind === 'sendMessage' && a.bytes[18] === 1);
  const preserved = opens.map((action) => {
    assert.ok(action.kind === 'sendMessage');
    const open = decodeOpen(action.bytes, 0, action.bytes.length);
    assert.ok(open.ok);
    const graceful = open.value.capabilities.gracefulRestart!;
    assert.ok(graceful.notification && !graceful.restarting);
    return graceful.families.map((entry) => entry.forwardingPreserved);
  });
  assert.deepEqual(preserved, [[false], [true]]);
});
