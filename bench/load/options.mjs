// The command line as values. Whatever is wrong with it is one clear sentence: what, what was expected, and what to do.

import { parseArgs } from 'node:util';
import { UsageError } from './errors.mjs';
import { PAYLOAD_BYTES_MIN } from './payload.mjs';
import { RULES_PER_USER } from './rule-sets.mjs';
import { WHERE_OPTIONS, whereOf } from './where.mjs';

export const SCENARIOS = {
  pairs: 'publishers and subscribers one to one',
  fanout: 'all subscribers get one topic',
  fanin: 'one subscriber gets all topics',
  mixed: 'devices with telemetry, backends with commands; open loop',
  connect: 'a storm of connections that then stay idle',
  retained: 'retained messages, set and then fetched',
  subscriptions: 'many subscriptions, then messages to them',
  slow: 'a subscriber that does not read, beside pairs that do',
  access: 'pairs and fanout with thousands of rules and with none, in turns',
  observed: 'pairs and fanout with metrics, ledger and traces and with none, in turns',
  login: 'a storm of connections for each way to say who one is, in turns',
  'login-storm': 'durable PUBACKs while others log in, and while nobody does, in turns',
};

/** Those that are not part of the short run of all: they compare servers that they start, and take their time. */
export const COMPARING = ['access', 'observed', 'login', 'login-storm'];

/** What `-n` is when it is not given. */
const COUNTS = {
  pairs: 100,
  fanout: 100,
  fanin: 100,
  mixed: 1_000,
  connect: 1_000,
  retained: 10_000,
  subscriptions: 100_000,
  slow: 20,
  login: 3_000,
};

const MILLION = 1_000_000;
/** A whole number with its bounds; `k` and `m` may follow it. */
const WHOLE = {
  count: [0, 1_000 * MILLION],
  qos: [0, 2],
  size: [PAYLOAD_BYTES_MIN, 100 * MILLION],
  window: [1, 65_535],
  rate: [0, 100 * MILLION],
  V: [4, 5],
  rounds: [1, 1_000],
  processes: [1, 256],
  pubs: [1, 10_000],
  backends: [1, 1_000],
  interval: [1, 3_600_000],
  'cmd-pct': [0, 10_000],
  'cmd-qos': [0, 2],
  concurrency: [1, 10_000],
  clients: [1, 100_000],
  batch: [1, 1_000],
  'wild-pct': [0, 100],
  flood: [0, 100 * MILLION],
  rules: [4, 10_000],
  logins: [1, 100_000],
  iterations: [1, 10 * MILLION],
};
/** Seconds, fractions too. */
const SECONDS = {
  duration: [0.05, 86_400],
  warmup: [0, 3_600],
  hold: [0, 3_600],
  settle: [0, 3_600],
  drain: [0.05, 600],
};

const DEFAULTS = {
  count: 0,
  qos: 0,
  size: 64,
  window: 16,
  rate: 0,
  V: 4,
  rounds: 1,
  pubs: 1,
  backends: 3,
  interval: 1_000,
  'cmd-pct': 1,
  'cmd-qos': 1,
  concurrency: 64,
  clients: 100,
  batch: 20,
  'wild-pct': 10,
  flood: 0,
  rules: 10_000,
  logins: 100,
  iterations: 210_000,
  duration: 5,
  warmup: 1,
  hold: 2,
  settle: 3,
  drain: 3,
  resume: false,
};
/** Where a scenario differs. */
const OWN_DEFAULTS = {
  subscriptions: { pubs: 4 },
  slow: { rate: 2_000 },
  access: { duration: 3 },
  observed: { duration: 3 },
  login: { V: 5 },
  'login-storm': { V: 5, rate: 500, duration: 10 },
};
/** What the differences that are looked for need. */
const ROUNDS = { access: 10, observed: 10, login: 5, 'login-storm': 5 };

export const HELP = `Usage: npm run bench -- [SCENARIO] [options]      without a scenario: a short run of all but the last four

${Object.entries(SCENARIOS)
  .map(
    ([name, what]) => `  ${name.padEnd(15)} ${what}${name in COUNTS ? `; -n ${COUNTS[name]}` : ''}`,
  )
  .join('\n')}

Load
  -n N              pairs, subscribers, publishers, devices, connections, messages or subscriptions
  --qos 0|1|2       (0)            --size BYTES      payload, at least ${PAYLOAD_BYTES_MIN} (64)
  -V 4|5            version (4)    --window W        closed loop: messages of a publisher on their way (16)
  --rate R          open loop: messages a second of all publishers; latency counts from when they were due
  --count N         so many messages of each publisher and no warm-up, for at most --duration
  --warmup S (1)    --duration S (5)    --drain S: silence after which what is missing is lost (3)
  fanout, subscriptions: --pubs P    mixed: --interval MS (1000) --backends B (3) --cmd-pct P (1) --cmd-qos Q (1)
  connect: --concurrency C (64) --hold S: connected (2) --settle S: after they left (3)
  subscriptions: --clients M (100) --batch B (20) --wild-pct P (10)
  slow: --rate R of the pairs (2000), --flood R of the publisher that is too fast, 0 = all it can (0)
  access: --rules N (10000); without -n and --qos: 10 pairs at QoS 0 with window 64, 100 at QoS 1, a fan-out of 50; --duration 3
  observed: the same loads, without rules
  login, login-storm: -V (5), --iterations N of PBKDF2 (210000)
  login-storm: --logins R a second (100), --rate R of the messages (500), --duration S (10)
Where
  --url URL                a server that runs already, on loopback: mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH
                           or wss://…; without it IoTHub is started, storing nothing
  --pid PID                that server's process (repeatable), for its CPU and memory
  --remote                 --url may name another machine
  --transport LIST         how to reach servers that are started here: mqtt, mqtts, ws, wss, or several of them (mqtt)
  --against NAME=COMMAND   compare IoTHub with the server that this starts (repeatable); {port} in it is where it has to listen,
                           {transport} how; {cert} and {key} are files for TLS, those that IoTHub has; access: {acl} and
                           {passwords} are files that it has to go by
  --frames message|batch   a WebSocket frame for each packet, or for all that are written at once (message)
  --ca FILE --insecure     who signed the server's certificate; trust any
  --cert FILE --key FILE   who the clients are, for a server of --url that asks
  --username NAME --password WORD    the same, by CONNECT; {i} in them is the number of the client
  --resume                 connect: TLS handshakes take up the session of an earlier connection
How often
  --processes P            generator processes (processors less one)
  --rounds R               so many runs, each with a fresh server; medians and, in brackets, the range (1; access and observed 10, logins 5)
  --folder DIR             where servers keep their data: a disk, for login-storm (the system's temporary folder)
  --json FILE              also writes everything there`;

