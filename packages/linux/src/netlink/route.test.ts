import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RouteBatch } from '@rookery/router';
import type { KernelRoute } from '@rookery/router';
import {
  decodeAcknowledgement,
  MessageWriter,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  readMessages,
} from './message.ts';
import { decodeLink, decodeLinkAddress } from './link.ts';
import { dropPortFilter } from './monitor.ts';
import { decodeRoute, encodeRouteDump, encodeRoutes } from './route.ts';

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const base: KernelRoute = {
  family: 'ipv4',
  table: 254,
  net: '192.168.2.1/32',
  protocol: 12,
  metric: 32,
  dest: 'unicast',
  nexthops: [{ gateway: '192.168.1.32', ifindex: 3 }],
};

function encoded(route: KernelRoute, change: 'add' | 'replace' | 'remove' = 'add'): Uint8Array {
  const writer = new MessageWriter();
  const batch = new RouteBatch(route.family);
  batch.addRoute(change, route);
  encodeRoutes(writer, batch, 0, 1, 7);
  return writer.bytes();
}

test('a route with one gateway, octet by octet', () => {
  assert.equal(
    hexOf(encoded(base)),
    '3c000000 1800 0506 07000000 00000000'.replaceAll(' ', '') + // RTM_NEWROUTE, REQUEST ACK EXCL CREATE
      '02 20 00 00 fe 0c 00 01 00000000'.replaceAll(' ', '') + // AF_INET /32 main bird universe unicast
      '08000100 c0a80201'.replaceAll(' ', '') +
      '08000600 20000000'.replaceAll(' ', '') +
      '08000500 c0a80120'.replaceAll(' ', '') +
      '08000400 03000000'.replaceAll(' ', ''),
  );
});

test('a removal names prefix, metric and protocol, and matches any scope and type', () => {
  const bytes = encoded({ ...base, table: 1000 }, 'remove');
  assert.equal(
    hexOf(bytes),
    '34000000 1900 0500 07000000 00000000 02200000000cff0000000000 08000100c0a80201 08000f00e8030000 0800060020000000'.replaceAll(
      ' ',
      '',
    ),
  );
});

test('three weighted next hops become RTA_MULTIPATH', () => {
  const nexthops = [32, 33, 34].map((n, i) => ({
    gateway: `192.168.1.${n}`,
    ifindex: 3,
    ...(i === 2 ? { weight: 256, onlink: true } : {}),
  }));
  const bytes = encoded({ ...base, nexthops });
  assert.ok(
    hexOf(bytes).endsWith(
      '34000900' +
        '1000000003000000 08000500c0a80120'.replaceAll(' ', '') +
        '1000000003000000 08000500c0a80121'.replaceAll(' ', '') +
        '100004ff03000000 08000500c0a80122'.replaceAll(' ', ''),
    ),
    hexOf(bytes),
  );
});

test('what is encoded decodes to the same route', () => {
  const octet = fc.integer({ min: 1, max: 254 });
  const hop4 = fc.record({
    gateway: octet.map((n) => `10.0.0.${n}`),
    ifindex: fc.integer({ min: 1, max: 0x7fffffff }),
  });
  const hop6 = fc.record({
    gateway: octet.map((n) => `2001:db8::${n.toString(16)}`),
    ifindex: fc.integer({ min: 1, max: 0x7fffffff }),
  });
  const weights = fc.array(fc.integer({ min: 2, max: 256 }), { minLength: 8, maxLength: 8 });
  const cases = fc.record({
    v6: fc.boolean(),
    hops4: fc.array(hop4, { minLength: 1, maxLength: 8 }),
    hops6: fc.array(hop6, { minLength: 1, maxLength: 8 }),
    via6: fc.boolean(),
    weights,
    table: fc.constantFrom(254, 1, 256, 4294967295),
    metric: fc.constantFrom(0, 32, 4294967295),
    dest: fc.constantFrom('unicast', 'blackhole', 'unreachable', 'prohibit'),
    mtu: fc.boolean(),
    prefsrc: fc.boolean(),
  });
  fc.assert(
    fc.property(cases, (x) => {
      const hops = (x.v6 || x.via6 ? x.hops6 : x.hops4).map((hop, i, all) =>
        all.length === 1 ? { ...hop } : { ...hop, weight: x.weights[i]! },
      );
      const route: KernelRoute = {
        family: x.v6 ? 'ipv6' : 'ipv4',
        table: x.table,
        net: x.v6 ? '2001:db8:1::/48' : '203.0.113.0/24',
        protocol: 12,
        metric: x.metric,
        dest: x.dest as KernelRoute['dest'],
        scope: 0,
        nexthops: x.dest === 'unicast' ? hops : [],
        ...(x.prefsrc ? { prefsrc: x.v6 ? '2001:db8::1' : '192.0.2.1' } : {}),
        ...(x.mtu ? { metrics: { mtu: 1400, advmss: 1360 } } : {}),
      };
      const bytes = encoded(route);
      const [message] = readMessages(bytes);
      const decoded = decodeRoute(bytes, message!);
      assert.deepEqual({ ...decoded, type: undefined }, { ...route, type: undefined });
    }),
  );
});

test('hostile lengths never make the decoders throw or loop', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(16, 20, 24, 25),
      (noise, type) => {
        const bytes = new Uint8Array(16 + noise.length);
        new DataView(bytes.buffer).setUint32(0, bytes.length, true);
        new DataView(bytes.buffer).setUint16(4, type, true);
        bytes.set(noise, 16);
        for (const message of readMessages(bytes)) {
          decodeRoute(bytes, message);
          decodeLink(bytes, message);
          decodeLinkAddress(bytes, message);
          decodeAcknowledgement(bytes, message);
        }
        readMessages(noise);
      },
    ),
  );
});

test('an extended acknowledgement carries errno and the reason in words', () => {
  // Captured: an IPv4 route whose gateway is not on the link.
  const text = Buffer.from('Nexthop has invalid gateway.\0').toString('hex');
  const length = 16 + 20 + 4 + 29;
  const bytes = bytesOf(
    `${length.toString(16).padStart(2, '0')}000000 0200 0003 09000000 00000000 9bffffff 3c0000001800050609000000 00000000 2100 0100 ${text} 000000`,
  );
  const [message] = readMessages(bytes);
  assert.ok(message!.flags & NLM_F_CAPPED && message!.flags & NLM_F_ACK_TLVS);
  assert.deepEqual(decodeAcknowledgement(bytes, message!), {
    seq: 9,
    errno: 101,
    text: 'Nexthop has invalid gateway.',
  });
});

test('a dump asks for one table, above 255 by attribute', () => {
  const writer = new MessageWriter();
  encodeRouteDump(writer, 1, 'ipv6', 1000);
  assert.equal(
    hexOf(writer.bytes()),
    '240000001a0001030100000000000000' + '0a0000000000000000000000' + '08000f00e8030000',
  );
});

test('the filter compares the port in network order', () => {
  assert.equal(dropPortFilter(0x01020304)[1]![3], 0x04030201);
});
