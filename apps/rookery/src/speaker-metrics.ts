// What a speaker tells Prometheus about its announcements and sessions: MetalLB's names and labels,
// with FRR's counters read where they are kept.

import type { BfdSessionView, RouterView } from '@rookery/router';
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { NodeAnnouncer } from './node-announcer.ts';

/** Registers everything that is read from the announcer and the engine when it is scraped. */
export function speakerMetrics(
  registry: Registry,
  node: string,
  announcer: Pick<NodeAnnouncer, 'announcements'>,
  view: Pick<RouterView, 'protocols' | 'bfdSessions'>,
): void {
  const registers = [registry];
  new Gauge({
    name: 'metallb_speaker_announced',
    help: 'Services being announced from this node. This is desired state, it does not guarantee that the routing protocols have converged.',
    labelNames: ['service', 'protocol', 'node', 'ip'],
    registers,
    collect() {
      this.reset();
      for (const announcement of announcer.announcements.values()) {
        if (!announcement.announced) continue;
        for (const ip of announcement.ips) {
          this.set({ service: announcement.service, protocol: 'bgp', node, ip }, 1);
        }
      }
    },
  });
  new Gauge({
    name: 'rookery_speaker_withheld',
    help: 'Services of type LoadBalancer that this node does not announce, by reason',
    labelNames: ['service', 'node', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const announcement of announcer.announcements.values()) {
        if (announcement.announced || announcement.reason.kind === 'notLoadBalancer') continue;
        this.set({ service: announcement.service, node, reason: announcement.reason.kind }, 1);
      }
    },
  });
  const perPeer = (name: string, help: string, value: (bgp: Bgp) => number): void => {
    new Gauge({
      name: `metallb_bgp_${name}`,
      help,
      labelNames: ['peer', 'vrf'],
      registers,
      collect() {
        this.reset();
        for (const { bgp, vrf } of view.protocols()) {
          const neighbor = bgp?.unnumbered ? bgp.interface : bgp?.neighborAddress;
          if (!bgp || neighbor === undefined) continue;
          const peer = `${neighbor}:${bgp.neighborPort}`;
          this.set({ peer, vrf: vrf ?? 'default' }, value(bgp));
        }
      },
    });
  };
  perPeer('session_up', 'BGP session state (1 is up, 0 is down)', (bgp) =>
    bgp.state === 'Established' ? 1 : 0,
  );
  perPeer('announced_prefixes_total', 'Number of prefixes currently being advertised', (bgp) =>
    bgp.families.reduce((sum, family) => sum + family.sentPrefixes, 0),
  );
  perPeer('opens_sent', 'Number of BGP open messages sent', (bgp) => bgp.sent.open);
  perPeer('opens_received', 'Number of BGP open messages received', (bgp) => bgp.received.open);
  perPeer(
    'notifications_sent',
    'Number of BGP notification messages sent',
    (bgp) => bgp.sent.notification,
  );
  perPeer('updates_total', 'Number of BGP UPDATE messages sent', (bgp) => bgp.sent.update);
  perPeer(
    'updates_total_received',
    'Number of BGP UPDATE messages received',
    (bgp) => bgp.received.update,
  );
  perPeer('keepalives_sent', 'Number of BGP keepalive messages sent', (bgp) => bgp.sent.keepalive);
  perPeer(
    'keepalives_received',
    'Number of BGP keepalive messages received',
    (bgp) => bgp.received.keepalive,
  );
  perPeer(
    'route_refresh_sent',
    'Number of BGP route refresh messages sent',
    (bgp) => bgp.sent.routeRefresh,
  );
  for (const [name, help, value] of BFD_METRICS) {
    new Gauge({
      name: `metallb_bfd_${name}`,
      help,
      labelNames: ['peer', 'vrf'],
      registers,
      collect() {
        this.reset();
        for (const session of view.bfdSessions()) {
          this.set({ peer: session.remote, vrf: 'default' }, value(session));
        }
      },
    });
  }
}

type Bgp = NonNullable<ReturnType<RouterView['protocols']>[number]['bgp']>;

const BFD_METRICS: readonly (readonly [string, string, (session: BfdSessionView) => number])[] = [
  ['session_up', 'BFD session state (1 is up, 0 is down)', (s) => Number(s.state === 'Up')],
  ['control_packet_input', 'Number of received BFD control packets', (s) => s.packetsReceived],
  ['control_packet_output', 'Number of sent BFD control packets', (s) => s.packetsSent],
  ['echo_packet_input', 'Number of received BFD echo packets', (s) => s.echoesReceived],
  ['echo_packet_output', 'Number of sent BFD echo packets', (s) => s.echoesSent],
  ['session_up_events', 'Number of BFD session up events', (s) => s.upEvents],
  ['session_down_events', 'Number of BFD session down events', (s) => s.downEvents],
  // Every change of a session is told to its client.
  ['zebra_notifications', 'Number of BFD zebra notifications', (s) => s.upEvents + s.downEvents],
];
