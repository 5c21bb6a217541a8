// Real kubectl against the embedded API: the commands of the post and those its reader tries next.
// Skipped, visibly, where no kubectl is installed. KUBECTL names another binary, such as an old one.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import type { ExecRequest } from './exec/session.ts';
import { metallbCrds } from './metallb/crds.ts';
import { daemonSetObject, endpointSliceObject, nodeObject, podObject } from './seed.ts';
import { type ApiServer, createApiServer } from './server.ts';

const kubectl = process.env['KUBECTL'] ?? 'kubectl';
const version = kubectlVersion();
const skip =
  version === undefined ? 'kubectl is not installed: install it to run these tests' : false;
const isOld = version !== undefined && version < 27;

let server: ApiServer;
let directory = '';
const execs: ExecRequest[] = [];

/** The three objects of the post's Terraform, as YAML. */
const post = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: bgp-pool, namespace: metallb}
spec:
  addresses: [192.168.2.0/24]
  # not sure if i'll be affected by this but will avoid
  # for now while just trying to get this to work
  avoidBuggyIPs: true
---
apiVersion: metallb.io/v1beta1
kind: BGPPeer
metadata: {name: bgp-router-peer, namespace: metallb}
spec: {peerAddress: 192.168.1.1, peerASN: 64496, myASN: 64497}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: bgp-pool-advertisement, namespace: metallb}
spec: {ipAddressPools: [bgp-pool], peers: [bgp-router-peer]}
`;

const web = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
`;

before(async () => {
  if (skip !== false) return;
  directory = mkdtempSync(join(tmpdir(), 'rookery-kubectl-'));
  server = await createApiServer({
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
    exec: (request) => {
      execs.push(request);
      return runCommand(request);
    },
    logs: ({ pod, container, tailLines, follow }) =>
      follow ? Readable.from(['one\n', 'two\n']) : `${pod} ${container} ${tailLines ?? 'all'}\n`,
  });
  const nowText = new Date().toISOString();
  const labels = { app: 'metallb', component: 'speaker' };
  const containers = [
    { name: 'speaker', image: 'rookery' },
    { name: 'frr', image: 'rookery' },
  ];
  const set = daemonSetObject({
    namespace: 'metallb',
    name: 'metallb-speaker',
    labels,
    containers,
    scheduled: 1,
  });
  const pod = podObject({
    namespace: 'metallb',
    name: 'metallb-speaker-1',
    nodeName: 'node1',
    ip: '192.168.1.32',
    labels,
    containers,
    nowText,
  });
  server.apply(
    ...metallbCrds(),
    nodeObject({ name: 'node1', addresses: ['192.168.1.32'], nowText }),
    set,
    pod,
  );
  writeFileSync(join(directory, 'kubeconfig'), await server.kubeconfig());
});
after(async () => {
  if (skip !== false) return;
  await server.close();
  rmSync(directory, { recursive: true });
});

test(
  'apply of the three objects of the post, twice; columns; the other version; describe',
  { skip },
  async () => {
    const first = await run(['apply', '-f', '-'], post);
    assert.match(first.out, /bgppeer.metallb.io\/bgp-router-peer created/);
    assert.match(first.err, /v1beta1 is deprecated/);
    assert.equal((await run(['apply', '-f', '-'], post)).out.match(/unchanged/g)?.length, 3);
    const pools = await run(['get', 'ipaddresspools', '-n', 'metallb']);
    assert.match(pools.out, /NAME +AUTO ASSIGN +AVOID BUGGY IPS +ADDRESSES/);
    assert.match(pools.out, /bgp-pool +true +true +\["192.168.2.0\/24"\]/);
    const peers = await run(['get', 'bgppeers', '-n', 'metallb']);
    assert.match(
      peers.out,
      /NAME +ADDRESS +ASN +BFD PROFILE +MULTI HOPS\nbgp-router-peer +192.168.1.1 +64496/,
    );
    const old = await run([
      'get',
      'bgppeers.v1beta1.metallb.io',
      '-n',
      'metallb',
      '-o',
      'jsonpath={.items[*].apiVersion}',
    ]);
    assert.equal(old.out, 'metallb.io/v1beta1');
    const described = await run([
      'describe',
      'bgpadvertisement',
      'bgp-pool-advertisement',
      '-n',
      'metallb',
    ]);
    assert.match(described.out, /Ip Address Pools:\n +bgp-pool/);
  },
);

test(
  'explain shows fields, types and descriptions of custom and built-in kinds',
  { skip },
  async () => {
    const peer = await run(['explain', 'bgppeer.spec']);
    assert.match(peer.out, /peerAddress\s+<string>/);
    assert.match(peer.out, /Address to dial when establishing the session/);
    assert.match(
      (await run(['explain', 'bgppeer.spec.myASN', '--api-version=metallb.io/v1beta1'])).out,
      /AS number of the local end/,
    );
    assert.match((await run(['explain', 'service.spec.ports'])).out, /nodePort\s+<integer>/);
  },
);

