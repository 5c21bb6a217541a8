import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AttributeStore } from './attribute-store.ts';
import { PrefixStore } from './prefix-store.ts';
import type { RouteAttributes } from './route.ts';
import { UpdateGroup } from './update-group.ts';
import type { GroupMember } from './update-group.ts';
import type { AttributeEncoder } from './update-packer.ts';

/** The block is four octets that name the attributes; the next hop one octet repeated. */
function encoderFor(options: {
  readonly mp: boolean;
  readonly refuses: (n: number) => boolean;
}): AttributeEncoder {
  return {
    encode: (n, out, at) => {
      if (options.refuses(n)) return -1;
      new DataView(out.buffer).setUint32(at, n);
      return at + 4;
    },
    encodeNextHop: (n, out, at) => {
      if (!options.mp) return at;
      out.fill(n & 255, at, at + 16);
      return at + 16;
    },
  };
}

/** What a peer would make of the octets: prefix (and path id) -> attributes number. */
class Receiver {
  readonly routes = new Map<string, number>();
  readonly family: 'ipv4' | 'ipv6';
  readonly addPath: boolean;
  /** Withdrawals of what it did not have. */
  needless = 0;
  messages = 0;
  announcedPrefixes = 0;
  endOfRib = 0;

  constructor(family: 'ipv4' | 'ipv6', addPath = false) {
    this.family = family;
    this.addPath = addPath;
  }

  receive(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      for (let i = 0; i < 16; i++) assert.equal(bytes[at + i], 255);
      const length = read16(bytes, at + 16);
      assert.ok(length <= 4096 && length >= 19 && at + length <= bytes.length);
      if (bytes[at + 18] === 99) this.endOfRib++;
      else this.update(bytes.subarray(at, at + length));
      at += length;
    }
  }

  update(message: Uint8Array): void {
    assert.equal(message[18], 2);
    this.messages++;
    const withdrawn = 21 + read16(message, 19);
    this.walk(message, 21, withdrawn, (key) => this.withdraw(key));
    const end = withdrawn + 2 + read16(message, withdrawn);
    let at = withdrawn + 2;
    let reach: [number, number] | undefined;
    if (message[at] === 0x90) {
      const type = message[at + 1]!;
      const valueEnd = at + 4 + read16(message, at + 2);
      assert.equal(read16(message, at + 4), this.family === 'ipv4' ? 1 : 2);
      if (type === 15) this.walk(message, at + 7, valueEnd, (key) => this.withdraw(key));
      else reach = [at + 9 + message[at + 7]!, valueEnd];
      at = valueEnd;
    }
    if (at === end) {
      assert.equal(reach, undefined);
      assert.equal(end, message.length);
      return;
    }
    assert.equal(end - at, 4);
    const attributes = read16(message, at) * 65_536 + read16(message, at + 2);
    const [from, to] = reach ?? [end, message.length];
    assert.ok(to > from, 'an UPDATE with attributes has prefixes');
    this.walk(message, from, to, (key) => {
      this.announcedPrefixes++;
      this.routes.set(key, attributes);
    });
  }

  withdraw(key: string): void {
    if (!this.routes.delete(key)) this.needless++;
  }

  walk(bytes: Uint8Array, from: number, to: number, visit: (key: string) => void): void {
    let at = from;
    while (at < to) {
      let key = '';
      if (this.addPath) {
        key = `${read16(bytes, at) * 65536 + read16(bytes, at + 2)} `;
        at += 4;
      }
      const length = bytes[at++]!;
      const octets = (length + 7) >>> 3;
      visit(`${key}${bytes.subarray(at, at + octets).join('.')}/${length}`);
      at += octets;
    }
    assert.equal(at, to);
  }
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

const END_OF_RIB = new Uint8Array(19).fill(255, 0, 16);
END_OF_RIB.set([0, 19, 99], 16);

/** Attributes that cannot be sent. */
const REFUSED_MED = 1000;

function attributesOf(med: number): RouteAttributes {
  return {
    source: 'bgp',
    scope: 'universe',
    dest: 'unicast',
    nexthops: [],
    preference: 100,
    bgp: { asPath: [], med },
  };
}

/** A group next to a plain model of what it exports. */
class Bench {
  readonly prefixes: PrefixStore;
  readonly attributes = new AttributeStore();
  readonly group: UpdateGroup;
  readonly addPath: boolean;
  readonly view = new Map<string, { attributes: number; source: number }>();
  readonly peers: { member: GroupMember; receiver: Receiver }[] = [];

