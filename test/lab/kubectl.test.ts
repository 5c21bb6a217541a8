// The post's commands, word for word, by real kubectl against the lab: its objects, its service, its
// annotation, and `kubectl exec … vtysh` before and after the router learns to listen. What vtysh
// prints is held against FRR 9.1's captured output and against the post's own text.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  BIRD_CONF,
  Lab,
  MANIFESTS,
  NODES,
  SECOND_POOL,
  SERVICE,
  TERRAFORM,
  until,
  when,
} from '@rookery/lab';
import {
  asInPost,
  asOurs,
  comparable,
  fromPost,
  golden,
  jsonShape,
  withoutPodRoutes,
} from '../support/frr-text.ts';
import { Kubectl, KUBECTL, SCRIPT } from '../support/kubectl.ts';
import { kernelNextHops } from '../support/network.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout(KUBECTL, SCRIPT);
const state = skip ? '' : await insideSandbox();
const VIP = '192.168.2.1';
const OTHER_VIP = '192.168.3.1';
const EXEC = 'kubectl exec -it -n metallb daemonset.apps/metallb-speaker -c frr -- vtysh -c';

let lab: Lab;
let kubectl: Kubectl;

before(async () => {
  if (skip) return;
  lab = await Lab.build({ state, self: SELF, router: 'rookery', nodes: 'rookery' });
  kubectl = new Kubectl(lab.cluster!.kubeconfig, state);
});

after(async () => lab?.close());

test('apply creates the three objects, and finds them unchanged', { skip }, async () => {
  const first = await kubectl.run(['apply', '-f', '-'], MANIFESTS);
  assert.deepEqual(first.stdout.trim().split('\n'), [
    'ipaddresspool.metallb.io/bgp-pool created',
    'bgppeer.metallb.io/bgp-router-peer created',
    'bgpadvertisement.metallb.io/bgp-pool-advertisement created',
  ]);
  assert.match(first.stderr, /v1beta1 is deprecated, please use v1beta2/);
  const second = await kubectl.line('kubectl apply -f -', MANIFESTS);
  assert.equal(second.match(/ unchanged$/gm)?.length, 3, second);
  assert.match(await kubectl.line('kubectl apply -f -', SECOND_POOL), /other-pool created/);
});

