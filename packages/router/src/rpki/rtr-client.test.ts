import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodePdu, encodePdu } from './pdu.ts';
import type { RtrPdu, RtrVersion } from './pdu.ts';
import { RtrClient } from './rtr-client.ts';
import type { RtrAction, RtrOptions } from './rtr-client.ts';

const OPTIONS: RtrOptions = {
  timers: { refreshSec: 3600, retrySec: 600, expireSec: 7200 },
  keep: { refresh: false, retry: false, expire: false },
  minVersion: 0,
  maxVersion: 1,
};

/** A client with the cache's end of the wire in the hands of the test. */
class Wire {
  nowMs = 1000;
  version: RtrVersion = 1;
  readonly client: RtrClient;
  readonly table = new Set<string>();
  readonly log: string[] = [];
  sent: RtrPdu[] = [];
  versions: number[] = [];
  connects = 0;
  closes = 0;

  constructor(options: Partial<RtrOptions> = {}) {
    this.client = new RtrClient({ ...OPTIONS, ...options });
    this.take(this.client.handle({ kind: 'start' }, this.nowMs));
  }

  connected(): void {
    this.take(this.client.handle({ kind: 'connected' }, this.nowMs));
  }

  closed(): void {
    this.take(this.client.handle({ kind: 'closed', text: 'Connection closed' }, this.nowMs));
  }

  cache(...pdus: readonly RtrPdu[]): void {
    for (const pdu of pdus) this.octets(encodePdu(pdu, this.version));
  }

  octets(bytes: Uint8Array): void {
    this.take(this.client.handle({ kind: 'received', bytes }, this.nowMs));
  }

  /** Lets time pass up to the next deadline. */
  wait(): void {
    const due = this.client.nextDeadlineMs();
    assert.ok(due !== undefined, 'a deadline');
    this.nowMs = due;
    this.take(this.client.handle({ kind: 'tick' }, this.nowMs));
  }

  take(actions: readonly RtrAction[]): void {
    this.sent = [];
    for (const action of actions) {
      if (action.kind === 'connect') this.connects++;
      if (action.kind === 'close') this.closes++;
      if (action.kind === 'log') this.log.push(action.text);
      if (action.kind === 'send') {
        const decoded = decodePdu(action.bytes);
        assert.ok(decoded.ok);
        this.versions.push(decoded.value.version);
        this.sent.push(decoded.value.pdu);
      }
      if (action.kind !== 'apply') continue;
      for (const { net, maxLength, asn } of action.removed) {
        assert.ok(this.table.delete(`${net}-${maxLength} AS${asn}`), 'removed twice');
      }
      for (const { net, maxLength, asn } of action.added) {
        assert.ok(!this.table.has(`${net}-${maxLength} AS${asn}`), 'added twice');
        this.table.add(`${net}-${maxLength} AS${asn}`);
      }
    }
  }
}

const A = prefix('203.0.113.0', 24, 25, 65002);
const B = prefix('198.51.100.0', 24, 24, 65001);
const response = (sessionId = 77): RtrPdu => ({ kind: 'cacheResponse', sessionId });
const end = (serial: number, sessionId = 77): RtrPdu => ({ kind: 'endOfData', sessionId, serial });

function prefix(address: string, length: number, maxLength: number, asn: number): RtrPdu {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  return { kind: 'prefix', announce: true, vrp: { family, address, length, maxLength, asn } };
}

function withdrawn(pdu: RtrPdu): RtrPdu {
  assert.ok(pdu.kind === 'prefix');
  return { ...pdu, announce: false };
}

function established(options: Partial<RtrOptions> = {}): Wire {
  const wire = new Wire(options);
  wire.connected();
  wire.cache(response(), A, B, end(5));
  assert.equal(wire.client.status, 'Established');
  return wire;
}