  constructor(options: {
    family: 'ipv4' | 'ipv6';
    addPath?: boolean;
    maxLagBytes?: number;
    mpWithdraw?: boolean;
  }) {
    this.prefixes = new PrefixStore(options.family);
    this.addPath = options.addPath ?? false;
    this.group = new UpdateGroup({
      prefixes: this.prefixes,
      attributes: this.attributes,
      encoder: encoderFor({
        mp: options.family === 'ipv6',
        refuses: (n) => this.attributes.get(n).bgp?.med === REFUSED_MED,
      }),
      addPath: this.addPath,
      maxMessageBytes: 4096,
      ...(options.maxLagBytes !== undefined && { maxLagBytes: options.maxLagBytes }),
      ...(options.mpWithdraw !== undefined && { mpWithdraw: options.mpWithdraw }),
    });
  }

  key(index: number, pathId: number): string {
    const path = this.addPath ? `${pathId} ` : '';
    return this.prefixes.family === 'ipv4'
      ? `${path}10.${index >>> 8}.${index & 255}/24`
      : `${path}32.1.13.184.0.${index & 255}/48`;
  }

  stage(index: number, pathId: number, med: number, source: number): void {
    const id = this.addPath ? pathId : 0;
    this.#holding([index], med, ([net], n) => this.group.stage(net!, id, n, source));
    this.#expect(index, id, med, source);
  }

  /** `stage` of many at once, path id 0, and what that says about how many there were before. */
  stageAll(indices: readonly number[], med: number, source: number): void {
    this.#holding(indices, med, (nets, n) => {
      const before = this.group.announcedCount();
      if (n === 0) {
        const bySource: number[] = [];
        const count = this.group.unstageAll(nets, 0, nets.length, bySource);
        assert.equal(
          bySource.reduce((sum, some) => sum + some, 0),
          count,
        );
        assert.equal(this.group.announcedCount(), before - count);
      } else {
        const count = this.group.stageAll(nets, 0, nets.length, n, source);
        assert.equal(this.group.announcedCount(), before + count);
      }
    });
    for (const index of indices) this.#expect(index, 0, med, source);
  }

  /** The table has forgotten both by the time of the flush: only the group holds them. */
  #holding(
    indices: readonly number[],
    med: number,
    use: (nets: Int32Array, attributes: number) => void,
  ): void {
    const nets = Int32Array.from(indices, (index) =>
      this.prefixes.family === 'ipv4'
        ? this.prefixes.intern4((10 << 24) | (index << 8), 24)
        : this.prefixes.intern6(0x20010db8, index << 16, 0, 0, 48),
    );
    this.prefixes.retainAll(nets, 0, nets.length);
    const n = med === 0 ? 0 : this.attributes.intern(attributesOf(med));
    use(nets, n);
    if (n !== 0) this.attributes.release(n);
    this.prefixes.releaseAll(nets, nets.length);
    // Numbers of prefixes that nobody holds may mean others soon.
    for (let i = 0; i < 12; i++) this.#internAnother();
  }

  #others = 0;

  #internAnother(): void {
    const other = this.#others++;
    const net =
      this.prefixes.family === 'ipv4'
        ? this.prefixes.intern4((172 << 24) | (other << 8), 24)
        : this.prefixes.intern6(0x20020000, other << 16, 0, 0, 48);
    this.prefixes.retain(net);
    this.prefixes.release(net);
  }

  #expect(index: number, id: number, med: number, source: number): void {
    const key = this.key(index, id);
    if (med === 0 || med === REFUSED_MED) this.view.delete(key);
    else {
      const n = this.attributes.intern(attributesOf(med));
      this.view.set(key, { attributes: n, source });
      this.attributes.release(n);
    }
  }

  join(source: number): void {
    const receiver = new Receiver(this.prefixes.family, this.addPath);
    this.peers.push({
      member: this.group.addMember({ source, endOfRib: END_OF_RIB }),
      receiver,
    });
  }

  read(peer: number, maxBytes: number): void {
    const { member, receiver } = this.peers[peer]!;
    const out: Uint8Array[] = [];
    const taken = this.group.take(member, maxBytes, out);
    assert.equal(
      taken,
      out.reduce((sum, bytes) => sum + bytes.length, 0),
    );
    for (const bytes of out) receiver.receive(bytes);
  }

  settle(): void {
    this.group.flush();
    this.peers.forEach(({ member }, i) => {
      for (let turn = 0; this.group.hasMore(member); turn++) {
        assert.ok(turn < 10_000, 'a member never settles');
        this.read(i, 300);
      }
    });
  }

  check(): void {
    for (const { member, receiver } of this.peers) {
      const expected = [...this.view]
        .filter(([, route]) => member.source === 0 || route.source !== member.source)
        .map(([key, route]) => [key, route.attributes] as const);
      assert.deepEqual([...receiver.routes].sort(), expected.sort());
      assert.equal(this.group.announcedCount(member), expected.length);
      assert.equal(receiver.endOfRib, 1);
      assert.equal(member.messagesSent, receiver.messages);
    }
  }

  checkNothingLeaks(): void {
    for (let index = 0; index < 40; index++) {
      for (let id = 0; id < 3; id++) this.stage(index, id, 0, 0);
    }
    this.settle();
    this.check();
    this.group.close();
    assert.equal(this.prefixes.size, 0);
    assert.equal(this.attributes.size, 0);
  }
}

