// What of access control is wrong, each with the sentence that an operator reads.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readListenerFlag } from '../../src/config/listener-flag.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { checkListeners } from '../../src/config/loopback.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { loadProblems, problemsOf } from './problems.ts';

const JWT =
  '[[authenticators]]\ntype = "jwt"\nissuer = "i"\naudience = ["a"]\n[[authenticators.keys]]\n';
const HTTP = '[[authenticators]]\ntype = "http"\n';
const RULE = '[[rules]]\neffect = "allow"\n';
const PASSWORDS = '[[authenticators]]\ntype = "password-file"\nfile = "p"\n';
const CERTIFICATE = '[[authenticators]]\ntype = "certificate"\n';
const CONNECTS = '[[rules]]\neffect = "allow"\nactions = ["connect"]\n';
const TLS = 'url = "mqtts://127.0.0.1"\n[listeners.tls]\ncert = "c"\nkey = "k"\nca = "a"\n';

/** The only thing that is wrong. */
function problemOf(toml: string): string {
  const problems = problemsOf(toml);
  expect(problems).toHaveLength(1);
  return problems[0];
}

describe('authenticators and authorizers that are wrong', () => {
  test.each([
    [
      '[[authenticators]]\nname = "x"',
      'f.toml:1: authenticators[0]: has no type: add type = one of "password-file", "users", "certificate", "jwt", "http", or a module',
    ],
    [
      '[[authorizers]]',
      'has no type: add type = one of "acl-file", "rules", "claims", "http", or a module',
    ],
    [
      '[[authenticators]]\ntype = "password_file"',
      'f.toml:2: authenticators[0].type: "password_file" is no type; did you mean "password-file"? A package of such a name is named by its path',
    ],
    ['[[authorizers]]\ntype = "rule"', 'did you mean "rules"?'],
    ['[[authenticators]]\ntype = "acl-file"', '"acl-file" belongs to [[authorizers]]'],
    ['[[authorizers]]\ntype = "jwt"', '"jwt" belongs to [[authenticators]]'],
    [
      '[[authenticators]]\ntype = "My Own"',
      '"My Own" is neither password-file, users, certificate, jwt, http nor a module: write a path as ./mine.js, or the name of a package',
    ],
    ['[[authenticators]]\ntype = 5', 'f.toml:2: authenticators[0].type: 5 is not a text'],
    [
      '[[authenticators]]\ntype = "password-file"',
      'authenticators[0]: type "password-file" is not complete: add the line file = "passwords"',
    ],
    [
      '[[authorizers]]\ntype = "acl-file"',
      'authorizers[0]: type "acl-file" is not complete: add the line file = "acl"',
    ],
    [
      HTTP,
      'authenticators[0]: type "http" is not complete: add the line url = "https://host/path"',
    ],
    [
      `${PASSWORDS}scram = true`,
      'f.toml:4: authenticators[0].scram: type "password-file" has no such key; it belongs to type "users"',
    ],
    [
      `${PASSWORDS}timeout = "1s"`,
      'type "password-file" has no such key; it belongs to type "http" or a module',
    ],
    [`${PASSWORDS}[authenticators.headers]\na = "b"`, 'authenticators[0].headers: type "pass'],
    [`${PASSWORDS}[[authenticators.keys]]`, 'it belongs to type "jwt"'],
    [`${PASSWORDS}[authenticators.options]`, 'it belongs to a module'],
    ['[[authenticators]]\ntype = "./x.js"\nfile = "p"', 'a module has no such key; it belongs to'],
    [`${PASSWORDS}sees_anonymous = true`, 'it belongs to type "http"'],
    [
      '[[authorizers]]\ntype = "http"\nurl = "https://a.example"\nsees_anonymous = true',
      'authorizers[0].sees_anonymous: unknown key here; it belongs to [[authenticators]]',
    ],
    [`${PASSWORDS}fil = "p"`, 'authenticators[0].fil: unknown key; did you mean file?'],
    [
      `${PASSWORDS}name = "a b"`,
      'f.toml:4: authenticators[0].name: "a b" is not a name: write up to 64 letters, digits and . _ - / @',
    ],
    [
      `${PASSWORDS}${PASSWORDS}`,
      'f.toml:4: authenticators[1]: "password-file" is the name of another already: add name = "…"',
    ],
    [
      `${PASSWORDS}name = "a"\n${CERTIFICATE}name = "a"`,
      'f.toml:7: authenticators[1].name: "a" is the name of another already',
    ],
    [
      `${CERTIFICATE}${CERTIFICATE}name = "b"\n[[listeners]]\n${TLS}client_certificate = "required"\nidentity = "cn"`,
      'f.toml:4: authenticators[1].type: "certificate" is there already, and has nothing of its own',
    ],
    [
      '[[authenticators]]\ntype = "users"\n[storage]\ntype = "memory"',
      'f.toml:2: authenticators[0].type: users are kept in the store, and storage.type = "memory" keeps nothing: write storage.type = "lmdb", or use a password-file',
    ],
    ['authenticators = 5', 'authenticators: must be an array of tables: [[authenticators]]'],
    [`${HTTP}url = "https://a.example"\nheaders = 5`, 'must be a table: [authenticators.headers]'],
  ])('%j: one sentence says what and where', (toml, sentence) => {
    expect(problemOf(toml)).toContain(sentence);
  });

  test('an authenticator and an authorizer may have one name', () => {
    const url = 'type = "http"\nurl = "https://a.example"\n';
    expect(problemsOf(`[[authenticators]]\n${url}[[authorizers]]\n${url}`)).toEqual([]);
  });

  test('a module may have any name that is a path', () => {
    for (const type of ['./jwt', '../http', '/users', '@jwt/jwt', 'iothub-ldap', 'a/b.js']) {
      expect(problemsOf(`[[authenticators]]\ntype = "${type}"`), type).toEqual([]);
    }
  });

  test('users need a store that lasts, also when a flag says otherwise', async () => {
    const environment = { IOTHUB_AUTHENTICATORS__0__TYPE: 'users' };
    expect(await loadProblems(null, { store: 'memory' }, environment)).toEqual([
      expect.stringMatching(/^IOTHUB_AUTHENTICATORS__0__TYPE: users are kept in the store/),
    ]);
    expect(await loadProblems(null, {}, environment)).toEqual([]);
  });
});

