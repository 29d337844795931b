// What a reload says of access control and what it does: foretold by a dry run, told afterwards, as a whole or not at all.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { unlinkSync } from 'node:fs';
import net from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Authenticator, Authorizer } from '../../src/auth/auth.ts';
import { PacketType } from '../../src/protocol/index.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { SocketStream } from '../../src/transport/socket-stream.ts';
import { AUDIENCE, ISSUER, token } from '../auth/jwt/kit.ts';
import { CONNACK } from '../kit/answers.ts';
import { LoginClient } from '../kit/login-client.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { byName, connectAs } from '../kit/rules.ts';
import { turns, until } from '../kit/until.ts';
import { AccessHub } from './access-hub.ts';

const RULES = '[[authorizers]]\ntype = "rules"\n';
const ACL = '[[authorizers]]\ntype = "acl-file"\nfile = "acl"\n';
const NOTHING = { changes: [], ended: 0, muted: 0, afterRestart: [], problems: [] };

function rule(effect: string, topic: string): string {
  return `[[rules]]\neffect = "${effect}"\nactions = ["publish", "subscribe"]\ntopics = ["${topic}"]\n`;
}

/** Lines of an ACL file that allow everything below the user's name. */
function aclOf(...users: string[]): string {
  return users.map((user) => `user ${user}\ntopic readwrite ${user}/#\n`).join('');
}

/** A hub whose clients are who they say, and the table that says so. */
async function hubWith(...toml: string[]) {
  const hub = new AccessHub();
  const names = hub.authenticator('names', () => byName);
  hub.write('acl', aclOf('a', 'b', 'c', 'd'));
  await hub.start(names, ...toml);
  return { hub, names };
}

async function isAllowed(hub: AccessHub, username: string): Promise<boolean> {
  const client = { clientId: 'c', username, protocolVersion: 5, remoteAddress: '' } as const;
  const { authorizer } = hub.access.options;
  const verdict = await authorizer?.authorizePublish(client, `${username}/x`, 0, false);
  return verdict === ReasonCode.Success;
}

describe('what is different', () => {
  async function differs(before: readonly string[], after: readonly string[]) {
    const { hub, names } = await hubWith(...before);
    hub.configure(names, ...after);
    const [foretold, done] = await hub.reloadsAsForetold();
    expect(done).toEqual(foretold);
    expect(done).toMatchObject({ problems: [] });
    hub.configure(names, ...after, '# a comment');
    expect(await hub.reloads()).toEqual(NOTHING);
    return done.changes;
  }

  test('is a rule', async () => {
    expect(await differs([RULES, rule('allow', 'a')], [RULES, rule('allow', 'b')])).toEqual([
      'rules of the configuration: 1 added (effect allow actions publish subscribe topics b); 1 removed (effect allow actions publish subscribe topics a)',
    ]);
  });

  test('is the order of rules, which decides', async () => {
    const [deny, allow] = [rule('deny', 'a/#'), rule('allow', '#')];
    expect(await differs([RULES, deny, allow], [RULES, allow, deny])).toEqual([
      'rules of the configuration: in another order',
    ]);
  });

  test('is an authorizer, and which is asked first', async () => {
    const claims = '[[authorizers]]\ntype = "claims"\n';
    const allow = rule('allow', 'a');
    expect(await differs([allow], [RULES, claims, allow])).toEqual([
      'authorizers: 1 added (claims)',
    ]);
    expect(await differs([claims, RULES, allow], [RULES, claims, allow])).toEqual([
      'authorizers: in another order',
    ]);
  });

  test('is a group, a quota, a setting', async () => {
    const group = (user: string) => `[[groups]]\nname = "g"\nusers = ["${user}"]\n`;
    const quota = (count: number) => `[[quotas]]\nusername = "*"\nsubscriptions_max = ${count}\n`;
    const before = [group('a'), quota(1), '[access]\n[penalties]\nfailures_max = 3\n'];
    const after = [group('b'), quota(2), '[access]\nsession_owner = "discard"\n[penalties]\n'];
    expect(await differs(before, after)).toEqual([
      'groups: 1 changed (g)',
      'quotas: 1 added (username * per client over throttle subscriptions_max 2); 1 removed (username * per client over throttle subscriptions_max 1)',
      '[access]: 1 changed (session_owner)',
      '[penalties]: 1 changed (failures_max)',
    ]);
  });

  test('is what is said of an endpoint, but no secret of it', async () => {
    const http = (secret: string) =>
      `[[authorizers]]\ntype = "http"\nurl = "http://127.0.0.1:9/"\n[authorizers.headers]\nauthorization = "${secret}"\n`;
    expect(await differs([http('geheim-1')], [http('geheim-2')])).toEqual([
      'authorizers: 1 changed (http)',
    ]);
  });

  test('is a line of a file, and a key', async () => {
    const { hub } = await hubWith(ACL);
    const file = hub.write('acl', aclOf('a', 'b', 'c', 'e'));
    expect((await hub.reloads()).changes).toEqual([
      `rules of ${file}: 1 added (e: topic readwrite e/#); 1 removed (d: topic readwrite d/#)`,
    ]);
    hub.write('acl', `# only a comment\n${aclOf('a', 'b', 'c', 'e')}`);
    expect(await hub.reloads()).toEqual(NOTHING);
  });
});

