// Time and memory of a full table through this package: intern, apply, best path, stage, pack.
// A figure to look at while working, not a test. Run with the project's Node and --expose-gc:
//   node --expose-gc packages/rib/bench/full-table.ts [prefixes] [ipv6]
// Prefixes are random, about 7.4 per attribute set; the attribute encoder is a stand-in of 60 octets.

import { AttributeStore } from '../src/attribute-store.ts';
import { PrefixStore } from '../src/prefix-store.ts';
import type { RouteAttributes } from '../src/route.ts';
import { DEFAULT_BEST_PATH_OPTIONS, SourceTable } from '../src/source-table.ts';
import { Table } from '../src/table.ts';
import { UpdateGroup } from '../src/update-group.ts';
import type { AttributeEncoder } from '../src/update-packer.ts';

const count = Number(process.argv[2] ?? 1_000_000);
const wide = process.argv[3] === 'ipv6';
const sets = Math.ceil(count / 7.4);

let state = 42;
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state;
};
const words = new Int32Array(count);
const lengths = new Uint8Array(count);
const setOf = new Int32Array(count);
for (let i = 0; i < count; i++) {
  const length = random() % 100 < 62 ? 24 : 16 + (random() % 8);
  lengths[i] = wide ? 48 : length;
  words[i] = wide ? random() & -65536 : random() & (-1 << (32 - length));
  setOf[i] = Math.floor(i / 7.4);
}

const attributesFor = (set: number, from: string): RouteAttributes => ({
  source: 'bgp',
  scope: 'universe',
  dest: 'unicast',
  nexthops: [{ gateway: '10.0.0.1', interface: 'eth0', ifindex: 2 }],
  from,
  preference: 100,
  igpMetric: 0,
  bgp: {
    origin: 0,
    asPath: [{ type: 2, asns: [64500, set, 64502, 64503] }],
    nextHop: '10.0.0.1',
    communities: [set, 2, 3, 4],
  },
});

const encoder: AttributeEncoder = {
  encode: (n, out, at) => {
    for (let i = 0; i < 60; i++) out[at + i] = n >>> (i & 15);
    return at + 60;
  },
  encodeNextHop: (n, out, at) => (wide ? at + 16 : at),
};

const rssMiB = (): number => {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().rss / 1048576;
};
const memory = (): string => {
  (globalThis as { gc?: () => void }).gc?.();
  const usage = process.memoryUsage();
  const mib = (bytes: number): string => (bytes / 1048576).toFixed(1);
  return `rss ${mib(usage.rss)} MiB, array buffers ${mib(usage.arrayBuffers)}, heap ${mib(usage.heapUsed)}`;
};
const timed = (label: string, units: number, work: () => void): void => {
  const start = performance.now();
  work();
  const ms = performance.now() - start;
  console.log(
    `${label.padEnd(34)} ${ms.toFixed(1).padStart(8)} ms ${((ms * 1e6) / units).toFixed(0).padStart(7)} ns each`,
  );
};

const family = wide ? 'ipv6' : 'ipv4';
console.log(`${count} ${family} prefixes, ${sets} attribute sets; before: ${memory()}`);
const before = rssMiB();
const prefixes = new PrefixStore(family);
const attributes = new AttributeStore();
const sources = new SourceTable();
const peer = (address: string): number =>
  sources.add({
    protocol: address,
    kind: 'bgp',
    peer: {
      type: 'external',
      remoteAs: 64500,
      routerId: 1,
      address,
      options: DEFAULT_BEST_PATH_OPTIONS,
    },
  })!;
const table = new Table({ name: 'master', prefixes, attributes, sources });
const cursor = table.bestChanges.subscribe();
const batch = new Int32Array(1024);
const group = new UpdateGroup({
  prefixes,
  attributes,
  encoder,
  addPath: false,
  maxMessageBytes: 4096,
});
const member = group.addMember({ source: 0 });
const chunks: Uint8Array[] = [];
let sent = 0;
let messages = 0;

function intern(i: number): number {
  return wide
    ? prefixes.intern6(0x20010000, words[i]!, 0, 0, lengths[i]!)
    : prefixes.intern4(words[i]!, lengths[i]!);
}

/** One peer's table in, everything that changed out, as the engine would in slices. */
function load(address: string): void {
  const source = peer(address);
  let set = -1;
  let n = 0;
  for (let i = 0; i < count; i++) {
    if (setOf[i] !== set) {
      if (n !== 0) attributes.release(n);
      set = setOf[i]!;
      n = attributes.intern(attributesFor(set, address));
    }
    table.apply(intern(i), source, 0, n, i);
    if ((i & 1023) === 1023) drain();
  }
  attributes.release(n);
  drain();
}

function drain(): void {
  for (let read = table.bestChanges.read(cursor, batch); read > 0;) {
    for (let i = 0; i < read; i++) {
      const net = batch[i]!;
      const best = table.bestPath(net);
      group.stage(
        net,
        0,
        best === 0 ? 0 : table.attributesOf(best),
        best === 0 ? 0 : table.sourceOf(best),
      );
    }
    group.flush();
    sent += group.take(member, 1e9, chunks);
    chunks.length = 0;
    read = table.bestChanges.read(cursor, batch);
  }
}

timed('attribute sets: encode and intern', sets, () => {
  for (let set = 0; set < sets; set++)
    attributes.release(attributes.intern(attributesFor(set, '10.0.0.9')));
});
timed('prefixes: intern into an empty store', count, () => {
  const fresh = new PrefixStore(family);
  for (let i = 0; i < count; i++) {
    if (wide) fresh.intern6(0x20010000, words[i]!, 0, 0, lengths[i]!);
    else fresh.intern4(words[i]!, lengths[i]!);
  }
});
timed('peer 1: in, best, stage, pack', count, () => load('10.0.0.1'));
const routes = table.pathCount;
console.log(`  ${routes} routes, ${sent} octets in ${member.messagesSent} messages; ${memory()}`);
console.log(
  `  ${(((rssMiB() - before) * 1048576) / routes).toFixed(0)} octets of RSS per route, attributes and export view included`,
);
timed('peer 2: the same prefixes again', count, () => load('10.0.0.2'));
console.log(`  ${table.pathCount} routes; ${memory()}`);
timed('late joiner: packed dump', routes, () => {
  const late = group.addMember({ source: 0 });
  while (group.hasMore(late)) group.take(late, 65_536, chunks);
  messages = late.messagesSent;
  chunks.length = 0;
});
console.log(`  ${messages} messages`);
timed('flush peer 1', count, () => {
  const sweep = table.flushSource(1);
  while (!sweep.step(1024)) drain();
  drain();
});
timed('flush peer 2', count, () => {
  const sweep = table.flushSource(2);
  while (!sweep.step(1024)) drain();
  drain();
});
console.log(
  `  nets ${table.netCount}, prefixes ${prefixes.size}, attributes ${attributes.size}; ${memory()}`,
);