test('a reset query, then increments by serial number', () => {
  const wire = new Wire();
  assert.equal(wire.client.status, 'Connecting');
  wire.connected();
  assert.deepEqual(wire.sent, [{ kind: 'resetQuery' }]);
  wire.cache(response(), A);
  assert.equal(wire.client.status, 'Sync-Running');
  assert.equal(wire.table.size, 0, 'nothing is believed before End of Data');
  wire.cache(B, end(5));
  assert.deepEqual([...wire.table], ['203.0.113.0/24-25 AS65002', '198.51.100.0/24-24 AS65001']);
  wire.cache({ kind: 'serialNotify', sessionId: 77, serial: 6 });
  assert.deepEqual(wire.sent, [{ kind: 'serialQuery', sessionId: 77, serial: 5 }]);
  wire.cache(response(), withdrawn(A), prefix('2001:db8::', 32, 48, 65002), end(6));
  assert.deepEqual([...wire.table], ['198.51.100.0/24-24 AS65001', '2001:db8::/32-48 AS65002']);
  assert.equal(wire.client.serial, 6);
});

test('the refresh timer asks, and octets may arrive one by one', () => {
  const wire = established();
  assert.equal(wire.client.nextDeadlineMs(), 1000 + 3600_000);
  wire.wait();
  assert.deepEqual(wire.sent, [{ kind: 'serialQuery', sessionId: 77, serial: 5 }]);
  for (const pdu of [response(), withdrawn(B), end(6)]) {
    for (const octet of encodePdu(pdu, 1)) wire.octets(Uint8Array.of(octet));
  }
  assert.deepEqual([...wire.table], ['203.0.113.0/24-25 AS65002']);
});

test('Cache Reset keeps what is known until the whole new set is there', () => {
  const wire = established();
  wire.cache({ kind: 'serialNotify', sessionId: 77, serial: 9 });
  wire.cache({ kind: 'cacheReset' });
  assert.deepEqual(wire.sent, [{ kind: 'resetQuery' }]);
  assert.equal(wire.table.size, 2);
  wire.cache(response(78), B, end(1, 78));
  assert.deepEqual([...wire.table], ['198.51.100.0/24-24 AS65001']);
  assert.equal(wire.client.sessionId, 78);
});

test('a lost transport is retried, and the serial number survives it', () => {
  const wire = established();
  wire.closed();
  assert.equal(wire.client.status, 'Transport-Error');
  assert.equal(wire.table.size, 2);
  wire.wait();
  assert.equal(wire.connects, 2);
  assert.equal(wire.nowMs, 1000 + 600_000);
  wire.connected();
  assert.deepEqual(wire.sent, [{ kind: 'serialQuery', sessionId: 77, serial: 5 }]);
});

test('an answer that is cut off changes nothing', () => {
  const wire = established();
  wire.cache({ kind: 'serialNotify', sessionId: 77, serial: 6 });
  wire.cache(response(), withdrawn(A));
  wire.closed();
  assert.equal(wire.table.size, 2);
  wire.wait();
  wire.connected();
  wire.cache(response(), withdrawn(A), end(6));
  assert.equal(wire.table.size, 1);
});

test('records expire when no cache confirms them', () => {
  const wire = established();
  wire.closed();
  for (let i = 0; i < 30 && wire.table.size > 0; i++) {
    if (wire.client.status === 'Connecting') {
      wire.take(
        wire.client.handle({ kind: 'connectFailed', text: 'Connection refused' }, wire.nowMs),
      );
    }
    wire.wait();
  }
  assert.equal(wire.table.size, 0);
  assert.equal(wire.nowMs, 1000 + 7200_000);
  assert.equal(wire.client.serial, undefined);
});

