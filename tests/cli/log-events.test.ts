// docs/log-events.md has every sentence that the log can say, and no other.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { DROP_REASON_INFO } from '../../src/core/drop-reasons.ts';
import { findLogCalls } from '../kit/log-calls.ts';
import { ROOT } from './command.ts';

/**
 * Calls whose sentence comes from elsewhere: what else the page must have for them. Empty: it hands on what callers say, who are
 * found themselves, or what another page lists.
 */
const HANDED_ON: Readonly<Record<string, readonly string[]>> = {
  'src/auth/acl/authorizer-chain.ts': [
    'an authorizer failed: what it was asked about is refused',
    'an authorizer failed to close',
  ],
  'src/auth/failure-log.ts': [],
  'src/cli/access/in-force.ts': [], // warnings of the readers of files
  'src/cli/greeting.ts': [
    'ANYBODY who can reach … may connect, …: …. Keep it behind a firewall',
    'Everybody with a certificate of its authorities may connect to …, …: there are no passwords',
    'Try: …',
  ],
  'src/core/logger.ts': [],
  'src/core/refusal-log.ts': [],
  'src/core/store-host.ts': [],
  'src/session/denial-log.ts': [
    'a client may not connect',
    'a client may not publish this',
    'a client may not subscribe to this',
    'a client may not receive this',
    'a subscription is muted: its client may not have it any more',
  ],
  'src/session/drop-log.ts': Object.values(DROP_REASON_INFO)
    .filter(({ level }) => level !== null)
    .map(({ sentence }) => sentence),
  'src/session/faults.ts': [],
  'src/transport/tls/newcomer.ts': [], // docs/tls-log.md
  'src/transport/tls/reload.ts': ['TLS certificate reloaded'],
  'src/transport/websocket/door.ts': [
    'MQTT without WebSocket came to a listener for WebSocket; check its URL',
    'TLS came to a port without TLS: the client wants wss://, this listener is ws://; check its URL',
  ],
};
/** Of the log itself, which no logger says. */
const OF_THE_LOG = 'log lines were lost because they were not read in time';

const calls = findLogCalls(ROOT);
const page = readFileSync(path.join(ROOT, 'docs/log-events.md'), 'utf8');
/** The first cell in backticks of each row of a table. */
const documented = new Set(
  [...page.matchAll(/^\| (?:(?:debug|info|warn|error) \| )?`([^`]+)` \|/gm)].map(
    ([, name]) => name,
  ),
);
const said = new Set([
  ...calls.flatMap(({ sentences }) => sentences),
  ...Object.values(HANDED_ON).flat(),
  OF_THE_LOG,
]);

describe('docs/log-events.md', () => {
  test('has every sentence of the sources', () => {
    expect(calls.length).toBeGreaterThan(100);
    const missing = calls.flatMap(({ file, line, sentences }) =>
      sentences
        .filter((sentence) => !documented.has(sentence))
        .map((sentence) => `${file}:${line} says ${JSON.stringify(sentence)}, which no row has`),
    );
    expect(missing).toEqual([]);
    expect(
      Object.values(HANDED_ON)
        .flat()
        .filter((sentence) => !documented.has(sentence)),
    ).toEqual([]);
  });

  test('has no sentence that nothing says any more', () => {
    expect([...documented].filter((sentence) => !said.has(sentence))).toEqual([]);
  });

  test('every call has its sentence in sight, or is known to hand one on', () => {
    const unknown = calls
      .filter(({ file, sentences }) => sentences.length === 0 && !(file in HANDED_ON))
      .map(({ file, line }) => `${file}:${line}: say where its sentences come from in HANDED_ON`);
    expect(unknown).toEqual([]);
  });

  test('sentences that are handed on are in the sources, and no file is named in vain', () => {
    for (const [file, sentences] of Object.entries(HANDED_ON)) {
      if (file === 'src/session/drop-log.ts') continue; // from the table of reasons itself
      const text = readFileSync(path.join(ROOT, file), 'utf8');
      for (const sentence of sentences) {
        for (const part of sentence.split('…'))
          expect(text, `${file}: ${sentence}`).toContain(part);
      }
      expect(
        calls.some((call) => call.file === file && call.sentences.length === 0),
        file,
      ).toBe(true);
    }
  });
});
