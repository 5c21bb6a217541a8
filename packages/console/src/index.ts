export type { BirdLanguage, Evaluated, ParsedPolicy } from './birdc/command.ts';
export { openBirdcSession } from './birdc/session.ts';
export type { BirdcEnvironment, BirdcSession } from './birdc/session.ts';
export { utc } from './wall-clock.ts';
export type { UtcOffset } from './wall-clock.ts';
export * from './state/control-state.ts';
export type { VtyEnvironment } from './vtysh/context.ts';
export { VTY_STATUS, vtyReply } from './vtysh/vty-reply.ts';
export type { VtyReply } from './vtysh/vty-reply.ts';
export { controlState } from './state/control-state.ts';
export type {
  BfdSessionState,
  ControlState,
  InterfaceState,
  KernelRouteState,
  KernelSyncState,
  NetworkState,
  ProtocolSummary,
  RouteState,
} from './state/control-state.ts';
export type { SessionState } from './state/session-state.ts';
