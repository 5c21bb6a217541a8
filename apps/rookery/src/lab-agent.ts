// `rookery lab-agent ROLE …`: the programs that the lab puts into its hosts. Not for users.

import { type AgentRole, runAgent } from '@rookery/lab';

export function run(args: readonly string[]): Promise<number> {
  const [role, ...rest] = args;
  runAgent(role as AgentRole, rest);
  return new Promise(() => {});
}
