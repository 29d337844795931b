// What a decision costs that no session remembers yet, by the number of rules, and a SUBSCRIBE: `npm run bench:micro -- acl
// [publish|subscribe|load]`. Remembered decisions cost the message path a look-up, whatever the rules are.
//
// The shapes are those of real files: a line or two for each user, one user with all lines, patterns for all, own rules for
// groups; and the worst, where every rule fits every topic and is somebody else's.

import type { AccessRule } from '../../src/auth/acl/access-rule.ts';
import { AclFileAuthorizer } from '../../src/auth/acl/acl-file.ts';
import { parseAclFile } from '../../src/auth/acl/acl-lines.ts';
import { RulesAuthorizer } from '../../src/auth/acl/rules.ts';
import type { Authorizer, Client } from '../../src/auth/auth.ts';
import { medianOf, round } from './timing.ts';

const COUNTS = [10, 10_000];
const CALLS = 200;
const SLICES = 100;
const WARM_UP = 20;
const TOPIC = 'site/3/floor/3/room/9/temperature';

function client(i: number): Client {
  return {
    clientId: `device-${i}`,
    username: `user${i}`,
    groups: [`group${i}`],
    protocolVersion: 5,
    remoteAddress: '192.0.2.1',
  };
}

function aclFile(count: number, linesOf: (i: number) => readonly string[]): Authorizer {
  const lines = Array.from({ length: count }, (_, i) => linesOf(i)).flat();
  const acl = parseAclFile('acl', new TextEncoder().encode(`${lines.join('\n')}\n`));
  return new AclFileAuthorizer({ name: 'acl', acl });
}

function ownRules(count: number, ruleOf: (i: number) => Partial<AccessRule>): Authorizer {
  const rules = Array.from({ length: count }, (_, i) => {
    const actions = ['publish', 'subscribe'] as const;
    return { effect: 'allow', actions, topics: [`site/${i}/#`], ...ruleOf(i) } as const;
  });
  return new RulesAuthorizer({ name: 'rules', rules });
}

type Shape = readonly [name: string, make: (count: number) => Authorizer, topic: string];

const SHAPES: readonly Shape[] = [
  [
    'ACL file, two lines a user',
    (count) =>
      aclFile(count / 2, (i) => [`user user${i}`, `topic site/${i}/#`, `topic deny site/${i}/x`]),
    TOPIC,
  ],
  [
    'ACL file, one user’s lines',
    (count) => aclFile(count, (i) => [i === 0 ? 'user user3' : '', `topic write site/${i}/+/3/#`]),
    TOPIC,
  ],
  [
    'ACL file, patterns',
    (count) => aclFile(count, (i) => [`pattern site/${i}/%u/#`]),
    'site/3/user3/a',
  ],
  [
    'own rules, a group each',
    (count) => ownRules(count, (i) => ({ groups: [`group${i}`] })),
    TOPIC,
  ],
  [
    'own rules, topics with %u and %c',
    (count) => ownRules(count, (i) => ({ topics: [`%u/${i}/%c/#`] })),
    'user3/3/device-3/a',
  ],
  [
    'own rules, all of them looked at',
    (count) => ownRules(count, (i) => ({ topics: ['#'], users: [`*${i + 1_000_000}`] })),
    TOPIC,
  ],
];

/** Keeps what was computed from being optimised away. */
let last: unknown = null;

function nanoseconds(run: () => unknown, calls = CALLS): string {
  const slice = () => {
    for (let i = 0; i < calls; i++) last = run();
  };
  for (let i = 0; i < WARM_UP; i++) slice();
  return round(medianOf(SLICES, calls, slice));
}

/** One line a shape: the figure for each number of rules. */
function table(title: string, figureOf: (authorizer: Authorizer, shape: Shape) => string): void {
  console.log(
    `\n${title}: ${COUNTS.map((count) => `${count.toLocaleString('en')} rules`).join(' | ')}`,
  );
  for (const shape of SHAPES) {
    const figures = COUNTS.map((count) => figureOf(shape[1](count), shape));
    console.log(`  ${shape[0].padEnd(36)} ${figures.join(' | ')}`);
  }
}

function benchPublish(): void {
  const who = client(3);
  table('PUBLISH, ns a decision', (authorizer, [, , topic]) =>
    nanoseconds(() => authorizer.authorizePublish(who, topic, 1, false)),
  );
  table('a delivery, ns a decision', (authorizer, [, , topic]) =>
    nanoseconds(() => authorizer.authorizeReceive?.(who, topic)),
  );
}

function benchSubscribe(): void {
  const who = client(3);
  for (const filter of ['site/3/#', 'site/+/user3/#', '#']) {
    table(`SUBSCRIBE ${filter}, ns`, (authorizer) =>
      nanoseconds(() => authorizer.authorizeSubscribe(who, filter, 1, null), 5),
    );
  }
  const hidden = [
    'topic deny site/#',
    ...Array.from({ length: 10_000 }, (_, i) => `topic site/${i}/#`),
  ];
  const authorizer = aclFile(1, () => hidden);
  const anonymous = { ...who, username: null };
  const figure = nanoseconds(() => authorizer.authorizeSubscribe(anonymous, '+/#', 1, null), 1);
  console.log(`\nthe worst SUBSCRIBE, 10,000 allows inside one deny: ${figure} ns`);
}

function benchLoad(): void {
  console.log('\n10,000 rules made ready, ms');
  for (const [name, make] of SHAPES) {
    const start = performance.now();
    last = make(10_000);
    console.log(`  ${name.padEnd(36)} ${round(performance.now() - start)}`);
  }
}

const SUITES = { publish: benchPublish, subscribe: benchSubscribe, load: benchLoad } as const;

const wanted = process.argv.slice(2);
for (const [name, run] of Object.entries(SUITES)) {
  if (wanted.length === 0 || wanted.includes(name)) run();
}
if (last === null) console.log('nothing was measured');
