// Decoders take a bounded number of steps and octets for any message: the reads of the worst shapes
// at the greatest length are counted, not timed. A decoder that looked back at what it has read
// would need the square.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createAttributeScan,
  createNlriBatch,
  decodeNlri,
  decodeNotification,
  decodeOpen,
  decodePathAttributes,
  FrameReader,
  scanPathAttributes,
  createUpdateSections,
  splitUpdate,
} from '@rookery/bgp';
import type { AttributeContext } from '@rookery/bgp';
import { octetsOf } from '@rookery/testkit';

const CONTEXT: AttributeContext = {
  as4: true,
  peerType: 'internal',
  confederation: true,
  allowLocalPref: true,
  allowAsSets: true,
  aigp: true,
  extendedNextHop: true,
};

/** Attribute sections of some 65 000 octets. */
const SECTIONS: Readonly<Record<string, string>> = {
  'empty unknown attributes of one type': 'c06300*21000',
  'AS_PATH of segments with one number': `5002fde8 ${'02010000fbf1'}*10836`,
  'AS_PATH of empty segments': '5002fde8 0200*32500',
  'AS_PATH of long segments': `5002fe00 ${`02ff${'0000fbf1'.repeat(255)}`}*63 0202${'0000fbf1'.repeat(2)} 00*622`,
  'AS_PATH and an AS4_PATH as long': `5002 7800 02010000fbf1*5120 d0117800 02010000fbf1*5120`,
  communities: 'd008fde8 fde90001*16250',
  'large communities, all equal': `d020fde4 ${'00000001'.repeat(3)}*5416`,
  'extended communities': 'd010fde8 0002fbf100000001*8125',
  CLUSTER_LIST: '900afde8 0a000001*16250',
  'AIGP of empty TLVs': '901afde6 020003*21666',
  'one unknown attribute': 'd063fde8 00*65000',
  'flags octets alone': 'ff*65000',
};

for (const [name, text] of Object.entries(SECTIONS)) {
  test(`attributes: ${name}`, () => {
    const bytes = octetsOf(`raw ${text}`);
    const { counted, reads } = count(bytes);
    const scan = createAttributeScan();
    scanPathAttributes(counted, 0, bytes.length, scan);
    const decoded = decodePathAttributes(counted, 0, bytes.length, CONTEXT, 'classic');
    assert.ok(reads() <= bytes.length * 6, `${reads()} reads of ${bytes.length} octets`);
    assert.ok(sizeOf(decoded) <= bytes.length * 12, `${sizeOf(decoded)} values`);
  });
}

test('prefixes: 65 000 default routes, in both families, with and without identifiers', () => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const addPath of [false, true]) {
      const bytes = octetsOf('raw 00*65000');
      const { counted, reads } = count(bytes);
      const batch = createNlriBatch();
      decodeNlri(counted, 0, bytes.length, family, addPath, batch);
      assert.equal(batch.count, addPath ? 13_000 : 65_000);
      assert.ok(reads() <= bytes.length * 2);
      assert.ok(batch.words.length <= bytes.length * 8);
    }
  }
});

test('OPEN: two thousand capabilities of every kind', () => {
  for (const unit of ['c800', '4100', '01040001ff85', '0200', '4b0100', '450400010103', '0f00']) {
    const times = Math.floor(4050 / (unit.length / 2));
    const length = (times * unit.length) / 2;
    const hex = (value: number): string => value.toString(16).padStart(4, '0');
    const message = octetsOf(
      `open 04 fbf1 005a 0a000101 ff ff${hex(length + 3)} 02${hex(length)} ${unit}*${times}`,
    );
    const { counted, reads } = count(message);
    decodeOpen(counted, 0, message.length);
    assert.ok(reads() <= message.length * 6, `${unit}: ${reads()} reads`);
  }
});

test('NOTIFICATION and UPDATE sections of the greatest length', () => {
  const notification = octetsOf('notification 0602 ff 41*65000');
  const first = count(notification);
  decodeNotification(first.counted, 0, notification.length);
  assert.ok(first.reads() <= notification.length * 2);
  const update = octetsOf('update 00*30000 / 00*30000 / 00*5000');
  const second = count(update);
  splitUpdate(second.counted, 0, update.length, createUpdateSections());
  assert.ok(second.reads() < 20);
});

test('a stream that comes octet by octet is copied once, not again with every octet', () => {
  const reader = new FrameReader();
  reader.allowExtended();
  const message = octetsOf('update 00*65000 / /');
  let found = 0;
  let greatest = 0;
  for (let at = 0; at < message.length; at++) {
    reader.push(message.subarray(at, at + 1));
    while (reader.next() === 'message') found++;
    greatest = Math.max(greatest, reader.pending);
  }
  assert.equal(found, 1);
  assert.ok(greatest <= 65_535);
});

/** The octets, with every single read counted. */
function count(bytes: Uint8Array): { readonly counted: Uint8Array; readonly reads: () => number } {
  let reads = 0;
  const counted = new Proxy(bytes, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof key === 'string' && key >= '0' && key <= '99999') reads++;
      if (key === 'subarray' || key === 'slice') {
        return (from: number, to: number) => {
          reads += Math.max(0, to - from);
          return target.slice(from, to);
        };
      }
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { counted, reads: () => reads };
}

/** Numbers, texts and objects in a value. */
function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, each) => sum + sizeOf(each), 1);
}
