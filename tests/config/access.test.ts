// What of access control stands in a file, in variables and in flags, and what of it reaches the program.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  admitsAnonymous,
  authenticatorsOf,
  DEFAULT_HTTP,
  DEFAULT_JWT,
  DEFAULT_JWT_KEY,
  DEFAULT_QUOTA,
  DEFAULT_RULE,
} from '../../src/config/access-config.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { ROOT } from '../../src/config/tables.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { loadProblems } from './problems.ts';

const AUTHENTICATORS = `
[[authenticators]]
type = "password-file"
name = "people"
file = "passwords"

[[authenticators]]
type = "users"
scram = false

[[authenticators]]
type = "certificate"

[[authenticators]]
type = "jwt"
issuer = "https://login.example.com"
audience = ["mqtt", "hub"]
not_required = ["exp"]
username_claim = "name"
client_id_claim = "device"
groups_claim = "realm.roles"
acl_claim = "mqtt"
leeway = "5s"
token_in = "username"
[[authenticators.keys]]
id = "a"
algorithms = ["HS256", "HS512"]
secret = "hush hush"
[[authenticators.keys]]
algorithms = ["HS384"]
secret_file = "jwt.secret"
[[authenticators.keys]]
algorithms = ["EdDSA"]
file = "/keys/jwt.pem"
[[authenticators.keys]]
algorithms = ["ES256"]
url = "https://login.example.com/keys"
refresh = "1h"

[[authenticators]]
type = "http"
url = "https://127.0.0.1:8080/auth"
method = "GET"
ca = "ca.pem"
insecure = false
timeout = "1s"
concurrency = 2
queue_max = 3
cache_ttl = 0
cache_max = 4
circuit_failures = 6
circuit_open = "7s"
sees_anonymous = true
[authenticators.headers]
authorization = "Bearer hush"
"x-plant" = "7"

[[authenticators]]
type = "./mine.js"
timeout = "2s"
[authenticators.options]
deep = { x = [1] }
`;

const AUTHORIZERS = `
[[authorizers]]
type = "acl-file"
file = "acl"

[[authorizers]]
type = "rules"
name = "own"

[[authorizers]]
type = "claims"

[[authorizers]]
type = "http"
url = "http://auth.example.com"
method = "GET"
insecure = true
timeout = "1s"
concurrency = 2
queue_max = 3
cache_ttl = "4s"
cache_max = 5
circuit_failures = 6
circuit_open = "7s"
[authorizers.headers]
a = "b"

[[authorizers]]
type = "@plant/iothub-rules"
timeout = "3s"
[authorizers.options]
y = 1
`;

const RULES = `
[[rules]]
effect = "deny"
actions = ["publish", "subscribe", "receive"]
topics = ["a/%c/%u/#", "b/\${claim.site.id}/+", "\${cert}", "$SYS/#"]
users = ["anna", "ops-*", ""]
groups = ["g*"]
client_ids = ["x-*", "%u", "\${claim.device}-1"]
qos_max = 1
retain = "never"

[[rules]]
effect = "allow"
actions = ["connect"]
addresses = ["10.0.0.0/8", "unix"]
listeners = ["mqtt://localhost", "mqtt+unix:///run/x"]

[[groups]]
name = "the operators"
users = ["anna", "ops-*"]

[access]
suback = "mosquitto"
denied_v3 = "disconnect"
session_owner = "discard"
strict_permissions = true
watch = false
decisions_max = 10
hash_workers = 2
hash_queue_max = 20
credentials_ttl = 0
credentials_max = 30

[penalties]
failures_max = 1
window = "2s"
penalty = "3s"
address_failures_max = 4
trusted = ["private"]
tables_max = 50
flapping_connects_max = 6
flapping_window = "7s"
flapping_ban = "8s"
fight_takeovers_max = 9
fight_window = "10s"
fight_back_off = "11s"

[[quotas]]
client_id = "a-*"
username = "b"
group = "c"
listener = "mqtts://*"
per = "client"
messages_per_second = 10
messages_burst = 100
bytes_per_second = "1KiB"
bytes_burst = "2KiB"
over = "refuse"
subscriptions_max = 0
connections_max = 1
retained_messages_max = 2
retained_bytes_max = "3KiB"
queue_messages_max = 4
queue_bytes_max = "5KiB"
`;

const LISTENERS = `
[[listeners]]
url = "mqtt://localhost:1883"
authenticators = ["jwt", "people"]
[[listeners]]
url = "mqtt+unix:///run/x"
`;

const WHOLE = AUTHENTICATORS + AUTHORIZERS + RULES + LISTENERS;
const FILE = path.resolve('/etc/hub/f.toml');

