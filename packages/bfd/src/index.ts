export * from './auth.ts';
export * from './packet.ts';
export * from './step-bfd.ts';
