// How to reach an API server: address, trust, credentials. From the pod's service account, or from
// a kubeconfig. The kubeconfig is read by ourselves (client certificate, token, token file, basic,
// exec plugin): the official client for Node costs 80 MiB of memory in every node's speaker. Not
// supported, and refused by name: `auth-provider` (removed from kubectl too) and `proxy-url`.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import { parse } from 'yaml';

export interface KubeConnection {
  /** Without a slash at the end: "https://10.0.0.1:6443". */
  readonly server: string;
  /** PEM; absent: the system's. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure: boolean;
  readonly serverName?: string;
  /** Value of the Authorization header, asked before every request, since tokens rotate. */
  readonly authorization: () => Promise<Result<string | undefined, string>>;
  /** The context's namespace, or the pod's. */
  readonly namespace?: string;
  /** Where this comes from, for messages. */
  readonly origin: string;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface ConnectionOptions {
  /** `--kubeconfig`; absent: $KUBECONFIG, in-cluster, ~/.kube/config, in this order. */
  readonly kubeconfig?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Finds credentials; the error says where it looked. */
export function connectionFor(options: ConnectionOptions): Result<KubeConnection, string> {
  const { env } = options;
  if (options.kubeconfig !== undefined) return readKubeconfig(options.kubeconfig);
  const listed = env['KUBECONFIG']?.split(':').find((path) => path !== '');
  if (listed !== undefined) return readKubeconfig(listed);
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) return inClusterConnection(env);
  const home = join(homedir(), '.kube', 'config');
  const fallback = readKubeconfig(home);
  if (fallback.ok) return fallback;
  return err(
    'no way to a Kubernetes API: no --kubeconfig, no $KUBECONFIG, not in a pod ' +
      `($KUBERNETES_SERVICE_HOST is not set), and ${fallback.error}`,
  );
}

/** The pod's own service account. */
export function inClusterConnection(
  env: Readonly<Record<string, string | undefined>>,
  directory = SERVICE_ACCOUNT,
): Result<KubeConnection, string> {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  const ca = readText(join(directory, 'ca.crt'));
  if (!ca.ok) return ca;
  const namespace = readText(join(directory, 'namespace'));
  const tokenFile = join(directory, 'token');
  return ok({
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: ca.value,
    insecure: false,
    authorization: async () => bearerFromFile(tokenFile),
    ...(namespace.ok ? { namespace: namespace.value.trim() } : {}),
    origin: 'the service account of this pod',
  });
}

/** Reads a kubeconfig file and takes its current context. */
export function readKubeconfig(path: string): Result<KubeConnection, string> {
  const text = readText(path);
  if (!text.ok) return text;
  return parseKubeconfig(text.value, path);
}

/** Parses kubeconfig text; relative file names in it are relative to `path`. */
export function parseKubeconfig(text: string, path: string): Result<KubeConnection, string> {
  let config: unknown;
  try {
    config = parse(text);
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).split('\n');
    return err(`${path}: not YAML: ${line}`);
  }
  const contextName = textAt(config, 'current-context');
  if (contextName === undefined) return err(`${path}: no current-context`);
  const context = named(config, 'contexts', contextName, 'context');
  if (!context) return err(`${path}: context "${contextName}" is not defined`);
  const clusterName = textAt(context, 'cluster') ?? '';
  const cluster = named(config, 'clusters', clusterName, 'cluster');
  if (!cluster) return err(`${path}: cluster "${clusterName}" is not defined`);
  const server = textAt(cluster, 'server');
  if (server === undefined || !URL.canParse(server)) {
    return err(`${path}: cluster "${clusterName}" has no valid server`);
  }
  if (textAt(cluster, 'proxy-url') !== undefined) {
    return err(`${path}: cluster "${clusterName}": proxy-url is not supported`);
  }
  const userName = textAt(context, 'user') ?? '';
  const user = named(config, 'users', userName, 'user') ?? {};
  return assemble({ path, contextName, context, cluster, user, server });
}

function assemble(parts: {
  readonly path: string;
  readonly contextName: string;
  readonly context: unknown;
  readonly cluster: unknown;
  readonly user: unknown;
  readonly server: string;
}): Result<KubeConnection, string> {
  const { path, cluster, user } = parts;
  const ca = pemAt(cluster, 'certificate-authority', path);
  const cert = pemAt(user, 'client-certificate', path);
  const key = pemAt(user, 'client-key', path);
  for (const pem of [ca, cert, key]) if (!pem.ok) return err(`${path}: ${pem.error}`);
  const authorization = authorizationFor(user, path);
  if (!authorization.ok) return authorization;
  const serverName = textAt(cluster, 'tls-server-name');
  const namespace = textAt(parts.context, 'namespace');
  const value = (pem: Result<string | undefined, string>): string | undefined =>
    pem.ok ? pem.value : undefined;
  const [caPem, certPem, keyPem] = [value(ca), value(cert), value(key)];
  return ok({
    server: parts.server.replace(/\/+$/, ''),
    ...(caPem === undefined ? {} : { ca: caPem }),
    ...(certPem === undefined ? {} : { cert: certPem }),
    ...(keyPem === undefined ? {} : { key: keyPem }),
    insecure: fieldOf(cluster, 'insecure-skip-tls-verify') === true,
    ...(serverName === undefined ? {} : { serverName }),
    authorization: authorization.value,
    ...(namespace === undefined ? {} : { namespace }),
    origin: `${path}, context ${parts.contextName}`,
  });
}

