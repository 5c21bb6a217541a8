export { ABSENCE_TEXTS, birdLastError, reasonText, retentionFor } from './session/down-reason.ts';
export { ROLE, openFor, publicAs, sessionChannels } from './session/negotiate.ts';
export {
  birdSessionState,
  countSent,
  createPeer,
  negotiatedOf,
  peerDeadline,
  peerTimers,
  reconfigurePeer,
  sessionState,
} from './session/peer-state.ts';
export type {
  Connection,
  PeerState,
  PeerTimers,
  Phase,
  TimerView,
  Traffic,
} from './session/peer-state.ts';
export * from './session/step-peer.ts';
export * from './session/types.ts';
export * from './wire/as-path.ts';
export * from './wire/attribute-decode.ts';
export * from './wire/attribute-encode.ts';
export { ATTRIBUTE_TABLE, attributeRow } from './wire/attribute-table.ts';
export type { AttributeRow, EncodeContext } from './wire/attribute-table.ts';
export { CAPABILITY_TABLE, NO_CAPABILITIES } from './wire/capabilities.ts';
export * from './wire/capability-set.ts';
export * from './wire/constants.ts';
export * from './wire/error-texts.ts';
export * from './wire/family.ts';
export * from './wire/fault.ts';
export * from './wire/frame-message.ts';
export * from './wire/frame-reader.ts';
export * from './wire/nlri.ts';
export * from './wire/notification.ts';
export * from './wire/open.ts';
export * from './wire/path-attributes.ts';
export * from './wire/route-refresh.ts';
export * from './wire/update-decode.ts';
export * from './wire/update-encode.ts';
export * from './wire/update-types.ts';
