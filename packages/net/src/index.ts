export * from './address.ts';
export * from './result.ts';
