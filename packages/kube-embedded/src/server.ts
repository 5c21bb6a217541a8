// The embedded Kubernetes API server: TLS listeners, authentication and the dispatch of paths.
// It serves the API that kubectl and our controllers use; it schedules nothing and runs no pods.
// A request that fails, however it fails, ends in a Status and never in the process.

import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { stringify } from 'yaml';
import type { ServiceRanges } from './admission-service.ts';
import { defaultServiceRanges } from './admission-service.ts';
import { ApiError, methodNotAllowed, pathNotFound } from './api-error.ts';
import { adminUser, Authenticator, serviceAccountUser } from './auth.ts';
import { registerBuiltins } from './builtins.ts';
import {
  aggregatedDiscovery,
  apiGroupDocument,
  apiGroupList,
  apiResourceList,
  apiVersionsDocument,
  serverVersion,
} from './discovery.ts';
import { refuseUpgrade, serveExecUpgrade } from './exec/exec.ts';
import type { ExecHandler } from './exec/session.ts';
import { type LogHandler, serveLogs } from './exec/logs.ts';
import { parseAccept, sendBytes, sendError, sendJson } from './http/negotiate.ts';
import { type ResourceRequest, resolveResource, segmentsOf } from './http/request-info.ts';
import { serveResource } from './http/resources.ts';
import { KubeApi } from './kube-api.ts';
import { convertBgpPeer } from './metallb/convert.ts';
import type { KubeObject } from './object.ts';
import { openApiIndex, openApiV2, openApiV3 } from './openapi.ts';
import {
  encodeOpenApiV2,
  openApiV2ProtobufAnswerType,
  openApiV2ProtobufType,
} from './openapi-protobuf.ts';
import { applySeed, ensureNamespaces } from './seed.ts';
import { type Converter, ResourceRegistry } from './resource.ts';
import { Store, type StoreOptions } from './store/store.ts';
import { openCertificateAuthority } from './tls.ts';

export interface ListenAddress {
  host: string;
  /** 0 picks a free port. */
  port: number;
}

export interface ApiServerOptions {
  /** SQLite file, or ':memory:'. */
  stateFile: string;
  /** At least one; the first is the one in the kubeconfig. */
  listen: readonly ListenAddress[];
  /** Where CA and keys are kept; without it they are made anew and live in memory. */
  certificateDirectory?: string;
  /** Further names and addresses the server is reached at. */
  extraNames?: readonly string[];
  exec?: ExecHandler;
  logs?: LogHandler;
  serviceRanges?: Partial<ServiceRanges>;
  /** Conversions between versions of custom resources, by CRD name. BGPPeer's is built in. */
  converters?: Readonly<Record<string, Converter>>;
  /** Changes kept for watches that continue. */
  historyLimit?: number;
  now?: () => Date;
  /** Told about faults inside the server; requests are answered with 500 all the same. */
  onFault?: (error: unknown, request: string) => void;
}

export interface ApiServer {
  /** https URL of the first listener. */
  url: string;
  /** https URLs of all listeners. */
  urls: string[];
  caPem: string;
  /** A kubeconfig (YAML) with CA and client certificate; `url` chooses the listener. */
  kubeconfig: (options?: { user?: string; url?: string }) => Promise<string>;
  /** A kubeconfig (YAML) with a bearer token for a service account. */
  serviceAccountKubeconfig: (namespace: string, name: string, url?: string) => string;
  tokenFor: (namespace: string, name: string) => string;
  adminToken: () => string;
  /** Direct access without HTTP, for seeding and for tests. */
  api: KubeApi;
  /** Creates or replaces objects, status included, like an administrator with everything at hand. */
  apply: (...objects: KubeObject[]) => KubeObject[];
  /**
   * Listens on one more address and answers its URL. The certificate covers the addresses known at
   * the start: name later ones in `extraNames`.
   */
  listenOn: (address: ListenAddress) => Promise<string>;
  /** Serves a connection that somebody else accepted, as if it had come to the first listener. */
  serve: (socket: Socket) => void;
  close: () => Promise<void>;
}

