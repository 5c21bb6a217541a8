import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Directory of the clone or installation: the shim and the bootstrap say it, else it is found. */
export function rookeryRoot(): string {
  return process.env['ROOKERY_ROOT'] ?? join(dirname(fileURLToPath(import.meta.url)), '..');
}
