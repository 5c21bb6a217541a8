import assert from 'node:assert/strict';
import { test } from 'node:test';
import { echoIntervalUs } from './echo-function.ts';
import type { BfdPacket, BfdState } from './packet.ts';
import {
  clientState,
  createBfdSession,
  detectionTimeUs,
  stepBfd,
  transmitIntervalUs,
} from './step-bfd.ts';
import type { BfdAction, BfdEvent, BfdSession, BfdSessionConfig } from './step-bfd.ts';

const CONFIG: BfdSessionConfig = {
  minTxIntervalUs: 300_000,
  minRxIntervalUs: 300_000,
  idleTxIntervalUs: 1_000_000,
  multiplier: 3,
  passive: false,
};

const PACKET: BfdPacket = {
  diagnostic: 0,
  state: 'Down',
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 99,
  yourDiscriminator: 1,
  desiredMinTxUs: 300_000,
  requiredMinRxUs: 300_000,
  requiredMinEchoRxUs: 0,
};

/** One session whose peer is played by hand. */
class Lone {
  session: BfdSession;
  nowMs = 0;
  deadline: number | undefined;
  random = 0.5;

  constructor(config: BfdSessionConfig = CONFIG) {
    this.session = createBfdSession(config, 1, 0);
  }

  send(event: BfdEvent): readonly BfdAction[] {
    const step = stepBfd(this.session, event, this.nowMs, () => this.random);
    this.session = step.session;
    this.deadline = step.deadline;
    return step.actions;
  }

  receive(overrides: Partial<BfdPacket>): readonly BfdAction[] {
    return this.send({ kind: 'packetReceived', packet: { ...PACKET, ...overrides } });
  }

  to(state: BfdState): this {
    if (state === 'AdminDown') this.send({ kind: 'disabled' });
    if (state === 'Init') this.receive({ state: 'Down' });
    if (state === 'Up') this.receive({ state: 'Init' });
    assert.equal(this.session.state, state);
    return this;
  }

