// Methods: `net.len`, `bgp_path.prepend(65000)`, `bgp_community.delete([(1,*)])`. The function forms
// `prepend(p, n)`, `add(l, x)` of older configurations come here too.

import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { suggestWord } from '../issue.ts';
import type { Term } from './ast.ts';
import { convert, demand } from './operand.ts';
import { typeName } from './types.ts';
import type { Type } from './types.ts';
import { wrongArgument } from './unit.ts';
import type { Code, Unit } from './unit.ts';

/** Elements and width of the list types. */
const LISTS: Readonly<Record<string, { element: Type; set: Type; width: number }>> = {
  clist: { element: 'pair', set: 'pair set', width: 1 },
  eclist: { element: 'ec', set: 'ec set', width: 2 },
  lclist: { element: 'lc', set: 'lc set', width: 3 },
};

interface Method {
  readonly type: Type;
  readonly js: string;
  readonly void?: boolean;
}

/** Methods without arguments; `x` is the object. */
const SIMPLE: Readonly<Record<string, Readonly<Record<string, Method>>>> = {
  prefix: {
    len: { type: 'int', js: 'x.length' },
    ip: { type: 'ip', js: 'R.prefixIp(x)' },
    type: { type: 'enum nettype', js: 'R.prefixType(x)' },
    maxlen: { type: 'int', js: '(x.maxLength ?? R.mismatch(L))' },
    asn: { type: 'int', js: '(x.asn ?? R.mismatch(L))' },
    dst: { type: 'prefix', js: 'x' },
  },
  ip: { is_v4: { type: 'bool', js: 'R.isV4(x)' } },
  pair: {
    asn: { type: 'int', js: '(x >>> 16)' },
    data: { type: 'int', js: '(x & 65535)' },
  },
  lc: {
    asn: { type: 'int', js: 'x.a' },
    data1: { type: 'int', js: 'x.b' },
    data2: { type: 'int', js: 'x.c' },
  },
  bgppath: {
    len: { type: 'int', js: 'R.pathLength(x)' },
    first: { type: 'int', js: 'R.firstAsn(x)' },
    last: { type: 'int', js: 'R.lastAsn(x)' },
    last_nonaggregated: { type: 'int', js: 'R.lastNonaggregated(x)' },
    empty: { type: 'bgppath', js: 'R.NONE' },
  },
};

function listMethods(type: string): Readonly<Record<string, Method>> {
  const { element, width } = LISTS[type]!;
  return {
    len: { type: 'int', js: width === 1 ? 'x.length' : `(x.length / ${width})` },
    min: { type: element, js: `R.listExtreme(x, ${width}, false)`, void: true },
    max: { type: element, js: `R.listExtreme(x, ${width}, true)`, void: true },
    empty: { type: type as Type, js: 'R.NONE' },
  };
}

const WITH_ARGUMENT: Readonly<Record<string, readonly string[]>> = {
  ip: ['mask'],
  bgppath: ['prepend', 'append', 'delete', 'filter'],
  clist: ['add', 'delete', 'filter'],
  eclist: ['add', 'delete', 'filter'],
  lclist: ['add', 'delete', 'filter'],
};

/** `object.name` or `object.name(argument)`. */
export function emitMethod(unit: Unit, term: Extract<Term, { kind: 'method' }>): Code {
  const object = unit.emit(unit, term.on);
  return emitMethodOn(unit, object, term.name, term.args ?? [], term.at);
}

/** The method of an object that has been compiled. */
export function emitMethodOn(
  unit: Unit,
  object: Code,
  name: string,
  args: readonly Term[],
  at: Token,
): Code {
  if (object.type === 'any') return { type: 'any', js: 'undefined', void: true };
  const simple: Readonly<Record<string, Method>> =
    object.type in LISTS ? listMethods(object.type) : (SIMPLE[object.type] ?? {});
  const method = Object.hasOwn(simple, name) ? simple[name] : undefined;
  const takesArgument = WITH_ARGUMENT[object.type]?.includes(name) === true;
  if (method === undefined && !takesArgument) unknownMethod(object.type, name, at, simple);
  const self = demand(unit, object, object.type, name.toUpperCase(), 1, at);
  if (method !== undefined) {
    if (args.length > 0) wrongCount(name, 0, args.length, at);
    // The object may be any expression, so it is evaluated once, under a name.
    const body = method.js.replace(/\bL\b/g, String(at.line)).replace(/\bx\b/g, () => self.js);
    return { type: method.type, js: body, void: method.void === true };
  }
  if (args.length !== 1) wrongCount(name, 1, args.length, at);
  const argument = unit.emit(unit, args[0]!);
  if (object.type === 'ip') {
    const length = demand(unit, argument, 'int', 'IP_MASK', 2, args[0]!.at);
    return { type: 'ip', js: `R.maskAddress(${self.js}, ${length.js})`, void: false };
  }
  return object.type === 'bgppath'
    ? emitPathMethod(unit, self, name, argument, args[0]!.at)
    : emitListMethod(unit, self, name, argument, args[0]!.at);
}