describe('an endpoint', () => {
  test.each([
    ['url = "ftp://x"', 'it is not the URL of an endpoint: write https://host/path'],
    ['url = "auth.example.com/x"', 'it is not the URL of an endpoint'],
    ['url = "https://me:hush@a.example"', 'a user or password may not stand in a URL'],
    ['url = "https://a.example/#x"', 'it has a #, which no endpoint gets to see'],
    [
      'url = "http://a.example"',
      'authenticators[0].url: passwords would cross the network in the clear: write https://, or add insecure = true where that is wanted',
    ],
    ['url = "http://localhost.example"', 'in the clear'],
    [
      'url = "https://a.example"\ninsecure = true',
      'authenticators[0].insecure: does nothing with https://, whose certificate is always verified',
    ],
    [
      'url = "http://localhost"\nca = "x"',
      'authenticators[0].ca: does nothing with http://: write https://, or leave it out',
    ],
    [
      'url = "https://a.example"\n[authenticators.headers]\n"a b" = "hush"',
      'authenticators[0].headers.a b: is not the name of a header',
    ],
    [
      'url = "https://a.example"\n[authenticators.headers]\na = "hush\\nb: c"',
      'f.toml:5: authenticators[0].headers.a: its value has characters that no header may have',
    ],
    [
      'url = "https://a.example"\n[authenticators.headers]\na = ["hush"]',
      'f.toml:5: authenticators[0].headers.a: it is not a text of 1 to 4096 characters',
    ],
    ['url = "https://a.example"\nmethod = "PUT"', '"PUT" is not one of "POST", "GET"'],
  ])('with %j is told in one sentence, without secrets', (toml, sentence) => {
    const problem = problemOf(HTTP + toml);
    expect(problem).toContain(sentence);
    expect(problem).not.toContain('hush');
  });

  test.each(['http://localhost:1/x', 'http://127.8.9.1', 'http://[::1]:1', 'https://a.example'])(
    'may be %s',
    (url) => expect(problemsOf(`${HTTP}url = "${url}"`)).toEqual([]),
  );

  test('may be plain where that is wanted, of an authorizer, too', () => {
    const toml = '[[authorizers]]\ntype = "http"\nurl = "http://a.example"\n';
    expect(problemOf(toml)).toContain('authorizers[0].url: passwords would cross');
    expect(problemsOf(`${toml}insecure = true`)).toEqual([]);
  });
});

