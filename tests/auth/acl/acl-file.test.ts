// Access by Mosquitto's ACL file, conventions §5.6: the steps of its evaluation, and then all of them at once, against a list
// that is searched as §5.6 says.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AclFileAuthorizer } from '../../../src/auth/acl/acl-file.ts';
import type { AclEntry, AclFile } from '../../../src/auth/acl/acl-lines.ts';
import { type Client, UNDECIDED } from '../../../src/auth/auth.ts';
import { matchesFilter } from '../../../src/protocol/filter.ts';
import { runs } from '../../kit/runs.ts';
import { ACL_TOPICS, aclFilter, aclLines } from './acl-arbitraries.ts';
import { acl, client } from './clients.ts';
import { allTopics } from './topics.ts';

const ALLOWED = 0x00;
const DENIED = 0x87;

function authorizer(...lines: string[]): AclFileAuthorizer {
  return new AclFileAuthorizer({ name: 'acl', acl: acl(...lines) });
}

function publish(from: AclFileAuthorizer, who: Client, topic: string): number {
  return from.authorizePublish(who, topic, 0, false);
}

const bob = client('bob');
const anonymous = client(null);

describe('whose lines count (§5.6 step 1)', () => {
  const from = authorizer(
    'topic a',
    'user bob',
    'topic b',
    'user x',
    'topic c',
    'user bob',
    'topic d',
  );

  test.each([
    [anonymous, 'a', ALLOWED],
    [anonymous, 'b', UNDECIDED],
    [bob, 'a', UNDECIDED],
    [bob, 'b', ALLOWED],
    [bob, 'd', ALLOWED],
    [client('x'), 'b', UNDECIDED],
    [client('nobody'), 'a', UNDECIDED],
    [client(''), 'a', UNDECIDED], // an empty user name is not anonymous
  ])('%o on %s: %d', (who, topic, expected) => {
    expect(publish(from, who, topic)).toBe(expected);
    expect(from.authorizeReceive(who, topic)).toBe(expected);
  });

  test('a file without entries allows nothing', () => {
    expect(publish(authorizer('# nothing'), anonymous, 'a')).toBe(UNDECIDED);
    expect(publish(authorizer('user bob'), bob, 'a')).toBe(UNDECIDED);
  });

  test('a name with a star is a name like others', () => {
    const star = authorizer('user b*b', 'topic a');
    expect(publish(star, bob, 'a')).toBe(UNDECIDED);
    expect(publish(star, client('b*b'), 'a')).toBe(ALLOWED);
  });
});

describe('the order in a list (§5.6 step 2)', () => {
  test('denials come first, wherever they stand', () => {
    const from = authorizer('user bob', 'topic a/#', 'topic deny a/b');
    expect(publish(from, bob, 'a/b')).toBe(DENIED);
    expect(publish(from, bob, 'a/c')).toBe(ALLOWED);
  });

  test('the newest denial first: it is the one that is named', () => {
    const from = authorizer('topic deny a/#', 'topic deny a/+');
    const question = { action: 'publish', topic: 'a/b', qos: 0, retain: false } as const;
    expect(from.explain(anonymous, question)).toMatchObject({
      ...{ outcome: 'deny', source: 'acl', rule: 'topic deny a/+', file: 'acl', line: 2 },
    });
  });

  test('an entry without the wanted access is passed over', () => {
    const from = authorizer('topic read a', 'topic write a/#');
    expect(publish(from, anonymous, 'a')).toBe(ALLOWED);
    expect(from.authorizeReceive(anonymous, 'a')).toBe(ALLOWED);
    expect(from.authorizeReceive(anonymous, 'a/b')).toBe(UNDECIDED);
  });

  test('a topic with $ needs an entry with $, for denials too', () => {
    const from = authorizer('topic #', 'topic +/x', 'topic deny +/y', 'topic read $SYS/#');
    expect(from.authorizeReceive(anonymous, '$SYS/x')).toBe(ALLOWED);
    expect(from.authorizeReceive(anonymous, '$SYS/y')).toBe(ALLOWED);
    expect(from.authorizeReceive(anonymous, '$other/x')).toBe(UNDECIDED);
    expect(publish(from, anonymous, '$SYS/x')).toBe(UNDECIDED);
  });

  test('%u and %c in topic lines are plain text', () => {
    const from = authorizer('user bob', 'topic %u/a');
    expect(publish(from, bob, 'bob/a')).toBe(UNDECIDED);
    expect(publish(from, bob, '%u/a')).toBe(ALLOWED);
  });
});

