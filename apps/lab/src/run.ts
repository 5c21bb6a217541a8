// `rookery lab`: enters the sandbox, builds the lab, tells the story, prints what to try and stays
// up until Ctrl-C. What serves the page comes from outside, because the page is an application of
// its own.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Facts } from '@rookery/doctor';
import { gatherFacts } from './facts.ts';
import { Lab } from './lab.ts';
import { createNarrator, type Narrator } from './narrator.ts';
import { execInLab, findRunningLab, serveExec } from './remote-exec.ts';
import { enterSandbox, furnishSandbox, missingForSandbox, sandboxState } from './sandbox.ts';
import { type Figures, tellStory } from './story.ts';
import { parseTerraform } from './terraform.ts';

export interface LabPage {
  readonly url: string;
  close(): void;
}

export interface LabDeps {
  /** The command that runs Rookery: [node, main]. */
  readonly self: readonly string[];
  readonly startPage: (gather: () => Promise<Facts>, port: number) => Promise<LabPage>;
}

const USAGE = `Usage: rookery lab [--once] [--port PORT]
       rookery lab exec HOST COMMAND ...    run a command in a host of the running lab
       rookery lab apply FILE               apply a Terraform or YAML file to its cluster
       rookery lab kubeconfig               print the path of its kubeconfig

Hosts: router, node1, node2, node3, control, client, isp.
--once     tell the story, then end with a status instead of staying up
--port N   port of the live page on 127.0.0.1 (default 8179)
`;

const DEFAULT_PAGE_PORT = 8179;
/** In the state directory: the address of the live page. */
const PAGE_FILE = 'page';

/** Address of the running lab's page, if there is one. */
export function runningPage(): string | undefined {
  const state = findRunningLab();
  return state && readFileSync(join(state, PAGE_FILE), 'utf8');
}

/** Entry of the subcommand; resolves to the exit status. */
export async function runLab(args: readonly string[], deps: LabDeps): Promise<number> {
  const state = sandboxState();
  if (args[0] === '--help' || args[0] === '-h') {
    process.stdout.write(USAGE);
    return 0;
  }
  if (!state && args[0] === 'exec') return execInLab({ host: args[1] ?? '', argv: args.slice(2) });
  if (!state && args[0] === 'apply') return applyFile(args[1]);
  if (!state && args[0] === 'kubeconfig') return printKubeconfig();
  const options = parseOptions(args);
  if (typeof options === 'string') {
    process.stderr.write(`rookery lab: ${options}\n${USAGE}`);
    return 2;
  }
  if (!state) {
    const missing = missingForSandbox();
    if (missing.length > 0) {
      process.stderr.write(`The lab needs what this machine lacks:\n  ${missing.join('\n  ')}\n`);
      return 1;
    }
    return enterSandbox([...deps.self.slice(1), 'lab', ...args]);
  }
  furnishSandbox(state);
  return inside(state, options, deps);
}

interface Options {
  readonly once: boolean;
  readonly port: number;
}

function parseOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { once: { type: 'boolean' }, port: { type: 'string' } },
    });
    const port = values.port === undefined ? DEFAULT_PAGE_PORT : Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) return `"${values.port}" is no port`;
    return { once: values.once ?? false, port };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function inside(state: string, options: Options, deps: LabDeps): Promise<number> {
  const startedAtMs = Date.now();
  const narrator = createNarrator(process.stdout);
  const ended = new Promise<'ended'>((resolve) => {
    process.once('SIGINT', () => resolve('ended'));
    process.once('SIGTERM', () => resolve('ended'));
  });
  process.stdout.write("Rookery lab: the post's network in namespaces, both ends ours\n");
  const lab = await Lab.build({ state, self: deps.self, router: 'rookery', nodes: 'rookery' });
  serveExec(state, lab.hosts, ({ host, argv }) => ourProgram(lab, deps, host, argv));
  const page = await openPage(lab, options, deps);
  writeFileSync(join(state, PAGE_FILE), page.url);
  const figures = await Promise.race([tellStory(lab, narrator, startedAtMs), ended]);
  const status = narrator.failed.length === 0 ? 0 : 1;
  if (figures !== 'ended') summarise(narrator, figures);
  if (!options.once && figures !== 'ended') {
    inviteToPlay(state, page);
    await ended;
    process.stdout.write('\nEnding the lab.\n');
  }
  // The sandbox takes every process, namespace and mount with it.
  process.exit(figures === 'ended' ? 130 : status);
}

