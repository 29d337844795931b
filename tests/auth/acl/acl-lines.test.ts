// The grammar of Mosquitto's ACL file, conventions §5.6.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AccessError } from '../../../src/auth/access-error.ts';
import { loadAclFile, parseAclFile } from '../../../src/auth/acl/acl-lines.ts';
import { temporaryFolder } from '../../kit/folder.ts';
import { acl, problems } from './clients.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const problemsOf = (text: string) => problems(() => parseAclFile('acl', bytes(text)));
const warningsOf = (...lines: string[]) => acl(...lines).warnings.map(({ message }) => message);

/** `access filter` of the only entry. */
function entry(line: string): string {
  const [only, ...others] = acl(line).entries;
  expect(others).toEqual([]);
  return `${only.access} ${only.topicFilter}`;
}

describe('a line of an ACL file (§5.6)', () => {
  test.each([
    ['topic a/b', 'readwrite a/b'],
    ['topic read a/b', 'read a/b'],
    ['topic write a/#', 'write a/#'],
    ['topic readwrite +/b', 'readwrite +/b'],
    ['topic deny #', 'deny #'],
    ['pattern read %u/%c', 'read %u/%c'],
    ['topic read my topic', 'read my topic'], // the rest of the line
    ['topic read  my  topic \t\r', 'read my  topic'], // without the blanks around it
    ['   topic   write    a', 'write a'],
    ['topic read', 'readwrite read'], // only one word: it is the filter
    ['topic deny', 'readwrite deny'],
    ['topic a\tb', 'readwrite a\tb'], // a tab separates nothing
    ['topic read \ta', 'read a'],
    ['topic $SYS/#', 'readwrite $SYS/#'],
    ['topic $share/g/a', 'readwrite $share/g/a'], // nothing special here
    ['topic $share', 'readwrite $share'],
    ['topic $share/+/#', 'readwrite $share/+/#'],
    ['topic read größe/€', 'read größe/€'],
    ['topic read a\u00a0', 'read a\u00a0'], // a no-break space is a part of the name
  ])('%j is %s', (line, expected) => {
    expect(entry(line)).toBe(expected);
  });

  test('is numbered from 1, and remembered as it is written', () => {
    const { entries } = acl('# all', '', 'user bob ', '  topic read a ', 'pattern b/%c');
    expect(entries).toEqual([
      {
        ...{ keyword: 'topic', access: 'read', topicFilter: 'a' },
        ...{ username: 'bob', text: 'topic read a', line: 4 },
      },
      {
        ...{ keyword: 'pattern', access: 'readwrite', topicFilter: 'b/%c' },
        ...{ username: null, text: 'pattern b/%c', line: 5 },
      },
    ]);
  });

  test('belongs to the user above it, to anonymous clients before the first, and users come again', () => {
    const file = acl('topic a', 'user x y', 'topic b', 'user  z', 'topic c', 'user x y', 'topic d');
    expect(file.entries.map(({ username, topicFilter }) => [username, topicFilter])).toEqual([
      [null, 'a'],
      ['x y', 'b'],
      ['z', 'c'],
      ['x y', 'd'],
    ]);
  });

  test('counts without a line feed at the end, and with those of Windows', () => {
    expect(parseAclFile('acl', bytes('user u\r\ntopic a')).entries).toMatchObject([
      { username: 'u', topicFilter: 'a', line: 2 },
    ]);
  });

  test.each(['', '   ', '\t', '#', '# text', '#topic a'])('%j says nothing', (line) => {
    expect(acl(line).entries).toEqual([]);
  });
});

describe('what is wrong in an ACL file', () => {
  test.each([
    [' # indented', 'a comment begins at the start of its line'],
    ['topic', '"topic" stands alone'],
    ['pattern  ', '"pattern" stands alone'],
    ['user', '"user" stands alone'],
    ['topic my topic', '"my" is no access: read, write, readwrite, deny or nothing is expected'],
    ['topic\ta', 'a tab separates nothing here, a space does'],
    ['\ttopic a', 'a tab separates nothing here'],
    ['Topic a', '"Topic" begins no line of an ACL file'],
    ['topics a', '"topics" begins no line'],
    ['topic read a#', '"a#" is no topic filter: # stands elsewhere'],
    ['topic a/#/b', '"a/#/b" is no topic filter'],
    ['topic +a', '+ does not fill its level'],
    ['pattern a/+%c', '+ does not fill its level'],
    ['topic a\0b', 'has a NUL in it'],
    ['\ufefftopic a', 'a byte order mark, which Mosquitto does not take either'],
    [`topic ${'a/'.repeat(201)}`, 'more than 201 levels'],
  ])('%j: %s', (line, expected) => {
    const found = problemsOf(`topic a\n${line}\n`);
    if (line.startsWith('\ufeff')) expect(problemsOf(line)[0]).toContain(`acl:1: `);
    expect(found).toHaveLength(1);
    const [problem] = line.startsWith('\ufeff') ? problemsOf(line) : found;
    expect(problem).toContain(expected);
  });

  test('the longest filter is taken, and not one level more', () => {
    expect(problemsOf(`topic ${'a/'.repeat(200)}`)).toEqual([]);
    expect(problemsOf(`topic ${'a'.repeat(65_535)}`)).toEqual([]);
    expect(problemsOf(`topic ${'a'.repeat(65_536)}`)[0]).toContain('65536 bytes');
  });

  test('every problem is told, with its line', () => {
    expect(problemsOf('topics a\nuser\n\ntopic b\ntopic c d e\n')).toEqual([
      expect.stringMatching(/^acl:1: /),
      expect.stringMatching(/^acl:2: /),
      expect.stringMatching(/^acl:5: /),
    ]);
  });

  test('a line that is not UTF-8', () => {
    const content = Uint8Array.from([...bytes('topic a\ntopic '), 0xff, 0x0a]);
    expect(problems(() => parseAclFile('acl', content))).toEqual([
      expect.stringMatching(/^acl:2: the line is not UTF-8/),
    ]);
  });
});

describe('what is odd in an ACL file is a warning', () => {
  test.each([
    ['pattern read a/#', 'neither %c nor %u'],
    ['topic read %u/a', '%c and %u mean something in "pattern" lines only'],
    ['topic deny', 'this is about the topic "deny"'],
    ['topic read $share/g/a', 'no message has a topic that begins with $share'],
  ])('%s: %s', (line, expected) => {
    expect(warningsOf(line)).toEqual([expect.stringContaining(expected)]);
  });

  test('with file and line', () => {
    expect(acl('', 'pattern a').warnings).toMatchObject([{ file: 'acl', line: 2 }]);
  });

  test('and what is usual is none', () => {
    expect(warningsOf('topic read a', 'user x', 'topic $SYS/#', 'pattern write %c/#')).toEqual([]);
  });
});

describe('loadAclFile', () => {
  test('reads a file', async () => {
    const file = path.join(temporaryFolder(), 'acl');
    writeFileSync(file, 'topic read a\n');
    expect(await loadAclFile(file)).toMatchObject({ file, entries: [{ topicFilter: 'a' }] });
  });

  test('says which file cannot be read', async () => {
    const file = path.join(temporaryFolder(), 'none');
    const error = await loadAclFile(file).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AccessError);
    expect((error as AccessError).problems).toEqual([
      { file, line: null, message: expect.stringContaining('ENOENT') },
    ]);
  });
});
