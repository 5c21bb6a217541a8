export * from './plan.ts';
export * from './oracle.ts';
export * from './simulate.ts';
export * from './topology.ts';
export * from './traits.ts';
