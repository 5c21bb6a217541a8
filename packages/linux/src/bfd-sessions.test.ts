import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { test } from 'node:test';
import { decodeBfd, encodeBfd } from '@rookery/bfd';
import type { BfdPacket } from '@rookery/bfd';
import type { BfdInterfaceConfig } from '@rookery/router';
import type { BfdFact, BfdOrder } from './bfd-messages.ts';
import { BfdService } from './bfd-service.ts';
import { BfdSessions } from './bfd-sessions.ts';
import { openUdpReceiver, openUdpSender } from './udp.ts';

/** Not the well-known ports: a BFD daemon may run here. One per test, as tests run side by side. */
let nextPort = 23784 + (process.pid % 1000) * 20;

const FAST: BfdInterfaceConfig = {
  minRxIntervalUs: 20_000,
  minTxIntervalUs: 20_000,
  idleTxIntervalUs: 20_000,
  multiplier: 3,
  passive: false,
};

for (const [name, a, b, options] of [
  ['ipv4', '127.0.7.1', '127.0.7.2', FAST],
  ['with keyed SHA1', '127.0.7.3', '127.0.7.4', withKey('secret')],
] as const) {
  test(`${name}: two ends come up, and one that leaves is no failure`, async () => {
    const ports = takePorts();
    const left = new End(a, ports);
    const right = new End(b, ports);
    left.request(b, options);
    right.request(a, options);
    await left.state('Up');
    await right.state('Up');
    assert.ok(left.last.session!.txIntervalUs >= 20_000);
    assert.equal(left.last.session!.localDiscriminator, right.last.session!.remoteDiscriminator);
    right.sessions.execute({ kind: 'bfdRelease', remote: a, multihop: false });
    await left.state('Down');
    assert.equal(left.last.session!.remoteState, 'AdminDown');
    left.sessions.close();
    right.sessions.close();
  });
}

test('another key keeps the session down', async () => {
  const ports = takePorts();
  const left = new End('127.0.7.5', ports);
  const right = new End('127.0.7.6', ports);
  left.request('127.0.7.6', withKey('one'));
  right.request('127.0.7.5', withKey('two'));
  // Ten packets each would have been enough three times over.
  await left.until(() => left.sent() > 10);
  assert.equal(left.sessions.count('wrongAuthentication') > 0, true);
  assert.equal(left.last.state, 'Down');
  left.sessions.close();
  right.sessions.close();
});

test('silence takes a session down within the detection time', async () => {
  const peer = new HandPeer('127.0.7.8', '127.0.7.7');
  await peer.bringUp();
  const silentAtMs = performance.now();
  await peer.end.state('Down');
  const tookMs = performance.now() - silentAtMs;
  assert.equal(peer.end.last.session!.localDiagnostic, 1);
  assert.ok(tookMs > 50, `${tookMs} ms`);
  peer.close();
});

test('a neighbor that begins a new session right away stays up for its clients', async () => {
  const peer = new HandPeer('127.0.7.10', '127.0.7.9');
  await peer.bringUp();
  const count = peer.end.facts.length;
  // As FRR does it: an odd farewell of the old session, then the new one.
  peer.send({ state: 'Down', diagnostic: 3 });
  peer.send({ state: 'Down', myDiscriminator: 77, yourDiscriminator: 0 });
  await peer.until((packet) => packet.state === 'Init' && packet.yourDiscriminator === 77);
  peer.send({ state: 'Init', myDiscriminator: 77 });
  await peer.end.until(() => peer.end.facts.length > count);
  assert.deepEqual(
    peer.end.facts.slice(count).map((fact) => fact.state),
    ['Up'],
  );
  peer.close();
});

test('a neighbor that lost us is down at once', async () => {
  const peer = new HandPeer('127.0.7.12', '127.0.7.11');
  await peer.bringUp();
  peer.send({ state: 'Down', diagnostic: 1 });
  await peer.end.state('Down');
  assert.equal(peer.end.last.session!.localDiagnostic, 3);
  peer.close();
});

test('packets from beyond the link and malformed ones change nothing', async () => {
  const peer = new HandPeer('127.0.7.14', '127.0.7.13');
  await peer.until((packet) => packet.state === 'Down');
  const stranger = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => stranger.bind(0, '127.0.7.14', resolve));
  const tell = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) =>
      stranger.send(bytes, peer.ports.direct, '127.0.7.13', () => resolve()),
    );
  await tell(encodeBfd(packetOf({ state: 'Down' })));
  stranger.setTTL(255);
  await tell(new Uint8Array([0x20, 0x40, 3, 24]));
  await tell(new Uint8Array(24));
  await tell(encodeBfd(packetOf({ state: 'Up', yourDiscriminator: 12345 })));
  await peer.end.until(() => peer.end.dropped() >= 4);
  assert.deepEqual([peer.end.sessions.count('ttl'), peer.end.sessions.count('malformed')], [1, 2]);
  assert.equal(peer.end.last.state, 'Down');
  stranger.close();
  peer.close();
});

