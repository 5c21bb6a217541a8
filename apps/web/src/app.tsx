// The live page: verdict, path map, sessions with both ends in one row, services, findings with
// their cures, and what changed. Views only; every fact comes from the picture.

import type { Finding, NodePicture, Picture, ServicePicture, SessionEnd } from '@rookery/doctor';
import { useEffect, useState, useSyncExternalStore } from 'react';
import type { Feed, FeedState, TimelineEntry } from './feed.ts';
import { PathMap } from './path-map.tsx';

const MARK = { good: '✓', degraded: '▲', broken: '✗' } as const;

export function App({ feed }: { readonly feed: Feed }) {
  const state = useSyncExternalStore(feed.subscribe, feed.read);
  const { picture } = state;
  if (!picture) return <p className="waiting">Waiting for the first picture…</p>;
  return (
    <main className={state.connected ? '' : 'stale'}>
      <VerdictBar state={state} picture={picture} />
      <section>
        <h2>Path</h2>
        <PathMap picture={picture} />
      </section>
      <section>
        <h2>Sessions</h2>
        <Sessions nodes={picture.nodes} nowMs={picture.atMs} />
      </section>
      <section>
        <h2>Services</h2>
        <Services services={picture.services} />
      </section>
      <div className="columns">
        <section>
          <h2>Findings</h2>
          <Findings findings={picture.findings} />
        </section>
        <section>
          <h2>What changed</h2>
          <Timeline entries={state.timeline} />
        </section>
      </div>
    </main>
  );
}

function VerdictBar({ state, picture }: { readonly state: FeedState; readonly picture: Picture }) {
  const { level, sentence } = picture.verdict;
  return (
    <header className={`verdict ${level}`} role="status">
      <span className="mark" aria-hidden="true">
        {MARK[level]}
      </span>
      <h1>{sentence}</h1>
      <span className="age">
        {state.connected ? <Age sinceMs={picture.atMs} /> : 'connection lost, last picture shown'}
      </span>
    </header>
  );
}

function Age({ sinceMs }: { readonly sinceMs: number }) {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.round((nowMs - sinceMs) / 1000));
  return <>{seconds < 2 ? 'live' : `picture is ${seconds} s old`}</>;
}

function Sessions({
  nodes,
  nowMs,
}: {
  readonly nodes: readonly NodePicture[];
  readonly nowMs: number;
}) {
  return (
    <table>
      <thead>
        <tr>
          <th>Node</th>
          <th>Router sees</th>
          <th>Node sees</th>
          <th>For</th>
          <th>Hold time</th>
          <th className="number">Routes</th>
          <th>Last error</th>
        </tr>
      </thead>
      <tbody>
        {nodes.map((node) => (
          <tr key={node.name} data-node={node.name} data-up={node.up}>
            <th scope="row">
              {node.name} <small>{node.address}</small>
            </th>
            <td>
              <State end={node.router} />
            </td>
            <td>
              <State end={node.node} />
            </td>
            <td>{node.router ? duration(nowMs - node.router.sinceMs) : ''}</td>
            <td>
              <Hold end={node.router} />
            </td>
            <td className="number">{node.router?.received ?? ''}</td>
            <td className="error">{node.router?.lastError ?? node.node?.lastError ?? ''}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function State({ end }: { readonly end: SessionEnd | undefined }) {
  if (!end) return <span className="state broken">✗ not configured</span>;
  const up = end.state === 'Established';
  return (
    <span className={`state ${up ? 'good' : 'degraded'}`}>{`${up ? '✓' : '▲'} ${end.state}`}</span>
  );
}

function Hold({ end }: { readonly end: SessionEnd | undefined }) {
  if (!end || end.holdTimeSec === undefined || end.state !== 'Established') return null;
  if (end.holdTimeSec === 0)
    return <span className="state broken">✗ off: a dead peer is never noticed</span>;
  const left = end.holdRemainingSec ?? end.holdTimeSec;
  return (
    <span className="hold">
      <meter min={0} max={end.holdTimeSec} value={left} /> {end.holdTimeSec} s
    </span>
  );
}

function Services({ services }: { readonly services: readonly ServicePicture[] }) {
  if (services.length === 0) return <p>No service of type LoadBalancer yet.</p>;
  return (
    <table>
      <thead>
        <tr>
          <th>Service</th>
          <th>Address</th>
          <th>Pool</th>
          <th>Policy</th>
          <th>Announced by</th>
          <th>In the router's kernel</th>
          <th>Why not</th>
        </tr>
      </thead>
      <tbody>
        {services.map((service) => (
          <tr key={service.name} data-service={service.name}>
            <th scope="row">
              <span className={`state ${service.reachable ? 'good' : 'broken'}`}>
                {service.reachable ? '✓' : '✗'}
              </span>{' '}
              {service.name}
            </th>
            <td>
              {service.addresses.join(', ') || 'none'} <small>{service.ports.join(', ')}</small>
            </td>
            <td>{service.pool ?? ''}</td>
            <td>{service.externalTrafficPolicy}</td>
            <td>{names(service, (path) => path.announced)}</td>
            <td>{names(service, (path) => path.inKernel)}</td>
            <td className="error">{service.reason ?? ''}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Findings({ findings }: { readonly findings: readonly Finding[] }) {
  if (findings.length === 0) return <p>Nothing to do.</p>;
  return (
    <ul className="findings">
      {findings.map((finding) => (
        <li key={`${finding.id} ${finding.subject}`} className={finding.severity}>
          <p>
            <code>{finding.id}</code> {finding.text}
          </p>
          <pre>{finding.fix}</pre>
        </li>
      ))}
    </ul>
  );
}

function Timeline({ entries }: { readonly entries: readonly TimelineEntry[] }) {
  if (entries.length === 0) return <p>Nothing since this page was opened.</p>;
  return (
    <ol className="timeline">
      {entries.map((entry) => (
        <li key={entry.key} className={entry.level}>
          <time>{new Date(entry.atMs).toLocaleTimeString()}</time> {entry.text}
        </li>
      ))}
    </ol>
  );
}

function names(
  service: ServicePicture,
  test: (path: ServicePicture['paths'][number]) => boolean,
): string {
  return (
    service.paths
      .filter(test)
      .map((path) => path.node)
      .join(', ') || 'nobody'
  );
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
