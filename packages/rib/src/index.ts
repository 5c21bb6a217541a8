export * from './attribute-store.ts';
export * from './policy.ts';
export * from './prefix-store.ts';
export * from './route.ts';