describe('tokens', () => {
  test.each([
    [
      '[[authenticators]]\ntype = "jwt"\naudience = ["a"]\n[[authenticators.keys]]\nalgorithms = ["HS256"]\nsecret = "s"',
      'authenticators[0]: type "jwt" is not complete: add the line issuer = "https://…", or not_required = ["iss"]',
    ],
    [
      '[[authenticators]]\ntype = "jwt"\nissuer = "i"\n[[authenticators.keys]]\nalgorithms = ["HS256"]\nsecret = "s"',
      'type "jwt" is not complete: add the line audience = ["…"], or not_required = ["aud"]',
    ],
    [
      '[[authenticators]]\ntype = "jwt"\nissuer = "i"\naudience = ["a"]',
      'type "jwt" is not complete: add a table of [[authenticators.keys]]',
    ],
    [`${JWT}algorithms = ["HS256"]\nsecret = ""`, 'keys[0].secret: it is not a text of 1 to 4096'],
    [
      `${JWT}algorithms = ["ES256"]`,
      'f.toml:5: authenticators[0].keys[0]: is not complete: one of secret, secret_file, file and url says what the key is',
    ],
    [
      `${JWT}algorithms = ["ES256"]\nfile = "k"\nurl = "https://a.example"`,
      'authenticators[0].keys[0]: only one of secret, secret_file, file and url says what the key is',
    ],
    [
      `${JWT}algorithms = ["HS256"]\nsecret = "hush"\nsecret_file = "f"`,
      'f.toml:8: authenticators[0].keys[0].secret_file: secret says it already',
    ],
    [`${JWT}file = "k"`, 'keys[0]: is not complete: add the line algorithms = ["ES256"]'],
    [`${JWT}secret = "hush"`, 'keys[0]: is not complete: add the line algorithms = ["HS256"]'],
    [`${JWT}file = "k"\nalgorithms = []`, 'keys[0].algorithms: is empty: name at least one'],
    [
      `${JWT}file = "k"\nalgorithms = ["es256"]`,
      '"es256" is not an algorithm; did you mean ES256?',
    ],
    [
      `${JWT}file = "k"\nalgorithms = ["ROT13-AND-MORE"]`,
      '"ROT13-AND-MORE" is not an algorithm; known are HS256, HS384,',
    ],
    [
      `${JWT}file = "k"\nalgorithms = ["none"]`,
      'f.toml:7: authenticators[0].keys[0].algorithms: "none" is no signature: anybody could write it',
    ],
    [
      `${JWT}secret = "hush"\nalgorithms = ["HS256", "RS256"]`,
      'keys[0].algorithms: RS256 is for a public key, which stands in file or url, not in secret',
    ],
    [
      `${JWT}url = "https://a.example"\nalgorithms = ["HS256", "RS256"]`,
      'keys[0].algorithms: HS256 is for a secret, which no URL should give away',
    ],
    [
      `${JWT}file = "k"\nalgorithms = ["HS256", "RS256"]`,
      'keys[0].algorithms: HS256 is for a secret and RS256 for a public key',
    ],
    [
      `${JWT}url = "http://a.example"\nalgorithms = ["ES256"]`,
      'keys[0].url: whoever is in between could send keys of his own: write https://',
    ],
    [
      `${JWT}file = "k"\nalgorithms = ["ES256"]\nrefresh = "1m"`,
      'keys[0].refresh: does nothing without url',
    ],
    [
      `${JWT}url = "https://u:hush@a.example"\nalgorithms = ["ES256"]`,
      'keys[0].url: a user or password may not stand in a URL',
    ],
  ])('with %j: one sentence', (toml, sentence) => {
    const problem = problemOf(toml);
    expect(problem).toContain(sentence);
    expect(problem).not.toContain('hush');
  });

  test.each([
    'secret_file = "k"\nalgorithms = ["HS256", "HS384"]',
    'file = "k"\nalgorithms = ["HS512"]',
    'file = "k"\nalgorithms = ["EdDSA", "PS256"]',
    'url = "http://127.0.0.1:1/keys"\nalgorithms = ["ES256"]\nrefresh = "1m"',
  ])('may be verified with %j', (toml) => expect(problemsOf(JWT + toml)).toEqual([]));
});

