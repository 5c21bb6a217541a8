export * from './session/types.ts';
export * from './wire/constants.ts';
export * from './wire/family.ts';
export * from './wire/fault.ts';
export * from './wire/path-attributes.ts';
export * from './wire/update-types.ts';