describe('what looks like a mistake', () => {
  test.each([
    ['lost most of its lines', aclOf('a'), 'of 4 only 1 are left'],
    ['is empty', '', 'of 4 nothing is left'],
    ['has comments only', '# nothing\n', 'of 4 nothing is left'],
    ['does not end', `${aclOf('a', 'b', 'c', 'd')}topic deny x`, 'does not end in a newline'],
  ])('a file that %s, is refused unless somebody means it', async (_, content, why) => {
    const { hub } = await hubWith(ACL);
    hub.write('acl', content);
    const [foretold, done] = await hub.reloadsAsForetold();
    expect(foretold.problems).toEqual([expect.stringContaining(why)]);
    expect(foretold.changes).not.toEqual([]);
    expect(done).toEqual({ ...NOTHING, problems: foretold.problems });
    expect(hub.server.alarms.isRaised('reload_failed')).toBe(true);
    expect(await isAllowed(hub, 'd')).toBe(true);
    const [forcedForetold, forced] = await hub.reloadsAsForetold({ force: true });
    expect(forced).toEqual({ ...foretold, problems: [] });
    expect(forced).toEqual(forcedForetold);
    expect(hub.server.alarms.isRaised('reload_failed')).toBe(false);
    expect(await isAllowed(hub, 'd')).toBe(content.includes('user d'));
    expect(await hub.reloads()).toEqual(NOTHING);
  });

  test.each([
    [
      'no authenticator',
      (_: string) => [RULES, rule('allow', '#')],
      'authenticators: of 1 nothing',
    ],
    ['no authorizer', (names: string) => [names], 'authorizers: of 1 nothing'],
    [
      'less than half of its rules',
      (names: string) => [names, RULES, rule('allow', '#')],
      'rules of the configuration: of 3 only 1',
    ],
  ])(
    'a configuration that has %s any more, is refused unless somebody means it',
    async (_, toml, why) => {
      const before = [RULES, rule('deny', 'a/#'), rule('deny', 'b/#'), rule('allow', '#')];
      const { hub, names } = await hubWith(...before);
      hub.configure(...toml(names));
      const [foretold, done] = await hub.reloadsAsForetold();
      expect(foretold.problems).toEqual(expect.arrayContaining([expect.stringContaining(why)]));
      expect(done).toEqual({ ...NOTHING, problems: foretold.problems });
      expect(await isAllowed(hub, 'a')).toBe(false);
      const forced = await hub.reloads({ force: true });
      expect(forced).toEqual({ ...foretold, problems: [] });
      expect(await hub.reloads()).toEqual(NOTHING);
    },
  );

  test('is none where a file was without its last newline before, and is as it was', async () => {
    const { hub, names } = await hubWith(ACL);
    hub.write('acl', aclOf('a', 'b').trimEnd());
    expect(await hub.reloads({ force: true })).toMatchObject({ problems: [] });
    hub.configure(names, ACL, '[access]\nsession_owner = "discard"\n');
    expect(await hub.reloads()).toMatchObject({
      changes: ['[access]: 1 changed (session_owner)'],
      problems: [],
    });
  });

  test('a dry run raises no alarm, whatever it finds', async () => {
    const { hub } = await hubWith(ACL);
    for (const content of ['', 'topic my topic\n']) {
      hub.write('acl', content);
      expect((await hub.reloads({ dryRun: true })).problems).toHaveLength(1);
    }
    expect(hub.server.alarms.active).toEqual([]);
    expect(await isAllowed(hub, 'a')).toBe(true);
  });
});

