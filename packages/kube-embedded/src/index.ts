// The embedded Kubernetes API of the lab: an API server in this process, with its state in SQLite,
// which real kubectl and our controller and speaker use. See server.ts.

export {
  type ApiServer,
  type ApiServerOptions,
  createApiServer,
  type ListenAddress,
} from './server.ts';
export type { ExecHandler, ExecProcess, ExecRequest } from './exec/session.ts';
export type { LogHandler, LogRequest } from './exec/logs.ts';
export type { KubeObject, ObjectMeta } from './object.ts';
export type { Converter } from './resource.ts';
export type { ServiceRanges } from './admission-service.ts';
export { ApiError } from './api-error.ts';
export { KubeApi } from './kube-api.ts';
export { convertBgpPeer } from './metallb/convert.ts';
export { metallbCrds } from './metallb/crds.ts';
export {
  daemonSetObject,
  type DaemonSetSeed,
  endpointSliceObject,
  type EndpointSliceSeed,
  nodeObject,
  type NodeSeed,
  ownerReferenceTo,
  podObject,
  type PodSeed,
} from './seed.ts';