describe('access control in a file', () => {
  test('is said with every key that there is', () => {
    const names = ['authenticators', 'authorizers', 'rules', 'groups', 'access', 'penalties'];
    for (const name of [...names, 'quotas']) {
      for (const key of Object.keys(ROOT.tables[name].settings)) {
        expect(WHOLE, `${name}.${key}`).toMatch(new RegExp(`^${key} = `, 'm'));
      }
    }
    for (const key of Object.keys(ROOT.tables.authenticators.tables.keys.settings)) {
      expect(AUTHENTICATORS, key).toMatch(new RegExp(`^${key} = `, 'm'));
    }
  });

  test('reaches the program: authenticators, each with what its type has', () => {
    expect(parseConfig(WHOLE, FILE).authenticators).toEqual([
      { kind: 'password-file', name: 'people', file: path.resolve('/etc/hub/passwords') },
      { kind: 'users', name: 'users', scram: false },
      { kind: 'certificate', name: 'certificate' },
      {
        kind: 'jwt',
        name: 'jwt',
        issuer: 'https://login.example.com',
        audience: ['mqtt', 'hub'],
        notRequired: ['exp'],
        usernameClaim: 'name',
        clientIdClaim: 'device',
        groupsClaim: 'realm.roles',
        aclClaim: 'mqtt',
        leewayMs: 5_000,
        tokenIn: 'username',
        keys: [
          {
            ...DEFAULT_JWT_KEY,
            id: 'a',
            algorithms: ['HS256', 'HS512'],
            secret: 'hush hush',
          },
          {
            ...DEFAULT_JWT_KEY,
            algorithms: ['HS384'],
            secretFile: path.resolve('/etc/hub/jwt.secret'),
          },
          { ...DEFAULT_JWT_KEY, algorithms: ['EdDSA'], file: path.resolve('/keys/jwt.pem') },
          {
            ...DEFAULT_JWT_KEY,
            algorithms: ['ES256'],
            url: 'https://login.example.com/keys',
            refreshMs: 3_600_000,
          },
        ],
      },
      {
        kind: 'http',
        name: 'http',
        url: 'https://127.0.0.1:8080/auth',
        method: 'GET',
        headers: { authorization: 'Bearer hush', 'x-plant': '7' },
        ca: path.resolve('/etc/hub/ca.pem'),
        insecure: false,
        timeoutMs: 1_000,
        concurrency: 2,
        queueMax: 3,
        cacheTtlMs: 0,
        cacheMax: 4,
        circuitFailures: 6,
        circuitOpenMs: 7_000,
        seesAnonymous: true,
      },
      {
        kind: 'module',
        name: './mine.js',
        module: path.resolve('/etc/hub/mine.js'),
        timeoutMs: 2_000,
        options: { deep: { x: [1] } },
      },
    ]);
  });

  test('reaches the program: authorizers', () => {
    expect(parseConfig(WHOLE, FILE).authorizers).toEqual([
      { kind: 'acl-file', name: 'acl-file', file: path.resolve('/etc/hub/acl') },
      { kind: 'rules', name: 'own' },
      { kind: 'claims', name: 'claims' },
      {
        kind: 'http',
        name: 'http',
        url: 'http://auth.example.com',
        method: 'GET',
        headers: { a: 'b' },
        ca: null,
        insecure: true,
        timeoutMs: 1_000,
        concurrency: 2,
        queueMax: 3,
        cacheTtlMs: 4_000,
        cacheMax: 5,
        circuitFailures: 6,
        circuitOpenMs: 7_000,
      },
      {
        kind: 'module',
        name: '@plant/iothub-rules',
        module: '@plant/iothub-rules',
        timeoutMs: 3_000,
        options: { y: 1 },
      },
    ]);
  });

  test('reaches the program: rules with the places where they are written, and groups', () => {
    const { rules, groups } = parseConfig(RULES + LISTENERS.replace(/^auth.*$/m, ''), FILE);
    expect(rules).toEqual([
      {
        effect: 'deny',
        actions: ['publish', 'subscribe', 'receive'],
        topics: ['a/%c/%u/#', `b/\${claim.site.id}/+`, `\${cert}`, '$SYS/#'],
        users: ['anna', 'ops-*', ''],
        groups: ['g*'],
        clientIds: ['x-*', '%u', `\${claim.device}-1`],
        addresses: null,
        listeners: null,
        qosMax: 1,
        retain: 'never',
        file: FILE,
        line: 2,
      },
      {
        ...DEFAULT_RULE,
        effect: 'allow',
        actions: ['connect'],
        addresses: ['10.0.0.0/8', 'unix'],
        listeners: ['mqtt://localhost:1883', 'mqtt+unix:///run/x'],
        file: FILE,
        line: 12,
      },
    ]);
    expect(groups).toEqual([{ name: 'the operators', users: ['anna', 'ops-*'] }]);
  });

  test('reaches the program: everything else', () => {
    const { access, penalties, quotas, listeners } = parseConfig(WHOLE, FILE);
    expect(access).toEqual({
      suback: 'mosquitto',
      deniedV3: 'disconnect',
      sessionOwner: 'discard',
      strictPermissions: true,
      watch: false,
      decisionsMax: 10,
      hashWorkers: 2,
      hashQueueMax: 20,
      credentialsTtlMs: 0,
      credentialsMax: 30,
    });
    expect(penalties).toEqual({
      failuresMax: 1,
      windowMs: 2_000,
      penaltyMs: 3_000,
      addressFailuresMax: 4,
      trusted: ['private'],
      tablesMax: 50,
      flappingConnectsMax: 6,
      flappingWindowMs: 7_000,
      flappingBanMs: 8_000,
      fightTakeoversMax: 9,
      fightWindowMs: 10_000,
      fightBackOffMs: 11_000,
    });
    expect(quotas).toEqual([
      {
        clientId: 'a-*',
        username: 'b',
        group: 'c',
        listener: 'mqtts://*',
        per: 'client',
        messagesPerSecond: 10,
        messagesBurst: 100,
        bytesPerSecond: 1_024,
        bytesBurst: 2_048,
        over: 'refuse',
        subscriptionsMax: 0,
        connectionsMax: 1,
        retainedMessagesMax: 2,
        retainedBytesMax: 3_072,
        queueMessagesMax: 4,
        queueBytesMax: 5_120,
      },
    ]);
    expect(listeners.map(({ authenticators }) => authenticators)).toEqual([
      ['jwt', 'people'],
      null,
    ]);
  });

  test('has defaults for what it leaves out', () => {
    const config = parseConfig(
      `[[authenticators]]
      type = "users"
      [[authenticators]]
      type = "jwt"
      not_required = ["iss", "aud"]
      [[authenticators.keys]]
      algorithms = ["HS256"]
      secret = "s"
      [[authenticators]]
      type = "http"
      url = "http://[::1]/x"
      [[authenticators]]
      type = "some-package"
      [[quotas]]
      username = "*"
      messages_per_second = 5
      bytes_per_second = 6`,
      FILE,
    );
    expect(config.authenticators).toEqual([
      { kind: 'users', name: 'users', scram: true },
      {
        kind: 'jwt',
        name: 'jwt',
        ...DEFAULT_JWT,
        notRequired: ['iss', 'aud'],
        keys: [{ ...DEFAULT_JWT_KEY, algorithms: ['HS256'], secret: 's' }],
      },
      { kind: 'http', name: 'http', ...DEFAULT_HTTP, url: 'http://[::1]/x' },
      {
        kind: 'module',
        name: 'some-package',
        module: 'some-package',
        timeoutMs: 5_000,
        options: {},
      },
    ]);
    expect(config.quotas).toEqual([
      {
        ...DEFAULT_QUOTA,
        username: '*',
        messagesPerSecond: 5,
        messagesBurst: 5,
        bytesPerSecond: 6,
        bytesBurst: 6,
      },
    ]);
  });

  test('has rules asked that nobody else is asked beside', () => {
    const rule = '[[rules]]\neffect = "allow"\nactions = ["connect"]\n';
    expect(parseConfig(rule, FILE).authorizers).toEqual([{ kind: 'rules', name: 'rules' }]);
    expect(parseConfig('', FILE).authorizers).toEqual([]);
    expect(parseConfig('rules = []', FILE).authorizers).toEqual([]);
  });

  test('knows where a rule is written, also in an array that is a value', () => {
    const rule = '{ effect = "allow", actions = ["connect"] }';
    const { rules } = parseConfig(`\nrules = [\n  ${rule},\n  ${rule},\n]`, FILE);
    expect(rules.map(({ file, line }) => [file, line])).toEqual([
      [FILE, 2],
      [FILE, 2],
    ]);
  });

  test('may have many rules', () => {
    const rule = '[[rules]]\neffect = "allow"\nactions = ["connect"]\n';
    const { rules } = parseConfig(rule.repeat(5_000), FILE);
    expect(rules).toHaveLength(5_000);
    expect(rules[4_999].line).toBe(14_998);
  });

  test('cannot be changed in any part', () => {
    const config = parseConfig(WHOLE, FILE);
    const [, , , jwt, http] = config.authenticators;
    const parts = [
      config.authenticators,
      jwt,
      jwt.kind === 'jwt' && jwt.keys[0].algorithms,
      http.kind === 'http' && http.headers,
      config.authorizers[0],
      config.rules[0].topics,
      config.groups[0].users,
      config.access,
      config.penalties.trusted,
      config.quotas[0],
    ];
    for (const part of parts) expect(Object.isFrozen(part)).toBe(true);
  });
});

