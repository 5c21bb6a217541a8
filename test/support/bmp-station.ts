// A BMP monitoring station that keeps what it hears and has it decoded by tshark.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const NEEDED = ['/usr/bin/tshark', '/usr/bin/text2pcap'];
const run = promisify(execFile);

/** Why there can be no station here, or `false`: node:test's `skip` option. */
export function skipWithoutStation(): string | false {
  const missing = NEEDED.find((path) => !existsSync(path));
  return missing !== undefined && `this machine lacks the program ${missing}`;
}

export class BmpStation {
  readonly #directory = mkdtempSync(join(tmpdir(), 'rookery-station-'));
  readonly #server: Server;
  /** Octets received, connection after connection. */
  #heard = Buffer.alloc(0);

  constructor() {
    this.#server = createServer((socket) => {
      socket.on('data', (octets: Buffer) => (this.#heard = Buffer.concat([this.#heard, octets])));
      socket.on('error', () => undefined);
    });
  }

  /** Port on 127.0.0.1. */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The messages as tshark sees them, one to a packet. */
  async decode(...options: readonly string[]): Promise<string> {
    const heard = this.#heard;
    let dump = '';
    for (let at = 0; at + 6 <= heard.length;) {
      const length = heard.readUInt32BE(at + 1);
      if (at + length > heard.length) break;
      const octets = heard.subarray(at, at + length);
      dump += `000000${octets.toString('hex').replace(/../g, ' $&')}\n`;
      at += length;
    }
    const text = join(this.#directory, 'bmp.txt');
    const pcap = join(this.#directory, 'bmp.pcap');
    writeFileSync(text, dump);
    await run('text2pcap', ['-q', '-T', '1791,1790', text, pcap]);
    const { stdout } = await run('tshark', [
      ...['-r', pcap, '-d', 'tcp.port==1790,bmp'],
      ...['-o', 'tcp.analyze_sequence_numbers:FALSE', '-o', 'tcp.desegment_tcp_streams:FALSE'],
      ...options,
    ]);
    return stdout;
  }

  /** Values of a field, one for each message that has it. */
  async column(field: string, ...options: readonly string[]): Promise<string[]> {
    const text = await this.decode('-T', 'fields', '-e', field, ...options);
    return text.split('\n').filter((line) => line !== '');
  }

  /** Networks announced. */
  async prefixes(...options: readonly string[]): Promise<Set<string>> {
    const lines = await this.column('bgp.nlri_prefix', ...options);
    return new Set(lines.flatMap((line) => line.split(',')));
  }
}
