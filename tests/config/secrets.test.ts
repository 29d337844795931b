// Which configurations hold secrets of their own.

import { expect, test } from 'vitest';
import { holdsSecrets } from '../../src/config/secrets.ts';

test.each([
  [{}, false],
  [{ authenticators: [{ type: 'jwt', keys: [{ secret_file: 's' }] }] }, false],
  [{ authenticators: [{ type: 'jwt', keys: [{ file: 'k' }, { secret: 's' }] }] }, true],
  [{ authorizers: [{ type: 'http', headers: {} }] }, false],
  [{ authorizers: [{ type: 'http', headers: { authorization: 's' } }] }, true],
  [{ tracing: { headers: { authorization: 's' } } }, true],
  [{ listeners: [{ tls: { key_passphrase: 's' } }] }, true],
  [{ authorizers: [{ type: './mine.mjs', options: { secret: 's' } }] }, false],
  [{ storage: { options: { secret: 's' } } }, false],
])('%j: %j', (raw, expected) => {
  expect(holdsSecrets(raw)).toBe(expected);
});
