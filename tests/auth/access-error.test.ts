import { expect, test } from 'vitest';
import { AccessError } from '../../src/auth/access-error.ts';

test('lists every problem on a line of its own, with file and line where they are known', () => {
  const problems = [
    { file: '/etc/passwords', line: 3, message: 'the hash is empty' },
    { file: '/etc/acl', line: null, message: 'cannot be read' },
    { file: null, line: null, message: 'the URL is none' },
  ];
  const error = new AccessError(problems);
  expect(error.message).toBe(
    '/etc/passwords:3: the hash is empty\n/etc/acl: cannot be read\nthe URL is none',
  );
  expect([error.name, error.problems]).toEqual(['AccessError', problems]);
});
