// Who connects, subscribes and publishes in a scenario, the same for whoever asks: every generator process makes the whole plan
// and takes the clients that are its own. A flow is what one publisher sends to one topic; flows and clients are numbered, and
// a client publishes and hears flows whose numbers follow each other.

/** More topics are not published to, however many are subscribed to. */
const ROUTED_FLOWS_MAX = 10_000;

/** Flows `first` to `first + count - 1`. @typedef {{ first: number, count: number }} Range */

/**
 * @typedef {object} PlannedClient
 * @property {number} home the process that has it
 * @property {() => string[]} filters what it subscribes to
 * @property {Range} heard what it gets
 * @property {Range} published
 * @property {number} group which latencies its messages count for; see `Plan.groups`
 * @property {number} [user] whom it logs in as, by number, where users have rights of their own
 */

/** Messages a second of all flows together that belong to a group. @typedef {{ name: string, flows: Range, rate: number }} Group */

/**
 * @typedef {object} Plan
 * @property {PlannedClient[]} clients
 * @property {number} flowCount
 * @property {(flow: number) => string} topicOf
 * @property {(flow: number) => number} receiversOf
 * @property {Group[]} groups rate 0 = closed loop
 * @property {(group: number) => 0 | 1 | 2} qosOf
 */

const NOTHING = { first: 0, count: 0 };
const NO_FILTERS = () => [];

/** Part `i` of `parts` of `count` things, as even as can be. */
function share(count, i, parts) {
  const first = Math.floor((count * i) / parts);
  return { first, count: Math.floor((count * (i + 1)) / parts) - first };
}

function pairs({ n, processes, prefix, rate, qos, isWild = false }) {
  const topicOf = (flow) => `${prefix}/pair/${flow}${isWild ? '/data' : ''}`;
  const clients = [];
  for (let i = 0; i < n; i++) {
    const own = { first: i, count: 1 };
    const home = i % processes;
    const filters = () => [isWild ? `${prefix}/pair/${i}/+` : topicOf(i)];
    const rest = { home, group: 0, user: i };
    clients.push({ ...rest, filters, heard: own, published: NOTHING });
    clients.push({ ...rest, filters: NO_FILTERS, heard: NOTHING, published: own });
  }
  return one(clients, n, topicOf, () => 1, rate, qos);
}

function fanout({ n, pubs, processes, prefix, rate, qos }) {
  const topicOf = (flow) => `${prefix}/all/${flow}`;
  const all = { first: 0, count: pubs };
  const filters = () => [`${prefix}/all/+`];
  const clients = [];
  for (let i = 0; i < n; i++) {
    const home = i % processes;
    clients.push({ home, filters, heard: all, published: NOTHING, group: 0, user: i });
  }
  for (let i = 0; i < pubs; i++) clients.push({ ...publisher(i, processes), user: i });
  return one(clients, pubs, topicOf, () => n, rate, qos);
}

function fanin({ n, processes, prefix, rate, qos }) {
  const topicOf = (flow) => `${prefix}/telemetry/${flow}/data`;
  const filters = () => [`${prefix}/telemetry/+/data`];
  const heard = { first: 0, count: n };
  const clients = [{ home: 0, filters, heard, published: NOTHING, group: 0 }];
  // The one that hears them all has its process to itself, if there are others.
  for (let i = 0; i < n; i++) {
    clients.push({ ...publisher(i, 1), home: processes === 1 ? 0 : 1 + (i % (processes - 1)) });
  }
  return one(clients, n, topicOf, () => 1, rate, qos);
}

function mixed(options) {
  const { n, backends, interval, processes, prefix, qos } = options;
  const topicOf = (flow) =>
    flow < n ? `${prefix}/telemetry/${flow}/data` : `${prefix}/command/${flow - n}`;
  const clients = [];
  for (let i = 0; i < n; i++) {
    const published = { first: i, count: 1 };
    const heard = { first: n + i, count: 1 };
    const filters = () => [topicOf(n + i)];
    clients.push({ home: i % processes, filters, heard, published, group: 1 });
  }
  for (let b = 0; b < backends; b++) {
    const { first, count } = share(n, b, backends);
    const published = { first: n + first, count };
    const heard = { first: 0, count: n };
    const filters = () => [`${prefix}/telemetry/+/data`];
    clients.push({ home: b % processes, filters, heard, published, group: 0 });
  }
  const rate = (n * 1_000) / interval;
  const groups = [
    { name: 'telemetry', flows: { first: 0, count: n }, rate },
    { name: 'commands', flows: { first: n, count: n }, rate: (rate * options['cmd-pct']) / 100 },
  ];
  const receiversOf = (flow) => (flow < n ? backends : 1);
  const qosOf = (group) => (group === 0 ? qos : options['cmd-qos']);
  return { clients, flowCount: 2 * n, topicOf, receiversOf, groups, qosOf };
}

function subscriptions(options) {
  const { n, clients: subscribers, pubs, processes, prefix, rate, qos } = options;
  const flowCount = Math.min(n, ROUTED_FLOWS_MAX);
  const subscriptionOf = (flow) => Math.floor((flow * n) / flowCount);
  const topicOf = (flow) => {
    const i = subscriptionOf(flow);
    return `${prefix}/site${i % 100}/${i}/state`;
  };
  const filterOf = (i) =>
    i % 100 < options['wild-pct']
      ? `${prefix}/+/${i}/state`
      : `${prefix}/site${i % 100}/${i}/state`;
  const clients = [];
  for (let c = 0; c < subscribers; c++) {
    const own = share(n, c, subscribers);
    const first = Math.ceil((own.first * flowCount) / n);
    const end = Math.ceil(((own.first + own.count) * flowCount) / n);
    clients.push({
      home: c % processes,
      filters: () => Array.from({ length: own.count }, (_, i) => filterOf(own.first + i)),
      heard: { first, count: end - first },
      published: NOTHING,
      group: 0,
    });
  }
  for (let i = 0; i < pubs; i++) {
    clients.push({ ...publisher(i, processes), published: share(flowCount, i, pubs) });
  }
  return one(clients, flowCount, topicOf, () => 1, rate, qos);
}

/** One who publishes the flow of its own number. */
function publisher(i, processes) {
  const published = { first: i, count: 1 };
  return { home: i % processes, filters: NO_FILTERS, heard: NOTHING, published, group: 0 };
}

/** A plan with one group. */
function one(clients, flowCount, topicOf, receiversOf, rate, qos) {
  const groups = [{ name: 'messages', flows: { first: 0, count: flowCount }, rate }];
  return { clients, flowCount, topicOf, receiversOf, groups, qosOf: () => qos };
}

const PLANS = { pairs, fanout, fanin, mixed, subscriptions };

/**
 * `traffic`: the plan of a scenario with another name. `isWild`: subscribers of pairs have a filter that more than their topic
 * matches.
 * @param {{ scenario: string, traffic?: string, isWild?: boolean, processes: number, prefix: string }} options
 * @returns {Plan}
 */
export function planOf(options) {
  return PLANS[options.traffic ?? options.scenario](options);
}