const action = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('stage' as const),
      index: fc.nat(11),
      pathId: fc.nat(2),
      med: fc.constantFrom(0, 1, 2, 3, REFUSED_MED),
      source: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('stageAll' as const),
      indices: fc.uniqueArray(fc.nat(11), { minLength: 1 }),
      med: fc.constantFrom(0, 1, 2, 3, REFUSED_MED),
      source: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      peer: fc.nat(9),
      maxBytes: fc.integer({ min: 1, max: 120 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('join' as const), source: fc.nat(3) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), peer: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refresh' as const), peer: fc.nat(9) }) },
);

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

function play(bench: Bench, actions: readonly Action[]): void {
  for (const step of actions) {
    const count = bench.peers.length;
    switch (step.kind) {
      case 'stage':
        bench.stage(step.index, step.pathId, step.med, step.source);
        break;
      case 'stageAll':
        bench.stageAll(step.indices, step.med, step.source);
        break;
      case 'flush':
        bench.group.flush();
        break;
      case 'read':
        if (count > 0) bench.read(step.peer % count, step.maxBytes);
        break;
      case 'join':
        // One member per source, as in the engine; source 0 may be there many times.
        if (step.source === 0 || !bench.peers.some((p) => p.member.source === step.source)) {
          bench.join(step.source);
        }
        break;
      case 'leave':
        if (count > 0)
          bench.group.removeMember(bench.peers.splice(step.peer % count, 1)[0]!.member);
        break;
      case 'refresh':
        if (count > 0) bench.group.refresh(bench.peers[step.peer % count]!.member);
        break;
    }
  }
}

