// Writes docs/config.md, the reference of the configuration file, from the settings of the built program. With --check it
// writes nothing and fails when the file is stale. Usage: npm run docs

import fs from 'node:fs';

const TARGET = new URL('../docs/config.md', import.meta.url);

const { DEFAULT_CONFIG } = await import('../dist/config/config.js');
const {
  LIMIT_SETTINGS,
  LISTENER_SETTINGS,
  LOG_SETTINGS,
  QUEUE_SETTINGS,
  STORAGE_SETTINGS,
  limitKey,
} = await import('../dist/config/settings.js');

const INTRODUCTION = `# The configuration file

<!-- Generated from src/config/settings.ts by \`npm run docs\`; do not edit. -->

\`iothub --config FILE\` reads one TOML file. Everything in it is optional: what is left out has the default below. Flags win
over the file, the file over the defaults. \`iothub --config FILE --test-config\` says everything that is wrong with it at once.

* A **duration** is a number of seconds or a string with a unit: \`"500ms"\`, \`"10s"\`, \`"5m"\`, \`"2h"\`, \`"7d"\`.
* A **size** is a number of bytes or a string with a unit: \`"64KiB"\`, \`"8MiB"\`, \`"1GiB"\` (powers of 1024), \`"64KB"\`, \`"2MB"\`,
  \`"1GB"\` (powers of 1000).
* An unknown key is an error, not ignored.

\`\`\`toml
[[listeners]]
host = "127.0.0.1"
port = 1883

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

const ENDING = `## What must agree

* \`limits.queue_bytes_max\` is at least \`limits.packet_size_max\`: otherwise the largest message could never be queued.
* \`limits.retained_bytes_max\` is at least \`limits.packet_size_max\`, unless \`limits.retain_available\` is false.
* A table of \`[[queues]]\` names \`client_id\`, \`username\` or both.
* No two listeners have the same address and port.
* \`--host\` and \`--port\` go with one listener, not with several.
`;

/** A section: one row a setting. */
function section(title, text, settings, defaults, keyOf) {
  const rows = Object.entries(settings).map(([name, setting]) => {
    const shown = defaults === null ? 'as `[limits]`' : `\`${setting.show(defaults[name])}\``;
    const cells = [`\`${keyOf(name)}\``, setting.kind, shown];
    return `| ${[...cells, setting.range, setting.meaning].join(' | ')} |`;
  });
  const head = '| key | type | default | range | meaning |\n|---|---|---|---|---|';
  return `## ${title}\n\n${text}\n\n${head}\n${rows.join('\n')}\n`;
}

const text = [
  INTRODUCTION,
  section(
    '`[[listeners]]`',
    'One table for each address to listen on. Any listener in the file replaces the default one.',
    LISTENER_SETTINGS,
    DEFAULT_CONFIG.listeners[0],
    (name) => name,
  ),
  section(
    '`[limits]`',
    'A limit on everything; a client that passes one costs itself its connection or its message, and nobody else anything.',
    LIMIT_SETTINGS,
    DEFAULT_CONFIG.limits,
    limitKey,
  ),
  section(
    '`[[queues]]`',
    'Other bounds for the queues of some clients: the first table whose names fit counts.',
    QUEUE_SETTINGS,
    null,
    limitKey,
  ),
  section(
    '`[storage]`',
    'What survives a restart. `[storage.options]` is handed to a module or package that is the store.',
    STORAGE_SETTINGS,
    DEFAULT_CONFIG.storage,
    limitKey,
  ),
  section('`[log]`', 'Goes to stdout.', LOG_SETTINGS, DEFAULT_CONFIG.log, (name) => name),
  ENDING,
].join('\n');

if (!process.argv.includes('--check')) {
  fs.writeFileSync(TARGET, text);
} else if (!fs.existsSync(TARGET) || fs.readFileSync(TARGET, 'utf8') !== text) {
  console.error('docs/config.md is stale: run `npm run docs` and commit it.');
  process.exitCode = 1;
}