test('timers of the cache are taken over, except kept, impossible or contradicting ones', () => {
  const timersAfter = (
    offered: { refreshSec: number; retrySec: number; expireSec: number },
    keep = OPTIONS.keep,
  ): number[] => {
    const wire = new Wire({ keep });
    wire.connected();
    wire.cache(response(), { kind: 'endOfData', sessionId: 77, serial: 5, timers: offered });
    const { refreshSec, retrySec, expireSec } = wire.client.timers;
    return [refreshSec, retrySec, expireSec];
  };
  const offered = { refreshSec: 30, retrySec: 20, expireSec: 900 };
  assert.deepEqual(timersAfter(offered), [30, 20, 900]);
  assert.deepEqual(
    timersAfter(offered, { refresh: true, retry: false, expire: false }),
    [3600, 600, 7200],
  );
  assert.deepEqual(
    timersAfter(offered, { refresh: false, retry: true, expire: false }),
    [30, 600, 900],
  );
  assert.deepEqual(timersAfter({ refreshSec: 0, retrySec: 9999, expireSec: 1 }), [3600, 600, 7200]);
  assert.deepEqual(
    timersAfter({ refreshSec: 7200, retrySec: 20, expireSec: 900 }),
    [3600, 600, 7200],
  );
});

test('RFC 8210 §7: downgrade on an error report, and on an answer of version 0', () => {
  const refused = new Wire();
  refused.connected();
  refused.version = 0;
  refused.cache({ kind: 'errorReport', code: 4, about: new Uint8Array(0), text: '' });
  assert.equal(refused.client.status, 'Fast-Reconnect');
  refused.wait();
  refused.connected();
  refused.cache(response(), A, end(5));
  assert.equal(refused.client.status, 'Established');
  assert.deepEqual(refused.versions, [1, 0]);

  const answered = new Wire();
  answered.connected();
  answered.version = 0;
  answered.cache(response(), A, end(5));
  assert.equal(answered.client.status, 'Established');
  assert.equal(answered.client.version, 0);

  const strict = new Wire({ minVersion: 1 });
  strict.connected();
  strict.version = 0;
  strict.cache(response());
  assert.deepEqual(
    strict.sent.map((pdu) => pdu.kind === 'errorReport' && pdu.code),
    [4],
  );
  assert.equal(strict.client.status, 'Fatal-Protocol-Error');
});

test('a Serial Notify before the first answer is ignored, whatever its version', () => {
  const wire = new Wire();
  wire.connected();
  wire.version = 0;
  wire.cache({ kind: 'serialNotify', sessionId: 1, serial: 1 });
  assert.equal(wire.client.status, 'Sync-Start');
  wire.version = 1;
  wire.cache(response(), end(5));
  assert.equal(wire.client.version, 1);
});

test('each fault of the cache is reported with its code and ends the session', () => {
  const cases: readonly [string, number, (wire: Wire) => void][] = [
    ['twice in the table', 7, (w) => (notify(w), w.cache(response(), A))],
    ['twice in one answer', 7, (w) => (notify(w), w.cache(response(), C, C))],
    ['unknown withdrawal', 6, (w) => (notify(w), w.cache(response(), withdrawn(C)))],
    ['another session in the answer', 0, (w) => (notify(w), w.cache(response(78)))],
    ['another session in End of Data', 0, (w) => (notify(w), w.cache(response(), end(6, 78)))],
    [
      'another session in Notify',
      0,
      (w) => w.cache({ kind: 'serialNotify', sessionId: 78, serial: 6 }),
    ],
    ['End of Data out of the blue', 0, (w) => w.cache(end(6))],
    ['prefix out of the blue', 0, (w) => w.cache(C)],
    ['Cache Response out of the blue', 3, (w) => w.cache(response())],
    ['Cache Reset out of the blue', 3, (w) => w.cache({ kind: 'cacheReset' })],
    ['a query', 3, (w) => w.cache({ kind: 'resetQuery' })],
    ['unknown type', 5, (w) => w.octets(Uint8Array.of(1, 99, 0, 0, 0, 0, 0, 8))],
    ['impossible length', 0, (w) => w.octets(Uint8Array.of(1, 2, 0, 0, 0, 0, 0, 7))],
    ['version change', 8, (w) => w.octets(Uint8Array.of(0, 8, 0, 0, 0, 0, 0, 8))],
  ];
  for (const [name, code, run] of cases) {
    const wire = established();
    run(wire);
    const codes = wire.sent.map((pdu) => (pdu.kind === 'errorReport' ? pdu.code : pdu.kind));
    assert.deepEqual(codes, [code], name);
    assert.equal(wire.client.status, 'Fatal-Protocol-Error', name);
    wire.wait();
    wire.connected();
    assert.deepEqual(wire.sent, [{ kind: 'resetQuery' }], `${name}: starts over`);
  }
});

