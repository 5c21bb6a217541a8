// Two API servers behind one interface, each a process of its own in a host of the sandbox, which
// can be stopped and started again with its state: the real kube-apiserver on etcd, and ours.

import type { ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, type Host, launch, tailOf, until, when } from '@rookery/lab';

export interface ApiUnderTest {
  readonly kubeconfig: string;
  /** Resolves when it answers. */
  start(): Promise<void>;
  /** Resolves when nothing listens any more; the state stays. */
  stop(): Promise<void>;
  /** Ends everything. */
  close(): Promise<void>;
}

export interface ApiPlace {
  readonly host: Host;
  readonly directory: string;
  /** Of the host, for the server's certificate. */
  readonly address: string;
}

const PORT = 6443;
const TOKEN = 'an-administrator-of-a-test';
const START_MS = 60_000;

/** kube-apiserver on an etcd of its own. RBAC is on; the administrator is in system:masters. */
export function realApiServer(place: ApiPlace, binary: string, etcd: string): ApiUnderTest {
  const { directory, address } = place;
  const file = (name: string): string => join(directory, name);
  mkdirSync(file('certs'), { recursive: true });
  writeFileSync(file('tokens.csv'), `${TOKEN},admin,admin,system:masters\n`, { mode: 0o600 });
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  writeFileSync(file('accounts.key'), keys.privateKey, { mode: 0o600 });
  writeFileSync(file('accounts.pub'), keys.publicKey);
  const kubeconfig = file('kubeconfig');
  writeFileSync(kubeconfig, kubeconfigText(address, file('certs/apiserver.crt')), { mode: 0o600 });
  const store = 'http://127.0.0.1:2379';
  let server: ChildProcess | undefined;
  let storage: ChildProcess | undefined;
  return {
    kubeconfig,
    async start() {
      storage ??= launch(place, 'etcd', [
        etcd,
        ...['--data-dir', file('etcd'), '--log-level', 'warn'],
        ...['--listen-client-urls', store, '--advertise-client-urls', store],
        ...['--listen-peer-urls', 'http://127.0.0.1:2380'],
      ]);
      server = launch(place, 'kube-apiserver', [
        binary,
        ...[`--etcd-servers=${store}`, `--secure-port=${PORT}`, '--bind-address=0.0.0.0'],
        ...[`--advertise-address=${address}`, '--endpoint-reconciler-type=none'],
        ...[`--cert-dir=${file('certs')}`, `--token-auth-file=${file('tokens.csv')}`],
        ...['--authorization-mode=RBAC', '--disable-admission-plugins=ServiceAccount'],
        ...['--service-cluster-ip-range=10.96.0.0/16'],
        ...['--service-account-issuer=https://kubernetes.default.svc'],
        ...[`--service-account-key-file=${file('accounts.pub')}`],
        ...[`--service-account-signing-key-file=${file('accounts.key')}`],
      ]);
      await answers(place, server, 'kube-apiserver', kubeconfig);
    },
    stop: () => end(server, 'SIGKILL'),
    async close() {
      await end(server, 'SIGKILL');
      await end(storage, 'SIGKILL');
    },
  };
}

/** The lab's API server with its state in a file. */
export function embeddedApiServer(place: ApiPlace, runtime: string): ApiUnderTest {
  const { directory, address } = place;
  mkdirSync(directory, { recursive: true });
  const kubeconfig = join(directory, 'kubeconfig');
  let server: ChildProcess | undefined;
  return {
    kubeconfig,
    async start() {
      server = launch(place, 'kube-embedded', [
        runtime,
        join(import.meta.dirname, 'embedded-main.ts'),
        ...[directory, address, String(PORT)],
      ]);
      await answers(place, server, 'kube-embedded', kubeconfig);
    },
    stop: () => end(server, 'SIGKILL'),
    close: () => end(server, 'SIGKILL'),
  };
}

async function answers(
  place: ApiPlace,
  server: ChildProcess,
  name: string,
  kubeconfig: string,
): Promise<void> {
  await until(
    `${name} is ready`,
    START_MS,
    async () => {
      const argv = ['kubectl', '--kubeconfig', kubeconfig, 'get', '--raw', '/readyz'];
      const { stdout } = await place.host.run(argv);
      if (server.exitCode !== null) throw new Error(`it ended: ${tailOf(place, name)}`);
      return when(stdout.trim() === 'ok');
    },
    250,
  );
}

function kubeconfigText(address: string, certificate: string): string {
  return `apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: https://${address}:${PORT}
    certificate-authority: ${certificate}
users:
- name: admin
  user:
    token: ${TOKEN}
contexts:
- name: test
  context:
    cluster: test
    user: admin
current-context: test
`;
}
