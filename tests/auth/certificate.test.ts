import { expect, test } from 'vitest';
import { CertificateAuthenticator } from '../../src/auth/certificate.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { certificateOf, connectRequest, login } from '../kit/connect-request.ts';

const authenticator = new CertificateAuthenticator({ name: 'certificate' });

test.each([
  ['its user name', { username: 'sensor-1' }, 'sensor-1'],
  ['its client id, where it gives no other name', { clientId: 'dev-7' }, 'dev-7'],
  ['its user name before its client id', { username: 'sensor-1', clientId: 'dev-7' }, 'sensor-1'],
])('a verified certificate is enough, and the client is %s', (_, fields, username) => {
  const request = { ...login('admin', 'x'), certificate: certificateOf(fields) };
  expect(authenticator.authenticate(request)).toEqual({ reasonCode: ReasonCode.Success, username });
});

test.each([
  ['no certificate', null],
  ['a certificate that names nobody', certificateOf()],
  ['a certificate with an empty name', certificateOf({ username: '' })],
])('a client with %s is not its own', (_, certificate) => {
  expect(authenticator.authenticate(connectRequest({ certificate, username: 'a' }))).toBe('next');
});

test('a certificate that was revoked since, or has expired, is refused and not passed on', () => {
  const objection = () => 'its certificate was revoked';
  const certificate = certificateOf({ username: 'sensor-1', objection });
  expect(authenticator.authenticate(connectRequest({ certificate }))).toEqual({
    reasonCode: ReasonCode.NotAuthorized,
    reasonString: 'its certificate was revoked',
    detail: 'CN=sensor-1: its certificate was revoked',
  });
});