const C = prefix('192.0.2.0', 24, 24, 65003);
const notify = (wire: Wire): void => wire.cache({ kind: 'serialNotify', sessionId: 77, serial: 6 });

test('RFC 8210 §5.1: another session ID flushes what was learned', () => {
  const wire = established();
  wire.cache({ kind: 'serialNotify', sessionId: 78, serial: 6 });
  assert.equal(wire.table.size, 0);
});

test('no error report answers an error report', () => {
  const wire = established();
  wire.cache({ kind: 'errorReport', code: 1, about: new Uint8Array(0), text: 'oops' });
  assert.deepEqual(wire.sent, []);
  assert.match(wire.log.join('\n'), /Received Internal Error: oops/);
  assert.equal(wire.client.status, 'Fatal-Protocol-Error');
  const garbled = established();
  garbled.octets(Uint8Array.of(1, 10, 0, 0, 0, 0, 0, 9, 0));
  assert.deepEqual(garbled.sent, []);
  assert.equal(garbled.client.status, 'Fatal-Protocol-Error');
});

test('a cache without data is asked again later, on the same connection', () => {
  const wire = new Wire();
  wire.connected();
  wire.cache({ kind: 'errorReport', code: 2, about: new Uint8Array(0), text: '' });
  assert.equal(wire.client.status, 'Cache-Error-No-Data-Available');
  wire.wait();
  assert.deepEqual(wire.sent, [{ kind: 'resetQuery' }]);
  assert.equal(wire.closes, 0);
});

test('a silent cache is a broken transport', () => {
  const wire = new Wire();
  wire.connected();
  wire.wait();
  assert.equal(wire.client.status, 'Transport-Error');
  assert.equal(wire.closes, 1);
});

test('a reload asks for everything and changes only what differs', () => {
  const wire = established();
  wire.take(wire.client.handle({ kind: 'reload' }, wire.nowMs));
  assert.deepEqual(wire.sent, [{ kind: 'resetQuery' }]);
  wire.cache(response(), B, C, end(5));
  assert.deepEqual([...wire.table], ['198.51.100.0/24-24 AS65001', '192.0.2.0/24-24 AS65003']);
});

test('a stop takes everything away', () => {
  const wire = established();
  wire.take(wire.client.handle({ kind: 'stop' }, wire.nowMs));
  assert.equal(wire.table.size, 0);
  assert.equal(wire.client.status, 'Down');
  assert.equal(wire.client.nextDeadlineMs(), undefined);
});

test('whatever a cache sends, the client neither throws nor loses count', () => {
  const pdu = fc.constantFrom<RtrPdu>(
    A,
    B,
    C,
    withdrawn(A),
    withdrawn(C),
    response(),
    response(78),
    end(6),
    end(6, 78),
    { kind: 'cacheReset' },
    { kind: 'serialNotify', sessionId: 77, serial: 6 },
    { kind: 'errorReport', code: 2, about: new Uint8Array(0), text: '' },
    { kind: 'errorReport', code: 4, about: new Uint8Array(0), text: '' },
  );
  const step = fc.oneof(
    pdu.map((value) => (wire: Wire) => wire.cache(value)),
    fc.uint8Array({ maxLength: 24 }).map((bytes) => (wire: Wire) => wire.octets(bytes)),
    fc.constantFrom(
      (wire: Wire) => wire.closed(),
      (wire: Wire) => wire.connected(),
      (wire: Wire) => wire.wait(),
    ),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const wire = new Wire();
      for (const run of steps) run(wire);
      assert.equal(wire.table.size, wire.client.count);
      assert.notEqual(wire.client.nextDeadlineMs(), undefined);
    }),
    { numRuns: 500 },
  );
});
