export * from './wire/path-attributes.ts';
