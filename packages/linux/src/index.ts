export * from './interface-facts.ts';
export * from './log-format.ts';
export * from './log-sinks.ts';
export * from './platform.ts';
export * from './privileges.ts';
export { errorText, hasCapability, platformError, platformErrorFrom } from './sys.ts';
export * from './udp.ts';
export * from './unix-datagram.ts';
