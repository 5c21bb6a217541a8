// MRT (RFC 6396): reading and writing of records, and their text.

export * from './record.ts';
export * from './decode-mrt.ts';
export * from './encode-mrt.ts';
export * from './show-mrt.ts';
export * from './mrt-routes.ts';
