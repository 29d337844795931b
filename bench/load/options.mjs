// The command line as values. Whatever is wrong with it is one clear sentence: what, what was expected, and what to do.

import { parseArgs } from 'node:util';
import { UsageError } from './errors.mjs';
import { PAYLOAD_BYTES_MIN } from './payload.mjs';
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
};

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
  duration: 5,
  warmup: 1,
  hold: 2,
  settle: 3,
  drain: 3,
  resume: false,
};
const SLOW_RATE = 2_000;
const SUBSCRIPTION_PUBS = 4;

export const HELP = `Usage: npm run bench -- [SCENARIO] [options]      without a scenario: a short run of all of them

${Object.entries(SCENARIOS)
  .map(([name, what]) => `  ${name.padEnd(15)} ${what}; -n ${COUNTS[name]}`)
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
Where
  --url URL                a server that runs already, on loopback: mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH
                           or wss://…; without it IoTHub is started, storing nothing
  --pid PID                that server's process (repeatable), for its CPU and memory
  --remote                 --url may name another machine
  --transport LIST         how to reach servers that are started here: mqtt, mqtts, ws, wss, or several of them (mqtt)
  --against NAME=COMMAND   compare IoTHub with the server that this starts (repeatable); {port} in it is where it has to listen,
                           {transport} how; {cert} and {key} are files for TLS, those that IoTHub has
  --frames message|batch   a WebSocket frame for each packet, or for all that are written at once (message)
  --ca FILE --insecure     who signed the server's certificate; trust any
  --cert FILE --key FILE   who the clients are, for a server of --url that asks
  --username NAME --password WORD    the same, by CONNECT; {i} in them is the number of the client
  --resume                 connect: TLS handshakes take up the session of an earlier connection
How often
  --processes P            generator processes (processors less one)
  --rounds R               so many runs, each with a fresh server; medians and, in brackets, the range (1)
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
  return {
    help: false,
    scenario: scenarioOf(positionals),
    given,
    rounds: given.rounds ?? DEFAULTS.rounds,
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
  const rate = scenario === 'slow' ? SLOW_RATE : DEFAULTS.rate;
  const pubs = scenario === 'subscriptions' ? SUBSCRIPTION_PUBS : DEFAULTS.pubs;
  const all = { ...DEFAULTS, scenario, n: COUNTS[scenario], rate, pubs, ...given };
  all.version = all.V;
  // A client does not have more subscriptions than there are, and a publisher has a topic.
  all.clients = Math.min(all.clients, all.n);
  if (scenario === 'subscriptions') all.pubs = Math.min(all.pubs, all.n);
  return all;
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