/** How many of a kind there are, made and closed. */
class Count<T extends object> {
  made = 0;
  closed = 0;
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  readonly make = (): T => {
    this.made++;
    return { ...this.#make(), close: () => void this.closed++ };
  };

  get open(): number {
    return this.made - this.closed;
  }
}

const ALL: Authorizer = {
  authorizePublish: () => ReasonCode.Success,
  authorizeSubscribe: () => ReasonCode.Success,
};

describe('what is replaced', () => {
  async function counted() {
    const [who, what] = [new Count(() => byName), new Count(() => ALL)];
    const hub = new AccessHub();
    hub.write('acl', aclOf('a', 'b'));
    const toml = [hub.authenticator('who', who.make), hub.authorizer('what', what.make), ACL];
    await hub.start(...toml);
    const isOne = () => until(() => who.open === 1 && what.open === 1);
    return { hub, toml, who, what, isOne };
  }

  test('is closed when another one has its place, or when it never was in force', async () => {
    const { hub, who, what, isOne } = await counted();
    await hub.reloads({ dryRun: true });
    expect([who.made, what.made]).toEqual([2, 2]);
    await isOne();
    await hub.reloads();
    expect([who.made, what.made]).toEqual([3, 3]);
    await isOne();
    for (const content of ['broken', '', aclOf('a').trimEnd()]) {
      hub.write('acl', content);
      expect((await hub.reloads()).problems).toHaveLength(1);
      await isOne();
    }
    await hub.server.stop();
    await hub.access.close();
    expect([who.open, what.open]).toEqual([0, 0]);
  });

  test('is closed when a file vanishes after it was read', async () => {
    const { hub, toml, isOne } = await counted();
    const file = hub.write('acl', aclOf('a', 'b', 'c'));
    const slow = hub.authorizer('slow', () => {
      const late = turns(100).then(() => unlinkSync(file));
      return late.then(() => ALL) as unknown as Authorizer;
    });
    hub.configure(...toml, slow);
    const [problem] = (await hub.reloads()).problems;
    expect(problem).toContain('acl: there is no such file');
    await isOne();
  });

  test('holds nobody up when it does not end', async () => {
    const hub = new AccessHub();
    let isClosing = false;
    const hanging = hub.authorizer('hanging', () => ({
      ...ALL,
      close: () => {
        isClosing = true;
        return new Promise(() => {});
      },
    }));
    await hub.start(hanging);
    hub.configure(hanging.replace('"hanging"', '"other"'));
    expect(await hub.reloads()).toMatchObject({ problems: [] });
    expect(isClosing).toBe(true);
  });
});

describe('clients that are looked at for long', () => {
  test('hold up neither the next reload nor what it forbids', async () => {
    const hub = new AccessHub();
    const reviews: (() => void)[] = [];
    const slow: Authenticator = {
      ...byName,
      review: (client) => new Promise((resolve) => reviews.push(() => resolve(client))),
    };
    const names = hub.authenticator('names', () => slow);
    await hub.start(names, RULES, rule('allow', '#'));
    const client = hub.open();
    await client.send(connectAs('ann', 'c'));
    await client.expect(CONNACK);
    const first = hub.reloads();
    await until(() => reviews.length === 1);
    const foretold = hub.reloads({ dryRun: true });
    await until(() => reviews.length === 2);
    hub.configure(names, RULES, rule('deny', '#'));
    const second = hub.reloads();
    await until(
      () => hub.log.infos.filter(({ message }) => message.includes('was reloaded')).length === 2,
    );
    await client.send("32 06 0001 't' 0002 00");
    await client.expect('40 03 0002 87');
    for (let i = 0; i < 3; i++) {
      await until(() => reviews.length > i);
      reviews[i]();
    }
    const told = await Promise.all([first, foretold, second]);
    expect(told.map(({ ended, problems }) => [ended, problems])).toEqual(Array(3).fill([0, []]));
    await client.expectOpen();
  });

  test('who came by a token are ended when its key is gone, and by no other reload', async () => {
    const hub = new AccessHub();
    const [hers, other] = [randomBytes(32), randomBytes(32)].map((key) => key.toString('hex'));
    const key = (name: string) =>
      `[[authenticators.keys]]\nalgorithms = ["HS256"]\nsecret_file = "${name}"\n`;
    const jwt = `[[authenticators]]\ntype = "jwt"\nissuer = "${ISSUER}"\naudience = ["${AUDIENCE}"]\n`;
    hub.write('hers', hers);
    hub.write('other', other);
    await hub.start(jwt, key('hers'), key('other'));
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    const enter = async (sub: string, secret: string) => {
      const client = new LoginClient(hub.server.connect());
      const password = await token({ sub, exp }, {}, Buffer.from(secret));
      client.show({ clientId: sub, password });
      expect(await client.code()).toBe(0);
      return client;
    };
    const [ann, bob] = [await enter('ann', hers), await enter('bob', other)];
    expect(await hub.reloads()).toEqual(NOTHING);
    hub.configure(jwt, key('other'));
    const [foretold, done] = await hub.reloadsAsForetold();
    expect(done).toEqual(foretold);
    expect(done).toMatchObject({ ended: 1, problems: [] });
    expect(await ann.disconnected()).toBe(0x87);
    bob.send({ type: PacketType.Pingreq });
    await bob.next(PacketType.Pingresp);
  });

  test('are ended by the newest rules, when the reload before has not got to them', async () => {
    const hub = new AccessHub();
    const names = hub.authenticator('names', () => byName);
    await hub.start(names);
    const clients = Array.from({ length: 1_000 }, () => hub.open());
    for (const [i, client] of clients.entries()) client.write(connectAs('ann', `c${i}`));
    await until(() => [...hub.server.connectedClients()].length === clients.length);
    const nobody = hub.authenticator('nobody', () => ({ ...byName, review: () => null }));
    hub.configure(nobody);
    const [foretold, done] = await hub.reloadsAsForetold();
    expect([foretold.ended, done.ended]).toEqual([1_000, 1_000]);
    await until(() => clients.every(({ isClosed }) => isClosed));
  });
});

describe('with its listeners', () => {
  const place = (host: number, more = '') =>
    `[[listeners]]\nurl = "mqtt://127.0.0.${host}:0"\n${more}\n`;

  /** Clients of the listeners, one each. */
  async function clientsOf(hub: AccessHub, cleanStart = true): Promise<PacketClient[]> {
    const { listeners } = hub.server;
    return Promise.all(
      listeners.map(async ({ host, port }, i) => {
        const socket = net.connect({ host, port });
        const client = new PacketClient(new SocketStream(socket, 'tcp'));
        onTestFinished(() => client.destroy());
        const properties = { sessionExpiryInterval: cleanStart ? 0 : 60 };
        const options = { username: 'ann', cleanStart, properties };
        expect((await client.connect(`c${i}`, options)).reasonCode).toBe(0);
        client.subscribe('t');
        await client.next(PacketType.Suback);
        return client;
      }),
    );
  }

  test.each([
    ['that live on muted', false, 1],
    ['that end with them', true, 0],
  ])('clients of one that is removed are ended, with sessions %s', async (_, isClean, muted) => {
    const hub = new AccessHub();
    const names = hub.authenticator('names', () => byName);
    const before = [RULES, rule('allow', 't')];
    await hub.start(place(1), place(2), names, ...before);
    const [stays, goes] = await clientsOf(hub, isClean);
    hub.configure(place(1), names, RULES, rule('allow', 'u'));
    const [foretold, done] = await hub.reloadsAsForetold();
    expect(done).toEqual(foretold);
    expect(done).toMatchObject({ ended: 1, muted: 1 + muted });
    expect(done.changes[0]).toMatch(/^listeners: 1 removed \(mqtt:\/\/127\.0\.0\.2:\d+\)$/);
    expect(await goes.next(PacketType.Disconnect)).toMatchObject({ reasonCode: 0x98 });
    stays.send({ type: PacketType.Pingreq });
    await stays.next(PacketType.Pingresp);
  });

  test('clients of one that asks others now are ended only if those do not know them', async () => {
    const hub = new AccessHub();
    const names = hub.authenticator('names', () => byName);
    const other = hub.authenticator('other', () => ({ ...byName, review: () => null }));
    await hub.start(place(1), place(2, 'authenticators = ["names"]'), names);
    await clientsOf(hub);
    hub.configure(place(1), place(2, 'authenticators = ["other"]'), names, other);
    const [foretold, done] = await hub.reloadsAsForetold();
    expect(done).toEqual(foretold);
    expect(done).toMatchObject({ ended: 1 });
    expect(done.changes).toEqual([
      expect.stringMatching(/^listeners: 2 changed \(mqtt:.*1:\d+, mqtt:.*2:\d+\)$/),
      'authenticators: 1 added (other)',
    ]);
    expect(hub.server.stats().sessionsConnected).toBe(1);
  });

  test('one that cannot be had leaves access as it was, too', async () => {
    const hub = new AccessHub();
    const names = hub.authenticator('names', () => byName);
    await hub.start(place(1), names, RULES, rule('allow', 't'));
    const taken = net.createServer().listen(0, '127.0.0.3');
    await once(taken, 'listening');
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as net.AddressInfo;
    const impossible = place(3).replace(':0', `:${port}`);
    hub.configure(place(1), impossible, names, RULES, rule('allow', 'u'));
    const { problems } = await hub.reloads();
    expect(problems).toEqual([expect.stringContaining(`Port ${port} on 127.0.0.3 is in use`)]);
    const [client] = await clientsOf(hub);
    client.publish('t', '', 1);
    expect(await client.next(PacketType.Puback)).toMatchObject({ reasonCode: 0 });
    client.publish('u', '', 1);
    expect(await client.next(PacketType.Puback)).toMatchObject({ reasonCode: 0x87 });
  });
});

test('what nobody can say is foretold as it comes: nobody is ended, and what is delivered stops for now', async () => {
  const hub = new AccessHub();
  const names = hub.authenticator('names', () => byName);
  await hub.start(names);
  const client = hub.open();
  await client.send(connectAs('ann', 'c'));
  await client.send("82 07 0001 00 0001 't' 00");
  await client.packets();
  const unsure = (): never => {
    throw new Error('the database is away');
  };
  const failing: Authorizer = { ...ALL, authorizeConnect: unsure, authorizeSubscribe: unsure };
  hub.configure(
    names,
    hub.authorizer('failing', () => failing),
  );
  const [foretold, done] = await hub.reloadsAsForetold();
  expect(done).toEqual(foretold);
  expect(done).toMatchObject({ ended: 0, muted: 1 });
});

describe('a server that stops', () => {
  test('while it reloads keeps what it had, and ends what was begun', async () => {
    const hub = new AccessHub();
    const parts = new Count(() => ALL);
    let finish: () => void = () => {};
    const slow = hub.authorizer('slow', parts.make);
    await hub.start(slow);
    const begun = new Promise<void>((resolve) => {
      hub.authorizer('slow', () => {
        resolve();
        const made = new Promise((done) => {
          finish = () => done(parts.make());
        });
        return made as unknown as Authorizer;
      });
    });
    const reload = hub.reloads();
    await begun;
    await hub.server.stop();
    finish();
    const [problem] = (await reload).problems;
    expect(problem).toMatch(/the server is not running/);
    await hub.access.close();
    expect(parts.open).toBe(0);
  });

  test('is not reloaded any more, and says so without an alarm', async () => {
    const { hub } = await hubWith(ACL);
    await hub.server.stop();
    expect((await hub.reloads()).problems).toEqual([
      'Nothing is reloaded: the server is not running yet, or not any more',
    ]);
    expect(hub.server.alarms.active).toEqual([]);
  });
});

test('penalties go by the new settings, and what was counted stays counted', async () => {
  const hub = new AccessHub();
  const nobody: Authenticator = {
    authenticate: () => ({ reasonCode: ReasonCode.BadUserNameOrPassword }),
  };
  const names = hub.authenticator('names', () => nobody);
  const penalties = (count: number) => `[penalties]\nfailures_max = ${count}\n`;
  await hub.start(names, penalties(10));
  const code = async (): Promise<number> => {
    const client = hub.open();
    await client.send(connectAs('ann', 'c'));
    return (await client.packet())[3];
  };
  expect([await code(), await code(), await code()]).toEqual([0x86, 0x86, 0x86]);
  hub.configure(names, penalties(3));
  expect((await hub.reloads()).changes).toEqual(['[penalties]: 1 changed (failures_max)']);
  expect([await code(), await code()]).toEqual([0x86, 0x97]);
  hub.configure(names, penalties(0));
  await hub.reloads();
  expect(await code()).toBe(0x97); // a penalty that runs goes on
});