describe('whom a listener asks', () => {
  const CHAIN =
    '[[authenticators]]\ntype = "users"\n[[authenticators]]\ntype = "password-file"\nfile = "p"\n';

  function asked(toml: string): [names: string[], admitsAnonymous: boolean] {
    const config: Config = parseConfig(toml, FILE);
    const [listener] = config.listeners;
    return [
      authenticatorsOf(config, listener).map(({ name }) => name),
      admitsAnonymous(config, listener),
    ];
  }

  test('is all authenticators in their order, or those that it names in its order', () => {
    expect(asked(CHAIN)).toEqual([['users', 'password-file'], false]);
    expect(asked(`${CHAIN}[[listeners]]\nauthenticators = ["password-file", "users"]`)).toEqual([
      ['password-file', 'users'],
      false,
    ]);
    expect(asked(`${CHAIN}[[listeners]]\nauthenticators = []`)).toEqual([[], true]);
  });

  test('lets in anonymous clients where it says so, or where nobody is asked', () => {
    expect(asked('')).toEqual([[], true]);
    expect(asked(`${CHAIN}[[listeners]]\nanonymous = true`)[1]).toBe(true);
    expect(asked(`${CHAIN}[[listeners]]\nanonymous = false`)[1]).toBe(false);
  });
});