/**
 * @param {readonly string[]} argv
 * @param {number} processors of this machine
 */
export function parseOptions(argv, processors) {
  const numbers = [...Object.keys(WHOLE), ...Object.keys(SECONDS)].filter((name) => name !== 'V');
  const options = {
    n: { type: 'string', short: 'n' },
    V: { type: 'string', short: 'V' },
    ...WHERE_OPTIONS,
    json: { type: 'string' },
    folder: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
    ...Object.fromEntries(numbers.map((name) => [name, { type: 'string' }])),
  };
  const { values, positionals } = parse(argv, options);
  if (values.help === true) return { help: true };
  const given = {};
  for (const [name, bounds] of Object.entries(WHOLE)) {
    if (values[name] !== undefined) given[name] = whole(name, values[name], bounds);
  }
  for (const [name, bounds] of Object.entries(SECONDS)) {
    if (values[name] !== undefined) given[name] = seconds(name, values[name], bounds);
  }
  if (values.resume === true) given.resume = true;
  if (values.n !== undefined) given.n = whole('n', values.n, [1, 10 * MILLION]);
  const scenario = scenarioOf(positionals);
  checkScenario(scenario, values);
  return {
    help: false,
    scenario,
    given,
    folder: values.folder,
    rounds: given.rounds ?? ROUNDS[scenario] ?? DEFAULTS.rounds,
    processes: given.processes ?? Math.max(1, processors - 1),
    json: values.json ?? null,
    ...whereOf(
      values,
      (values.pid ?? []).map((text) => whole('pid', text, [1, 4_194_304])),
    ),
  };
}

/** All that a scenario needs to know. @param {keyof typeof SCENARIOS} scenario @param {object} given */
export function settle(scenario, given) {
  const all = {
    ...DEFAULTS,
    scenario,
    n: COUNTS[scenario] ?? 1,
    ...OWN_DEFAULTS[scenario],
    ...given,
  };
  all.version = all.V;
  // A client does not have more subscriptions than there are, and a publisher has a topic.
  all.clients = Math.min(all.clients, all.n);
  if (scenario === 'subscriptions') all.pubs = Math.min(all.pubs, all.n);
  const users = Math.floor(all.rules / RULES_PER_USER);
  if (scenario === 'access' && all.n > users) {
    throw new UsageError(
      `-n is ${all.n}, but ${all.rules} rules are for ${users} users, ${RULES_PER_USER} for each: take fewer, or more --rules.`,
    );
  }
  return all;
}

/** What does not go together. */
function checkScenario(scenario, { url, against, transport }) {
  const instead = { login: 'connect', 'login-storm': 'connect', observed: 'pairs' }[scenario];
  if (instead === undefined) return;
  const idle = url !== undefined ? 'url' : against !== undefined ? 'against' : null;
  if (idle !== null) {
    throw new UsageError(
      `--${idle} is about another server, and ${scenario} compares IoTHub with itself: leave it out, or take the scenario ${instead}.`,
    );
  }
  if (scenario === 'login-storm' && (transport ?? 'mqtt') !== 'mqtt') {
    throw new UsageError(`--transport is ${transport}, but login-storm knows only mqtt.`);
  }
}

function parse(argv, options) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    const [sentence] = error.message.split(/\.\s/);
    throw new UsageError(`${sentence}; see npm run bench -- --help.`);
  }
}

function scenarioOf(positionals) {
  const [scenario = null, ...more] = positionals;
  const names = Object.keys(SCENARIOS).join(', ');
  if (more.length > 0) {
    throw new UsageError(
      `One scenario at a time, not ${positionals.join(' and ')}; there are ${names}.`,
    );
  }
  if (scenario !== null && !Object.hasOwn(SCENARIOS, scenario)) {
    throw new UsageError(`There is no scenario ${JSON.stringify(scenario)}; there are ${names}.`);
  }
  return scenario;
}

function whole(name, text, [min, max]) {
  const match = /^(\d{1,12})([km]?)$/.exec(text);
  const unit = { '': 1, k: 1_000, m: MILLION };
  const value = match === null ? Number.NaN : Number(match[1]) * unit[match[2]];
  if (value >= min && value <= max) return value;
  const option = name.length === 1 ? `-${name}` : `--${name}`;
  throw new UsageError(
    `${option} is ${JSON.stringify(text)}, but has to be a whole number from ${min} to ${max} (2k and 1m are numbers, too).`,
  );
}

function seconds(name, text, [min, max]) {
  const value = /^\d{1,6}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(
    `--${name} is ${JSON.stringify(text)}, but has to be a number of seconds from ${min} to ${max}.`,
  );
}
