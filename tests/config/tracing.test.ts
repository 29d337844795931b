// What may stand in [tracing], and what an operator is told who wrote something else.

import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { problemsOf } from './problems.ts';

const ENDPOINT = 'endpoint = "http://127.0.0.1:4318/v1/traces"';
const tracing = (lines: string): string[] => problemsOf(`[tracing]\n${lines}\n`);

test('all of it', () => {
  const toml = `
[tracing]
endpoint = "https://collector.example.com/v1/traces"
service_name = "plant"
clients = ["line-*"]
topics = ["plant/#"]
ratio = 0.25
follow = false
spans_per_second_max = 10
queue_max = 100
timeout = "3s"
[tracing.headers]
Authorization = "Bearer x"
`;
  expect(parseConfig(toml, 'f.toml').tracing).toEqual({
    ...{ endpoint: 'https://collector.example.com/v1/traces', insecure: false },
    ...{ headers: { Authorization: 'Bearer x' }, serviceName: 'plant' },
    ...{ clients: ['line-*'], topics: ['plant/#'], ratio: 0.25, follow: false },
    ...{ spansPerSecondMax: 10, queueMax: 100, timeoutMs: 3_000 },
  });
});

describe('which messages', () => {
  test.each(['clients = ["a"]', 'topics = ["a"]', 'ratio = 1', 'ratio = 0'])(
    '%s says so',
    (line) => {
      expect(tracing(`${ENDPOINT}\n${line}`)).toEqual([]);
    },
  );

  test('has to be said: naming a collector is not asking for everything', () => {
    expect(tracing(ENDPOINT)).toEqual([
      'f.toml:1: tracing: says of no message that it is traced: add topics = ["…"], clients = ["…"], or ratio = 0.01 (of all messages)',
    ]);
    expect(tracing('follow = true')).toEqual([]);
  });

  test.each([
    ['ratio = 1.01', '1.01 is not a number from 0 to 1: 0.1 is a tenth'],
    ['ratio = "half"', '"half" is not a number from 0 to 1: 0.1 is a tenth'],
    ['ratio = nan', 'null is not a number from 0 to 1: 0.1 is a tenth'],
    ['topics = ["a/#/b"]', /"a\/#\/b" is not a topic filter: /],
    ['topics = ["$share/g/a"]', '"$share/g/a": write it without $share and its name'],
  ])('%s is no rule', (line, expected) => {
    const [problem, ...more] = tracing(`${ENDPOINT}\n${line}`);
    expect(more).toEqual([]);
    if (typeof expected === 'string') expect(problem).toContain(expected);
    else expect(problem).toMatch(expected);
  });
});

describe('where they are sent', () => {
  test('in the clear only on this machine, or where the operator says so', () => {
    const far = 'endpoint = "http://collector:4318/v1/traces"\nratio = 1';
    expect(tracing(far)).toEqual([
      'f.toml:2: tracing.endpoint: topics, client ids and headers would cross the network in the clear: write https://, or add insecure = true where that is wanted',
    ]);
    expect(tracing(`${far}\ninsecure = true`)).toEqual([]);
    expect(tracing('endpoint = "https://c/v1/traces"\nratio = 1\ninsecure = true')).toEqual([
      'f.toml:4: tracing.insecure: does nothing with https://, whose certificate is always verified: leave it out',
    ]);
    expect(tracing('endpoint = "http://[::1]:4318/v1/traces"\nratio = 1')).toEqual([]);
  });

  test.each(['127.0.0.1:4318', 'grpc://127.0.0.1:4317', 'x'])('%s is no endpoint', (url) => {
    expect(tracing(`endpoint = "${url}"`)).toEqual([
      'f.toml:2: tracing.endpoint: it is not the URL of an endpoint: write https://host/path',
    ]);
  });

  test('a password has no place in the URL, and is not repeated', () => {
    const [problem] = tracing('endpoint = "https://anna:geheim@c/"');
    expect(problem).toContain('a user or password may not stand in a URL');
    expect(problem).not.toContain('geheim');
  });

  test.each([
    ['"a b" = "geheim"', 'tracing.headers.a b: is not the name of a header'],
    ['a = "geheim\\n"', 'tracing.headers.a: its value has characters that no header may have'],
    ['Content-Type = "geheim"', 'tracing.headers.Content-Type: is set by the server itself'],
    ['Host = "geheim"', 'tracing.headers.Host: is set by the server itself'],
  ])('a header %s', (line, expected) => {
    const [problem, ...more] = tracing(`${ENDPOINT}\nratio = 1\n[tracing.headers]\n${line}`);
    expect(problem).toContain(expected);
    expect(problem).not.toContain('geheim');
    expect(more).toEqual([]);
  });
});
