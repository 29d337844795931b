// Who was promised what: every message with when it was first sent and when it was acknowledged, every subscription with when
// it was asked for and granted, and everything that arrived, all by one clock that only counts. At the end the books are
// compared, and what is lost, doubled, out of order or should not be is said in words.

import { matchesFilter } from '../../dist/protocol/index.js';

const NEVER = Number.POSITIVE_INFINITY;
const SHOWN_MAX = 25;
const HISTORIES_MAX = 3;

export class SentMessage {
  topic;
  seq;
  qos;
  retain;
  publisher;
  /** Bytes of the payload; 0 = empty, which removes a retained message. */
  size;
  /** When it was first sent. */
  sentAt;
  /** When the server took it over: PUBACK, PUBREC. */
  ackedAt = NEVER;
  /** How often PUBLISH was sent. */
  sends = 0;
  /** The server said no, or this must not be published: why. */
  refused = null;
  /** Its publisher had no session to tell a repetition by. */
  isExact = true;

  constructor(fields) {
    Object.assign(this, fields);
  }

  get key() {
    return `${this.topic}#${this.seq}`;
  }

  payload() {
    if (this.size === 0) return Buffer.alloc(0);
    const name = `${this.key} `;
    return Buffer.from(name.padEnd(this.size, String(this.seq % 10)));
  }
}

/** One subscription of one session, from asking for it to its end. */
export class Grant {
  filter;
  qos;
  askedAt;
  grantedAt = NEVER;
  /** It was asked to end. */
  endAskedAt = NEVER;
  endedAt = NEVER;
  /** The session was ended: what it still had is owed to nobody. */
  isForfeited = false;

  constructor(filter, qos, askedAt) {
    this.filter = filter;
    this.qos = qos;
    this.askedAt = askedAt;
  }
}

export class Ledger {
  /** By key. */
  messages = new Map();
  /** What must never happen, in words, as it was seen. */
  violations = [];
  /** By client id. */
  histories = new Map();
  /** Ids of those with whom something is wrong. */
  concerned = new Set();
  arrivals = 0;
  repetitions = 0;
  #now = 0;
  /** Messages with the retain flag, by topic. */
  #retained = new Map();
  #bySubscriber = new Map();

  get now() {
    return ++this.#now;
  }

  violation(text, who = null) {
    if (who !== null) this.concerned.add(who);
    if (this.violations.length < 1_000) this.violations.push(text);
  }

  add(message) {
    this.messages.set(message.key, message);
    if (message.retain) {
      const history = this.#retained.get(message.topic) ?? [];
      history.push(message);
      this.#retained.set(message.topic, history);
    }
    return message;
  }

  /** What may be retained from now on: by topic, from the last acknowledged message on all that was sent. */
  retainable() {
    const retainable = new Map();
    for (const [topic, history] of this.#retained) {
      const last = history.findLastIndex((each) => each.ackedAt !== NEVER);
      retainable.set(topic, { history, from: last < 0 ? 0 : history[last].seq });
    }
    return retainable;
  }

  /** The books of one subscriber. */
  open(id, group = null) {
    const books = { id, group, grants: [], counts: new Map(), exact: new Map(), last: new Map() };
    this.#bySubscriber.set(id, books);
    return books;
  }

  grantsOf(id) {
    return this.#bySubscriber.get(id).grants;
  }

  /** An application message came, for the first time or again; QoS 2 repetitions are told apart before. */
  arrive(books, topicName, payload, qos) {
    const text = Buffer.from(payload).toString('latin1');
    const message = this.messages.get(text.slice(0, text.indexOf(' ')));
    if (message === undefined || message.topic !== topicName) {
      this.violation(`${books.id} got what nobody sent: ${topicName} “${text.slice(0, 60)}”`);
      return;
    }
    const { key, seq } = message;
    if (text !== message.payload().toString('latin1')) {
      const length = text.length;
      this.violation(`${books.id} got ${key} with another payload (${length} bytes)`, books.id);
    }
    this.arrivals++;
    const count = (books.counts.get(key) ?? 0) + 1;
    books.counts.set(key, count);
    // One that came at QoS 1 before, by a subscription that has ended, is repeated when its publisher has to send it again.
    const before = books.exact.get(key);
    if (qos === 2) books.exact.set(key, this.now);
    if (count > 1) {
      this.repetitions++;
      if (before !== undefined && qos === 2 && message.isExact) {
        const when = `at ${before} and ${books.exact.get(key)}`;
        const text = `doubled: ${books.id} got ${key} ${count} times, at QoS 2 ${when}`;
        this.violation(`${text}; it was first sent at ${message.sentAt}`, books.id);
      }
      return;
    }
    const last = books.last.get(topicName) ?? 0;
    if (seq > last) books.last.set(topicName, seq);
    else if (isOrdered(books, message)) {
      const earlier = `${topicName}#${last}`;
      this.violation(`out of order: ${books.id} got ${key} after ${earlier}`, books.id);
    }
  }

