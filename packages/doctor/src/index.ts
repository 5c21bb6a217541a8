export * from './facts.ts';
export * from './findings.ts';
export * from './picture.ts';
export * from './render.ts';
