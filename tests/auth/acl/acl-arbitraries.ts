// Random ACL files for the same few names, so that lines meet: `bob` and `a/b` are users, `1` to `9` client ids, and $x stands for
// all topics that begin with $.

import fc from 'fast-check';
import { allTopics } from './topics.ts';

export const USERS = ['bob', 'a/b', 'al ice', '%c'] as const;

/** The topic names that the lines are about, and some more. */
export const ACL_TOPICS = allTopics(['', 'a', 'b', 'bob', 'x1', '$x'], 3);

const level = fc.constantFrom('', 'a', 'bob', '+', '+', '%u', 'x%c', '%c', '$x');

export const aclFilter = fc
  .tuple(fc.array(level, { maxLength: 3 }), fc.boolean())
  .map(([levels, isMulti]) => [...levels, ...(isMulti ? ['#'] : [])].join('/'))
  .filter((text) => text !== '');

const entryLine = fc
  .tuple(
    fc.constantFrom('topic', 'topic', 'pattern'),
    fc.constantFrom('', 'read ', 'write ', 'readwrite ', 'deny ', ' deny  '),
    aclFilter,
  )
  .map(([keyword, access, text]) => `${keyword} ${access}${text}`);
const userLine = fc.constantFrom(...USERS).map((name) => `user ${name}`);
const line = fc.oneof(
  { weight: 10, arbitrary: entryLine },
  { weight: 4, arbitrary: userLine },
  { weight: 1, arbitrary: fc.constantFrom('', '# topic deny #', '   ') },
);

export const aclLines = fc.array(line, { maxLength: 16, size: 'max' });
