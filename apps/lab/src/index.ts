export { type AgentRole, runAgent } from './agent.ts';
export { Client, type Tally } from './client.ts';
export type { Cluster, ClusterEvent, ObjectKey } from './cluster.ts';
export {
  type NodeDaemon,
  type Place,
  type RouterDaemon,
  end,
  launch,
  realBird,
  realFrr,
  rookeryRouter,
  rookerySpeaker,
  tailOf,
} from './daemons.ts';
export { check, Unmet, until, when } from './expect.ts';
export { type CommandResult, Host } from './host.ts';
export { gatherFacts } from './facts.ts';
export { Lab, type LabOptions } from './lab.ts';
export {
  BFD_MANIFESTS,
  BIRD_CONF,
  frrBfdConfFor,
  frrConfFor,
  MANIFESTS,
  SECOND_POOL,
  SERVICE,
  TERRAFORM,
} from './post.ts';
export { type LabDeps, type LabPage, runLab, runningPage } from './run.ts';
export { enterSandbox, furnishSandbox, missingForSandbox, sandboxState } from './sandbox.ts';
export { NODES, type NodeName } from './topology.ts';
