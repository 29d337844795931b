// A ban: whom it keeps out, why, until when. It is stored as JSON with a version, so that a later server reads it, and an
// earlier one says that it cannot. Its times are those of the wall clock: whoever sets one thinks of it.

import { AddressRanges, normalizeAddress, rangeProblem } from '../../lib/address.ts';
import { Glob } from '../../lib/glob.ts';
import { decodeVersioned, encodeVersioned } from '../versioned-json.ts';

const BAN_KINDS = ['address', 'username', 'client_id'] as const;
/** What a ban goes by. */
export type BanKind = (typeof BAN_KINDS)[number];

export interface Ban {
  readonly kind: BanKind;
  /** An address or a range in its one spelling; a name, `*` standing for any characters. */
  readonly pattern: string;
  /** For operators; never told to the client. */
  readonly reason: string;
  /** Who made it: `cli`, `api`, … */
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
  /** Milliseconds since 1970; null = until somebody lifts it. */
  readonly expiresAtMs: number | null;
}

/** A ban to be made. */
export interface BanRequest {
  readonly kind: BanKind;
  readonly pattern: string;
  readonly reason?: string;
  readonly origin?: string;
  /** Milliseconds from now; default: until somebody lifts it. */
  readonly durationMs?: number | null;
}

/** A client, as far as bans go by it. */
export interface BannedClient {
  readonly clientId: string;
  readonly username: string | null;
  readonly remoteAddress: string;
}

const VERSION = 1;
/** Bytes: the key of a table has 1,024 at most. */
const PATTERN_BYTES_MAX = 1_000;
const TEXT_MAX = 1_000;
/** A hundred years: far enough from the end of what a date can say. */
const DURATION_MAX_MS = 100 * 365 * 86_400_000;
/** Names of ranges that are no good as a ban: what they mean is not to be seen in it. */
const RANGE = /[.:]/;

/** What is wrong with a ban that somebody wants to make, and what would be right; null if nothing is. */
export function banProblem(request: BanRequest): string | null {
  const { kind, pattern, reason = '', origin = '', durationMs = null } = request;
  if (!BAN_KINDS.includes(kind)) {
    return `a ban goes by one of ${BAN_KINDS.join(', ')}, not by "${String(kind)}"`;
  }
  if (durationMs !== null && !(Number.isFinite(durationMs) && durationMs > 0)) {
    return `a ban lasts for a positive time, not for ${durationMs} ms; leave it out for a ban without an end`;
  }
  if (durationMs !== null && durationMs > DURATION_MAX_MS) {
    return 'a ban lasts for a hundred years at most; leave the time out for a ban without an end';
  }
  if (reason.length > TEXT_MAX || origin.length > TEXT_MAX) {
    return `reason and origin of a ban have ${TEXT_MAX} characters at most`;
  }
  if (kind === 'address') {
    const problem = rangeProblem(pattern);
    if (problem !== null) return problem;
    return RANGE.test(pattern)
      ? null
      : `"${pattern}" is a name of ranges: a ban needs an address or a range itself, like 10.0.0.0/8`;
  }
  if (pattern === '')
    return `a ban of a ${kind} needs a name, in which * stands for any characters`;
  const bytes = Buffer.byteLength(pattern);
  return bytes <= PATTERN_BYTES_MAX
    ? null
    : `the name in a ban has ${PATTERN_BYTES_MAX} bytes at most, not ${bytes}: write its beginning and a *`;
}

/** The pattern in its one spelling. Throws Error if it cannot be that of a ban. */
export function banPattern(kind: BanKind, pattern: string): string {
  const problem = banProblem({ kind, pattern });
  if (problem !== null) throw new Error(problem);
  return kind === 'address' ? rangeOf(pattern) : pattern;
}

/** The ban that is asked for. Throws Error with what is wrong. */
export function banOf(request: BanRequest, nowMs: number): Ban {
  const problem = banProblem(request);
  if (problem !== null) throw new Error(problem);
  const { kind, pattern, reason = '', origin = '', durationMs = null } = request;
  return {
    kind,
    pattern: banPattern(kind, pattern),
    reason,
    origin,
    createdAtMs: nowMs,
    expiresAtMs: durationMs === null ? null : nowMs + durationMs,
  };
}

export function hasExpired({ expiresAtMs }: Ban, nowMs: number): boolean {
  return expiresAtMs !== null && expiresAtMs <= nowMs;
}

/** Those of the clients whom the ban is about: it keeps nobody out who is in already. */
export function bannedAmong<T extends BannedClient>(ban: Ban, clients: Iterable<T>): T[] {
  if (ban.kind === 'address') {
    const ranges = new AddressRanges([ban.pattern]);
    return [...clients].filter(({ remoteAddress }) => ranges.has(remoteAddress));
  }
  const glob = new Glob(ban.pattern);
  return [...clients].filter((client) => {
    const name = ban.kind === 'username' ? client.username : client.clientId;
    return name !== null && glob.matches(name);
  });
}

/** Where a ban is kept. */
export function banKey(kind: BanKind, pattern: string): string {
  return `${kind}:${pattern}`;
}

export function encodeBan(ban: Ban): Uint8Array {
  return encodeVersioned(VERSION, ban);
}

/** A stored ban, or what is wrong with it. */
export function decodeBan(value: Uint8Array): Ban | string {
  const ban = decodeVersioned(value, VERSION);
  if (typeof ban === 'string') return ban;
  return isBan(ban) ? ban : 'fields are missing, or have values that no ban has';
}

function isBan(value: Record<string, unknown>): value is Record<string, unknown> & Ban {
  const { kind, pattern, reason, origin, createdAtMs, expiresAtMs } = value;
  if (typeof pattern !== 'string' || typeof reason !== 'string' || typeof origin !== 'string') {
    return false;
  }
  if (!Number.isFinite(createdAtMs) || !(expiresAtMs === null || Number.isFinite(expiresAtMs))) {
    return false;
  }
  return banProblem({ kind: kind as BanKind, pattern, reason, origin }) === null;
}

/** A range in its one spelling; one address has no prefix. */
function rangeOf(text: string): string {
  const [address, prefix = ''] = text.split('/');
  const network = normalizeAddress(address) ?? address;
  if (prefix === '') return network;
  const isIpv4 = !network.includes(':');
  // An IPv4 address as IPv6 carries it: the prefix counts the bits before it.
  const bits = Number(prefix) - (isIpv4 && address.includes(':') ? 96 : 0);
  return bits === (isIpv4 ? 32 : 128) ? network : `${network}/${bits}`;
}