describe('patterns (§5.6 steps 3 and 4)', () => {
  test('are for all, with their names in it, also as a part of a level', () => {
    const from = authorizer('user x', 'pattern write dev-%c/%u/#');
    expect(publish(from, client('bob', '7'), 'dev-7/bob')).toBe(ALLOWED);
    expect(publish(from, client('bob', '7'), 'dev-8/bob')).toBe(UNDECIDED);
    expect(publish(from, client('x', '7'), 'dev-7/bob')).toBe(UNDECIDED);
  });

  test('come after the list, with its denials, and have their own order', () => {
    const from = authorizer(
      'user bob',
      'topic a',
      'topic deny b',
      'pattern %u/#',
      'pattern deny a',
      'pattern b',
    );
    expect(publish(from, bob, 'a')).toBe(ALLOWED);
    expect(publish(from, bob, 'b')).toBe(DENIED);
    expect(publish(from, client('x'), 'a')).toBe(DENIED);
    expect(publish(from, client('x'), 'b')).toBe(ALLOWED);
  });

  test('with %u are passed over for anonymous clients', () => {
    const from = authorizer('pattern read %u', 'pattern deny a/%u/#', 'pattern a/#');
    expect(publish(from, anonymous, 'a/b')).toBe(ALLOWED);
    expect(from.authorizeReceive(anonymous, '%u')).toBe(UNDECIDED);
  });

  test.each([[client('b+b')], [client('#')], [client('bob', 'c/#')], [client(null, '+')]])(
    '%o, whose name has a wildcard, is refused where there are patterns, but for its own lines',
    (who) => {
      const lines = [`user ${who.username ?? 'x'}`, 'topic own', 'pattern read all'];
      const from = authorizer('topic own', ...lines);
      expect(publish(from, who, 'own')).toBe(ALLOWED);
      expect(publish(from, who, 'all')).toBe(DENIED);
      expect(from.authorizeReceive(who, 'all')).toBe(DENIED);
      expect(from.authorizeSubscribe(who, 'all')).toBe(DENIED);
      expect(from.mayDeny(who, 'all')).toBe(true);
      expect(publish(authorizer('topic b'), who, 'all')).toBe(UNDECIDED);
    },
  );

  test('no user gets at $ topics by its name', () => {
    const from = authorizer('pattern %u/#', 'pattern $SYS/%c/#');
    expect(from.authorizeReceive(client('$SYS'), '$SYS/uptime')).toBe(UNDECIDED);
    expect(from.authorizeSubscribe(client('$SYS'), '$SYS/#')).toMatchObject({ isWhole: false });
    expect(from.authorizeReceive(bob, '$SYS/c1/x')).toBe(ALLOWED);
  });

  test('a name with slashes in it is several levels, as in Mosquitto', () => {
    const from = authorizer('pattern read %u/x', 'pattern deny dev-%c/#', 'pattern read +/#');
    const who = client('a/b', '1/2');
    expect(from.authorizeReceive(who, 'a/b/x')).toBe(ALLOWED);
    expect(from.authorizeReceive(who, 'dev-1/2/3')).toBe(DENIED);
    expect(from.authorizeReceive(who, 'dev-1/3')).toBe(ALLOWED);
    expect(from.authorizeSubscribe(who, 'dev-1/2/+')).toBe(DENIED);
    expect(from.authorizeSubscribe(who, 'dev-1/+')).toEqual({ qosMax: 2, isWhole: false });
    const narrow = authorizer('pattern read %u/x');
    expect(narrow.authorizeSubscribe(who, '+/b/x')).toEqual({ qosMax: 2, isWhole: false });
    expect(narrow.authorizeSubscribe(who, 'a/b/x')).toEqual({ qosMax: 2, isWhole: true });
    expect(narrow.authorizeSubscribe(who, 'a/c/x')).toBe(UNDECIDED);
  });

  test('a $ in a name is not taken for an instruction', () => {
    expect(publish(authorizer('pattern a/%u'), client('$&$1'), 'a/$&$1')).toBe(ALLOWED);
    expect(publish(authorizer('pattern %u/%c'), client('%c', 'x'), '%c/x')).toBe(ALLOWED);
  });
});

