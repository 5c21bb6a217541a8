// A client of the lab seen from outside: asks once, or keeps asking and counts what it got. The
// outage of a failover is measured here, from the requests themselves.

import type { ChildProcess } from 'node:child_process';
import type { ClientOrder, ProbeReport } from './agent.ts';
import type { Host } from './host.ts';

export interface Tally {
  readonly total: number;
  readonly failed: number;
  /** Answers by node name. */
  readonly byNode: ReadonlyMap<string, number>;
  /** From the start of the first failed request to the start of the first good one after the last failure; 0 without failures. */
  readonly outageMs: number;
  /** Unix milliseconds at which the last failed request was started. */
  readonly lastFailureAtMs?: number;
}

export class Client {
  readonly host: Host;
  readonly #agent: ChildProcess;
  readonly #pending = new Map<number, (report: ProbeReport) => void>();
  #reports: ProbeReport[] = [];
  #nextId = 1;

  private constructor(host: Host, agent: ChildProcess) {
    this.host = host;
    this.#agent = agent;
    agent.on('message', (message) => this.#take(message as ProbeReport));
  }

  /** `spawnAgent` starts `rookery lab-agent client` in the host with an IPC channel. */
  static async start(host: Host, spawnAgent: () => Promise<ChildProcess>): Promise<Client> {
    return new Client(host, await spawnAgent());
  }

  /** One request over a new connection. */
  ask(address: string, port = 80, timeoutMs = 1000): Promise<ProbeReport> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      this.#order({ kind: 'once', id, host: address, port, timeoutMs });
    });
  }

  /** Sends one datagram and expects nothing. */
  sendDatagram(address: string, port: number): void {
    this.#order({ kind: 'datagram', host: address, port });
  }

  /** Starts asking at a fixed rate, a new connection each time, with a fresh tally. */
  keepAsking(address: string, everyMs: number, port = 80): void {
    this.#reports = [];
    this.#order({ kind: 'probe', host: address, port, everyMs });
  }

  rest(): void {
    this.#order({ kind: 'rest' });
  }

  /** What was reported since `keepAsking`, or since a Unix time in milliseconds. */
  tally(sinceMs = 0): Tally {
    const reports = this.#reports
      .filter((report) => report.startedAtMs >= sinceMs)
      .sort((a, b) => a.startedAtMs - b.startedAtMs);
    const failures = reports.filter((report) => report.error !== undefined);
    const byNode = new Map<string, number>();
    for (const { answer } of reports) {
      if (answer !== undefined) byNode.set(answer, (byNode.get(answer) ?? 0) + 1);
    }
    const first = failures[0];
    const last = failures.at(-1);
    const recovered = last && reports.find((r) => r.startedAtMs > last.startedAtMs && !r.error);
    return {
      total: reports.length,
      failed: failures.length,
      byNode,
      outageMs: first ? (recovered ?? last!).startedAtMs - first.startedAtMs : 0,
      ...(last ? { lastFailureAtMs: last.startedAtMs } : {}),
    };
  }

  #order(order: ClientOrder): void {
    if (this.#agent.connected) this.#agent.send(order);
  }

  #take(report: ProbeReport): void {
    if (report.kind === 'probe') {
      this.#reports.push(report);
      return;
    }
    const resolve = this.#pending.get(report.id ?? -1);
    this.#pending.delete(report.id ?? -1);
    resolve?.(report);
  }
}