function authorizationFor(
  user: unknown,
  path: string,
): Result<KubeConnection['authorization'], string> {
  if (fieldOf(user, 'auth-provider') !== undefined) {
    return err(`${path}: auth-provider is not supported; use an exec plugin or a token`);
  }
  const token = textAt(user, 'token');
  if (token !== undefined) return ok(async () => ok(`Bearer ${token}`));
  const tokenFile = textAt(user, 'tokenFile');
  if (tokenFile !== undefined) {
    const file = resolve(dirname(path), tokenFile);
    return ok(async () => bearerFromFile(file));
  }
  const name = textAt(user, 'username');
  if (name !== undefined) {
    const basic = Buffer.from(`${name}:${textAt(user, 'password') ?? ''}`).toString('base64');
    return ok(async () => ok(`Basic ${basic}`));
  }
  const exec = fieldOf(user, 'exec');
  if (exec !== undefined) return ok(execAuthorization(exec, path));
  return ok(async () => ok(undefined));
}

/** Runs the credential plugin and keeps its token until it expires. */
function execAuthorization(exec: unknown, path: string): KubeConnection['authorization'] {
  let cached: { readonly header: string; readonly expiresMs: number } | undefined;
  return async () => {
    if (cached && Date.now() < cached.expiresMs) return ok(cached.header);
    const output = await runPlugin(exec, path);
    if (!output.ok) return output;
    const status = fieldOf(output.value, 'status');
    const token = textAt(status, 'token');
    if (token === undefined) return err(`${path}: the exec plugin gives no token`);
    const expires = Date.parse(textAt(status, 'expirationTimestamp') ?? '');
    // A minute early, so that a request in flight does not outlive its token.
    const expiresMs = Number.isNaN(expires) ? Date.now() + 60_000 : expires - 60_000;
    cached = { header: `Bearer ${token}`, expiresMs };
    return ok(cached.header);
  };
}

function runPlugin(exec: unknown, path: string): Promise<Result<unknown, string>> {
  const command = textAt(exec, 'command') ?? '';
  const args = listAt(exec, 'args').filter((arg) => typeof arg === 'string');
  const extra = Object.fromEntries(
    listAt(exec, 'env').map((entry) => [textAt(entry, 'name') ?? '', textAt(entry, 'value') ?? '']),
  );
  const info = {
    apiVersion: textAt(exec, 'apiVersion') ?? 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: { interactive: false },
  };
  const env = { ...process.env, ...extra, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  const cwd = dirname(resolve(path));
  return new Promise((done) => {
    execFile(command, args, { env, cwd, timeout: 60_000 }, (error, stdout) => {
      if (error) return done(err(`${path}: exec plugin ${command}: ${error.message}`));
      try {
        done(ok(JSON.parse(stdout) as unknown));
      } catch {
        done(err(`${path}: exec plugin ${command} prints no JSON`));
      }
    });
  });
}

function bearerFromFile(path: string): Result<string, string> {
  const token = readText(path);
  return token.ok ? ok(`Bearer ${token.value.trim()}`) : token;
}

function pemAt(source: unknown, name: string, path: string): Result<string | undefined, string> {
  const data = textAt(source, `${name}-data`);
  if (data !== undefined) return ok(Buffer.from(data, 'base64').toString('utf8'));
  const file = textAt(source, name);
  return file === undefined ? ok(undefined) : readText(resolve(dirname(path), file));
}

function readText(path: string): Result<string, string> {
  try {
    return ok(readFileSync(path, 'utf8'));
  } catch (error) {
    return err(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}

function named(config: unknown, list: string, name: string, field: string): unknown {
  const entry = listAt(config, list).find((candidate) => textAt(candidate, 'name') === name);
  return entry === undefined ? undefined : fieldOf(entry, field);
}

function fieldOf(source: unknown, name: string): unknown {
  if (typeof source !== 'object' || source === null || !Object.hasOwn(source, name))
    return undefined;
  return (source as Readonly<Record<string, unknown>>)[name] ?? undefined;
}

function textAt(source: unknown, name: string): string | undefined {
  const value = fieldOf(source, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function listAt(source: unknown, name: string): readonly unknown[] {
  const value = fieldOf(source, name);
  return Array.isArray(value) ? value : [];
}