describe('access control in the environment', () => {
  test('is said with lists, headers as texts, and files seen from the working directory', async () => {
    const folder = temporaryFolder();
    for (const name of ['passwords', 'mine.js']) writeFileSync(path.join(folder, name), 'x');
    const { config } = await loadConfig(
      null,
      {},
      {
        IOTHUB_AUTHENTICATORS__0__TYPE: 'password-file',
        IOTHUB_AUTHENTICATORS__0__FILE: path.join(folder, 'passwords'),
        IOTHUB_AUTHENTICATORS__1__TYPE: 'http',
        IOTHUB_AUTHENTICATORS__1__URL: 'https://auth.example.com',
        IOTHUB_AUTHENTICATORS__1__HEADERS__AUTHORIZATION: '007',
        IOTHUB_AUTHENTICATORS__1__HEADERS__xPlant: '{"not": "parsed"}',
        IOTHUB_AUTHENTICATORS__2__TYPE: path.join(folder, 'mine.js'),
        IOTHUB_AUTHENTICATORS__2__OPTIONS__N: '5',
        IOTHUB_RULES__0__EFFECT: 'allow',
        IOTHUB_RULES__0__ACTIONS: 'publish,subscribe',
        IOTHUB_RULES__0__TOPICS: '["a,b/#"]',
        IOTHUB_GROUPS__0__NAME: 'g',
        IOTHUB_GROUPS__0__USERS: 'a,b',
        IOTHUB_ACCESS__DENIED_V3: 'disconnect',
        IOTHUB_PENALTIES__TRUSTED: 'private,::1',
        IOTHUB_QUOTAS__0__USERNAME: '*',
        IOTHUB_QUOTAS__0__CONNECTIONS_MAX: '3',
        IOTHUB_LISTENERS__0__AUTHENTICATORS: 'http,password-file',
      },
    );
    expect(config.authenticators).toMatchObject([
      { kind: 'password-file', file: path.join(folder, 'passwords') },
      { headers: { authorization: '007', xPlant: '{"not": "parsed"}' } },
      { kind: 'module', module: path.join(folder, 'mine.js'), options: { n: 5 } },
    ]);
    expect(config.rules).toMatchObject([
      { actions: ['publish', 'subscribe'], topics: ['a,b/#'], file: null, line: null },
    ]);
    expect(config.groups).toEqual([{ name: 'g', users: ['a', 'b'] }]);
    expect(config.access.deniedV3).toBe('disconnect');
    expect(config.penalties.trusted).toEqual(['private', '::1']);
    expect(config.quotas).toMatchObject([{ username: '*', connectionsMax: 3 }]);
    expect(config.listeners[0].authenticators).toEqual(['http', 'password-file']);
  });

  test('may give all headers at once', async () => {
    const environment = {
      IOTHUB_AUTHORIZERS__0__TYPE: 'http',
      IOTHUB_AUTHORIZERS__0__URL: 'https://auth.example.com',
      IOTHUB_AUTHORIZERS__0__HEADERS: '{"x-a": "1", "X-B": "2"}',
    };
    const { config } = await loadConfig(null, {}, environment);
    expect(config.authorizers).toMatchObject([{ headers: { 'x-a': '1', 'X-B': '2' } }]);
  });

  test('adds rules to those of the file, which keep their places', async () => {
    const file = path.join(temporaryFolder(), 'f.toml');
    writeFileSync(file, '\n[[rules]]\neffect = "allow"\nactions = ["connect"]\n');
    const { config } = await loadConfig(
      file,
      {},
      {
        IOTHUB_RULES__0__EFFECT: 'deny',
        IOTHUB_RULES__1__EFFECT: 'allow',
        IOTHUB_RULES__1__ACTIONS: 'connect',
      },
    );
    expect(config.rules.map(({ effect, file, line }) => [effect, file, line])).toEqual([
      ['deny', file, 2],
      ['allow', null, null],
    ]);
  });
});