  /** Times of the packets sent in the next `seconds`, the peer being quiet or answering. */
  run(seconds: number, answer?: Partial<BfdPacket>): number[] {
    const times: number[] = [];
    const untilMs = this.nowMs + seconds * 1000;
    let answerMs = answer ? this.nowMs : Infinity;
    for (;;) {
      const next = Math.min(this.deadline ?? Infinity, answerMs);
      if (next > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      if (answerMs <= this.nowMs) {
        answerMs += 200;
        this.receive(answer!);
      } else if (this.send({ kind: 'timerExpired' }).some(({ kind }) => kind === 'sendPacket')) {
        times.push(this.nowMs);
      }
    }
    this.nowMs = untilMs;
    return times;
  }
}

function outcome(lone: Lone, actions: readonly BfdAction[]): string {
  const parts = actions.map((action) => {
    if (action.kind === 'stateChanged') return `diag ${action.diagnostic}`;
    if (action.kind === 'sendEcho') return 'echo';
    const { packet } = action;
    return `send${packet.poll ? ' P' : ''}${packet.final ? ' F' : ''}`;
  });
  return [lone.session.state, ...parts].join(', ');
}

const EVENTS: Readonly<Record<string, (lone: Lone) => BfdEvent>> = {
  admin: () => ({ kind: 'packetReceived', packet: { ...PACKET, state: 'AdminDown' } }),
  down: () => ({ kind: 'packetReceived', packet: PACKET }),
  init: () => ({ kind: 'packetReceived', packet: { ...PACKET, state: 'Init' } }),
  up: () => ({ kind: 'packetReceived', packet: { ...PACKET, state: 'Up' } }),
  upPoll: () => ({ kind: 'packetReceived', packet: { ...PACKET, state: 'Up', poll: true } }),
  upFinal: () => ({ kind: 'packetReceived', packet: { ...PACKET, state: 'Up', final: true } }),
  stranger: () => ({
    kind: 'packetReceived',
    packet: { ...PACKET, state: 'Down', yourDiscriminator: 2 },
  }),
  early: () => ({ kind: 'timerExpired' }),
  late: (lone) => {
    lone.nowMs += 60_000;
    return { kind: 'timerExpired' };
  },
  disabled: () => ({ kind: 'disabled' }),
  enabled: () => ({ kind: 'enabled' }),
  pathLost: () => ({ kind: 'pathLost' }),
  echo: () => ({ kind: 'echoReturned', rttUs: 200 }),
  slower: () => ({ kind: 'configChanged', config: { ...CONFIG, minTxIntervalUs: 900_000 } }),
};

// RFC 5880 §6.2 and §6.8.6: every state with every event.
const TABLE: Readonly<Record<BfdState, Readonly<Record<string, string>>>> = {
  AdminDown: {
    admin: 'AdminDown',
    down: 'AdminDown',
    init: 'AdminDown',
    up: 'AdminDown',
    upPoll: 'AdminDown',
    upFinal: 'AdminDown',
    stranger: 'AdminDown',
    early: 'AdminDown',
    late: 'AdminDown, send',
    disabled: 'AdminDown',
    enabled: 'Down, diag 0, send',
    pathLost: 'AdminDown',
    echo: 'AdminDown',
    slower: 'AdminDown',
  },
  Down: {
    admin: 'Down',
    down: 'Init, diag 0, send',
    init: 'Up, diag 0, send P',
    up: 'Down',
    upPoll: 'Down, send F',
    upFinal: 'Down',
    stranger: 'Down',
    early: 'Down, send',
    late: 'Down, send',
    disabled: 'AdminDown, diag 7, send',
    enabled: 'Down',
    pathLost: 'Down',
    echo: 'Down',
    slower: 'Down',
  },
  Init: {
    admin: 'Down, diag 3, send',
    down: 'Init',
    init: 'Up, diag 0, send P',
    up: 'Up, diag 0, send P',
    upPoll: 'Up, diag 0, send F',
    upFinal: 'Up, diag 0, send P',
    stranger: 'Init',
    early: 'Init',
    late: 'Down, diag 1, send',
    disabled: 'AdminDown, diag 7, send',
    enabled: 'Init',
    pathLost: 'Down, diag 5, send',
    echo: 'Init',
    slower: 'Init',
  },
  Up: {
    admin: 'Down, diag 3, send',
    down: 'Down, diag 3, send',
    init: 'Up',
    up: 'Up',
    upPoll: 'Up, send F',
    upFinal: 'Up',
    stranger: 'Up',
    early: 'Up',
    late: 'Down, diag 1, send',
    disabled: 'AdminDown, diag 7, send',
    enabled: 'Up',
    pathLost: 'Down, diag 5, send',
    echo: 'Up',
    slower: 'Up',
  },
};

for (const state of ['AdminDown', 'Down', 'Init', 'Up'] as const) {
  test(`session in ${state}`, () => {
    const actual = Object.fromEntries(
      Object.entries(EVENTS).map(([name, event]) => {
        const lone = new Lone().to(state);
        return [name, outcome(lone, lone.send(event(lone)))];
      }),
    );
    assert.deepEqual(actual, TABLE[state]);
  });
}

test('slow until Up, then fast, with the poll kept until it is answered', () => {
  const lone = new Lone();
  lone.send({ kind: 'timerExpired' });
  const slow = lone.run(10);
  assert.ok(slow.length >= 10 && slow.length <= 13, String(slow.length));
  lone.to('Up');
  assert.equal(lone.session.polling, true);
  lone.receive({ state: 'Up', final: true });
  assert.equal(lone.session.polling, false);
  const fast = lone.run(9, { state: 'Up' });
  assert.ok(fast.length >= 30 && fast.length <= 40, String(fast.length));
});

test('jitter stays within 75 to 100 %, and 75 to 90 % with a multiplier of 1', () => {
  for (const [multiplier, longest] of [
    [3, 300],
    [1, 270],
  ] as const) {
    for (const random of [0, 0.999999]) {
      const lone = new Lone({ ...CONFIG, multiplier }).to('Up');
      lone.random = random;
      lone.receive({ state: 'Up', final: true });
      const times = lone.run(3, { state: 'Up' });
      const gaps = times.slice(2).map((time, i) => time - times[i + 1]!);
      const wanted = random === 0 ? 225 : longest;
      assert.ok(
        gaps.every((gap) => Math.abs(gap - wanted) < 0.01),
        `${multiplier} ${gaps[0]}`,
      );
    }
  }
});

test('detection takes the remote multiplier and the slower of both directions', () => {
  const lone = new Lone().to('Up');
  lone.receive({ state: 'Up', final: true, multiplier: 5, desiredMinTxUs: 50_000 });
  assert.equal(detectionTimeUs(lone.session), 1_500_000);
  lone.receive({ state: 'Up', desiredMinTxUs: 400_000 });
  assert.equal(detectionTimeUs(lone.session), 1_200_000);
  lone.nowMs += 1199;
  lone.send({ kind: 'timerExpired' });
  assert.equal(lone.session.state, 'Up');
  lone.nowMs += 1;
  lone.send({ kind: 'timerExpired' });
  assert.equal(lone.session.state, 'Down');
  assert.equal(lone.session.remoteDiscriminator, 0);
  assert.equal(clientState(lone.session), 'Down');
});

test('a slower rate and a shorter reception count after the poll, the others at once', () => {
  const lone = new Lone().to('Up');
  lone.receive({ state: 'Up', final: true });
  const change = (config: Partial<BfdSessionConfig>): readonly BfdAction[] =>
    lone.send({ kind: 'configChanged', config: { ...CONFIG, ...config } });
  change({ minTxIntervalUs: 900_000, minRxIntervalUs: 100_000 });
  assert.equal(transmitIntervalUs(lone.session), 300_000);
  assert.equal(detectionTimeUs(lone.session), 900_000);
  lone.receive({ state: 'Up', final: true, desiredMinTxUs: 50_000 });
  assert.equal(transmitIntervalUs(lone.session), 900_000);
  assert.equal(detectionTimeUs(lone.session), 300_000);
  change({ minTxIntervalUs: 400_000, minRxIntervalUs: 500_000 });
  assert.equal(transmitIntervalUs(lone.session), 400_000);
  assert.equal(detectionTimeUs(lone.session), 1_500_000);
});

test('a passive session is silent until it is spoken to, and again after', () => {
  const lone = new Lone({ ...CONFIG, passive: true });
  lone.send({ kind: 'timerExpired' });
  assert.deepEqual(lone.run(60), []);
  const actions = lone.receive({ state: 'Down', yourDiscriminator: 0 });
  assert.equal(outcome(lone, actions), 'Init, diag 0, send');
  lone.run(60);
  assert.equal(lone.session.state, 'Down');
  assert.deepEqual(lone.run(60), []);
});

test('a peer that wants no packets or demands silence gets none, but polls are answered', () => {
  const lone = new Lone().to('Up');
  lone.receive({ state: 'Up', final: true, requiredMinRxUs: 0 });
  assert.deepEqual(lone.run(5, { state: 'Up', requiredMinRxUs: 0 }), []);
  const answered = lone.receive({ state: 'Up', poll: true, requiredMinRxUs: 0 });
  assert.equal(outcome(lone, answered), 'Up, send F');
  const demanded = new Lone().to('Up');
  demanded.receive({ state: 'Up', final: true, demand: true });
  assert.deepEqual(demanded.run(5, { state: 'Up', demand: true }), []);
  assert.ok(demanded.run(5, { state: 'Up' }).length > 10);
});

test('a peer that is taken down on purpose is no failure for clients', () => {
  const lone = new Lone().to('Up');
  lone.receive({ state: 'AdminDown' });
  assert.equal(lone.session.state, 'Down');
  assert.equal(clientState(lone.session), 'AdminDown');
  lone.run(60);
  assert.equal(clientState(lone.session), 'AdminDown');
});

/** Two sessions over a virtual link. */
class Pair {
  nowMs = 0;
  linkUp = true;
  readonly sessions: [BfdSession, BfdSession];
  readonly changes: string[] = [];
  #deadlines: (number | undefined)[] = [0, 0];
  #queue: { atMs: number; to: 0 | 1; packet: BfdPacket }[] = [];
  #seed = 7;

