// What an endpoint said. Only status 200 with a JSON object that holds a known `result` says anything; a field that is not
// known makes it invalid, since it may be one that was meant to restrict and is misspelt. The body is never quoted: an
// endpoint may repeat a password in it.

import type { HttpOutcome } from './client.ts';

const RESULTS: readonly unknown[] = ['allow', 'deny', 'ignore'];

export interface HttpResult {
  readonly result: 'allow' | 'deny' | 'ignore';
  /** For the log and for explanations. */
  readonly reason: string | null;
  /** The fields that only the caller knows; what is null is not there. */
  readonly fields: ReadonlyMap<string, unknown>;
}

/** `known`: what may come with "allow". Throws an Error that says what is wrong. */
export function readResult(
  { status, body }: Extract<HttpOutcome, { kind: 'answered' }>,
  known: readonly string[],
): HttpResult {
  if (status !== 200) throw new Error(`its status is ${status}, and only 200 is an answer`);
  const { result, reason, ...rest } = parse(body);
  if (!RESULTS.includes(result)) {
    throw new Error('its result is not "allow", "deny" or "ignore"');
  }
  const fields = new Map(Object.entries(rest).filter(([, value]) => value !== null));
  const allowed = result === 'allow' ? known : [];
  for (const name of fields.keys()) {
    if (allowed.includes(name)) continue;
    const which = known.includes(name) ? `${name}, which goes with "allow" only` : 'unknown fields';
    const list = ['result', 'reason', ...known].join(', ');
    throw new Error(`it has ${which}; known are ${list}`);
  }
  if (typeof (reason ?? '') !== 'string') throw new Error('its reason is no text');
  return {
    result: result as HttpResult['result'],
    reason: (reason as string | null | undefined) ?? null,
    fields,
  };
}

function parse(body: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Error(body.length === 0 ? 'its body is empty' : 'its body is no JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error('its body is no JSON object');
}