test(
  'a misspelt field and a bad value are refused before anything is stored',
  { skip },
  async () => {
    const typo = post.replace('avoidBuggyIPs', 'avoidBugyIPs').replaceAll('bgp-pool', 'typo');
    const refused = await run(['apply', '-f', '-'], typo);
    assert.match(
      refused.err,
      isOld ? /unknown field "avoidBugyIPs"/ : /unknown field "spec.avoidBugyIPs"/,
    );
    const bad = post.replace('peerASN: 64496', 'peerASN: -1').replaceAll('bgp-router-peer', 'bad');
    const invalid = await run(['apply', '-f', '-', '--validate=false'], bad);
    assert.match(
      invalid.err,
      /spec.peerASN: Invalid value: -1: spec.peerASN in body should be greater than or equal to 0/,
    );
  },
);

test(
  'a service: apply, address, annotate, describe with endpoints and events, delete',
  { skip },
  async () => {
    assert.equal((await run(['apply', '-f', '-'], web)).out, 'service/web created\n');
    assert.match(
      (await run(['get', 'svc', 'web'])).out,
      /web +LoadBalancer +10\.96\.0\.\d+ +<pending> +80:3\d{4}\/TCP/,
    );
    const ingress = { loadBalancer: { ingress: [{ ip: '192.168.2.1' }] } };
    const stored = server.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default' },
      status: ingress,
    });
    server.apply(
      endpointSliceObject({
        namespace: 'default',
        service: 'web',
        ports: [{ port: 8080 }],
        endpoints: [{ address: '10.0.0.7', nodeName: 'node1' }],
      }),
      {
        apiVersion: 'v1',
        kind: 'Endpoints',
        metadata: { name: 'web', namespace: 'default' },
        subsets: [{ addresses: [{ ip: '10.0.0.7' }], ports: [{ port: 8080 }] }],
      },
      {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: 'web.1', namespace: 'default' },
        involvedObject: {
          apiVersion: 'v1',
          kind: 'Service',
          namespace: 'default',
          name: 'web',
          uid: stored[0]?.metadata.uid,
        },
        reason: 'IPAllocated',
        message: 'Assigned IP ["192.168.2.1"]',
        type: 'Normal',
        source: { component: 'metallb-controller' },
      },
    );
    const annotated = await run(['annotate', 'svc', 'web', 'metallb.io/address-pool=bgp-pool']);
    assert.equal(annotated.out, 'service/web annotated\n');
    const described = await run(['describe', 'svc', 'web']);
    assert.match(described.out, /Annotations: +metallb.io\/address-pool: bgp-pool/);
    assert.match(described.out, /LoadBalancer Ingress: +192\.168\.2\.1/);
    assert.match(described.out, /Endpoints: +10\.0\.0\.7:8080/);
    assert.match(
      described.out,
      /Normal +IPAllocated .* metallb-controller +Assigned IP \["192\.168\.2\.1"\]/,
    );
    assert.match(
      (await run(['get', 'events'])).out,
      /Normal +IPAllocated +service\/web +Assigned IP/,
    );
    assert.equal((await run(['delete', '-f', '-'], web)).code, 0);
    assert.match((await run(['get', 'svc', 'web'])).err, /services "web" not found/);
  },
);

test('get -w prints every change as a row', { skip }, async () => {
  const child = spawn(kubectl, ['get', 'configmaps', '-w'], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  const rows = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      const count = out.split('\n').filter((line) => line.startsWith('watched')).length;
      const data: Record<string, string> = { a: '1', ...(count > 0 ? { b: '2' } : {}) };
      if (count === 2) resolve();
      else if (count === 1) server.apply(configMap('watched', data));
    });
  });
  server.apply(configMap('watched', { a: '1' }));
  await rows;
  child.kill();
  assert.match(out, /NAME +DATA +AGE\n(.*\n)*watched +1 .*\nwatched +2 /);
});