describe('a listener', () => {
  const REQUIRED = `${TLS}client_certificate = "required"\nidentity = "cn"`;

  test.each([
    [
      `${PASSWORDS}[[listeners]]\nauthenticators = ["pasword-file"]`,
      'f.toml:5: listeners[0].authenticators: there is no authenticator "pasword-file"; did you mean "password-file"?',
    ],
    [
      `${PASSWORDS}[[listeners]]\nauthenticators = ["kerberos"]`,
      'there is no authenticator "kerberos"; there are password-file',
    ],
    [
      '[[listeners]]\nauthenticators = ["people"]',
      'there is no authenticator "people"; there are none',
    ],
    [
      `${PASSWORDS}[[listeners]]\nauthenticators = ["password-file", "password-file"]`,
      '"password-file" is named twice',
    ],
    [
      `${PASSWORDS}[[listeners]]\nanonymous = false\nauthenticators = []`,
      'f.toml:5: listeners[0].anonymous: nobody could connect: false needs an authenticator ([[authenticators]]), or client_certificate = "required" in [listeners.tls]',
    ],
    [
      `${CERTIFICATE}[[listeners]]`,
      'f.toml:3: listeners[0]: nobody could connect: certificates are asked who a client is, and none of them is here: it needs client_certificate and identity in [listeners.tls]',
    ],
    [
      `${PASSWORDS}${CERTIFICATE}[[listeners]]\nauthenticators = ["certificate"]`,
      'listeners[0].authenticators: nobody could connect: certificates are asked',
    ],
    [
      `${CERTIFICATE}[[listeners]]\n${TLS}client_certificate = "required"`,
      'nobody could connect: certificates are asked',
    ],
    [
      `[[listeners]]\nanonymous = false\n${TLS}client_certificate = "required"\nidentity = "cn"\n${CONNECTS}`,
      'f.toml:1: listeners[0]: who shows a certificate could not connect: nobody is asked here whether its name counts; add [[authenticators]] with type = "certificate"',
    ],
    [
      `[[listeners]]\nanonymous = true\n${TLS}client_certificate = "optional"\nidentity = "cn"\n${CONNECTS}`,
      'listeners[0]: who shows a certificate could not connect',
    ],
    [
      `${PASSWORDS}[[listeners]]\nauthenticators = []\n${TLS}client_certificate = "required"\nidentity = "cn"`,
      'f.toml:5: listeners[0].authenticators: who shows a certificate could not connect',
    ],
    [
      `[[listeners]]\nanonymous = false\n${TLS}client_certificate = "required"\n${CONNECTS}`,
      'listeners[0]: who shows a certificate could not connect',
    ],
  ])('with %j lets in nobody, which one sentence says', (toml, sentence) => {
    expect(problemOf(toml)).toContain(sentence);
  });

  test.each([
    `${PASSWORDS}[[listeners]]\nanonymous = false`,
    `[[listeners]]\nanonymous = false\n${REQUIRED}`,
    `${CERTIFICATE}[[listeners]]\nanonymous = true`,
    `${CERTIFICATE}[[listeners]]\n${REQUIRED}`,
    `${CERTIFICATE}[[listeners]]\nproxy_protocol = true\nproxy_certificate_name = true\ntrusted_proxies = ["::1"]`,
    `${CERTIFICATE}${PASSWORDS}[[listeners]]`,
  ])('may be %j', (toml) => expect(problemsOf(toml)).toEqual([]));

  test('is not blamed for authenticators that are wrong by themselves', () => {
    const listener = '[[listeners]]\nanonymous = false\nauthenticators = ["a"]';
    expect(problemOf(`[[authenticators]]\nnmae = "a"\ntype = "users"\n${listener}`)).toContain(
      'authenticators[0].nmae',
    );
  });

  test('beyond loopback needs authenticators, or a word that anybody may come', async () => {
    const listener = '[[listeners]]\nurl = "mqtt://:1883"\n';
    const saidOf = (toml: string) => checkListeners(parseConfig(toml, 'f.toml'));
    expect(await saidOf(PASSWORDS + listener)).toEqual([]);
    for (const toml of [listener, `${PASSWORDS}${listener}authenticators = []`]) {
      const [problem] = await saidOf(toml);
      expect(problem.message).toMatch(
        /^mqtt:\/\/:1883 can be .*, and no authenticator asks who comes\. Add one \(\[\[authenticators\]\]; "iothub init" writes .*\), or, if everybody there may connect, add the line `anonymous = true` to its table/,
      );
    }
  });

  test('beyond loopback is not refused because the authenticators are wrong', async () => {
    const file = path.join(temporaryFolder(), 'f.toml');
    writeFileSync(file, 'authenticators = 5\n[[listeners]]\nurl = "mqtt://:1883"');
    expect(await loadProblems(file)).toEqual([
      `${file}:1: authenticators: must be an array of tables: [[authenticators]]`,
    ]);
    writeFileSync(file, 'listeners = 5');
    expect(await loadProblems(file, { host: '0.0.0.0' })).toEqual([
      `${file}:1: listeners: must be an array of tables: [[listeners]]`,
    ]);
  });

  test('of the command line may name authenticators of the file', async () => {
    const url = 'mqtt://127.0.0.1?authenticators=users';
    const said = { IOTHUB_AUTHENTICATORS__0__TYPE: 'users' };
    expect(readListenerFlag(url, '/')).toBeTypeOf('object');
    expect(readListenerFlag(`${url}&anonymous=false`, '/')).toBeTypeOf('object');
    const { config } = await loadConfig(null, { listeners: [url] }, said);
    expect(config.listeners[0].authenticators).toEqual(['users']);
    expect(await loadProblems(null, { listeners: [`${url},other`] }, said)).toEqual([
      `--listener '${url},other': authenticators: there is no authenticator "other"; there are users`,
    ]);
    const open = 'mqtt://:1883';
    expect(await loadProblems(null, { listeners: [open] }, said)).toEqual([]);
    expect(await loadProblems(null, { listeners: [`${open}?authenticators=[]`] }, said)).toEqual([
      expect.stringContaining("write --listener 'mqtt://:1883?authenticators=[]&anonymous=true'"),
    ]);
  });
});

