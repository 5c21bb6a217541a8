// The embedded API server as a process: DIRECTORY ADDRESS PORT. Its state, certificates and
// kubeconfig stay in the directory, so that it can be killed and started again.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApiServer } from '@rookery/kube-embedded';

const [directory = '', address = '', port = ''] = process.argv.slice(2);
const api = await createApiServer({
  stateFile: join(directory, 'cluster.sqlite'),
  listen: [{ host: address, port: Number(port) }],
  certificateDirectory: directory,
  extraNames: [address],
});
writeFileSync(join(directory, 'kubeconfig'), await api.kubeconfig(), { mode: 0o600 });