function emitPathMethod(unit: Unit, self: Code, name: string, argument: Code, at: Token): Code {
  if (name === 'prepend' || name === 'append') {
    const asn = demand(unit, argument, 'int', `PATH_${name.toUpperCase()}`, 2, at);
    return { type: 'bgppath', js: `R.${name}Asn(${self.js}, ${asn.js})`, void: false };
  }
  const keep = name === 'filter';
  if (argument.type === 'empty set') {
    return keep ? { type: 'bgppath', js: 'R.NONE', void: false } : self;
  }
  if (argument.type !== 'int set' && (argument.type !== 'int' || keep)) {
    wrongArgument(at, keep ? 'PATH_FILTER' : 'DELETE', 2, 'int set', argument.type);
  }
  const match = argument.void ? demand(unit, argument, argument.type, 'DELETE', 2, at) : argument;
  return { type: 'bgppath', js: `R.filterPath(${self.js}, ${match.js}, ${keep})`, void: false };
}

function emitListMethod(unit: Unit, self: Code, name: string, argument: Code, at: Token): Code {
  const { element, set, width } = LISTS[self.type]!;
  const result = (js: string): Code => ({ type: self.type, js, void: false });
  const op = name.toUpperCase();
  if (argument.type === self.type) {
    const list = demand(unit, argument, self.type, op, 2, at).js;
    if (name === 'add') return result(`R.listAddAll(${self.js}, ${width}, ${list})`);
    return result(`R.listFilter(${self.js}, ${width}, { list: ${list} }, ${name === 'filter'})`);
  }
  if (argument.type === 'empty set' && name !== 'add') {
    return name === 'delete' ? self : result('R.NONE');
  }
  const isSet = argument.type === set || (self.type === 'clist' && argument.type === 'quad set');
  if (self.type === 'clist' && argument.type === 'ip set' && name !== 'add') {
    const quads = `R.quadSet(${argument.js})`;
    return result(`R.listFilter(${self.js}, 1, { set: ${quads} }, ${name === 'filter'})`);
  }
  if (isSet && name !== 'add') {
    return result(
      `R.listFilter(${self.js}, ${width}, { set: ${argument.js} }, ${name === 'filter'})`,
    );
  }
  const single = singleElement(unit, self.type, argument, element);
  if (single === undefined || name === 'filter') {
    // BIRD 2.0 notices only when it runs; here it cannot mean anything.
    raise(
      at,
      'type',
      `Can't ${name} ${typeName(argument.type)} ${name === 'add' ? 'to' : 'from'} ${self.type}`,
      name === 'add' ? `add a ${element}, as in add((1,2))` : `use a ${element} or a set of them`,
    );
  }
  const value = demand(unit, single, single.type, op, 2, at).js;
  if (name === 'add') return result(`R.listAdd(${self.js}, ${width}, ${value})`);
  return result(`R.listFilter(${self.js}, ${width}, { element: ${value} }, false)`);
}

function singleElement(unit: Unit, list: Type, argument: Code, element: Type): Code | undefined {
  if (argument.type === element) return argument;
  if (list !== 'clist') return undefined;
  if (argument.type === 'quad') return argument;
  return argument.type === 'ip' ? convert(unit, argument, 'quad') : undefined;
}

function unknownMethod(
  type: Type,
  name: string,
  at: Token,
  simple: Readonly<Record<string, Method>>,
): never {
  const all = [...Object.keys(simple), ...(WITH_ARGUMENT[type] ?? [])];
  const near = suggestWord(name, all);
  const known =
    all.length === 0
      ? `type ${typeName(type)} has no methods`
      : `methods of ${type}: ${all.join(', ')}`;
  const hint = near === undefined ? known : `did you mean ${near}?`;
  return raise(at, 'type', `Unknown symbol ${name}`, hint);
}

function wrongCount(name: string, wanted: number, found: number, at: Token): never {
  return raise(at, 'type', `Method '${name}' expects ${wanted} arguments, got ${found} arguments`);
}