describe('a rule that is wrong', () => {
  test.each([
    [
      '[[rules]]\nactions = ["connect"]',
      'rules[0]: is not complete: add effect = "allow" or "deny"',
    ],
    [RULE, 'f.toml:1: rules[0]: is not complete: add actions = ["publish", "subscribe"]'],
    [`${RULE}actions = []`, 'f.toml:3: rules[0].actions: is empty: name at least one'],
    [
      `${RULE}actions = ["read"]`,
      '"read" is not one of "connect", "publish", "subscribe", "receive"',
    ],
    [
      `${RULE}actions = ["publish", "connect"]`,
      'rules[0]: says of no topic that it is about it: add topics ("#" = all but those that begin with $) to publish',
    ],
    [
      `${RULE}actions = ["connect"]\ntopics = ["#"]`,
      'f.toml:4: rules[0].topics: connect is about no topic: leave them out, or name other actions',
    ],
    [
      `${RULE}actions = ["publish"]\ntopics = ["#"]\naddresses = ["10.0.0.1"]`,
      'f.toml:5: rules[0].addresses: is looked at only when a client connects, and this rule is also about publish: write actions = ["connect"], and another rule for the rest',
    ],
    [
      `${RULE}actions = ["connect", "receive"]\ntopics = ["#"]\nlisteners = ["mqtt://127.0.0.1"]`,
      'rules[0].listeners: is looked at only when a client connects',
    ],
    [`${RULE}actions = ["connect"]\nusers = []`, 'rules[0].users: is empty: name at least one'],
    [`${RULE}actions = ["connect"]\naddresses = ["10.0.0.0/33"]`, '"10.0.0.0/33"'],
    [`${RULE}actions = ["connect"]\nlisteners = ["tcp://a"]`, 'write mqtt://a'],
    [
      `${RULE}actions = ["connect"]\nlisteners = ["mqtt://127.0.0.1?anonymous=true"]`,
      'it is named without parameters: write "mqtt://127.0.0.1:1883"',
    ],
    [
      `${RULE}actions = ["connect"]\nlisteners = ["mqtt://127.0.0.1:1884"]`,
      'f.toml:4: rules[0].listeners: there is no listener "mqtt://127.0.0.1:1884"; did you mean "mqtt://127.0.0.1:1883"?',
    ],
    [
      `${RULE}actions = ["connect"]\nqos_max = 1`,
      'rules[0].qos_max: does nothing without publish or subscribe',
    ],
    [
      `${RULE}actions = ["subscribe"]\ntopics = ["#"]\nretain = "only"`,
      'rules[0].retain: does nothing without publish',
    ],
    [
      `[[authorizers]]\ntype = "claims"\n${RULE}actions = ["connect"]`,
      'f.toml:3: rules[0]: nobody asks the rules: add [[authorizers]] with type = "rules" where its turn is',
    ],
    [
      '[[authorizers]]\ntype = "rules"',
      'authorizers[0].type: "rules" has nothing to go by, as there are no [[rules]]',
    ],
    [
      `${PASSWORDS}[[groups]]\nname = "crew"\nusers = ["a"]\n${RULE}actions = ["connect"]\ngroups = ["crw"]`,
      'f.toml:10: rules[0].groups: there is no group "crw"; did you mean "crew"?',
    ],
  ])('%j: one sentence', (toml, sentence) => {
    expect(problemOf(toml)).toContain(sentence);
  });

  test('may name groups that an authenticator may bring, and patterns', () => {
    const rule = `${RULE}actions = ["connect"]\n`;
    expect(problemsOf(`[[authenticators]]\ntype = "users"\n${rule}groups = ["x"]`)).toEqual([]);
    expect(problemsOf(`${PASSWORDS}${rule}groups = ["x*"]`)).toEqual([]);
  });

  test('may name listeners that flags stand for', async () => {
    const environment = {
      IOTHUB_RULES__0__EFFECT: 'allow',
      IOTHUB_RULES__0__ACTIONS: 'connect',
      IOTHUB_RULES__0__LISTENERS: 'mqtt://127.0.0.1:1884',
    };
    expect(await loadProblems(null, {}, environment)).toEqual([
      expect.stringMatching(/^IOTHUB_RULES__0__LISTENERS: there is no listener/),
    ]);
    const flags = { listeners: ['mqtt://127.0.0.1:1'] };
    expect(await loadProblems(null, flags, environment)).toEqual([]);
    expect(await loadProblems(null, { port: 1 }, environment)).toEqual([]);
  });

  test.each([
    ['', '"" is not a text'],
    ['a/#/b', '"a/#/b" is not a topic filter: # stands elsewhere than alone on the last level'],
    ['a+/b', '"a+/b" is not a topic filter: + does not fill its level'],
    ['%c+/b', '"%c+/b" is not a topic filter: + does not fill its level'],
    ['$share/g/a/b', '"$share/g/a/b" is asked for without $share and its name: write "a/b"'],
    ['a/%d', '"a/%d" has a % that is no placeholder: write %c for the client id, %u for the user'],
    ['a/%', 'has a % that is no placeholder'],
    ['%%c', 'has a % that is no placeholder'],
    ['a/%C', 'has a % that is no placeholder'],
    [`a/\${user}`, `has a \${ that is no placeholder: write \${claim.name} or \${cert}`],
    [`a/\${claim}`, `has a \${ that is no placeholder`],
    [`a/\${claim.}`, `has a \${ that is no placeholder`],
    [`a/\${claim.x..y}`, `has a \${ that is no placeholder`],
    [`a/\${claim.x`, `has a \${ that is no placeholder`],
    [`a/\${claim.x/y}`, `has a \${ that is no placeholder`],
  ])('has no topic %j', (topic, sentence) => {
    const toml = `${RULE}actions = ["publish"]\ntopics = ["b", ${JSON.stringify(topic)}]`;
    const problem = problemOf(toml);
    expect(problem).toMatch(/^f\.toml:4: rules\[0\]\.topics: /);
    expect(problem).toContain(sentence);
  });

  test.each([
    ['%c', '"%c" compares the client id with itself: %u stands for the user name'],
    ['%u-%x', '"%u-%x" has a % that is no placeholder: write %u for the user name'],
    [`\${x}`, `has a \${ that is no placeholder`],
  ])('has no client id %j', (clientId, sentence) => {
    const toml = `${RULE}actions = ["connect"]\nclient_ids = [${JSON.stringify(clientId)}]`;
    expect(problemOf(toml)).toContain(sentence);
  });

  test('may have any placeholder where it may stand', () => {
    const topics = ['%c', 'a/%u-%c/#', `+/\${claim.a.b-c_d}x/+`, `\${cert}`, '$SYS/#', '#', '/'];
    const clientIds = ['%u', '%u-*', `\${claim.device}`, `x\${cert}`];
    const toml = `${RULE}actions = ["connect", "publish"]\ntopics = ${JSON.stringify(topics)}\nclient_ids = ${JSON.stringify(clientIds)}`;
    expect(problemsOf(toml)).toEqual([]);
  });
});

