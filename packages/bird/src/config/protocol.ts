// `protocol TYPE NAME from T { … }`: which options and channels a type has, inheritance, and the
// checks between protocols.

import type { NetType, ProtocolConfig } from '@rookery/router';
import { suggestWord } from '../issue.ts';
import type { IssueSignal } from '../issue.ts';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { readBlock } from './block.ts';
import { BGP_OPTIONS } from './bgp-options.ts';
import { finishBgp } from './bgp.ts';
import { isChannelAhead, readChannel } from './channel.ts';
import { copyDraft } from './draft.ts';
import type { ChannelDraft, ProtocolDraft, ProtocolKind } from './draft.ts';
import { optionSet, readOption } from './options.ts';
import type { OptionSet, OptionTable } from './options.ts';
import { COMMON_OPTIONS } from './protocol-common.ts';
import {
  BFD_OPTIONS,
  CHANNEL_TYPES,
  DEVICE_OPTIONS,
  DIRECT_OPTIONS,
  KERNEL_OPTIONS,
  PIPE_OPTIONS,
  finishBfd,
  finishDevice,
  finishDirect,
  finishKernel,
  finishPipe,
} from './protocols.ts';
import { BMP_OPTIONS, finishBmp } from './bmp.ts';
import { MRT_OPTIONS, finishMrt } from './mrt.ts';
import { RADV_OPTIONS, finishRadv } from './radv.ts';
import { RPKI_OPTIONS, finishRpki } from './rpki.ts';
import { STATIC_OPTIONS, finishStatic } from './static.ts';
import type { ConfigState } from './state.ts';

interface ProtocolType {
  readonly options: OptionSet<ProtocolDraft>;
  readonly finish: (state: ConfigState, draft: never, end: Token) => ProtocolConfig;
  /** More than one channel. */
  readonly many: boolean;
}

const TYPES: Readonly<Record<ProtocolKind, ProtocolType>> = {
  device: protocolType(DEVICE_OPTIONS, (s, d) => finishDevice(s.read, d)),
  direct: protocolType(DIRECT_OPTIONS, (s, d) => finishDirect(s.read, d), true),
  kernel: protocolType(KERNEL_OPTIONS, (s, d, e) => finishKernel(s.read, d, e)),
  static: protocolType(STATIC_OPTIONS, (s, d, e) => finishStatic(s.read, d, e)),
  bgp: protocolType(BGP_OPTIONS, (s, d, e) => finishBgp(s.read, d, e), true),
  pipe: protocolType(PIPE_OPTIONS, (s, d, e) => finishPipe(s.read, d, e)),
  bfd: protocolType(BFD_OPTIONS, (s, d) => finishBfd(s.read, d)),
  bmp: protocolType(BMP_OPTIONS, (s, d, e) => finishBmp(s.read, d, e)),
  mrt: protocolType(MRT_OPTIONS, (s, d, e) => finishMrt(s.read, d, e)),
  radv: protocolType(RADV_OPTIONS, (s, d) => finishRadv(s.read, d)),
  rpki: protocolType(RPKI_OPTIONS, (s, d, e) => finishRpki(s.read, d, e), true),
};

/** Types of BIRD's that rookery does not run. */
const OTHER_TYPES: ReadonlySet<string> = new Set([
  'ospf',
  'rip',
  'babel',
  'aggregator',
  'l3vpn',
  'mpls',
  'evpn',
  'bridge',
  'perf',
]);

function protocolType<D extends ProtocolDraft>(
  options: OptionTable<D>,
  finish: (state: ConfigState, draft: D, end: Token) => ProtocolConfig,
  many = false,
): ProtocolType {
  return {
    options: optionSet(
      COMMON_OPTIONS as OptionTable<D>,
      options,
    ) as unknown as OptionSet<ProtocolDraft>,
    finish: finish as ProtocolType['finish'],
    many,
  };
}

/** Reads a protocol or template; the cursor is after the word `protocol` or `template`. */
export function readProtocol(state: ConfigState, template: boolean): void {
  const { read } = state;
  const { c } = read;
  const typeToken = c.token;
  const kind = readType(state);
  const name = readName(state);
  const base = c.acceptWord('from') ? readBase(state, kind) : undefined;
  if (!c.isPunct('{')) {
    c.unexpected(name === undefined || base !== undefined ? ["'{'"] : ['FROM', "'{'"]);
  }
  const draft = makeDraft(state, kind, template, base);
  draft.name = name?.text ?? (template ? '' : state.unnamed(kind));
  if (name !== undefined) {
    const symbolKind = template ? 'template' : 'protocol';
    read.scope.define(name, { name: name.text, kind: symbolKind, protocolType: kind });
  } else if (!template) {
    read.scope.set({ name: draft.name, kind: 'protocol', protocolType: kind });
  }
  const clean = readBody(state, draft);
  draft.broken = !clean || base?.broken === true;
  if (name !== undefined) state.drafts.set(name.text, draft);
  const end = c.previous;
  if (template) return;
  if (draft.broken) return void (state.incomplete = true);
  const config = TYPES[kind].finish(state, draft as never, end);
  checkUnique(state, config, typeToken, end);
  state.protocols.push(config);
}

function readType(state: ConfigState): ProtocolKind {
  const { c } = state.read;
  const at = c.token;
  if (at.kind === 'word' && !at.quoted) {
    if (Object.hasOwn(TYPES, at.text)) {
      c.next();
      return at.text as ProtocolKind;
    }
    if (OTHER_TYPES.has(at.text)) {
      raise(
        at,
        'unsupported',
        `protocol ${at.text} is not supported by rookery yet`,
        `supported: ${Object.keys(TYPES).join(', ')}`,
      );
    }
  }
  const near = suggestWord(at.text, [...Object.keys(TYPES), ...OTHER_TYPES]);
  const hint =
    near === undefined ? `types are ${Object.keys(TYPES).join(', ')}` : `did you mean ${near}?`;
  return c.unexpected([], hint);
}

