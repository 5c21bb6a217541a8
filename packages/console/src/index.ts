export type { BirdLanguage, Evaluated, ParsedPolicy } from './birdc/command.ts';
export { openBirdcSession } from './birdc/session.ts';
export type { BirdcEnvironment, BirdcSession } from './birdc/session.ts';
export { utc } from './wall-clock.ts';
export type { UtcOffset } from './wall-clock.ts';
export * from './state/control-state.ts';
