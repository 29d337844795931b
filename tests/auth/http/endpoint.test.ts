import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AccessError } from '../../../src/auth/access-error.ts';
import { type HttpOptions, httpEndpoint, readCa } from '../../../src/auth/http/endpoint.ts';
import { temporaryFolder } from '../../kit/folder.ts';
import { Authority } from '../../support/certificates.ts';

function problemsOf(options: Partial<HttpOptions>): readonly string[] {
  try {
    httpEndpoint({ name: 'hook', url: 'https://auth.example/mqtt', ...options });
    return [];
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    return error.problems.map(({ message }) => message);
  }
}

describe('plain http', () => {
  test.each([
    'http://127.0.0.1/auth',
    'http://127.8.9.10:8080/auth',
    'http://127.1/',
    'http://[::1]:8080/auth',
    'http://localhost:8080/auth',
    'http://LOCALHOST/',
  ])('may go to this machine: %s', (url) => {
    expect(problemsOf({ url })).toEqual([]);
  });

  test.each([
    'http://192.0.2.7/auth',
    'http://auth.example/auth',
    'http://localhost.example/',
    'http://127.0.0.1.example/',
    'http://[::2]/',
    'http://0.0.0.0/',
    'http://128.0.0.1/',
  ])('goes nowhere else unless it is meant so: %s', (url) => {
    expect(problemsOf({ url })).toEqual([
      expect.stringMatching(/^hook: http sends passwords .* use https, or set insecure = true$/),
    ]);
    expect(problemsOf({ url, insecure: true })).toEqual([]);
  });
});

test.each<[Partial<HttpOptions>, RegExp]>([
  [{ url: 'auth.example/mqtt' }, /the URL is none: https:\/\/host\/path is expected/],
  [{ url: '' }, /the URL is none/],
  [{ url: 'ftp://127.0.0.1/' }, /begins with ftp:, and only https: and http: are known/],
  [{ url: 'file:///etc/passwd' }, /begins with file:/],
  [{ url: 'https://u:opensesame@auth.example/' }, /holds a user name or a password: take it out/],
  [{ url: 'https://auth.example/#opensesame' }, /holds a #/],
  [{ url: 'http://127.0.0.1/', ca: 'opensesame' }, /ca has no meaning with http/],
  [{ headers: { 'a b': 'opensesame' } }, /headers has a name that is none: "a b"/],
  [{ headers: { token: 'opensesame\r\nX: y' } }, /the header token has a value that no header/],
  [{ headers: { 'Content-Length': '0' } }, /the header Content-Length is set by the server itself/],
  [{ headers: { 'transfer-encoding': 'chunked' } }, /the header transfer-encoding is set by/],
])('what cannot be meant is said, and nothing secret with it: %o', (options, sentence) => {
  const problems = problemsOf(options);
  expect(problems).toEqual([expect.stringMatching(sentence)]);
  expect(problems[0]).toMatch(/^hook: /);
  expect(problems[0]).not.toContain('opensesame');
});

test('every problem is said at once', () => {
  const headers = { Expect: 'x', 'a b': 'x' };
  expect(problemsOf({ url: 'http://u@auth.example/#x', ca: 'x', headers })).toHaveLength(6);
});

test('what is not said has a default, and sentences show the URL without its query', () => {
  const url = 'https://auth.example/mqtt?key=opensesame';
  const endpoint = httpEndpoint({ name: 'hook', url, timeoutMs: undefined });
  expect(endpoint).toMatchObject({
    place: 'https://auth.example/mqtt',
    method: 'POST',
    headers: {},
    ca: null,
    insecure: false,
    timeoutMs: 5_000,
    concurrency: 32,
    queueMax: 1_000,
    cacheTtlMs: 60_000,
    cacheMax: 10_000,
    circuitFailures: 5,
    circuitOpenMs: 10_000,
    answerBytesMax: 65_536,
  });
});

describe('the file of authorities', () => {
  function fileWith(text: string): string {
    const file = path.join(temporaryFolder(), 'ca.pem');
    writeFileSync(file, text);
    return file;
  }

  test('may hold several certificates, and text between them', async () => {
    const [one, two] = [Authority.root(), Authority.root()].map(({ issued }) => issued.cert.trim());
    const file = fileWith(`# ours\n${one}\nand another\n${two}\n`);
    expect(await readCa(file)).toBe(`${one}\n${two}`);
  });

  test.each([
    ['', null, 'there is no certificate in it: PEM is expected'],
    ['-----BEGIN CERTIFICATE-----', null, 'there is no certificate in it'],
    [
      '\n\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      3,
      'the certificate that begins here cannot be read',
    ],
  ])('without a certificate is refused: %j', async (text, line, sentence) => {
    const file = fileWith(text);
    const problem = { file, line, message: expect.stringContaining(sentence) };
    await expect(readCa(file)).rejects.toMatchObject({ name: 'AccessError', problems: [problem] });
  });

  test('that is not there is refused', async () => {
    const file = path.join(temporaryFolder(), 'no.pem');
    await expect(readCa(file)).rejects.toThrow(`${file}: cannot be read: ENOENT`);
  });
});
