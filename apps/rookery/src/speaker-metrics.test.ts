import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BfdSessionView } from '@rookery/router';
import { Registry } from 'prom-client';
import { speakerMetrics } from './speaker-metrics.ts';

const SESSION: BfdSessionView = {
  protocol: 'bfd1',
  remote: '192.168.1.1',
  local: '192.168.1.32',
  interface: 'eth0',
  multihop: false,
  state: 'Up',
  remoteState: 'Up',
  sinceMs: 0,
  everUp: true,
  localDiscriminator: 1,
  remoteDiscriminator: 2,
  localDiagnostic: 0,
  remoteDiagnostic: 0,
  passive: false,
  txIntervalUs: 300_000,
  detectTimeUs: 900_000,
  localMultiplier: 3,
  localMinTxUs: 300_000,
  localMinRxUs: 300_000,
  remoteMultiplier: 3,
  remoteMinTxUs: 300_000,
  remoteMinRxUs: 300_000,
  minEchoRxUs: 50_000,
  echoTxIntervalUs: 50_000,
  remoteMinEchoRxUs: 50_000,
  echoesReceived: 41,
  echoesSent: 42,
  packetsReceived: 43,
  packetsSent: 44,
  upEvents: 2,
  downEvents: 1,
  configured: false,
};

test('BFD sessions have the metrics of MetalLB’s FRR', async () => {
  const registry = new Registry();
  const view = { protocols: () => [], bfdSessions: () => [SESSION] };
  speakerMetrics(registry, 'node1', { announcements: new Map() }, view);
  const text = await registry.metrics();
  const lines = text.split('\n').filter((line) => line.startsWith('metallb_bfd_'));
  const labels = '{peer="192.168.1.1",vrf="default"}';
  assert.deepEqual(lines, [
    `metallb_bfd_session_up${labels} 1`,
    `metallb_bfd_control_packet_input${labels} 43`,
    `metallb_bfd_control_packet_output${labels} 44`,
    `metallb_bfd_echo_packet_input${labels} 41`,
    `metallb_bfd_echo_packet_output${labels} 42`,
    `metallb_bfd_session_up_events${labels} 2`,
    `metallb_bfd_session_down_events${labels} 1`,
    `metallb_bfd_zebra_notifications${labels} 3`,
  ]);
});