describe('SUBSCRIBE', () => {
  const lines = ['user bob', 'topic read a/#', 'topic deny a/secret/#', 'topic write w'];
  const from = authorizer(...lines);

  test.each([
    ['a/b', { qosMax: 2, isWhole: true }],
    ['a/b/#', { qosMax: 2, isWhole: true }],
    ['a/#', { qosMax: 2, isWhole: false }],
    ['#', { qosMax: 2, isWhole: false }],
    ['+/b', { qosMax: 2, isWhole: false }],
    ['a/secret/x', DENIED],
    ['a/secret/#', DENIED],
    ['w', UNDECIDED], // nothing to read there
    ['b/#', UNDECIDED],
    ['$SYS/#', UNDECIDED],
  ])('%s gets %o', (filter, expected) => {
    expect(from.authorizeSubscribe(bob, filter)).toEqual(expected);
  });

  test('all are granted if suback says so, and whole only what is (§5.6 step 0)', () => {
    const granting = new AclFileAuthorizer({
      name: 'acl',
      acl: acl(...lines),
      suback: 'mosquitto',
    });
    expect(granting.authorizeSubscribe(bob, 'a/b')).toEqual({ qosMax: 2, isWhole: true });
    for (const filter of ['a/secret/#', 'b/#', 'a/#']) {
      expect(granting.authorizeSubscribe(bob, filter)).toEqual({ qosMax: 2, isWhole: false });
    }
    expect(granting.authorizeReceive(bob, 'a/secret/x')).toBe(DENIED);
  });

  test('a pattern’s allow counts behind the denials of the list', () => {
    const both = authorizer('user bob', 'topic deny a/#', 'pattern read a/%u', 'pattern read b/%u');
    expect(both.authorizeSubscribe(bob, 'a/bob')).toBe(DENIED);
    expect(both.authorizeSubscribe(client('x'), 'a/x')).toEqual({ qosMax: 2, isWhole: true });
    expect(both.authorizeSubscribe(bob, '+/bob')).toEqual({ qosMax: 2, isWhole: false });
  });
});

describe('explain', () => {
  const from = authorizer('user bob', 'topic read a/#', 'topic deny a/x/#', 'pattern %c');
  const ask = (who: Client, action: 'publish' | 'receive' | 'subscribe', topic: string) =>
    from.explain(who, { action, topic, qos: 0, retain: false });

  test('names the line that decided', () => {
    expect(ask(bob, 'receive', 'a/b')).toEqual({
      ...{ outcome: 'allow', source: 'acl', rule: 'topic read a/#', file: 'acl', line: 2 },
      reason: 'the first rule that fits allows it',
    });
    expect(ask(bob, 'subscribe', 'a/x/y')).toMatchObject({ outcome: 'deny', line: 3 });
    expect(ask(bob, 'subscribe', 'a/+')).toMatchObject({ outcome: 'allow', line: 2 });
  });

  test('or that none did', () => {
    expect(ask(bob, 'publish', 'a/b')).toEqual({
      ...{ outcome: 'undecided', source: 'acl', rule: null, file: 'acl', line: null },
      reason: 'no rule for user "bob" with client id "c1" fits publish "a/b"',
    });
  });

  test('or that the name refuses', () => {
    expect(ask(client('+'), 'publish', 'a')).toMatchObject({
      ...{ outcome: 'deny', rule: null, file: 'acl', line: null },
      reason: expect.stringContaining('+ or # in its user name or client id'),
    });
  });

  test('a SUBSCRIBE whose allows are all hidden names both lines', () => {
    const hidden = authorizer(
      'topic read a/b',
      'topic read c/b',
      'topic deny a/#',
      'topic deny c/#',
    );
    const question = { action: 'subscribe', topic: '+/b', qos: 0, retain: false } as const;
    expect(hidden.authorizeSubscribe(anonymous, '+/b')).toBe(UNDECIDED);
    expect(hidden.explain(anonymous, question).reason).toContain(
      'topic read a/b (acl:1) allows, all is denied by topic deny a/# (acl:3)',
    );
  });
});

