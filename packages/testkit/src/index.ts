export * from './fake-fib.ts';
export * from './sim-network.ts';
export * from './sim-router.ts';
export * from './virtual-clock.ts';
export * from './configs.ts';
export * from './malformed-case.ts';
export * from './sim-lan.ts';
export * from './wire-peer.ts';
