// Neighbors of the daemon under test that announce one table and answer its BFD, until the first of
// them is told to fail: then it says Down, once, and nothing any more.

import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { DIAGNOSTIC, decodeBfd, encodeBfd } from '@rookery/bfd';
import type { BfdState } from '@rookery/bfd';
import { DUT } from './network.ts';
import { nowMs } from './clock.ts';
import { Session } from './session.ts';
import { addressBytes, encodeTable } from './stream.ts';
import { FIRST_GENERATOR_AS, createRouteSet } from './table.ts';
import type { TableOptions } from './table.ts';

export interface FailingSetup {
  readonly table: TableOptions;
  readonly gateways: readonly string[];
  /** How many of them announce. */
  readonly announcers: number;
}

type Command =
  | { readonly command: 'announce' | 'fail' }
  | ({ readonly command: 'connect' } & FailingSetup);

const BFD_PORT = 3784;
const BFD_SOURCE_PORT = 49_152;
const BFD_TTL = 255;
const INTERVAL_MS = 100;

let setup: FailingSetup;
let sessions: Session[] = [];
const responders: Responder[] = [];

class Responder {
  readonly #sender: Socket;
  readonly #ready: Promise<void>;
  #state: BfdState = 'Down';
  #remote = 0;
  #silent = false;
  onUp: () => void = () => {};

  constructor(address: string) {
    const receiver = createSocket('udp4', (bytes) => this.#received(bytes)).bind(BFD_PORT, address);
    this.#sender = createSocket('udp4').bind(BFD_SOURCE_PORT, address);
    this.#ready = new Promise((resolve) => this.#sender.once('listening', resolve));
    void this.#ready.then(() => this.#sender.setTTL(BFD_TTL));
    receiver.unref();
    setInterval(() => this.#send(DIAGNOSTIC.none), INTERVAL_MS);
  }

  /** Says that its path is down; returns when. */
  fail(): number {
    this.#state = 'Down';
    const atMs = nowMs();
    this.#send(DIAGNOSTIC.pathDown);
    this.#silent = true;
    return atMs;
  }

  #received(bytes: Uint8Array): void {
    const packet = decodeBfd(bytes);
    if (!packet.ok || this.#silent) return;
    this.#remote = packet.value.myDiscriminator;
    const theirs = packet.value.state;
    if (this.#state === 'Down' && theirs === 'Down') this.#state = 'Init';
    else if (theirs === 'Init' || (this.#state === 'Init' && theirs === 'Up')) this.#state = 'Up';
    if (this.#state === 'Up') this.onUp();
    this.#send(DIAGNOSTIC.none, packet.value.poll);
  }

  #send(diagnostic: number, final = false): void {
    if (this.#silent) return;
    const packet = encodeBfd({
      diagnostic,
      state: this.#state,
      poll: false,
      final,
      controlPlaneIndependent: false,
      demand: false,
      multiplier: 30,
      myDiscriminator: 1,
      yourDiscriminator: this.#remote,
      desiredMinTxUs: INTERVAL_MS * 1000,
      requiredMinRxUs: INTERVAL_MS * 1000,
      requiredMinEchoRxUs: 0,
    });
    this.#sender.send(packet, BFD_PORT, DUT.ipv4, () => undefined);
  }
}

async function perform(message: Command): Promise<object> {
  switch (message.command) {
    case 'connect': {
      setup = message;
      responders.push(...setup.gateways.map((address) => new Responder(address)));
      sessions = setup.gateways.map(
        (local, i) =>
          new Session({
            family: 'ipv4',
            local,
            remote: DUT.ipv4,
            as: FIRST_GENERATOR_AS + i,
            routerId: `10.0.0.${i + 1}`,
            record: false,
          }),
      );
      const up = sessions.map((session) => new Promise<void>((done) => (session.onUp = done)));
      const alive = responders.map((one) => new Promise<void>((done) => (one.onUp = done)));
      for (const session of sessions) session.connect();
      await Promise.all([...up, ...alive]);
      return {};
    }
    case 'announce': {
      const routes = createRouteSet(setup.table);
      // The same attributes from all, so that the routes are equally good.
      const streams = setup.gateways
        .slice(0, setup.announcers)
        .map((gateway) => encodeTable(routes, 0, addressBytes(gateway)));
      await Promise.all(streams.map((stream, i) => sessions[i]!.send(stream)));
      return {};
    }
    case 'fail':
      return { atMs: responders[0]!.fail() };
  }
}

process.on('message', (message: Command) => {
  void perform(message).then((figures) => process.send!({ event: message.command, figures }));
});
process.on('disconnect', () => process.exit(0));