test('the service outlives an order that makes no sense', async () => {
  const facts: BfdFact[] = [];
  const bugs: string[] = [];
  let wake = (): void => undefined;
  const service = new BfdService({
    emit: (fact) => {
      facts.push(fact as BfdFact);
      wake();
    },
    log: (logClass, text) => {
      if (logClass === 'bug') bugs.push(text);
    },
  });
  service.execute(requestOf('nonsense', FAST));
  // Nobody lives there: the session stays Down and is reported with its counters.
  service.execute(requestOf('127.0.7.99', FAST));
  while (!facts.some((f) => f.remote === '127.0.7.99' && (f.session?.packetsSent ?? 0) > 0)) {
    await new Promise<void>((resolve) => (wake = resolve));
  }
  assert.ok(bugs.length > 0);
  await service.close();
});

/** One end with the facts that it reported. */
class End {
  readonly sessions: BfdSessions;
  readonly facts: BfdFact[] = [];
  #wake = (): void => undefined;

  constructor(local: string, ports: Ports) {
    this.sessions = new BfdSessions({
      emit: (facts) => {
        this.facts.push(...facts);
        this.#wake();
      },
      log: (_class, text) => assert.fail(text),
      place: { local, ...ports },
    });
  }

  get last(): BfdFact {
    return this.facts.at(-1)!;
  }

  request(remote: string, options: BfdInterfaceConfig, local = this.#local(remote)): void {
    this.sessions.execute({ ...requestOf(remote, options), local });
  }

  sent(): number {
    this.sessions.refresh();
    return this.last.session!.packetsSent;
  }

  dropped(): number {
    return (['ttl', 'malformed', 'stranger', 'wrongAuthentication'] as const).reduce(
      (sum, why) => sum + this.sessions.count(why),
      0,
    );
  }

  state(wanted: BfdFact['state']): Promise<void> {
    return this.until(() => this.facts.at(-1)?.state === wanted);
  }

  async until(condition: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + 5000;
    while (!condition()) {
      assert.ok(performance.now() < deadlineMs, `still ${JSON.stringify(this.facts.at(-1))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 5);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #local(remote: string): string {
    const last = Number(remote.slice(remote.lastIndexOf('.') + 1));
    return `127.0.7.${last % 2 === 0 ? last - 1 : last + 1}`;
  }
}

/** A neighbor that says what the test wants it to say. */
class HandPeer {
  readonly end: End;
  readonly ports = takePorts();
  #heard: BfdPacket | undefined;
  readonly #sender;
  readonly #receiver;

  constructor(own: string, other: string) {
    const receiver = openUdpReceiver({
      family: 'ipv4',
      port: this.ports.direct,
      local: own,
      onPacket: ({ bytes }) => {
        const decoded = decodeBfd(bytes);
        if (decoded.ok) this.#heard = decoded.value;
      },
    });
    const sender = openUdpSender({ remote: other, remotePort: this.ports.direct, local: own }, 7);
    assert.ok(receiver.ok && sender.ok);
    this.#receiver = receiver.value;
    this.#sender = sender.value;
    this.end = new End(other, this.ports);
    this.end.request(own, FAST, other);
  }

  async bringUp(): Promise<void> {
    this.send({ state: 'Down', yourDiscriminator: 0 });
    await this.until((packet) => packet.state === 'Init');
    this.send({ state: 'Init' });
    await this.end.state('Up');
  }

  send(what: Partial<BfdPacket>): void {
    const yourDiscriminator = this.#heard?.myDiscriminator ?? 0;
    const packet = packetOf({ yourDiscriminator, ...what });
    assert.equal(this.#sender.send(encodeBfd(packet)), undefined);
  }

  until(condition: (packet: BfdPacket) => boolean): Promise<void> {
    return this.end.until(() => this.#heard !== undefined && condition(this.#heard));
  }

  close(): void {
    this.end.sessions.close();
    this.#sender.close();
    this.#receiver.close();
  }
}

interface Ports {
  readonly direct: number;
  readonly multihop: number;
}

function takePorts(): Ports {
  nextPort += 2;
  return { direct: nextPort, multihop: nextPort + 1 };
}

function requestOf(
  remote: string,
  options: BfdInterfaceConfig,
): Extract<BfdOrder, { kind: 'bfdRequest' }> {
  return { kind: 'bfdRequest', remote, multihop: false, options };
}

function withKey(secret: string): BfdInterfaceConfig {
  return { ...FAST, authentication: { kind: 'meticulousKeyedSha1', keys: [{ id: 1, secret }] } };
}

function packetOf(what: Partial<BfdPacket>): BfdPacket {
  return {
    diagnostic: 0,
    state: 'Down',
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    multiplier: 3,
    myDiscriminator: 42,
    yourDiscriminator: 0,
    desiredMinTxUs: 20_000,
    requiredMinRxUs: 20_000,
    requiredMinEchoRxUs: 0,
    ...what,
  };
}
