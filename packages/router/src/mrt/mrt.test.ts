import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMrt, readMrt } from './decode-mrt.ts';
import { encodeMrt } from './encode-mrt.ts';
import type { MrtPeer, MrtRecord } from './record.ts';
import { mrtLines } from './show-mrt.ts';

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, 'fixtures', name)));

function linesOf(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  let peers: readonly MrtPeer[] = [];
  for (const { record } of readMrt(bytes)) {
    assert.ok(record.ok, record.ok ? '' : record.error.text);
    if (record.value.kind === 'peers') peers = record.value.peers;
    lines.push(...mrtLines(record.value, peers));
  }
  return lines;
}

// What `bgpdump -m` prints for the same files, with the large community that it leaves out.

test('a table dump of BIRD 2.0.12 is read', () => {
  assert.deepEqual(linesOf(fixture('bird-2.0.12-tables.mrt')), [
    'TABLE_DUMP2|1795443162|B|127.0.9.1|65001|10.1.0.0/16|65001 65055|IGP|127.0.9.1|100|0|65001:100 1:2:3|NAG||',
    'TABLE_DUMP2|1795443162|B|127.0.9.1|65001|2001:db8:1::/48|65001|IGP|2001:db8::1|100|0||NAG||',
  ]);
});

test('a message dump of BIRD 2.0.12 is read', () => {
  assert.deepEqual(linesOf(fixture('bird-2.0.12-messages.mrt')), [
    'BGP4MP|1795443155|STATE|0.0.0.0|65001|1|3',
    'BGP4MP|1795443156|STATE|127.0.9.1|65001|3|2',
    'BGP4MP|1795443156|STATE|127.0.9.1|65001|2|4',
    'BGP4MP|1795443156|STATE|127.0.9.1|65001|4|5',
    'BGP4MP|1795443156|STATE|127.0.9.1|65001|5|6',
    'BGP4MP|1795443159|A|127.0.9.1|65001|10.1.0.0/16|65001 65055|IGP|127.0.9.1|0|0|65001:100 1:2:3|NAG||',
    'BGP4MP|1795443159|A|127.0.9.1|65001|2001:db8:1::/48|65001|IGP|2001:db8::1|0|0||NAG||',
    'BGP4MP|1795443163|STATE|127.0.9.1|65001|6|1',
  ]);
});

test('what we write of what BIRD wrote is read the same', () => {
  for (const name of ['bird-2.0.12-tables.mrt', 'bird-2.0.12-messages.mrt']) {
    for (const { record } of readMrt(fixture(name))) {
      assert.ok(record.ok && record.value.kind !== 'other');
      const again = decodeMrt(encodeMrt(record.value), 0).record;
      assert.deepEqual(again, record);
    }
  }
});

test('ADD-PATH entries, IPv6 sessions and four-octet peers survive the round trip', () => {
  const attributes = { origin: 0, asPath: [{ type: 2, asns: [4200000001] }] } as const;
  const session = {
    peerAs: 4200000001,
    localAs: 65001,
    ifindex: 3,
    peer: '2001:db8::2',
    local: '2001:db8::1',
  };
  const records: readonly Exclude<MrtRecord, { kind: 'other' }>[] = [
    {
      kind: 'peers',
      timeMs: 5000,
      collectorId: '192.0.2.1',
      viewName: 'master6',
      peers: [
        { bgpId: '0.0.0.0', address: '0.0.0.0', asn: 0 },
        { bgpId: '192.0.2.2', address: '2001:db8::2', asn: 4200000001 },
      ],
    },
    {
      kind: 'rib',
      timeMs: 5000,
      family: 'ipv6',
      sequence: 7,
      net: '2001:db8:2::/47',
      entries: [
        {
          peerIndex: 1,
          originatedSec: 4,
          pathId: 9,
          attributes: { ...attributes, nextHop: '2001:db8::2', linkLocalNextHop: 'fe80::2' },
        },
      ],
    },
    { kind: 'state', timeMs: 5000, session, from: 5, to: 6 },
    {
      kind: 'message',
      timeMs: 5000,
      session,
      as4: true,
      addPath: true,
      local: true,
      message: new Uint8Array(19),
    },
  ];
  for (const record of records) {
    assert.deepEqual(decodeMrt(encodeMrt(record), 0).record, { ok: true, value: record });
  }
});

test('microseconds, unknown types, cut and lying records', () => {
  const head = (type: number, subtype: number, length: number): number[] => [
    0,
    0,
    0,
    5,
    0,
    type,
    0,
    subtype,
    0,
    0,
    0,
    length,
  ];
  const state = [0, 1, 0, 2, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2, 0, 5, 0, 6];
  const et = Uint8Array.from([...head(17, 0, 24), 0, 0x07, 0xa1, 0x20, ...state]);
  const decoded = decodeMrt(et, 0).record;
  assert.ok(decoded.ok);
  assert.deepEqual(mrtLines(decoded.value, []), ['BGP4MP|5.500000|STATE|192.0.2.1|1|5|6']);
  const other = decodeMrt(Uint8Array.from([...head(11, 0, 2), 1, 2]), 0);
  assert.deepEqual(other, {
    next: 14,
    record: { ok: true, value: { kind: 'other', timeMs: 5000, type: 11, subtype: 0 } },
  });
  const cut = decodeMrt(Uint8Array.from([...head(13, 1, 9), 1]), 0);
  assert.equal(cut.next, 13);
  assert.ok(!cut.record.ok && cut.record.error.kind === 'cut');
  // A prefix longer than its family, then a sound record: the reader goes on.
  const lying = [...head(13, 2, 7), 0, 0, 0, 1, 33, 0, 0];
  const steps = [...readMrt(Uint8Array.from([...lying, ...head(16, 0, 20), ...state]))];
  assert.deepEqual(
    steps.map((step) => (step.record.ok ? step.record.value.kind : step.record.error.kind)),
    ['malformed', 'state'],
  );
});

test('reading never throws and always ends', () => {
  const sound = fixture('bird-2.0.12-tables.mrt');
  const messages = fixture('bird-2.0.12-messages.mrt');
  const damaged = fc
    .tuple(
      fc.constantFrom(sound, messages),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
    )
    .map(([bytes, changes]) => {
      const copy = bytes.slice();
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      let records = 0;
      for (const { record } of readMrt(bytes)) {
        records++;
        if (record.ok) mrtLines(record.value, []);
      }
      assert.ok(records <= 1 + bytes.length / 12);
    }),
    { numRuns: 2000 },
  );
});
