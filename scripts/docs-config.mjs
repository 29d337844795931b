// Writes docs/config.md, the reference of the configuration, from the settings of the built program. With --check it
// writes nothing and fails when the file is stale. Usage: npm run docs

import fs from 'node:fs';

const TARGET = new URL('../docs/config.md', import.meta.url);

const { DEFAULT_ADMIN } = await import('../dist/config/admin-config.js');
const { ADMIN_SETTINGS, ADMIN_TLS_SETTINGS } = await import('../dist/config/admin-settings.js');
const {
  DEFAULT_ACCESS,
  DEFAULT_HTTP,
  DEFAULT_JWT,
  DEFAULT_JWT_KEY,
  DEFAULT_MODULE,
  DEFAULT_PENALTIES,
  DEFAULT_QUOTA,
  DEFAULT_RULE,
  DEFAULT_USERS,
} = await import('../dist/config/access-config.js');
const {
  ACL_FILE_SETTINGS,
  COMMON_AUTHENTICATOR_SETTINGS,
  COMMON_AUTHORIZER_SETTINGS,
  HTTP_AUTHENTICATOR_SETTINGS,
  HTTP_SETTINGS,
  JWT_KEY_SETTINGS,
  JWT_SETTINGS,
  MODULE_SETTINGS,
  PASSWORD_FILE_SETTINGS,
  USERS_SETTINGS,
} = await import('../dist/config/access-settings.js');
const { DEFAULT_CONFIG } = await import('../dist/config/config.js');
const { DEFAULT_LISTENER, DEFAULT_SNI, DEFAULT_SOCKET, DEFAULT_TLS, DEFAULT_WEBSOCKET } =
  await import('../dist/config/listener-config.js');
const {
  LISTENER_LIMIT_SETTINGS,
  LISTENER_SETTINGS,
  SNI_SETTINGS,
  SOCKET_SETTINGS,
  TLS_SETTINGS,
  WEBSOCKET_SETTINGS,
} = await import('../dist/config/listener-settings.js');
const { ACCESS_SETTINGS, GROUP_SETTINGS, PENALTIES_SETTINGS, QUOTA_SETTINGS, RULE_SETTINGS } =
  await import('../dist/config/rule-settings.js');
const { OVERLOAD_SETTINGS, SYS_SETTINGS } = await import('../dist/config/service-settings.js');
const {
  DROPS_SETTINGS,
  LIMIT_SETTINGS,
  LOG_LEVEL_SETTINGS,
  LOG_SETTINGS,
  METRICS_SETTINGS,
  QUEUE_SETTINGS,
  STORAGE_SETTINGS,
  keyOf,
} = await import('../dist/config/settings.js');
const { TRACING_SETTINGS } = await import('../dist/config/tracing-settings.js');

const INTRODUCTION = `# Configuration

<!-- Generated from src/config by \`npm run docs\`; do not edit. -->

\`iothub --config FILE\` reads one TOML file. Everything in it is optional: what is left out has the default below. The
environment wins over the file, flags win over both. \`iothub --config FILE --test-config\` says everything that is wrong at
once, or \`ok\` and which file and variables count.

* A **duration** is a number of seconds or a string with a unit: \`"500ms"\`, \`"10s"\`, \`"5m"\`, \`"2h"\`, \`"7d"\`.
* A **size** is a number of bytes or a string with a unit: \`"64KiB"\`, \`"8MiB"\`, \`"1GiB"\` (powers of 1024), \`"64KB"\`, \`"2MB"\`,
  \`"1GB"\` (powers of 1000).
* A **file** is seen from the folder of the configuration file; in a variable or a flag, from the working directory.
* An unknown key is an error, not ignored.

\`\`\`toml
[[listeners]]
url = "mqtt://127.0.0.1:1883"

[limits]
packet_size_max = "256KiB"
session_expiry_max = "1d"

[[queues]]
client_id = "dashboard-*"
policy = "keep-latest-per-topic"

[storage]
path = "/var/lib/iothub"

[log]
level = "info"
\`\`\`
`;

