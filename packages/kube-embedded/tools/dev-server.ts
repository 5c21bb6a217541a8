// A stand-alone API server for trying kubectl by hand: writes kubeconfig to the path given.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import {
  createApiServer,
  daemonSetObject,
  metallbCrds,
  nodeObject,
  podObject,
} from '../src/index.ts';

const nowText = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
const server = await createApiServer({
  stateFile: ':memory:',
  listen: [{ host: '127.0.0.1', port: Number(process.argv[3] ?? 0) }],
  exec: ({ command }) => {
    const [file = 'true', ...args] = command;
    const child = spawn(file, args);
    const exitCode = new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code));
    });
    return {
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      exitCode,
      kill: () => child.kill(),
    };
  },
  logs: ({ pod, container }) => `log of ${pod}/${container}\n`,
  onFault: (error, request) => console.error(request, error),
});
server.apply(...metallbCrds());
const labels = { app: 'metallb', component: 'speaker' };
const containers = [
  { name: 'speaker', image: 'rookery' },
  { name: 'frr', image: 'rookery' },
];
const nodes = ['node1', 'node2'].map((name, index) =>
  nodeObject({ name, addresses: [`192.168.1.${32 + index}`], nowText }),
);
server.apply(...nodes);
const [daemonSet] = server.apply(
  daemonSetObject({
    namespace: 'metallb',
    name: 'metallb-speaker',
    labels,
    containers,
    scheduled: 2,
  }),
);
for (const node of nodes) {
  const nodeName = node.metadata.name ?? '';
  server.apply(
    podObject({
      namespace: 'metallb',
      name: `metallb-speaker-${nodeName}`,
      nodeName,
      ip: '192.168.1.32',
      hostNetwork: true,
      labels,
      containers,
      nowText,
      ...(daemonSet ? { owner: daemonSet } : {}),
    }),
  );
}
writeFileSync(process.argv[2] ?? 'kubeconfig', await server.kubeconfig());
console.log(server.url);