describe('groups, quotas and penalties that are wrong', () => {
  test.each([
    ['[[groups]]\nusers = ["a"]', 'f.toml:1: groups[0]: is not complete: add name = "…"'],
    ['[[groups]]\nname = "a"', 'groups[0]: is not complete: add users = ["…"]'],
    ['[[groups]]\nname = "a"\nusers = []', 'groups[0].users: is empty: name at least one'],
    [
      '[[groups]]\nname = "a"\nusers = ["x"]\n[[groups]]\nname = "a"\nusers = ["y"]',
      'f.toml:5: groups[1].name: "a" is there already: write all its users in one table',
    ],
    [
      '[[quotas]]\nconnections_max = 1',
      'f.toml:1: quotas[0]: says of no client that it is for it: add one of client_id, username, group, listener ("*" = all)',
    ],
    ['[[quotas]]\nusername = "*"', 'quotas[0]: limits nothing: add one of messages_per_second,'],
    [
      '[[quotas]]\nusername = "*"\nper = "user"\nqueue_bytes_max = 5',
      'f.toml:4: quotas[0].queue_bytes_max: queues are bounded per client, not per user',
    ],
    [
      '[[quotas]]\nusername = "*"\nper = "listener"\nretained_messages_max = 5',
      'quotas[0].retained_messages_max: retained messages are counted per client or user, not per listener',
    ],
    [
      '[[quotas]]\nusername = "*"\nconnections_max = 1\nmessages_burst = 5',
      'f.toml:4: quotas[0].messages_burst: does nothing without messages_per_second',
    ],
    [
      '[[quotas]]\nusername = "*"\nconnections_max = 1\nbytes_burst = 5',
      'quotas[0].bytes_burst: does nothing without bytes_per_second',
    ],
    ['[penalties]\ntrusted = ["lan"]', 'penalties.trusted: "lan" is no address range'],
    ['[penalties]\nwindow = 0', 'penalties.window: 0 is out of range: 1s to 1d'],
    ['[access]\nhash_workers = 65', 'access.hash_workers: 65 is out of range: 0 to 64'],
    ['[access]\nsubback = "filter"', 'access.subback: unknown key; did you mean suback?'],
  ])('%j: one sentence', (toml, sentence) => {
    expect(problemOf(toml)).toContain(sentence);
  });

  test('are all told at once', () => {
    const toml = `${PASSWORDS}scram = true\n${RULE}actions = ["publish"]\n[[quotas]]\n[access]\nsuback = 1\n`;
    expect(problemsOf(toml).map((line) => line.replace(/(f.toml:\d+: \S+: ).*/, '$1'))).toEqual([
      'f.toml:4: authenticators[0].scram: ',
      'f.toml:5: rules[0]: ',
      'f.toml:8: quotas[0]: ',
      'f.toml:8: quotas[0]: ',
      'f.toml:10: access.suback: ',
    ]);
  });
});
