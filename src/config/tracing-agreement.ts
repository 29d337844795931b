// What of `[tracing]` is fine alone and wrong together.

import { headerProblems } from './access-agreement.ts';
import type { Config } from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import { isLoopbackUrl } from './loopback.ts';
import type { RawConfig } from './raw.ts';

/** One of them has to be there: whoever names a collector does not mean that all is traced. */
const RULES = ['clients', 'topics', 'ratio'] as const;

/** Headers that the server sets itself, or that say where a request ends. */
const OWN_HEADERS: readonly string[] = [
  ...['accept', 'connection', 'content-encoding', 'content-length', 'content-type', 'expect'],
  ...['host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
];

export function tracingDisagreements(raw: RawConfig, { tracing }: Config): ConfigProblem[] {
  const { endpoint, headers, insecure } = tracing;
  const problems: ConfigProblem[] = [];
  const say = (key: string, message: string): void => {
    problems.push({ path: key === '' ? 'tracing' : `tracing.${key}`, message, line: null });
  };
  for (const { key, message } of headerProblems(headers)) say(key, message);
  for (const name of Object.keys(headers)) {
    if (!OWN_HEADERS.includes(name.toLowerCase())) continue;
    say(`headers.${name}`, 'is set by the server itself: leave it out');
  }
  if (endpoint === null) return problems;
  const isPlain = new URL(endpoint).protocol === 'http:';
  if (isPlain && !insecure && !isLoopbackUrl(endpoint)) {
    say(
      'endpoint',
      'topics, client ids and headers would cross the network in the clear: write https://, or add insecure = true where that is wanted',
    );
  }
  if (!isPlain && insecure) {
    say(
      'insecure',
      'does nothing with https://, whose certificate is always verified: leave it out',
    );
  }
  if (RULES.every((key) => raw.tracing?.[key] === undefined)) {
    say(
      '',
      'says of no message that it is traced: add topics = ["…"], clients = ["…"], or ratio = 0.01 (of all messages)',
    );
  }
  return problems;
}