const ENVIRONMENT = `## The environment

Every key has a variable: \`IOTHUB_\`, then the path of the key in capitals, two underscores between its parts, positions counted
from 0. It wins over the file; a listener, or a table of another array, that the file does not have is added.

\`\`\`sh
IOTHUB_CONFIG=/etc/iothub.toml              # as --config
IOTHUB_LIMITS__PACKET_SIZE_MAX=4MiB         # limits.packet_size_max
IOTHUB_LISTENERS__0__URL=mqtts://:8883      # url of the first [[listeners]]
IOTHUB_LISTENERS__0__ANONYMOUS=true
IOTHUB_LISTENERS__0__TLS__CERT=/run/tls/tls.crt
IOTHUB_LISTENERS__0__TLS__KEY=/run/tls/tls.key
IOTHUB_LISTENERS__0__TLS__KEY_PASSPHRASE_FILE=/run/secrets/passphrase
IOTHUB_LISTENERS__0__TRUSTED_PROXIES=10.0.0.0/8,fd00::/8
IOTHUB_LISTENERS__0__AUTHENTICATORS=devices,people
IOTHUB_AUTHENTICATORS__0__TYPE=password-file
IOTHUB_AUTHENTICATORS__0__FILE=/run/secrets/passwords
IOTHUB_AUTHENTICATORS__1__KEYS__0__SECRET_FILE=/run/secrets/jwt
IOTHUB_AUTHENTICATORS__2__HEADERS__AUTHORIZATION='Bearer abc'
IOTHUB_QUEUES__0__CLIENT_ID='dashboard-*'
IOTHUB_STORAGE__OPTIONS__URL=redis://cache  # anything goes in storage.options: JSON, else text
\`\`\`

* A list is JSON or separated by commas. A secret has a second variable that ends in \`_FILE\`: the file that holds it.
* An empty variable says nothing.
* A variable that begins with \`IOTHUB_\` and is no key is an error, except what Kubernetes and Docker set by themselves for a service
  of this name (\`IOTHUB_SERVICE_HOST\`, \`IOTHUB_PORT_1883_TCP\`, …).
`;

const LISTENER_EXAMPLES = `## A listener of each kind

\`\`\`toml
# MQTT on this machine only
[[listeners]]
url = "mqtt://127.0.0.1:1883"

# MQTT over TLS on all interfaces; who comes shows a certificate, whose CN is the user name
[[listeners]]
url = "mqtts://:8883"
anonymous = false
[listeners.tls]
cert = "server.pem"
key = "server.key"
ca = "clients-ca.pem"
client_certificate = "required"
identity = "cn"
[[listeners.tls.sni]]
hosts = ["*.example.org"]
cert = "example-org.pem"
key = "example-org.key"

# WebSocket behind a proxy on this machine, for the pages of one site
[[listeners]]
url = "ws://127.0.0.1:8083/mqtt"
forwarded_header = "x-forwarded-for"
trusted_proxies = ["loopback"]
[listeners.websocket]
origins = ["https://example.com"]

# WebSocket over TLS, for anybody, with limits of its own
[[listeners]]
url = "wss://:8084/mqtt"
anonymous = true
connections_max = 10_000
connect_rate_per_address = 5
[listeners.tls]
cert = "server.pem"
key = "server.key"
[listeners.limits]
packet_size_max = "64KiB"
qos_max = 1

# For the programs of one group on this machine
[[listeners]]
url = "mqtt+unix:///run/iothub.sock"
[listeners.socket]
mode = "0660"
group = "iothub"

# Behind a balancer that says in a PROXY header who comes
[[listeners]]
url = "mqtt://10.0.0.5:1884"
anonymous = true
proxy_protocol = true
trusted_proxies = ["10.0.0.7"]
\`\`\`

### Beyond loopback

A listener that others than this machine can reach needs somebody who asks who comes (\`[[authenticators]]\`), or
\`anonymous = true\` in its table: then whoever reaches it may connect. No address (\`mqtt://:1883\`) is all interfaces; a name is local
only if all its addresses are; unix sockets are local. In a container loopback is the container's own, so that a published port
needs such a listener.

### On the command line

\`\`\`sh
iothub --listener mqtt://127.0.0.1:1883 --listener 'ws://127.0.0.1:8083/mqtt?origins=https://example.com'
iothub --listener 'mqtts://:8883?anonymous=true&cert=server.pem&key=server.key&client-certificate=required&ca=ca.pem'
iothub --config iothub.toml --listener 'mqtts://:8883?authenticators=devices,people&cert=server.pem&key=server.key'
\`\`\`

\`--listener\` may be repeated, and stands for all listeners of file and environment. Every key above but those of
\`[[listeners.tls.sni]]\` can be a parameter, with dashes for underscores; never a passphrase (\`key-passphrase-file\` names its file).
\`--host\` and \`--port\` stand for the address of a single \`mqtt://\` listener.
`;