test('get prints the columns of MetalLB', { skip }, async () => {
  assert.deepEqual(cells(await kubectl.line('kubectl get ipaddresspools -n metallb')), [
    ['NAME', 'AUTO ASSIGN', 'AVOID BUGGY IPS', 'ADDRESSES'],
    ['bgp-pool', 'true', 'true', '["192.168.2.0/24"]'],
    ['other-pool', 'false', 'true', '["192.168.3.0/24"]'],
  ]);
  assert.deepEqual(cells(await kubectl.line('kubectl get bgppeers -n metallb')), [
    ['NAME', 'ADDRESS', 'ASN', 'BFD PROFILE', 'MULTI HOPS'],
    ['bgp-router-peer', '192.168.1.1', '64496'],
  ]);
  assert.deepEqual(cells(await kubectl.line('kubectl get bgpadvertisements -n metallb'))[1], [
    'bgp-pool-advertisement',
    '["bgp-pool"]',
    '["bgp-router-peer"]',
  ]);
  const asWritten = await kubectl.line(
    'kubectl get bgppeers.v1beta1.metallb.io bgp-router-peer -n metallb -o jsonpath="{.apiVersion} {.spec}"',
  );
  assert.match(asWritten, /^metallb\.io\/v1beta1 \{"myASN":64497,"peerASN":64496,"peerAddress":/);
});

test('get -w sees the service come and receive its address', { skip }, async () => {
  const watch = kubectl.watch(['get', 'service', '-w']);
  try {
    await kubectl.line('kubectl apply -f -', SERVICE);
    await until('the address', 10_000, () => when(watch.output().includes(VIP)));
    const states = cells(watch.output())
      .filter(([name]) => name === 'web')
      .map(([, type, , address]) => `${type} ${address}`);
    assert.deepEqual([...new Set(states)], ['LoadBalancer <pending>', `LoadBalancer ${VIP}`]);
  } finally {
    watch.end();
  }
});

test('exec: vtysh before anything listens, as in the post', { skip }, async () => {
  await lab.router.start(BIRD_CONF.minimal);
  await Promise.all([...lab.nodes.values()].map((node) => node.start()));
  await vtyshIsLike('A01-minimal-no-device', 'active');
});

test('exec: vtysh after it works, as in the post', { skip }, async () => {
  await lab.router.configure(BIRD_CONF.mergePaths);
  await nextHops(VIP, NODES.length);
  await vtyshIsLike('A04-node1-only-as-in-post', 'established');
});

test('exec: status and streams are those of the command', { skip }, async () => {
  const target = ['exec', '-n', 'metallb', 'daemonset.apps/metallb-speaker', '-c', 'frr', '--'];
  const unknown = await kubectl.run([...target, 'vtysh', '-c', 'show foo']);
  assert.equal(unknown.stdout, '% Unknown command: show foo\n');
  assert.equal(unknown.status, 1);
  assert.match(unknown.stderr, /command terminated with exit code 1/);
  const piped = await kubectl.run(['exec', '-i', ...target.slice(1), 'cat'], 'one\ntwo\n');
  assert.deepEqual([piped.stdout, piped.status], ['one\ntwo\n', 0]);
  const streams = await kubectl.run([...target, 'sh', '-c', 'echo out; echo err >&2; exit 7']);
  assert.equal(streams.stdout, 'out\n');
  assert.match(streams.stderr, /^err\n/);
  assert.equal(streams.status, 7);
});

test('describe shows the address, the endpoints and the events', { skip }, async () => {
  const service = await kubectl.line('kubectl describe service web');
  assert.match(service, /^LoadBalancer Ingress: +192\.168\.2\.1$/m);
  assert.match(service, /^Endpoints: +10\.2\.32\.13:8080,10\.2\.33\.13:8080,10\.2\.34\.13:8080$/m);
  assert.match(
    service,
    /Normal +IPAllocated .* metallb-controller +Assigned IP \["192\.168\.2\.1"\]/,
  );
  for (const { name } of NODES) {
    assert.match(
      service,
      new RegExp(`nodeAssigned .* announcing from node "${name}" with protocol`),
    );
  }
  const peer = await kubectl.line('kubectl describe bgppeer bgp-router-peer -n metallb');
  assert.match(peer, /^ +Peer Address: +192\.168\.1\.1$/m);
  assert.match(peer, /Warning +TimersUnset .*hold time 0.*Cure: /, 'the lint the post needed');
});

test('explain knows the fields', { skip }, async () => {
  const spec = await kubectl.line('kubectl explain bgppeer.spec');
  assert.match(spec, /KIND: +BGPPeer\nVERSION: +v1beta2/);
  assert.match(spec, /^ {2}myASN\t<integer> -required-$/m);
  assert.match(spec, /^ {2}peerAddress\t<string>\n {4}Address to dial/m);
});

test('the annotation moves the service to another pool and back', { skip }, async () => {
  for (const [pool, address, old] of [
    ['other-pool', OTHER_VIP, VIP],
    ['bgp-pool', VIP, OTHER_VIP],
  ] as const) {
    await kubectl.line(`kubectl annotate service web metallb.io/address-pool=${pool} --overwrite`);
    await until(`the address ${address}`, 10_000, async () => {
      const text = await kubectl.line(
        'kubectl get service web -o jsonpath="{.status.loadBalancer.ingress[*].ip}"',
      );
      return when(text === address);
    });
    await nextHops(address, NODES.length);
    await nextHops(old, 0);
    await until('the event', 10_000, async () => {
      const events = await kubectl.line(
        'kubectl get events --field-selector involvedObject.name=web,reason=IPAllocated',
      );
      return when(events.includes(`Assigned IP ["${address}"]`));
    });
  }
});

test('lab apply main.tf creates the same objects from Terraform', { skip }, async () => {
  const specs =
    'kubectl get ipaddresspool/bgp-pool bgppeer/bgp-router-peer bgpadvertisement/bgp-pool-advertisement' +
    ' -n metallb -o jsonpath="{.items[*].spec}"';
  const fromYaml = await kubectl.line(specs);
  const removed = await kubectl.line('kubectl delete -f -', MANIFESTS);
  assert.equal(removed.match(/ deleted$/gm)?.length, 3, removed);
  await nextHops(VIP, 0);
  const applied = await applyInLab('main.tf', TERRAFORM);
  assert.deepEqual(applied, {
    status: 0,
    lines: [
      'bgpadvertisements/bgp-pool-advertisement applied',
      'bgppeers/bgp-router-peer applied',
      'ipaddresspools/bgp-pool applied',
    ],
    stderr: '',
  });
  assert.equal(await kubectl.line(specs), fromYaml);
  await nextHops(VIP, NODES.length);
});

test('delete withdraws the service everywhere', { skip }, async () => {
  assert.equal(await kubectl.line('kubectl delete service web'), 'service "web" deleted\n');
  await nextHops(VIP, 0);
  const gone = await kubectl.run(['get', 'service', 'web']);
  assert.equal(gone.status, 1);
  assert.equal(gone.stderr, 'Error from server (NotFound): services "web" not found\n');
});

/** Every command of the post in a terminal, and without one in FRR's JSON. */
async function vtyshIsLike(stage: string, inPost: string): Promise<void> {
  for (const [command, file] of [
    ['show ip bgp neighbor', 'show-ip-bgp-neighbor'],
    ['show running', 'show-running-config'],
    ['show bgp summary', 'show-bgp-summary'],
    ['show bfd peers', 'show-bfd-peers'],
    ['show ip route', 'show-ip-route'],
  ] as const) {
    const line = `${EXEC} "${command}"`;
    const wanted = comparable(asOurs(golden(`${stage}/node32-${file}.txt`)));
    // The session takes a moment to get where the capture was made.
    const seen = await settled(
      async () => withoutPodRoutes(await kubectl.lineInTerminal(line)),
      (text) => comparable(text) === wanted,
    );
    assert.equal(comparable(seen), wanted, line);
    const piped = withoutPodRoutes(await kubectl.line(line));
    assert.equal(comparable(piped), wanted, `${line}, without a terminal`);
    const postFile = `post/${inPost}-${command.replaceAll(' ', '-')}.txt`;
    if (inPost === 'active' || IN_POST_AGAIN.has(command)) {
      assert.equal(asInPost(seen), asInPost(fromPost(golden(postFile))), `${line}, in the post`);
    }
    if (command === 'show running') continue;
    const json = JSON.parse(await kubectl.line(`${EXEC} "${command} json"`)) as object;
    const frrJson = JSON.parse(asOurs(golden(`${stage}/node32-${file}-json.txt`))) as object;
    assert.deepEqual(jsonShape(onlyKeysOf(frrJson, json)), jsonShape(frrJson), `${command} json`);
  }
}

/** The commands that the post runs a second time. */
const IN_POST_AGAIN: ReadonlySet<string> = new Set(['show ip bgp neighbor', 'show bgp summary']);

/** Leaves out the lab's routes to other nodes' pods, and nothing below the first level. */
function onlyKeysOf(frr: object, ours: object): object {
  if (Array.isArray(ours)) return ours;
  return Object.fromEntries(
    Object.entries(ours).filter(([key]) => key in frr || !key.startsWith('10.2.')),
  );
}

async function settled(
  read: () => Promise<string>,
  accept: (text: string) => boolean,
): Promise<string> {
  let last = '';
  await until('the expected text', 8000, async () => when(accept((last = await read())))).catch(
    () => {},
  );
  return last;
}

async function nextHops(address: string, count: number): Promise<void> {
  await until(`${count} next hops to ${address}`, 40_000, async () =>
    when((await kernelNextHops(lab, address)).size === count),
  );
}

/** `rookery lab apply FILE` as outside the sandbox, where the lab is found by its state directory. */
async function applyInLab(name: string, text: string): Promise<object> {
  const temporary = join(state, 'outside');
  const found = join(temporary, `rookery-lab-${process.getuid!()}-1`);
  mkdirSync(found, { recursive: true });
  writeFileSync(join(found, 'pid'), `${process.pid}\n`);
  writeFileSync(join(found, 'exec.sock'), '');
  copyFileSync(lab.cluster!.kubeconfig, join(found, 'kubeconfig'));
  const path = join(temporary, name);
  writeFileSync(path, text);
  const { ROOKERY_LAB_STATE: _, ...env } = process.env;
  const child = spawn(SELF[0]!, [...SELF.slice(1), 'lab', 'apply', path], {
    env: { ...env, TMPDIR: temporary },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const status = await new Promise((resolve) => child.once('close', resolve));
  return { status, lines: stdout.trim().split('\n').sort(), stderr };
}

/** Lines of a table, cells divided by at least two blanks. */
function cells(table: string): readonly (readonly string[])[] {
  return table
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));
}