describe('the files of access control', () => {
  function folderWith(files: Readonly<Record<string, string>>): (name: string) => string {
    const folder = temporaryFolder();
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
    return (name) => path.join(folder, name);
  }

  test('are looked at, and secrets of theirs put in their places', async () => {
    const at = folderWith({
      'f.toml': AUTHENTICATORS.replace('/keys/jwt.pem', 'jwt.pem') + LISTENERS,
      passwords: '',
      'jwt.secret': 'of the file\n',
      'jwt.pem': 'x',
      'ca.pem': 'x',
      'mine.js': '',
    });
    const { config } = await loadConfig(at('f.toml'));
    const jwt = config.authenticators[3];
    expect(jwt.kind === 'jwt' && jwt.keys.map(({ secret }) => secret)).toEqual([
      'hush hush',
      'of the file',
      null,
      null,
    ]);
  });

  test('that cannot be read are told with path and reason, all of them', async () => {
    const at = folderWith({
      'f.toml': `${AUTHENTICATORS}\n[[authorizers]]\ntype = "acl-file"\nfile = "acl"\n[[authorizers]]\ntype = "http"\nurl = "https://a.example"\nca = "/nowhere/ca"\n`,
    });
    const gone = 'there is no such file';
    const problems = await loadProblems(at('f.toml'));
    expect(problems.map((line) => line.replace(/^.*?: /, ''))).toEqual([
      `authenticators[0].file: ${at('passwords')}: ${gone}`,
      `authenticators[3].keys[1].secret_file: ${at('jwt.secret')}: ${gone}`,
      `authenticators[3].keys[2].file: /keys/jwt.pem: ${gone}`,
      `authenticators[4].ca: ${at('ca.pem')}: ${gone}`,
      `authenticators[5].type: ${at('mine.js')}: ${gone}`,
      `authorizers[0].file: ${at('acl')}: ${gone}`,
      `authorizers[1].ca: /nowhere/ca: ${gone}`,
    ]);
    expect(problems[0]).toMatch(/f\.toml:5: /);
  });

  test.each([
    ['', 'is empty'],
    ['x'.repeat(4_097), 'is too large for a secret'],
  ])('of a secret may not be %j', async (content, sentence) => {
    const at = folderWith({ s: content });
    const environment = {
      IOTHUB_AUTHENTICATORS__0__TYPE: 'jwt',
      IOTHUB_AUTHENTICATORS__0__NOT_REQUIRED: 'iss,aud',
      IOTHUB_AUTHENTICATORS__0__KEYS__0__ALGORITHMS: 'HS256',
      IOTHUB_AUTHENTICATORS__0__KEYS__0__SECRET_FILE: at('s'),
    };
    expect(await loadProblems(null, {}, environment)).toEqual([
      `IOTHUB_AUTHENTICATORS__0__KEYS__0__SECRET_FILE: ${at('s')} ${sentence}`,
    ]);
  });

  test('of a secret give way to a variable that is the secret', async () => {
    const at = folderWith({
      'f.toml':
        '[[authenticators]]\ntype = "jwt"\nnot_required = ["iss", "aud"]\n[[authenticators.keys]]\nalgorithms = ["HS256"]\nsecret_file = "nowhere"',
    });
    const variable = { IOTHUB_AUTHENTICATORS__0__KEYS__0__SECRET: 'said' };
    const { config } = await loadConfig(at('f.toml'), {}, variable);
    expect(config.authenticators[0]).toMatchObject({
      keys: [{ secret: 'said', secretFile: null }],
    });
  });
});