/** Names the server is reached by in every cluster, and on this machine. */
const fixedNames = [
  '127.0.0.1',
  '::1',
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const now = options.now ?? (() => new Date());
  const store = openStore({
    file: options.stateFile,
    ...(options.historyLimit === undefined ? {} : { historyLimit: options.historyLimit }),
  });
  const registry = new ResourceRegistry();
  registerBuiltins(registry);
  const api = new KubeApi({
    store,
    registry,
    ranges: { ...defaultServiceRanges, ...options.serviceRanges },
    converters: { 'bgppeers.metallb.io': convertBgpPeer, ...options.converters },
    now,
  });
  ensureNamespaces(api, ['default', 'kube-system', 'kube-public', 'kube-node-lease']);
  const authenticator = new Authenticator(store);
  const authority = await openCertificateAuthority(options.certificateDirectory, now().getTime());
  const hosts = options.listen.map((address) => address.host);
  const names = [
    ...hosts.filter((host) => host !== '0.0.0.0' && host !== '::'),
    ...fixedNames,
    ...(options.extraNames ?? []),
  ];
  const certificate = await authority.issueServer(names);
  const servers: Server[] = [];
  const urls: string[] = [];

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    try {
      await dispatch(request, response);
    } catch (error) {
      if (error instanceof ApiError) return sendError(response, error);
      options.onFault?.(error, `${request.method} ${request.url}`);
      const text = error instanceof Error ? error.message : String(error);
      sendError(response, new ApiError(500, 'InternalError', `Internal error occurred: ${text}`));
    }
  };

  const dispatch = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'https://kubernetes');
    const segments = segmentsOf(url.pathname);
    if (serveOpenPath(response, segments)) return;
    const user = authenticator.authenticate(request);
    if (serveDiscovery(request, response, segments)) return;
    const isResource =
      (segments[0] === 'api' && segments.length > 2) ||
      (segments[0] === 'apis' && segments.length > 3);
    if (!isResource) throw pathNotFound();
    const target = resolveResource(segments, registry);
    if (target.subresource === 'exec') {
      api.get(target.def, target.namespace, target.name);
      throw new ApiError(400, 'BadRequest', 'Upgrade request required');
    }
    const nowMs = () => now().getTime();
    const context = { api, authenticator, user, request, response, query: url.searchParams, nowMs };
    if (target.subresource === 'log') {
      if (request.method !== 'GET') throw methodNotAllowed();
      return serveLogs(options.logs, api, target, url.searchParams, response);
    }
    await serveResource(context, target);
  };

  const serveDiscovery = (
    request: IncomingMessage,
    response: ServerResponse,
    segments: string[],
  ): boolean => {
    const [root, group = '', version = ''] = segments;
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    if (segments.length === 0) {
      const paths = [
        '/api',
        '/api/v1',
        '/apis',
        '/healthz',
        '/livez',
        '/openapi/v2',
        '/openapi/v3',
        '/readyz',
        '/version',
      ];
      sendJson(response, 200, { paths });
    } else if (root === 'api' && segments.length === 1)
      sendRootDiscovery(request, response, 'core');
    else if (root === 'apis' && segments.length === 1)
      sendRootDiscovery(request, response, 'named');
    else if (root === 'api' && segments.length === 2)
      sendFound(response, apiResourceList(registry, '', group));
    else if (root === 'apis' && segments.length === 2)
      sendFound(response, apiGroupDocument(registry, group));
    else if (root === 'apis' && segments.length === 3)
      sendFound(response, apiResourceList(registry, group, version));
    else if (root === 'openapi') serveOpenApi(request, response, segments);
    else return false;
    return true;
  };

  const sendRootDiscovery = (
    request: IncomingMessage,
    response: ServerResponse,
    scope: 'core' | 'named',
  ) => {
    const wanted = parseAccept(request.headers.accept).find(
      (media) => media.parameters['as'] === 'APIGroupDiscoveryList',
    );
    const version = wanted?.parameters['v'];
    if (wanted && (version === 'v2' || version === 'v2beta1')) {
      const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
      const body = aggregatedDiscovery(registry, scope, `apidiscovery.k8s.io/${version}`);
      sendBytes(response, 200, type, JSON.stringify(body), { Vary: 'Accept' });
    } else
      sendJson(
        response,
        200,
        scope === 'core' ? apiVersionsDocument(urls[0]?.slice(8) ?? '') : apiGroupList(registry),
      );
  };

  const serveOpenApi = (request: IncomingMessage, response: ServerResponse, segments: string[]) => {
    if (segments[1] === 'v2' && segments.length === 2) {
      const accepted = parseAccept(request.headers.accept).map((media) => media.type);
      if (accepted[0] === openApiV2ProtobufType) {
        sendBytes(response, 200, openApiV2ProtobufAnswerType, encodeOpenApiV2(openApiV2(registry)));
      } else sendJson(response, 200, openApiV2(registry));
    } else if (segments[1] === 'v3' && segments.length === 2)
      sendJson(response, 200, openApiIndex(registry));
    else if (segments[1] === 'v3' && segments[2] === 'api' && segments.length === 4) {
      sendFound(response, openApiV3(registry, '', segments[3] ?? ''));
    } else if (segments[1] === 'v3' && segments[2] === 'apis' && segments.length === 5) {
      sendFound(response, openApiV3(registry, segments[3] ?? '', segments[4] ?? ''));
    } else throw pathNotFound();
  };

  /** Whoever is connected, at whatever stage: HTTP does not know those that still shake hands. */
  const connections = new Set<Duplex>();
  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    try {
      authenticator.authenticate(request);
      const url = new URL(request.url ?? '/', 'https://kubernetes');
      const target: ResourceRequest = resolveResource(segmentsOf(url.pathname), registry);
      if (target.subresource !== 'exec') throw pathNotFound();
      const pod = api.get(target.def, target.namespace, target.name);
      await serveExecUpgrade({
        request,
        socket,
        head,
        pod,
        query: url.searchParams,
        handler: options.exec,
      });
    } catch (error) {
      if (!(error instanceof ApiError)) options.onFault?.(error, `upgrade ${request.url}`);
      const failure =
        error instanceof ApiError ? error : new ApiError(500, 'InternalError', String(error));
      refuseUpgrade(socket, failure);
    }
  };

  const listenOn = async (address: ListenAddress): Promise<string> => {
    const server = createServer({
      noDelay: true,
      key: certificate.keyPem,
      cert: certificate.certPem,
      ca: authority.caPem,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      keepAliveTimeout: 120_000,
    });
    server.on(
      'request',
      (request: IncomingMessage, response: ServerResponse) => void handle(request, response),
    );
    server.on(
      'upgrade',
      (request: IncomingMessage, socket: Duplex, head: Buffer) =>
        void upgrade(request, socket, head),
    );
    server.on('connection', (socket: Duplex) => {
      connections.add(socket);
      socket.on('close', () => connections.delete(socket));
    });
    server.on('tlsClientError', () => undefined);
    server.on('clientError', (_error: Error, socket: Duplex) => socket.destroy());
    await listen(server, address);
    // Out of file descriptors, for one: the connection is lost, the server is not.
    server.on('error', (error) => options.onFault?.(error, 'accept'));
    servers.push(server);
    const url = urlOf(server, address);
    urls.push(url);
    return url;
  };
  const close = async (): Promise<void> => {
    const closed = servers.map(closeServer);
    for (const socket of connections) socket.destroy();
    await Promise.all(closed);
    store.close();
  };
  try {
    for (const address of options.listen) await listenOn(address);
  } catch (error) {
    await close();
    throw error;
  }

  const clusterYaml = (server: string, user: Record<string, string>, userName: string) =>
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'rookery',
          cluster: { server, 'certificate-authority-data': base64(authority.caPem) },
        },
      ],
      users: [{ name: userName, user }],
      contexts: [{ name: 'rookery', context: { cluster: 'rookery', user: userName } }],
      'current-context': 'rookery',
    });
  const url = urls[0] ?? '';

  return {
    url,
    urls,
    caPem: authority.caPem,
    kubeconfig: async (wanted = {}) => {
      const user = wanted.user ?? adminUser;
      const pair = await authority.issueClient(user, ['system:masters']);
      const credentials = {
        'client-certificate-data': base64(pair.certPem),
        'client-key-data': base64(pair.keyPem),
      };
      return clusterYaml(wanted.url ?? url, credentials, user);
    },
    serviceAccountKubeconfig: (namespace, name, chosen) =>
      clusterYaml(
        chosen ?? url,
        { token: authenticator.tokenForUser(serviceAccountUser(namespace, name)) },
        name,
      ),
    tokenFor: (namespace, name) => authenticator.tokenForUser(serviceAccountUser(namespace, name)),
    adminToken: () => authenticator.tokenForUser(adminUser),
    api,
    apply: (...objects) => applySeed(api, objects),
    listenOn,
    serve: (socket) => void servers[0]!.emit('connection', socket),
    close,
  };
}

function openStore(options: StoreOptions): Store {
  try {
    return new Store(options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `cannot open the state file ${options.file}: ${why}. Its directory must exist and be writable, and the file, if it exists, must be one that this server wrote`,
      { cause: error },
    );
  }
}

function serveOpenPath(response: ServerResponse, segments: string[]): boolean {
  const [root = ''] = segments;
  if (root === 'version' && segments.length === 1) sendJson(response, 200, serverVersion);
  else if (['healthz', 'livez', 'readyz'].includes(root))
    sendBytes(response, 200, 'text/plain; charset=utf-8', 'ok');
  else return false;
  return true;
}

function sendFound(response: ServerResponse, body: unknown): void {
  if (body === undefined) throw pathNotFound();
  sendJson(response, 200, body);
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const place = `${address.host} port ${address.port}`;
      reject(
        new Error(`the Kubernetes API cannot listen on ${place}: ${error.message}`, {
          cause: error,
        }),
      );
    });
    server.listen(address.port, address.host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function urlOf(server: Server, address: ListenAddress): string {
  const { port } = server.address() as AddressInfo;
  const host =
    address.host === '0.0.0.0' ? '127.0.0.1' : address.host === '::' ? '::1' : address.host;
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
