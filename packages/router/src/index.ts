export * from './config.ts';
export * from './io.ts';
