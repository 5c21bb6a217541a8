export * from './address.ts';
export * from './byte-writer.ts';
export * from './deadline.ts';
export * from './last-view.ts';
export * from './peer-text.ts';
export * from './result.ts';
export * from './heap.ts';
