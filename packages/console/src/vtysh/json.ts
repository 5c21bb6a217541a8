// JSON as FRR's daemons print it: json-c's pretty form (two spaces, no space after the colon,
// empty containers over two lines), with "/" escaped in most of bgpd's replies. Key order is the
// order of insertion; no key here looks like an array index, which JavaScript would move.

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

export interface JsonStyle {
  /** Print "/" as "\/", json-c's default. */
  readonly escapeSlash: boolean;
}

const plain: JsonStyle = { escapeSlash: false };

/** Pretty form without a line end. */
export function prettyJson(value: Json, style: JsonStyle = plain, indent = ''): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map((v) => inner + prettyJson(v, style, inner));
    return `[\n${items.length > 0 ? `${items.join(',\n')}\n` : ''}${indent}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const items = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .map(([key, v]) => `${inner}${text(key, style)}:${prettyJson(v!, style, inner)}`);
    return `{\n${items.length > 0 ? `${items.join(',\n')}\n` : ''}${indent}}`;
  }
  return scalar(value as string | number | boolean | null, style);
}

/** One line without spaces. */
export function compactJson(value: Json, style: JsonStyle = plain): string {
  if (Array.isArray(value)) {
    return `[${(value as readonly Json[]).map((v) => compactJson(v, style)).join(',')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const items = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .map(([key, v]) => `${text(key, style)}:${compactJson(v!, style)}`);
    return `{${items.join(',')}}`;
  }
  return scalar(value as string | number | boolean | null, style);
}

function scalar(value: string | number | boolean | null, style: JsonStyle): string {
  return typeof value === 'string' ? text(value, style) : JSON.stringify(value);
}

function text(value: string, style: JsonStyle): string {
  const json = JSON.stringify(value);
  return style.escapeSlash ? json.replaceAll('/', '\\/') : json;
}
