// What is measured. Names and sizes are those of the anchors that the targets were derived from, so
// that figures can be compared; `target` is the goal as a ratio to the named peer.

export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly prefixes: number;
  readonly generators: number;
  readonly receivers: number;
  readonly length?: number;
  /** Generators share the table out; else each announces all of it. */
  readonly disjoint?: boolean;
  readonly kernel?: boolean;
  /** The daemon runs the fifty terms of `policy.ts` on what it imports, or on what it exports. */
  readonly policyOn?: 'import' | 'export';
  readonly churnRounds?: number;
  readonly withdraw?: boolean;
  /** One more receiver connects when the table is there. */
  readonly lateJoiner?: boolean;
  /** After the sessions are up, before the clock starts. */
  readonly settleMs: number;
  readonly targets: readonly Target[];
}

/** A goal for a figure of ours: as a ratio to a peer's, or at most this much. */
export type Target =
  | { readonly figure: string; readonly peer: string; readonly ratio: number }
  | { readonly figure: string; readonly limit: number };

const base = { family: 'ipv4', generators: 1, receivers: 1, settleMs: 4000 } as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    ...base,
    name: 'S0',
    what: 'start, and 1,000 prefixes',
    prefixes: 1000,
    targets: [
      { figure: 'startMs', limit: 200 },
      { figure: 'idleRssMiB', limit: 60 },
    ],
  },
  {
    ...base,
    name: 'S1',
    what: '1 peer x 1,000,000 prefixes, churn in them (S5), withdrawal of all',
    prefixes: 1_000_000,
    churnRounds: 300,
    withdraw: true,
    targets: [
      { figure: 'loadSec', peer: 'bird', ratio: 0.4 },
      { figure: 'loadCpuSec', peer: 'bird', ratio: 0.4 },
      { figure: 'rssMiB', peer: 'bird', ratio: 1 },
      { figure: 'withdrawSec', peer: 'bird', ratio: 0.6 },
      { figure: 'churnWithdrawP50Ms', peer: 'bird', ratio: 1.2 },
      { figure: 'churnAnnounceP50Ms', peer: 'bird', ratio: 1.2 },
      { figure: 'churnWithdrawP99Ms', limit: 1 },
      { figure: 'churnAnnounceP99Ms', limit: 1 },
      { figure: 'churnMaxMs', limit: 10 },
    ],
  },
  {
    ...base,
    name: 'S2',
    what: '10 peers x the same 100,000, until all are best',
    prefixes: 100_000,
    generators: 10,
    withdraw: true,
    targets: [{ figure: 'convergedSec', peer: 'bird', ratio: 0.3 }],
  },
  {
    ...base,
    name: 'S3',
    what: '100 peers x 1,000, everybody receives everything',
    prefixes: 100_000,
    generators: 100,
    length: 32,
    disjoint: true,
    targets: [
      { figure: 'everybodySec', peer: 'bird', ratio: 0.1 },
      { figure: 'everybodySec', peer: 'frr', ratio: 0.3 },
    ],
  },
  {
    ...base,
    name: 'S4',
    what: '1 peer x 200,000 IPv6 prefixes',
    family: 'ipv6',
    prefixes: 200_000,
    withdraw: true,
    targets: [{ figure: 'loadSec', peer: 'bird', ratio: 0.5 }],
  },
  {
    ...base,
    name: 'S6',
    what: '100,000 prefixes to 50 receivers',
    prefixes: 100_000,
    receivers: 50,
    targets: [{ figure: 'loadSec', peer: 'frr', ratio: 0.4 }],
  },
  {
    ...base,
    name: 'S7',
    what: '200,000 prefixes into the kernel',
    prefixes: 200_000,
    kernel: true,
    withdraw: true,
    targets: [{ figure: 'kernelSec', peer: 'bird', ratio: 0.4 }],
  },
  {
    ...base,
    name: 'policy',
    what: '1,000,000 prefixes through an import policy of 50 terms',
    prefixes: 1_000_000,
    policyOn: 'import',
    settleMs: 6000,
    targets: [
      { figure: 'loadSec', peer: 'bird', ratio: 0.3 },
      { figure: 'loadCpuSec', peer: 'bird', ratio: 0.3 },
    ],
  },
  {
    ...base,
    name: 'policy-out',
    what: '1,000,000 prefixes through an export policy of 50 terms',
    prefixes: 1_000_000,
    policyOn: 'export',
    settleMs: 6000,
    targets: [
      { figure: 'loadSec', peer: 'bird', ratio: 0.3 },
      { figure: 'loadCpuSec', peer: 'bird', ratio: 0.3 },
    ],
  },
  {
    ...base,
    name: 'late',
    what: 'a receiver that joins when 50,000 prefixes are there',
    prefixes: 50_000,
    lateJoiner: true,
    targets: [{ figure: 'lateUpdatesPerSet', limit: 1.1 }],
  },
];