const ACCESS_EXAMPLE = `### Who may do what, in short

\`\`\`toml
# Passwords for people, tokens for devices
[[authenticators]]
type = "password-file"
name = "people"
file = "passwords"

[[authenticators]]
type = "jwt"
name = "devices"
issuer = "https://login.example.com"
audience = ["mqtt"]

[[authenticators.keys]]
algorithms = ["ES256"]
url = "https://login.example.com/keys"

[[authorizers]]
type = "rules"

[[groups]]
name = "operators"
users = ["anna", "ops-*"]

# A device has its user name as client id
[[rules]]
effect = "allow"
actions = ["connect"]
client_ids = ["%u"]

[[rules]]
effect = "allow"
actions = ["publish", "subscribe"]
topics = ["devices/%u/#", "sites/\${claim.site}/+"]

[[rules]]
effect = "allow"
actions = ["connect", "publish", "subscribe"]
topics = ["#", "$SYS/#"]
groups = ["operators"]

[access]
denied_v3 = "disconnect"

[penalties]
failures_max = 5
trusted = ["10.0.0.0/8"]

[[quotas]]
username = "*"
messages_per_second = 100
subscriptions_max = 20

[[listeners]]
url = "mqtt://127.0.0.1:1883"
anonymous = true

[[listeners]]
url = "ws://127.0.0.1:8083/mqtt"
authenticators = ["people"]
\`\`\`
`;

const ENDING = `## What must agree

* \`limits.queue_bytes_max\` is at least \`limits.packet_size_max\`, a listener's own too: otherwise the largest message could never be
  queued.
* \`limits.retained_bytes_max\` is at least \`limits.packet_size_max\`, unless \`limits.retain_available\` is false.
* A table of \`[[queues]]\` names \`client_id\`, \`username\` or both.
* No two listeners have the same address and port, and none is on one address of a port that another has on all.
* \`[listeners.tls]\` goes with \`mqtts://\` and \`wss://\`, which need it with \`cert\` and \`key\`; \`[listeners.websocket]\` with \`ws://\` and \`wss://\`;
  \`[listeners.socket]\` with \`mqtt+unix://\`.
* \`client_certificate\` other than \`none\` needs \`ca\`; \`identity\`, \`ca\` and \`crl\` need such a \`client_certificate\`.
* \`proxy_protocol\` and \`forwarded_header\` need \`trusted_proxies\`; the header needs a WebSocket.
* \`url\` stands for \`host\` and \`port\`, \`key_passphrase\` for \`key_passphrase_file\`: each alone.
* An authenticator and an authorizer have the keys of their \`type\`, and no others; their names are unique, and those that listeners
  name are there. \`users\` needs a store that lasts.
* \`anonymous = false\` needs an authenticator, or \`client_certificate = "required"\`; a listener that only \`certificate\` is asked for needs
  \`client_certificate\` and \`identity\`. Where there is an authorizer or an authenticator, a listener whose certificates name clients asks one.
* An endpoint is \`https://\`; \`http://\` on loopback, or with \`insecure = true\`. Public keys come by \`https://\`, or from loopback.
* A key of a token has one of \`secret\`, \`file\` and \`url\`; \`HS…\` goes with secrets, everything else with public keys.
* A rule says \`effect\` and \`actions\`, and \`topics\` unless it is about \`connect\` alone; only such a one has \`addresses\` or \`listeners\`, which
  are there. Where no authenticator can bring groups, those of rules are there, too.
* \`[[rules]]\` need an authorizer \`rules\`, and it them; without any \`[[authorizers]]\` it is there by itself.
* A table of \`[[quotas]]\` has one of \`client_id\`, \`username\`, \`group\`, \`listener\`, and a limit; a burst needs its rate.
* \`http://\` of \`[admin]\` beyond loopback needs \`insecure = true\`; \`https://\` needs \`[admin.tls]\` with \`cert\` and \`key\`.
* \`endpoint\` of \`[tracing]\` needs one of \`clients\`, \`topics\` and \`ratio\`, and is \`https://\`; \`http://\` on loopback, or with \`insecure = true\`.
* \`--host\` and \`--port\` go with one \`mqtt://\` listener, and not with \`--listener\`.
`;

/** How a default is shown; what has none is an empty cell. */
function shownDefault(setting, value) {
  return value === null || value === undefined || value === '' ? '' : `\`${setting.show(value)}\``;
}