test('server-side apply: conflict and --force-conflicts', { skip }, async () => {
  const of = (value: string) =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa, namespace: default}\ndata: {a: "${value}"}\n`;
  assert.equal((await run(['apply', '--server-side', '-f', '-'], of('1'))).code, 0);
  const second = ['apply', '--server-side', '--field-manager=second', '-f', '-'];
  const refused = await run(second, of('2'));
  assert.match(refused.err, /Apply failed with 1 conflict: conflict with "kubectl": \.data\.a/);
  assert.equal((await run([...second, '--force-conflicts'], of('2'))).code, 0);
  assert.equal((await run(['get', 'cm', 'ssa', '-o', 'jsonpath={.data.a}'])).out, '2');
});

test('exec through the daemon set: output, errors, input, exit code', { skip }, async () => {
  const target = ['exec', '-n', 'metallb', 'daemonset.apps/metallb-speaker', '-c', 'frr'];
  const shown = await run([...target, '--', 'vtysh', '-c', 'show bgp summary']);
  assert.equal(shown.out, 'ran vtysh -c show bgp summary\n');
  assert.deepEqual(execs.at(-1), {
    namespace: 'metallb',
    pod: 'metallb-speaker-1',
    nodeName: 'node1',
    container: 'frr',
    command: ['vtysh', '-c', 'show bgp summary'],
    tty: false,
    stdin: false,
  });
  assert.equal((await run([...target, '-i', '--', 'cat'], 'one\ntwo\n')).out, 'one\ntwo\n');
  const failed = await run([...target, '--', 'fail']);
  assert.equal(failed.code, 3);
  assert.match(failed.err, /on stderr\n/);
  assert.match(
    (await run([...target.slice(0, -1), 'nope', '--', 'x'])).err,
    /container nope is not valid|container not found/,
  );
});

test('logs, nodes, pods of a node, cordon, api-resources', { skip }, async () => {
  assert.equal(
    (await run(['logs', '-n', 'metallb', 'metallb-speaker-1', '-c', 'frr', '--tail=5'])).out,
    'metallb-speaker-1 frr 5\n',
  );
  assert.equal(
    (await run(['logs', '-f', '-n', 'metallb', 'metallb-speaker-1', '-c', 'frr'])).out,
    'one\ntwo\n',
  );
  assert.match((await run(['get', 'nodes', '-o', 'wide'])).out, /node1 +Ready .* 192\.168\.1\.32/);
  assert.match((await run(['describe', 'node', 'node1'])).out, /metallb-speaker-1/);
  assert.match(
    (await run(['describe', 'pod', '-n', 'metallb', 'metallb-speaker-1'])).out,
    /Status: +Running/,
  );
  assert.match((await run(['cordon', 'node1'])).out, /cordoned/);
  assert.match((await run(['get', 'nodes'])).out, /Ready,SchedulingDisabled/);
  assert.match((await run(['api-resources', '--api-group=metallb.io'])).out, /bgppeers +.*BGPPeer/);
});

test(
  'the typed commands, which send protobuf: create namespace, deployment, service, secret, token',
  { skip },
  async () => {
    assert.match((await run(['create', 'namespace', 'typed'])).out, /namespace\/typed created/);
    const within = (...args: string[]) => run([...args, '-n', 'typed']);
    assert.match(
      (await within('create', 'deployment', 'd', '--image=nginx:1', '--replicas=0', '--port=80'))
        .out,
      /created/,
    );
    assert.equal(
      (
        await within(
          'get',
          'deploy',
          'd',
          '-o',
          'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}',
        )
      ).out,
      '0 nginx:1',
    );
    assert.match(
      (await within('create', 'service', 'loadbalancer', 'lb', '--tcp=80:8080')).out,
      /created/,
    );
    assert.equal(
      (
        await within(
          'get',
          'svc',
          'lb',
          '-o',
          'jsonpath={.spec.ports[0].port} {.spec.ports[0].targetPort}',
        )
      ).out,
      '80 8080',
    );
    assert.match(
      (await within('create', 'secret', 'generic', 's', '--from-literal=password=geheim')).out,
      /created/,
    );
    assert.equal(
      (await within('get', 'secret', 's', '-o', 'jsonpath={.data.password}')).out,
      'Z2VoZWlt',
    );
    assert.match((await within('scale', 'deploy', 'd', '--replicas=2')).out, /scaled/);
    if (!isOld) assert.match((await run(['auth', 'whoami'])).out, /kubernetes-admin/);
    assert.match((await run(['delete', 'namespace', 'typed'])).out, /deleted/);
  },
);

const configMap = (name: string, data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data,
});

/** Stands for the lab's commands: says what it was asked, echoes input, or fails with 3. */
function runCommand(request: ExecRequest) {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const isFailing = request.command[0] === 'fail';
  if (request.command[0] === 'cat') stdin.pipe(stdout);
  else {
    if (isFailing) stderr.end('on stderr\n');
    stdout.end(isFailing ? '' : `ran ${request.command.join(' ')}\n`);
  }
  if (!isFailing) stderr.end();
  return {
    stdin,
    stdout,
    stderr,
    exitCode: Promise.resolve(isFailing ? 3 : 0),
    kill: () => stdin.destroy(),
  };
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, KUBECONFIG: join(directory, 'kubeconfig'), HOME: directory };
}

function run(
  args: string[],
  input?: string,
): Promise<{ out: string; err: string; code: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(kubectl, args, { env: environment() });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ out, err, code }));
    child.stdin.end(input ?? '');
  });
}

/** The minor version of kubectl, or undefined when there is none. */
function kubectlVersion(): number | undefined {
  try {
    const text = execFileSync(kubectl, ['version', '--client', '-o', 'json'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const { clientVersion } = JSON.parse(text) as { clientVersion?: { minor?: string } };
    return Number.parseInt(clientVersion?.minor ?? '', 10);
  } catch {
    return undefined;
  }
}