/** §5.6, step by step. */
function mosquitto(file: AclFile, who: Client, wanted: 'read' | 'write', topic: string): boolean {
  const inOrder = (entries: readonly AclEntry[]) => [
    ...entries.filter(({ access }) => access === 'deny').reverse(),
    ...entries.filter(({ access }) => access !== 'deny'),
  ];
  const decide = (entries: readonly AclEntry[], filterOf: (entry: AclEntry) => string | null) => {
    for (const entry of inOrder(entries)) {
      const filter = filterOf(entry);
      if (topic.startsWith('$') && !entry.topicFilter.startsWith('$')) continue;
      if (filter === null || filter === '' || !matchesFilter(topic, filter)) continue;
      if (entry.access === 'deny') return false;
      if (entry.access === wanted || entry.access === 'readwrite') return true;
    }
    return null;
  };
  const patterns = file.entries.filter(({ keyword }) => keyword === 'pattern');
  const own = file.entries.filter(
    ({ keyword, username }) => keyword === 'topic' && username === who.username,
  );
  const byList = decide(own, ({ topicFilter }) => topicFilter);
  if (byList !== null) return byList;
  if (patterns.length === 0 || /[+#]/.test(`${who.username ?? ''}${who.clientId}`)) return false;
  return (
    decide(patterns, ({ topicFilter }) => {
      const { username, clientId } = who;
      if (topicFilter.includes('%u') && username === null) return null;
      return topicFilter.replace(/%[cu]/g, (name) => (name === '%c' ? clientId : `${username}`));
    }) ?? false
  );
}

test('random files decide as §5.6 says, also where a name has slashes in it', () => {
  const who = fc.constantFrom(
    ...[bob, anonymous, client('a/b', '1'), client('a', '1/b'), client('+', '1'), client('', '')],
    ...[client('bob', '#'), client('$x', '1')],
  );
  fc.assert(
    fc.property(aclLines, who, (lines, one) => {
      const file = acl(...lines);
      const from = new AclFileAuthorizer({ name: 'acl', acl: file });
      for (const topic of ACL_TOPICS) {
        const write = mosquitto(file, one, 'write', topic);
        const read = mosquitto(file, one, 'read', topic);
        expect([topic, publish(from, one, topic) === ALLOWED]).toEqual([topic, write]);
        expect([topic, from.authorizeReceive(one, topic) === ALLOWED]).toEqual([topic, read]);
      }
    }),
    { numRuns: runs(150) },
  );
});

test('a SUBSCRIBE that is not granted would receive nothing, and a whole one everything, in random files', () => {
  const topics = allTopics(['', 'a', 'b', 'bob', '1', 'x1', '$x', 'z'], 4);
  const who = fc.constantFrom(bob, anonymous, client('a/b', '1'), client('a', '1/b'), client('#'));
  const asked = aclFilter.filter((text) => !text.includes('%'));
  fc.assert(
    fc.property(aclLines, who, asked, (lines, one, text) => {
      const from = authorizer(...lines);
      const verdict = from.authorizeSubscribe(one, text);
      const answers = new Set(
        topics
          .filter((topic) => matchesFilter(topic, text))
          .map((topic) => from.authorizeReceive(one, topic)),
      );
      if (typeof verdict === 'number') expect(answers.has(ALLOWED)).toBe(false);
      else if (verdict.isWhole) expect(answers).toEqual(new Set([ALLOWED]));
    }),
    { numRuns: runs(400) },
  );
});