/** A section: one row a setting. `defaults` without values: what stands there instead. */
function section(title, text, settings, defaults) {
  const rows = Object.entries(settings).map(([name, setting]) => {
    const isText = typeof defaults === 'string';
    const shown = isText ? defaults : shownDefault(setting, defaults[name]);
    const cells = [`\`${keyOf(name)}\``, setting.kind, shown];
    return `| ${[...cells, setting.range, setting.meaning].join(' | ')} |`;
  });
  const head = '| key | type | default | range | meaning |\n|---|---|---|---|---|';
  return `## ${title}\n\n${text}\n\n${head}\n${rows.join('\n')}\n`;
}

/** A section within the one above it. */
function subsection(title, text, settings, defaults) {
  return `#${section(title, text, settings, defaults)}`;
}

const HEADERS = 'Headers that are sent with every question: any name, and a text.';
const OPTIONS = 'Whatever the module or package takes.';

/** Authenticators and authorizers, with a table for each type. */
function chainSections() {
  return [
    section(
      '`[[authenticators]]`',
      'Who is asked who a client is, one after the other: the first that knows the client decides, and whom nobody knows is refused. Without any, clients are who they say they are; or only anonymous ones come in, if there is an authorizer. `certificate` has no other keys than these.',
      COMMON_AUTHENTICATOR_SETTINGS,
      {},
    ),
    subsection('Authenticator `password-file`', 'Passwords in a file.', PASSWORD_FILE_SETTINGS, {}),
    subsection('Authenticator `users`', 'Users in the store.', USERS_SETTINGS, DEFAULT_USERS),
    subsection('Authenticator `jwt`', 'Tokens, verified by their signature.', JWT_SETTINGS, {
      ...DEFAULT_JWT,
      audience: null,
    }),
    subsection(
      '`[[authenticators.keys]]`',
      'What tokens of the `jwt` above it are signed with.',
      JWT_KEY_SETTINGS,
      { ...DEFAULT_JWT_KEY, algorithms: null },
    ),
    subsection('Authenticator `http`', 'An endpoint.', HTTP_AUTHENTICATOR_SETTINGS, DEFAULT_HTTP),
    `### \`[authenticators.headers]\`\n\n${HEADERS}\n`,
    subsection('Another authenticator', 'A module or package.', MODULE_SETTINGS, DEFAULT_MODULE),
    `### \`[authenticators.options]\`\n\n${OPTIONS}\n`,
    section(
      '`[[authorizers]]`',
      'Who is asked what a client may do, one after the other: the first that says something decides, and of what nobody says anything is refused. Without any, and without `[[rules]]`, clients may do all but what concerns topics that begin with `$`. `rules` and `claims` have no other keys than these.',
      COMMON_AUTHORIZER_SETTINGS,
      {},
    ),
    subsection('Authorizer `acl-file`', 'A file as Mosquitto has it.', ACL_FILE_SETTINGS, {}),
    subsection('Authorizer `http`', 'An endpoint.', HTTP_SETTINGS, DEFAULT_HTTP),
    `### \`[authorizers.headers]\`\n\n${HEADERS}\n`,
    subsection('Another authorizer', 'A module or package.', MODULE_SETTINGS, DEFAULT_MODULE),
    `### \`[authorizers.options]\`\n\n${OPTIONS}\n`,
  ];
}

/** Rules and the tables beside them. */
function ruleSections() {
  return [
    section(
      '`[[rules]]`',
      'What the authorizer `rules` goes by: the first that fits decides. Without rules about `connect` whoever is authenticated may connect. A placeholder whose value is missing, empty or has `/`, `+`, `#` or NUL in it makes a rule not fit.',
      RULE_SETTINGS,
      { qosMax: DEFAULT_RULE.qosMax, retain: DEFAULT_RULE.retain },
    ),
    section('`[[groups]]`', 'Groups of users, for rules and quotas.', GROUP_SETTINGS, {}),
    ACCESS_EXAMPLE,
    section('`[access]`', 'Access control as a whole.', ACCESS_SETTINGS, DEFAULT_ACCESS),
    section(
      '`[penalties]`',
      'Against whoever tries passwords, and clients that do not leave each other alone. Connected clients are never touched.',
      PENALTIES_SETTINGS,
      DEFAULT_PENALTIES,
    ),
    section(
      '`[[quotas]]`',
      'How much some clients may have or send. What is left out is not limited.',
      QUOTA_SETTINGS,
      DEFAULT_QUOTA,
    ),
  ];
}