describe('UpdateGroup', () => {
  for (const options of [
    { family: 'ipv4' as const },
    { family: 'ipv4' as const, maxLagBytes: 2000 },
    { family: 'ipv6' as const, maxLagBytes: 1500 },
    { family: 'ipv4' as const, addPath: true, maxLagBytes: 2500 },
    { family: 'ipv4' as const, mpWithdraw: true },
  ]) {
    test(`every member receives exactly the view: ${JSON.stringify(options)}`, () => {
      fc.assert(
        fc.property(fc.array(action, { minLength: 80, maxLength: 400, size: 'max' }), (actions) => {
          const bench = new Bench(options);
          play(bench, actions);
          bench.settle();
          bench.check();
          bench.checkNothingLeaks();
        }),
        { numRuns: 60 },
      );
    });
  }

  test('a member on the stream gets no needless withdrawal and no repeated announcement', () => {
    const bench = new Bench({ family: 'ipv4' });
    bench.join(1);
    bench.join(2);
    bench.stage(1, 0, 5, 3);
    bench.stage(2, 0, 5, 1);
    bench.settle();
    // Announced and withdrawn between two flushes, changed and changed back: nothing to say.
    bench.stage(3, 0, 5, 3);
    bench.stage(3, 0, 0, 3);
    bench.stage(1, 0, 6, 3);
    bench.stage(1, 0, 5, 3);
    bench.settle();
    // Member 1 never had its own route.
    bench.stage(2, 0, 0, 0);
    bench.settle();
    bench.check();
    const [first, second] = bench.peers.map((peer) => peer.receiver);
    assert.deepEqual([first!.needless, second!.needless], [0, 0]);
    assert.deepEqual([first!.messages, second!.messages], [1, 3]);
  });

  test('a route that becomes the member’s own is withdrawn from it', () => {
    const bench = new Bench({ family: 'ipv4' });
    bench.join(1);
    bench.join(2);
    bench.stage(1, 0, 5, 2);
    bench.settle();
    assert.equal(bench.peers[0]!.receiver.routes.size, 1);
    bench.stage(1, 0, 6, 1);
    bench.settle();
    bench.check();
    assert.equal(bench.peers[0]!.receiver.routes.size, 0);
    assert.equal(bench.peers[1]!.receiver.routes.size, 1);
  });

  test('members share the same octets', () => {
    const bench = new Bench({ family: 'ipv4' });
    bench.join(1);
    bench.join(2);
    for (let i = 0; i < 30; i++) bench.stage(i, 0, 1 + (i % 3), 9);
    bench.group.flush();
    const [first, second] = bench.peers.map(({ member }) => {
      const out: Uint8Array[] = [];
      bench.group.take(member, 1e6, out);
      return out;
    });
    assert.deepEqual([first!.length, second!.length], [2, 2]);
    assert.equal(first![1], second![1]);
  });

  test('a late joiner gets a dump packed by attributes', () => {
    const bench = new Bench({ family: 'ipv4' });
    const sets = 50;
    const each = 200;
    for (let i = 0; i < sets * each; i++) {
      const net = bench.prefixes.intern4((10 << 24) | (i << 8), 24);
      const n = bench.attributes.intern(attributesOf(1 + (i % sets)));
      bench.group.stage(net, 0, n, 9);
      bench.attributes.release(n);
      bench.view.set(bench.key(i, 0), { attributes: n, source: 9 });
    }
    bench.join(1);
    bench.settle();
    bench.check();
    assert.equal(bench.peers[0]!.receiver.messages, sets);
  });

  test('one flush may be about very many sets of attributes, in any order', () => {
    const bench = new Bench({ family: 'ipv4' });
    bench.join(1);
    bench.join(2);
    const count = 60_000;
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < count; i++) {
        // The second time every other one comes from a member, and all in another order.
        const index = round === 0 ? i : (i * 7919) % count;
        const net = bench.prefixes.intern4((10 << 24) | (index << 8), 24);
        const n = bench.attributes.intern(attributesOf(2000 + index + round * count));
        const source = round === 0 || i % 2 === 0 ? 9 : 2;
        bench.group.stage(net, 0, n, source);
        bench.attributes.release(n);
        bench.view.set(bench.key(index, 0), { attributes: n, source });
      }
      bench.settle();
      bench.check();
    }
  });

  test('changes wait while every member lags, and a laggard among others leaves the stream', () => {
    const bench = new Bench({ family: 'ipv4', maxLagBytes: 8000 });
    bench.join(1);
    bench.read(0, 1000);
    for (let i = 0; i < 20; i++) {
      bench.stage(i, 0, 1 + (i % 7), 9);
      bench.group.flush();
    }
    assert.equal(bench.group.wantsMore, false);
    bench.join(2);
    while (bench.peers[1]!.member.state !== 'streaming') bench.read(1, 10_000);
    assert.equal(bench.group.wantsMore, true);
    bench.stage(39, 0, 3, 9);
    bench.group.flush();
    assert.equal(bench.peers[0]!.member.state, 'catching-up');
    bench.settle();
    bench.check();
  });

  test('members that join during the feed wait for its end', () => {
    const bench = new Bench({ family: 'ipv4' });
    bench.group.beginFeed();
    bench.join(1);
    bench.stage(1, 0, 5, 3);
    bench.group.flush();
    assert.equal(bench.group.hasMore(bench.peers[0]!.member), false);
    bench.stage(2, 0, 5, 3);
    bench.group.endFeed();
    bench.settle();
    bench.check();
    assert.equal(bench.peers[0]!.receiver.messages, 1);
  });

  test('attributes that cannot be sent are not exported, and withdrawn where they were', () => {
    const prefixes = new PrefixStore('ipv4');
    const attributes = new AttributeStore();
    const good = attributes.intern(attributesOf(1));
    const bad = attributes.intern(attributesOf(2));
    const group = new UpdateGroup({
      prefixes,
      attributes,
      encoder: encoderFor({ mp: false, refuses: (n) => n === bad }),
      addPath: false,
      maxMessageBytes: 4096,
    });
    const member = group.addMember({ source: 0 });
    const receiver = new Receiver('ipv4');
    const net = prefixes.internText('10.0.0.0/8');
    prefixes.retain(net);
    for (const n of [good, bad]) {
      group.stage(net, 0, n, 1);
      group.flush();
      const out: Uint8Array[] = [];
      group.take(member, 1e6, out);
      for (const bytes of out) receiver.receive(bytes);
      assert.equal(receiver.routes.size, n === good ? 1 : 0);
    }
    assert.equal(group.refusedCount, 1);
    assert.equal(group.announced(net), 0);
    const late = group.addMember({ source: 0 });
    assert.equal(group.hasMore(late), false);
  });

  test('a refresh sends everything again between its marks', () => {
    const bench = new Bench({ family: 'ipv4' });
    bench.join(1);
    for (let i = 0; i < 10; i++) bench.stage(i, 0, 1, 3);
    bench.settle();
    const { member } = bench.peers[0]!;
    const begin = new Uint8Array([1]);
    const end = new Uint8Array([2]);
    bench.group.refresh(member, { begin, end });
    const out: Uint8Array[] = [];
    while (bench.group.hasMore(member)) bench.group.take(member, 1000, out);
    assert.equal(out[0], begin);
    assert.equal(out.at(-1), end);
    const receiver = new Receiver('ipv4');
    for (const bytes of out.slice(1, -1)) receiver.receive(bytes);
    assert.equal(receiver.routes.size, 10);
  });
});