  /** What is acknowledged and has not arrived. */
  missing() {
    const missing = [];
    const groups = new Map();
    for (const books of this.#bySubscriber.values()) {
      if (books.group === null) {
        for (const message of owed(books, this.messages, (key) => books.counts.has(key))) {
          missing.push({ who: books.id, message });
        }
        continue;
      }
      const members = groups.get(books.group) ?? [];
      members.push(books);
      groups.set(books.group, members);
    }
    for (const [group, members] of groups) {
      const isHere = (key) => members.some((books) => books.counts.has(key));
      const wanted = new Set(members.flatMap((books) => [...owed(books, this.messages, isHere)]));
      for (const message of wanted) missing.push({ who: `group ${group}`, message });
    }
    return missing;
  }

  /** Compares the books; adds what is wrong to the violations. */
  close() {
    const missing = this.missing();
    for (const { who, message } of missing) {
      const { ackedAt, key, qos, sends, sentAt } = message;
      this.violation(
        `lost: ${key} (QoS ${qos}, sent ${sends} times, first at ${sentAt}, acknowledged at ${ackedAt}) for ${who}`,
        who,
      );
    }
    const doubled = new Map();
    for (const books of this.#bySubscriber.values()) {
      for (const [key, count] of books.counts) {
        const message = this.messages.get(key);
        this.#checkAllowed(books, message);
        if (books.group === null || !books.isExactGroup || message.qos < 2) continue;
        const name = `${books.group} ${key}`;
        doubled.set(name, (doubled.get(name) ?? 0) + count);
      }
    }
    for (const [name, count] of doubled) {
      if (count > 1) this.violation(`doubled: ${count} times in the shared group: ${name}`);
    }
  }

  #checkAllowed(books, message) {
    const { key, refused } = message;
    if (refused !== null && message.sends <= 1) {
      this.violation(`${books.id} got ${key}, which is not to be published: ${refused}`);
    }
    const isAllowed = books.grants.some(
      (grant) =>
        fits(grant, message) && message.ackedAt > grant.askedAt && message.sentAt < grant.endedAt,
    );
    if (isAllowed) return;
    this.violation(
      `${books.id} got ${key}, sent at ${message.sentAt} and acknowledged at ${message.ackedAt}, outside its subscriptions: ` +
        books.grants.map((each) => `${each.filter} ${each.askedAt}–${each.endedAt}`).join(', '),
    );
  }

  /** Throws nothing: the account for people. */
  account() {
    const { violations } = this;
    const shown = violations.slice(0, SHOWN_MAX).map((text) => `  ${text}`);
    if (violations.length > SHOWN_MAX) shown.push(`  and ${violations.length - SHOWN_MAX} more`);
    const clients = [...this.concerned].filter((id) => this.histories.has(id));
    const concerned = clients.slice(0, HISTORIES_MAX);
    const told = concerned.map((id) => `  ${id}:\n${this.histories.get(id).tell()}`);
    return [`${violations.length} violations`, ...shown, ...told].join('\n');
  }

  summary() {
    const all = [...this.messages.values()].filter((message) => !isWill(message));
    const acked = all.filter((message) => message.ackedAt !== NEVER).length;
    const refused = all.filter((message) => message.refused !== null).length;
    const resent = all.reduce((sum, message) => sum + Math.max(0, message.sends - 1), 0);
    const no = refused > 0 ? `, ${refused} refused` : '';
    return `${all.length} messages sent, ${acked} acknowledged${no}, ${resent} resent; ${this.arrivals} arrivals, ${this.repetitions} of them repeated at QoS 1`;
  }
}

/** One that is repeated may come to a subscription that began meanwhile, and then it is the first time there. */
function isOrdered(books, message) {
  if (books.group !== null || isWill(message)) return false;
  return books.grants.some(
    (grant) => grant.endedAt === NEVER && grant.grantedAt < message.sentAt && fits(grant, message),
  );
}

/** When it comes is not its client's doing. */
const isWill = (message) => message.topic.startsWith('w/');

function fits(grant, message) {
  const filter = grant.filter.replace(/^\$share\/[^/]+\//, '');
  return matchesFilter(message.topic, filter);
}

/** What is owed and not here. */
function* owed(books, messages, isHere) {
  const grants = books.grants.filter((grant) => grant.grantedAt !== NEVER && !grant.isForfeited);
  if (grants.length === 0) return;
  for (const message of messages.values()) {
    if (message.qos === 0 || message.ackedAt === NEVER || message.refused !== null) continue;
    if (isHere(message.key)) continue;
    if (grants.some((grant) => isOwed(grant, message))) yield message;
  }
}

function isOwed(grant, message) {
  return (
    message.sentAt > grant.grantedAt && message.ackedAt < grant.endAskedAt && fits(grant, message)
  );
}