const text = [
  INTRODUCTION,
  section(
    '`[[listeners]]`',
    'One table for each address to listen on, any number of them. Any listener in the file replaces the default one.',
    LISTENER_SETTINGS,
    DEFAULT_LISTENER,
  ),
  section(
    '`[listeners.tls]`',
    'The TLS of the `[[listeners]]` above it, for `mqtts://` and `wss://`.',
    TLS_SETTINGS,
    DEFAULT_TLS,
  ),
  section(
    '`[[listeners.tls.sni]]`',
    'Certificates for clients that ask for other names (SNI).',
    SNI_SETTINGS,
    DEFAULT_SNI,
  ),
  section(
    '`[listeners.websocket]`',
    'For `ws://` and `wss://`.',
    WEBSOCKET_SETTINGS,
    DEFAULT_WEBSOCKET,
  ),
  section('`[listeners.socket]`', 'For `mqtt+unix://`.', SOCKET_SETTINGS, DEFAULT_SOCKET),
  `## \`[listeners.limits]\`

Other bounds than \`[limits]\` for the connections of one listener: ${Object.keys(
    LISTENER_LIMIT_SETTINGS,
  )
    .map((name) => `\`${keyOf(name)}\``)
    .join(', ')}. All others hold for the whole server.
`,
  LISTENER_EXAMPLES,
  ...chainSections(),
  ...ruleSections(),
  section(
    '`[limits]`',
    'A limit on everything; a client that passes one costs itself its connection or its message, and nobody else anything.',
    LIMIT_SETTINGS,
    DEFAULT_CONFIG.limits,
  ),
  section(
    '`[[queues]]`',
    'Other bounds for the queues of some clients: the first table whose names fit counts.',
    QUEUE_SETTINGS,
    'as `[limits]`',
  ),
  section(
    '`[storage]`',
    'What survives a restart. `[storage.options]` is handed to a module or package that is the store.',
    STORAGE_SETTINGS,
    DEFAULT_CONFIG.storage,
  ),
  section(
    '`[drops]`',
    'What is remembered of lost messages, for [`iothub drops`](drops.md).',
    DROPS_SETTINGS,
    DEFAULT_CONFIG.drops,
  ),
  section(
    '`[log]`',
    'What it says: [log-events.md](log-events.md); how to use it: [logs.md](logs.md). All but `format` and `file` changes with a reload.',
    LOG_SETTINGS,
    DEFAULT_CONFIG.log,
  ),
  section(
    '`[log.levels]`',
    'A level of its own for a part of the server.',
    LOG_LEVEL_SETTINGS,
    'as `level`',
  ),
  section(
    '`[metrics]`',
    'Figures for Prometheus ([metrics.md](metrics.md)).',
    METRICS_SETTINGS,
    DEFAULT_CONFIG.metrics,
  ),
  section(
    '`[admin]`',
    'The admin API, health checks and metrics over HTTP ([admin-api.md](admin-api.md)). A change counts after a restart.',
    ADMIN_SETTINGS,
    DEFAULT_ADMIN,
  ),
  section(
    '`[admin.tls]`',
    'The TLS of an admin API whose URL is `https://`. A reload reads the files again.',
    ADMIN_TLS_SETTINGS,
    {},
  ),
  section(
    '`[sys]`',
    'What the server publishes of itself; see [sys-topics.md](sys-topics.md).',
    SYS_SETTINGS,
    DEFAULT_CONFIG.sys,
  ),
  section(
    '`[overload]`',
    'When the server has too little memory, and what it does then; see [overload.md](overload.md). How late its event loop may be is `loop_lag_max` in `[limits]`.',
    OVERLOAD_SETTINGS,
    DEFAULT_CONFIG.overload,
  ),
  section(
    '`[tracing]`',
    'OpenTelemetry traces of messages ([tracing.md](tracing.md)). A reload changes all of it.',
    TRACING_SETTINGS,
    DEFAULT_CONFIG.tracing,
  ),
  `### \`[tracing.headers]\`\n\nHeaders that are sent with every request, as collectors want them for a key: any name, and a text. None is ever shown.\n`,
  ENVIRONMENT,
  ENDING,
].join('\n');

if (!process.argv.includes('--check')) {
  fs.writeFileSync(TARGET, text);
} else if (!fs.existsSync(TARGET) || fs.readFileSync(TARGET, 'utf8') !== text) {
  console.error('docs/config.md is stale: run `npm run docs` and commit it.');
  process.exitCode = 1;
}
