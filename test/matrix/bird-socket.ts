// One command over a BIRD control socket, ours or the real one: much cheaper than a birdc process
// for tests that ask often.

import { connect } from 'node:net';

/** The reply without its codes; throws when there is no daemon. */
export function askBird(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let text = '';
    let asked = false;
    socket.setTimeout(5000, () => socket.destroy(new Error(`no answer to "${command}"`)));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`the daemon closed before answering "${command}"`)));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      // A reply ends with a code and a blank; a code and a dash goes on.
      if (!/(^|\n)\d{4} [^\n]*\n$/.test(text)) return;
      if (!asked) {
        asked = true;
        text = '';
        socket.write(`${command}\n`);
        return;
      }
      resolve(text.replaceAll(/^\d{4}[- ]/gm, '').replaceAll(/^ /gm, ''));
      socket.destroy();
    });
  });
}