function readName(state: ConfigState): Token | undefined {
  const { c } = state.read;
  if (c.isPunct('{') || c.isWord('from')) return undefined;
  if (c.token.kind === 'num') {
    const rest = c.ahead().kind === 'word' ? c.ahead().text : '';
    const name = `${c.token.text}${rest}`;
    c.unexpected([], `a name that starts with a digit needs apostrophes: '${name}'`);
  }
  if (c.token.kind === 'text')
    c.unexpected([], `a name is written without quotes: ${c.token.text}`);
  return c.expectName();
}

function readBase(state: ConfigState, kind: ProtocolKind): ProtocolDraft | undefined {
  const { read } = state;
  const at = read.c.token;
  const symbol = at.kind === 'word' ? read.scope.lookup(at.text) : undefined;
  if (symbol === undefined) {
    const names = [...read.scope.names('template'), ...read.scope.names('protocol')];
    const near = suggestWord(at.text, names);
    const hint =
      near === undefined ? 'define the template above this line' : `did you mean ${near}?`;
    return read.c.unexpected(['CF_SYM_KNOWN'], hint);
  }
  read.c.next();
  if (symbol.kind === 'broken') return undefined;
  if (symbol.kind !== 'template' && symbol.kind !== 'protocol') {
    return raise(
      at,
      'semantic',
      'Template or protocol name expected',
      `${at.text} is a ${symbol.kind}`,
    );
  }
  if (symbol.protocolType !== kind) {
    return raise(
      at,
      'semantic',
      "Can't copy configuration from a different protocol type",
      `${at.text} is of type ${symbol.protocolType}`,
    );
  }
  return state.drafts.get(at.text);
}

function makeDraft(
  state: ConfigState,
  kind: ProtocolKind,
  template: boolean,
  base: ProtocolDraft | undefined,
): ProtocolDraft {
  if (base !== undefined) return { ...copyDraft(base), template, broken: false };
  const draft = {
    kind,
    name: '',
    template,
    disabled: false,
    debug: state.debugProtocols,
    mrtDump: state.mrtDumpProtocols,
    channels: [],
    broken: false,
  };
  return draft as ProtocolDraft;
}

/** The words whose place is inside a channel: BIRD 1 had them directly in the protocol. */
const CHANNEL_WORDS: ReadonlySet<string> = new Set(['import', 'export', 'table', 'preference']);

function readBody(state: ConfigState, draft: ProtocolDraft): boolean {
  const { read } = state;
  const type = TYPES[draft.kind];
  const seen = new Set<NetType>();
  let clean = true;
  const hintFor = (word: string): string | undefined => {
    if (CHANNEL_WORDS.has(word) && CHANNEL_TYPES[draft.kind]!.length > 0) {
      return `BIRD 2 has '${word}' inside a channel: ipv4 { ${word} …; };`;
    }
    return undefined;
  };
  const bodyClean = readBlock(read, () => {
    const start = read.c.token;
    if (isChannelAhead(read) && CHANNEL_TYPES[draft.kind]!.length > 0) {
      const open = (netType: NetType): ChannelDraft =>
        openChannel(state, draft, netType, seen, start, type.many);
      readChannel(read, draft.kind === 'bgp', open, (_channel, readItem) => {
        if (!readBlock(read, readItem)) clean = false;
      });
      return;
    }
    readOption(type.options, read, draft, hintFor);
  });
  return clean && bodyClean;
}

/** The inherited channel of this type, or a new one. */
function openChannel(
  state: ConfigState,
  draft: ProtocolDraft,
  netType: NetType,
  seen: Set<NetType>,
  at: Token,
  many: boolean,
): ChannelDraft {
  if (seen.has(netType)) {
    raise(at, 'semantic', `Multiple ${netType} channels`, 'put all options into one block');
  }
  seen.add(netType);
  const inherited = draft.channels.find((channel) => channel.netType === netType);
  if (inherited !== undefined) return inherited;
  if (!CHANNEL_TYPES[draft.kind]!.includes(netType)) {
    raise(at, 'semantic', 'Unsupported channel type', `${draft.kind} has no ${netType} channel`);
  }
  if (!many && draft.channels.length > 0) {
    raise(
      at,
      'semantic',
      'Different channel type',
      `a ${draft.kind} protocol has one channel: write a second protocol for ${netType}`,
    );
  }
  const channel: ChannelDraft = { netType, at, debug: state.debugChannels };
  draft.channels.push(channel);
  return channel;
}

/** Only one device protocol; only one kernel protocol per table. */
function checkUnique(
  state: ConfigState,
  config: ProtocolConfig,
  typeToken: Token,
  end: Token,
): void {
  if (config.kind === 'device' && state.protocols.some((other) => other.kind === 'device')) {
    raise(
      typeToken,
      'semantic',
      'Kernel device protocol already defined',
      'one is enough: remove this one',
    );
  }
  if (config.kind !== 'kernel') return;
  const { table } = config.channel;
  for (const other of state.protocols) {
    if (other.kind !== 'kernel' || other.channel.table !== table) continue;
    raise(
      end,
      'semantic',
      `Kernel syncer (${other.name}) already attached to table ${table}`,
      'merge the two, or give one another table',
    );
  }
}

/** Marks a name whose definition failed, so that its uses are not reported as well. */
export function markBroken(state: ConfigState, signal: IssueSignal, name: Token | undefined): void {
  if (signal.code === 'duplicate-symbol' || name?.kind !== 'word') return;
  if (!state.read.scope.has(name.text)) state.read.scope.set({ name: name.text, kind: 'broken' });
}