async function openPage(lab: Lab, options: Options, deps: LabDeps): Promise<LabPage> {
  const gather = (): Promise<Facts> => gatherFacts(lab);
  try {
    return await deps.startPage(gather, options.port);
  } catch {
    return deps.startPage(gather, 0);
  }
}

/** `birdc` and `vtysh` inside a host mean ours, with the host's own socket. */
function ourProgram(
  lab: Lab,
  deps: LabDeps,
  host: string,
  argv: readonly string[],
): readonly string[] {
  const [program, ...args] = argv;
  const directory = join(lab.options.state, host);
  if (program === 'birdc')
    return [...deps.self, 'birdc', '-s', join(directory, 'bird.ctl'), ...args];
  if (program === 'vtysh') return [...deps.self, 'vtysh', '--vty_socket', directory, ...args];
  return argv;
}

function summarise(narrator: Narrator, figures: Figures): void {
  const rows: readonly (readonly [string, number | undefined])[] = [
    ['start to first answered request', figures.firstAnswerMs],
    ['node power-off to route change', figures.detectionMs],
    ['node power-off to last failed request, LAN client', figures.lastFailureMs?.lan],
    ['node power-off to last failed request, beyond the router', figures.lastFailureMs?.wan],
    ['node power-on to back in the kernel', figures.returnMs],
    ['with BFD: node power-off to route change', figures.bfd?.detectionMs],
    ['with BFD: ... to last failed request, LAN client', figures.bfd?.lastFailureMs?.lan],
    ['with BFD: ... to last failed request, beyond the router', figures.bfd?.lastFailureMs?.wan],
    ['with BFD: node power-on to back in the kernel', figures.bfd?.returnMs],
    ['with BFD: start of a speaker to its route in the kernel', figures.bfd?.startMs],
  ];
  process.stdout.write('\nMeasured\n');
  for (const [name, ms] of rows) {
    const value = ms === undefined ? 'not reached' : `${(ms / 1000).toFixed(2)} s`;
    process.stdout.write(`   ${name.padEnd(58)} ${value}\n`);
  }
  process.stdout.write(
    narrator.failed.length === 0
      ? `\nAll ${narrator.passed} facts hold.\n`
      : `\n${narrator.passed} facts hold, ${narrator.failed.length} do not:\n${narrator.failed.map((text) => `   ${text}`).join('\n')}\n`,
  );
}

function inviteToPlay(state: string, page: LabPage): void {
  const kubeconfig = join(state, 'kubeconfig');
  process.stdout.write(`
The lab stays up until Ctrl-C.
   live page      ${page.url}
   kubeconfig     export KUBECONFIG=${kubeconfig}
Try
   kubectl get svc,ipaddresspools,bgppeers -A
   kubectl exec -it -n metallb daemonset.apps/metallb-speaker -c frr -- vtysh -c "show bgp summary"
   bin/rookery doctor                                       # both ends, with findings and cures
   bin/rookery lab exec router birdc show protocols all node1
   bin/rookery lab exec router birdc show route all
   bin/rookery lab exec router ip route show proto bird
   bin/rookery lab exec switch ip link set node2 down      # power off node2, then watch the page
   bin/rookery lab exec switch ip link set node2 up
   bin/rookery lab exec client curl -s http://192.168.2.1/
   bin/rookery lab apply main.tf                            # the post's Terraform
`);
}

async function applyFile(path: string | undefined): Promise<number> {
  const state = findRunningLab();
  if (!state || !path) {
    process.stderr.write(
      state ? USAGE : 'rookery: no lab is running; start one with "npm start"\n',
    );
    return 1;
  }
  const source = readFileSync(path, 'utf8');
  let manifests = source;
  if (path.endsWith('.tf')) {
    const parsed = await parseTerraform(path, source);
    if (!parsed.ok) {
      process.stderr.write(`${parsed.error}\n`);
      return 1;
    }
    const { stringify } = await import('yaml');
    manifests = parsed.value.map((manifest) => stringify(manifest)).join('---\n');
  }
  const { applyManifests } = await import('./apply.ts');
  return applyManifests(join(state, 'kubeconfig'), manifests);
}

function printKubeconfig(): number {
  const state = findRunningLab();
  if (state) process.stdout.write(`${join(state, 'kubeconfig')}\n`);
  else process.stderr.write('rookery: no lab is running; start one with "npm start"\n');
  return state ? 0 : 1;
}
