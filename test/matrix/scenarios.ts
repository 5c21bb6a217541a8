// What is tried with every peer. A scenario starts both ends once and fills one or more cells.

import { BASIC } from './scenarios/basic.ts';
import { RESTARTS } from './scenarios/restarts.ts';
import { TOPOLOGIES } from './scenarios/topologies.ts';
import { TROUBLE } from './scenarios/trouble.ts';
import type { Bench } from './bench.ts';
import type { FeatureId } from './features.ts';

/** Fills one cell; a peer that cannot is not asked. */
export type FillCell = (feature: FeatureId, cell: () => Promise<void>) => Promise<void>;

export interface Scenario {
  readonly name: string;
  readonly features: readonly FeatureId[];
  readonly run: (bench: Bench, cell: FillCell) => Promise<void>;
}

export const SCENARIOS: readonly Scenario[] = [...BASIC, ...TROUBLE, ...RESTARTS, ...TOPOLOGIES];
