// BGP community values as MetalLB's API writes them: "hi:lo" (RFC 1997) and "large:a:b:c" (RFC 8092).
// Extended communities have no form in the API.

import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';

export type Community =
  /** One unsigned 32-bit word. */
  | { readonly kind: 'standard'; readonly value: number }
  | { readonly kind: 'large'; readonly value: readonly [number, number, number] };

/** `format`: it may be the name of an alias that does not exist yet. `value`: it never will be one. */
export interface CommunityIssue {
  readonly kind: 'format' | 'value';
  readonly message: string;
}

/** Parses a community value; messages contain MetalLB's substrings. */
export function parseCommunity(text: string): Result<Community, CommunityIssue> {
  const parts = text.split(':');
  if (parts.length === 2) {
    const [high, low] = parts.map((part) => parseSection(part, 0xffff));
    if (high === undefined) return invalidSection(text, parts[0]!);
    if (low === undefined) return invalidSection(text, parts[1]!);
    return ok({ kind: 'standard', value: high * 65536 + low });
  }
  if (parts.length === 4) {
    if (parts[0] !== 'large') {
      return err({
        kind: 'value',
        message: `invalid community value: expected community to be of format large but got "${text}"`,
      });
    }
    const values = parts.slice(1).map((part) => parseSection(part, 0xffffffff));
    const bad = values.indexOf(undefined);
    if (bad >= 0) return invalidSection(text, parts[bad + 1]!);
    return ok({ kind: 'large', value: [values[0]!, values[1]!, values[2]!] });
  }
  return err({ kind: 'format', message: `invalid community format: ${text}` });
}

/** "64497:100" or "64497:1:2": a large community loses its marker, as upstream prints it. */
export function renderCommunity(community: Community): string {
  if (community.kind === 'large') return community.value.join(':');
  return `${Math.floor(community.value / 65536)}:${community.value % 65536}`;
}

/** Standard before large, then numerically. */
export function compareCommunities(a: Community, b: Community): number {
  if (a.kind === 'standard') return b.kind === 'standard' ? a.value - b.value : -1;
  if (b.kind === 'standard') return 1;
  for (let i = 0; i < 3; i++) {
    if (a.value[i] !== b.value[i]) return a.value[i]! - b.value[i]!;
  }
  return 0;
}

function parseSection(text: string, max: number): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}

function invalidSection(text: string, section: string): Result<never, CommunityIssue> {
  return err({
    kind: 'value',
    message: `invalid community value: invalid section "${section}" of community "${text}"`,
  });
}
