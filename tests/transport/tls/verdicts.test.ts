import fs from 'node:fs';
import { expect, test } from 'vitest';
import {
  describeCertificate,
  describeFailure,
  VERDICTS,
} from '../../../src/transport/tls/verdicts.ts';

const DOCUMENT = fs.readFileSync(new URL('../../../docs/tls-log.md', import.meta.url), 'utf8');

test.each(Object.entries(VERDICTS))(
  'docs/tls-log.md has all %s as the log says them',
  (_, table) => {
    for (const [code, sentence] of Object.entries(table)) {
      expect(DOCUMENT).toContain(`| \`${code}\` | ${sentence} |`);
    }
  },
);

test('docs/tls-log.md has no code that the log does not know', () => {
  const known = Object.values(VERDICTS).flatMap((table) => Object.keys(table));
  const documented = [...DOCUMENT.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1]);
  expect(documented.sort()).toEqual(known.sort());
});

test.each([
  'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', // OpenSSL 3.0
  'ERR_SSL_SSL/TLS_ALERT_UNKNOWN_CA', // since 3.2
])('an alert is known by its name, whatever is before it: %s', (code) => {
  expect(describeFailure(code)).toBe(VERDICTS.alerts.UNKNOWN_CA);
});

test('an alert is not taken for our own error of the same name', () => {
  const own = describeFailure('ERR_SSL_NO_APPLICATION_PROTOCOL');
  const theirs = describeFailure('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
  expect(own).not.toBe(theirs);
});

test('a code that nobody knows says where to look', () => {
  expect(describeCertificate('WHAT')).toBe(
    'the client certificate is refused, it does not verify: look the code up',
  );
  expect(describeFailure('ERR_SSL_WHAT')).toBe('the TLS handshake failed: look the code up');
  expect(describeFailure('ERR_SSL_TLSV1_ALERT_WHAT')).toBe(
    'the client refused the handshake: look into its log',
  );
});
