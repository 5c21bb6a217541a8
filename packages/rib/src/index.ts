export * from './policy.ts';
export * from './route.ts';