  constructor(a: Partial<BfdSessionConfig> = {}, b: Partial<BfdSessionConfig> = {}) {
    this.sessions = [
      createBfdSession({ ...CONFIG, ...a }, 101, 0),
      createBfdSession({ ...CONFIG, ...b }, 202, 0),
    ];
  }

  get states(): string {
    return this.sessions.map(({ state }) => state).join(' ');
  }

  step(index: 0 | 1, event: BfdEvent): void {
    const result = stepBfd(this.sessions[index], event, this.nowMs, () => {
      this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
      return this.#seed / 2 ** 32;
    });
    this.sessions[index] = result.session;
    this.#deadlines[index] = result.deadline;
    for (const action of result.actions) {
      if (action.kind === 'stateChanged') this.changes.push(`${index} ${action.to}`);
      else if (this.linkUp && action.kind === 'sendPacket') {
        // First contact carries no discriminator of the receiver; UDP addresses select the session.
        this.#queue.push({ atMs: this.nowMs + 1, to: index === 0 ? 1 : 0, packet: action.packet });
      }
    }
  }

  run(seconds: number): void {
    const untilMs = this.nowMs + seconds * 1000;
    for (;;) {
      this.#queue.sort((x, y) => x.atMs - y.atMs);
      const times = [...this.#deadlines, this.#queue[0]?.atMs].map((time) => time ?? Infinity);
      const next = Math.min(...times);
      if (next > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      if (times[2] === next) {
        const { to, packet } = this.#queue.shift()!;
        this.step(to, { kind: 'packetReceived', packet });
      } else {
        this.step(times[0] === next ? 0 : 1, { kind: 'timerExpired' });
      }
    }
    this.nowMs = untilMs;
  }
}

test('two sessions come up, stay up, and notice a cut within the detection time', () => {
  const pair = new Pair();
  pair.run(3);
  assert.equal(pair.states, 'Up Up');
  pair.run(1800);
  assert.equal(pair.states, 'Up Up');
  assert.deepEqual(pair.changes, ['1 Init', '0 Init', '0 Up', '1 Up']);
  assert.equal(pair.sessions[0].polling, false);
  pair.linkUp = false;
  const cutMs = pair.nowMs;
  pair.run(0.6);
  assert.equal(pair.states, 'Up Up');
  pair.run(0.31);
  assert.equal(pair.states, 'Down Down');
  assert.ok(pair.sessions[0].changedMs - cutMs <= 901);
  pair.linkUp = true;
  pair.run(5);
  assert.equal(pair.states, 'Up Up');
});

test('one side down on purpose takes both down and both come back', () => {
  const pair = new Pair();
  pair.run(3);
  pair.step(0, { kind: 'disabled' });
  pair.run(1);
  assert.equal(pair.states, 'AdminDown Down');
  assert.equal(clientState(pair.sessions[1]), 'AdminDown');
  pair.step(0, { kind: 'enabled' });
  pair.run(4);
  assert.equal(pair.states, 'Up Up');
});

test('an active and a passive session meet, two passive ones never', () => {
  const mixed = new Pair({ passive: true }, {});
  mixed.run(4);
  assert.equal(mixed.states, 'Up Up');
  const silent = new Pair({ passive: true }, { passive: true });
  silent.run(60);
  assert.equal(silent.states, 'Down Down');
});

test('a restarted peer with a new discriminator is followed', () => {
  const pair = new Pair();
  pair.run(3);
  pair.sessions[1] = createBfdSession(CONFIG, 303, pair.nowMs);
  pair.step(1, { kind: 'timerExpired' });
  pair.run(5);
  assert.equal(pair.states, 'Up Up');
  assert.equal(pair.sessions[0].remoteDiscriminator, 303);
});

test('echo packets leave only while Up, to a peer that returns them, as often as it allows', () => {
  const lone = new Lone({ ...CONFIG, echo: { txIntervalUs: 50_000, rxIntervalUs: 20_000 } });
  const [, sent] = lone.receive({});
  assert.equal(sent?.kind === 'sendPacket' && sent.packet.requiredMinEchoRxUs, 20_000);
  assert.equal(echoes(lone, 0.5), 0);
  lone.to('Up');
  assert.equal(echoes(lone, 0.5), 0, 'a peer that announces none gets none');
  lone.receive({ state: 'Up', requiredMinEchoRxUs: 100_000 });
  const count = echoes(lone, 0.5);
  assert.ok(count >= 5 && count <= 8, `${count} in half a second, 100 ms shortened by up to 25 %`);
  lone.receive({ state: 'Up', requiredMinEchoRxUs: 0 });
  assert.equal(echoes(lone, 0.5), 0);
});

test('a session whose echo packets stop coming back is down; one that never got any is not', () => {
  const config = { ...CONFIG, echo: { txIntervalUs: 50_000, rxIntervalUs: 0 } };
  const alive = { state: 'Up', requiredMinEchoRxUs: 50_000 } as const;
  const lone = new Lone(config).to('Up');
  for (let i = 0; i < 20; i++) {
    lone.receive(alive);
    lone.nowMs += 100;
    lone.send({ kind: 'timerExpired' });
  }
  assert.equal(lone.session.state, 'Up', 'a filter in the way is no failure of the path');
  lone.send({ kind: 'echoReturned', rttUs: 300 });
  lone.send({ kind: 'echoReturned', rttUs: 100 });
  assert.deepEqual(lone.session.echoRtt, { minUs: 100, maxUs: 300, sumUs: 400 });
  lone.receive(alive);
  lone.nowMs += 149;
  assert.equal(outcome(lone, lone.send({ kind: 'timerExpired' })).split(',')[0], 'Up');
  lone.nowMs += 1;
  assert.match(outcome(lone, lone.send({ kind: 'timerExpired' })), /^Down, diag 2, send/);
  assert.equal(lone.session.lastEchoRxMs, undefined, 'the next session starts afresh');
  assert.equal(lone.session.downEvents, 1);
});

test('an interval that changes, or ends, changes the echo function at once', () => {
  const lone = new Lone({ ...CONFIG, echo: { txIntervalUs: 50_000, rxIntervalUs: 0 } }).to('Up');
  lone.receive({ state: 'Up', requiredMinEchoRxUs: 10_000 });
  assert.equal(echoIntervalUs(lone.session), 50_000);
  lone.send({ kind: 'configChanged', config: CONFIG });
  assert.equal(echoIntervalUs(lone.session), 0);
  assert.equal(echoes(lone, 0.5), 0);
});

/** Echo packets in the next seconds, control packets arriving and no echo coming back. */
function echoes(lone: Lone, seconds: number): number {
  const before = lone.session.echoesSent;
  const { state, remoteState, remoteMinEchoRxUs } = lone.session;
  if (state === 'Up') {
    lone.run(seconds, { state: remoteState, requiredMinEchoRxUs: remoteMinEchoRxUs });
  } else lone.run(seconds);
  return lone.session.echoesSent - before;
}
