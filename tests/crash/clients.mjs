// Clients that keep their side of a session as MQTT wants it, whatever becomes of the server: what is not acknowledged goes
// again in order, under the same packet id and with DUP; a QoS 2 message counts once per packet id. They write down what they
// were promised in the ledger, and say at once what a server must never do to them.

import { PacketType } from '../../dist/protocol/index.js';
import { History } from './history.mjs';
import { Link } from './kit.mjs';
import { Grant, SentMessage } from './ledger.mjs';

const SESSION_EXPIRY_S = 3_600;
const RETRY_MS = 40;
/** A connection without CONNACK is given up after this. */
const PATIENCE_MS = 10_000;

/** CONNACK of a server that is overloaded: v5, v3. */
const SERVER_BUSY = 0x89;
const UNAVAILABLE = 3;

/** What a client knows of its session on the server. */
const Session = { None: 'none', Maybe: 'maybe', Certain: 'certain' };

/** A client that comes back until it is told to stay away. */
export class Client {
  id;
  version;
  isReady = false;
  session = Session.None;
  /** Refused connections. */
  refusals = 0;
  /** The connection asked for a new session. */
  isFresh = false;
  history = new History();
  #mustBeAbsent = false;
  #world;
  #link = null;
  #isWanted = false;
  #retry = null;

  /** `world`: { hub, ledger, random, mayRefuse, onArrival?, onPromise?, losesConnack? } */
  constructor(world, id, version) {
    this.#world = world;
    this.id = id;
    this.version = version;
    world.ledger.histories.set(id, this.history);
  }

  get world() {
    return this.#world;
  }

  get link() {
    return this.#link;
  }

  get isGone() {
    return this.#link === null;
  }

  /** Stays connected from now on. */
  comeOnline() {
    this.#isWanted = true;
    if (this.#link === null) this.#open();
  }

  /** Breaks the connection; another follows unless `stays` away. */
  drop(stays = false) {
    if (stays) this.stayAway();
    const link = this.#link;
    if (link === null) return;
    this.note('breaks the connection');
    link.destroy();
    this.#lose(link);
  }

  /** Opens another connection while the old one is still there. */
  takeOver() {
    const link = this.#link;
    if (link === null || !this.isReady) return;
    this.note('takes over');
    link.abandon();
    this.#forget();
    this.#open();
    link.pause();
    setTimeout(() => link.destroy(), 2_000);
  }

  stayAway() {
    this.#isWanted = false;
    clearTimeout(this.#retry);
    this.#retry = null;
  }

  /** DISCONNECT. */
  leave(expiry = null) {
    this.stayAway();
    const link = this.#link;
    if (link === null) return;
    this.note(expiry === null ? 'disconnects' : `disconnects, expiry ${expiry}`);
    link.disconnect(expiry);
    link.abandon();
    this.#forget();
  }

  onPacket(link, packet) {
    if (link !== this.#link) return;
    if (packet.type === PacketType.Connack) this.#onConnack(link, packet);
    else if (packet.type === PacketType.Disconnect) this.onDisconnect(packet.reasonCode);
    else if (this.isReady) this.onMessage(packet);
    else this.violation(`got packet ${packet.type} before CONNACK`);
  }

  onClosed(link) {
    if (link === this.#link) this.#lose(link);
  }

  violation(text, packetId = null) {
    if (packetId !== null) this.history.concern(packetId);
    this.#world.ledger.violation(`${this.id}: ${text}`, this.id);
  }

  note(text) {
    this.history.note(this.#world.ledger.now, text);
  }

  notePacket(packetId, text) {
    this.history.notePacket(this.#world.ledger.now, packetId, text);
  }

  /** The lowest that is free, so that what the server forgot too late, or too early, meets another message soon. */
  nextPacketId(isTaken) {
    let packetId = 1;
    while (isTaken(packetId)) packetId++;
    return packetId;
  }

  // What kinds of clients change.

  isCleanStart() {
    return false;
  }

  properties() {
    return { sessionExpiryInterval: SESSION_EXPIRY_S };
  }

  will() {
    return null;
  }

  onConnecting() {}
  /** CONNACK is in. */
  onReady(_sessionPresent) {}
  onLost() {}
  onMessage(_packet) {}

  onDisconnect(reasonCode) {
    if (this.#world.mayRefuse) return;
    this.violation(`was sent away with reason code 0x${reasonCode.toString(16)}`);
  }

  #open() {
    this.onConnecting();
    const isClean = this.isCleanStart();
    const link = new Link(this.#world.hub.port, this.version, this);
    this.#link = link;
    this.#mustBeAbsent = isClean || this.session === Session.None;
    if (this.#mustBeAbsent) this.session = Session.Maybe;
    this.isFresh = isClean;
    this.note(`connects${isClean ? ' clean' : ''} to start ${this.#world.hub.starts}`);
    link.connect(this.id, isClean, this.properties(), this.will());
    setTimeout(() => {
      if (this.#link === link && !this.isReady) link.destroy();
    }, PATIENCE_MS).unref();
  }

  #onConnack(link, { reasonCode, sessionPresent }) {
    this.note(`CONNACK ${reasonCode}${sessionPresent ? ', session present' : ''}`);
    if (reasonCode !== 0) {
      this.refusals++;
      const { mayBeBusy = false, mayRefuse } = this.#world;
      const isBusy = mayBeBusy && reasonCode === (this.version === 5 ? SERVER_BUSY : UNAVAILABLE);
      if (!mayRefuse && !isBusy) this.violation(`was refused with code ${reasonCode}`);
      return; // the connection ends
    }
    if (this.#mustBeAbsent && sessionPresent) {
      this.violation('a session is present that was ended, or never there');
    }
    if (!this.isFresh && this.session === Session.Certain && !sessionPresent) {
      this.violation('lost: its acknowledged session is not present any more');
    }
    if (this.#world.losesConnack?.() === true) {
      this.note('CONNACK does not get through');
      link.destroy();
      this.#lose(link);
      return;
    }
    this.session = Session.Certain;
    this.isReady = true;
    if (!this.isFresh) this.#world.onPromise?.('connack');
    this.onReady(sessionPresent);
  }

  #lose(link) {
    if (this.isReady) this.note('lost its connection');
    link.abandon();
    this.#forget();
    if (!this.#isWanted) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      if (this.#isWanted && this.#link === null) this.#open();
    }, RETRY_MS);
  }

  #forget() {
    this.#link = null;
    this.isReady = false;
    this.onLost();
  }
}

const ACKS = {
  [PacketType.Puback]: 'puback',
  [PacketType.Pubrec]: 'pubrec',
  [PacketType.Pubcomp]: 'pubcomp',
};

/** Publishes numbered messages, a few at a time, as long as it is told to. */
export class Publisher extends Client {
  /** [{ name, qos, retain }] */
  topics;
  window;
  /** How many messages were refused. */
  refused = 0;
  /** Bytes of a payload. */
  sizeOf;
  #isClean;
  #unfinished = [];
  #isPublishing = false;
  #timer = null;
  #seqs = new Map();

  constructor(world, id, version, { topics, window = 20, isClean = false, sizeOf = null }) {
    super(world, id, version);
    this.topics = topics;
    this.window = window;
    this.#isClean = isClean;
    this.sizeOf = sizeOf ?? (() => sizeAtRandom(world.random));
  }

  get isDone() {
    return this.#unfinished.length === 0;
  }

  get unfinished() {
    return this.#unfinished.length;
  }

  start(everyMs) {
    this.#isPublishing = true;
    const { random } = this.world;
    const tick = () => {
      if (this.isReady) for (let i = random.between(1, 4); i > 0; i--) this.publish();
      this.#timer = setTimeout(tick, random.below(2 * everyMs + 1));
    };
    tick();
  }

  /** What is unfinished still goes. */
  finish() {
    this.#isPublishing = false;
    clearTimeout(this.#timer);
  }

  publish() {
    if (!this.isReady || !this.#isPublishing || this.#unfinished.length >= this.window) return;
    const { ledger, random } = this.world;
    const { name: topic, qos, retain = false } = random.pick(this.topics);
    const seq = (this.#seqs.get(topic) ?? 0) + 1;
    this.#seqs.set(topic, seq);
    const size = retain && random.chance(15) ? 0 : this.sizeOf();
    const message = new SentMessage({ topic, seq, qos, retain, publisher: this.id, size });
    message.sentAt = ledger.now;
    message.isExact = !this.#isClean;
    ledger.add(message);
    const packetId = this.nextPacketId((id) => this.#find(id) !== undefined);
    const outgoing = { packetId, message, isReleased: false, releases: 0 };
    this.#unfinished.push(outgoing);
    this.#send(outgoing);
  }

  isCleanStart() {
    return this.#isClean;
  }

  properties() {
    return this.#isClean ? {} : super.properties();
  }

  onReady(sessionPresent) {
    if (this.#isClean || !sessionPresent) {
      for (const outgoing of this.#unfinished) outgoing.message.isAnew = true;
    }
    for (const outgoing of this.#unfinished) {
      if (outgoing.isReleased) this.#release(outgoing);
      else this.#send(outgoing);
    }
  }

  onMessage({ type, packetId, reasonCode }) {
    const outgoing = this.#find(packetId);
    if (outgoing === undefined) {
      this.violation(`packet ${type} for packet id ${packetId}, which is not in use`);
      return;
    }
    const { message } = outgoing;
    const fits =
      type === PacketType.Puback
        ? message.qos === 1
        : message.qos === 2 && outgoing.isReleased === (type === PacketType.Pubcomp);
    if (!fits) {
      this.violation(`packet ${type} for ${message.key} (QoS ${message.qos}) out of turn`);
      return;
    }
    this.world.onPromise?.(message.retain ? 'retained' : ACKS[type]);
    if (type === PacketType.Pubcomp) this.#complete(outgoing, reasonCode);
    else if (reasonCode >= 0x80) this.#refuse(outgoing, reasonCode);
    else this.#accept(outgoing);
  }

  #accept(outgoing) {
    const { message } = outgoing;
    if (message.ackedAt === Number.POSITIVE_INFINITY) message.ackedAt = this.world.ledger.now;
    if (message.qos === 1) {
      this.#remove(outgoing);
      return;
    }
    outgoing.isReleased = true;
    this.#release(outgoing);
  }

  #refuse(outgoing, reasonCode) {
    const { message } = outgoing;
    this.refused++;
    message.refused = `refused with 0x${reasonCode.toString(16)}`;
    if (!this.world.mayRefuse) this.violation(`${message.key} was ${message.refused}`);
    this.#remove(outgoing);
  }

  #complete(outgoing, reasonCode) {
    if (reasonCode >= 0x80 && outgoing.releases === 1) {
      this.violation(`forgotten: PUBCOMP 0x${reasonCode.toString(16)} for ${outgoing.message.key}`);
    }
    this.#remove(outgoing);
  }

  #release(outgoing) {
    outgoing.releases++;
    this.link.acknowledge(PacketType.Pubrel, outgoing.packetId);
  }

  #send({ message, packetId }) {
    const dup = message.sends > 0 && message.isAnew !== true;
    message.isAnew = false;
    message.sends++;
    this.link.publish(message, packetId, dup);
  }

  #find(packetId) {
    return this.#unfinished.find((outgoing) => outgoing.packetId === packetId);
  }

  #remove(outgoing) {
    this.#unfinished.splice(this.#unfinished.indexOf(outgoing), 1);
  }
}

/** Mostly small, sometimes larger than a page of the store. */
function sizeAtRandom(random) {
  if (random.chance(2)) return random.between(4_000, 20_000);
  return random.chance(20) ? random.between(400, 3_000) : random.between(30, 200);
}

/** Subscribes, and takes everything down. */
export class Subscriber extends Client {
  receiveMaximum;
  /** Milliseconds that an acknowledgement takes, at most. */
  slownessMs;
  /** While set, what comes is not acknowledged. */
  isDeaf = false;
  books;
  /** Grants that hold or are asked for. */
  #wanted = [];
  /** The SUBSCRIBE or UNSUBSCRIBE under way. */
  #pending = null;
  /** QoS 2: key of what each packet id brought, until its PUBREL. */
  #held = new Map();
  #lateAcks = new Set();
  #isRenewing = false;

  constructor(world, id, version, { receiveMaximum = 0, slownessMs = 0, group = null } = {}) {
    super(world, id, version);
    this.receiveMaximum = receiveMaximum;
    this.slownessMs = slownessMs;
    this.books = world.ledger.open(id, group);
  }

  /** All that was asked for is settled. */
  get isSettled() {
    return this.#pending === null && this.#wanted.every(isSettled);
  }

  isSubscribed(filter) {
    return this.#wanted.some((grant) => grant.filter === filter);
  }

  subscribe(filter, qos) {
    const grant = new Grant(filter, qos, this.world.ledger.now);
    this.books.grants.push(grant);
    this.#wanted.push(grant);
    this.#next();
  }

  unsubscribe(filter) {
    const grant = this.#wanted.find((each) => each.filter === filter);
    grant.endAskedAt = this.world.ledger.now;
    this.#next();
  }

  /** Starts over with a new session, v5; v3 is left without any. What the old one had is lost. */
  renew() {
    this.#isRenewing = true;
    this.#forfeit();
    this.takeOver();
  }

  /** Ends the session, as far as it can tell: nothing acknowledges that. v5 */
  quit() {
    this.#forfeit();
    this.leave(0);
    this.session = Session.Maybe;
    this.#isRenewing = true;
  }

  /**
   * The server has had the time to end it, and lived on. It is over on this side too, whether or not the first CONNACK of the
   * next one gets through: that may be found present then, and must not meet packet ids of this one. §3.1.2.11.2
   */
  onSurelyEnded() {
    this.note('its session is over');
    this.session = Session.None;
    this.#startOver();
  }

  isCleanStart() {
    return this.#isRenewing;
  }

  properties() {
    const receiveMaximum = this.receiveMaximum > 0 ? this.receiveMaximum : undefined;
    return { ...super.properties(), receiveMaximum };
  }

  onReady(sessionPresent) {
    if (!sessionPresent) this.#startOver(); // [MQTT-3.2.2-5]
    if (this.isFresh) this.world.onPromise?.('clean start');
    if (this.isFresh && this.version !== 5) {
      this.leave(); // of a clean v3 session nothing is left
      this.session = Session.None;
    } else {
      this.#next();
    }
  }

  onLost() {
    this.#pending = null;
    for (const timer of this.#lateAcks) clearTimeout(timer);
    this.#lateAcks.clear();
  }

  onMessage(packet) {
    switch (packet.type) {
      case PacketType.Publish:
        this.#onPublish(packet);
        return;
      case PacketType.Pubrel:
        this.notePacket(packet.packetId, 'PUBREL');
        this.#held.delete(packet.packetId);
        this.world.onPromise?.('pubrel');
        this.#acknowledge(PacketType.Pubcomp, packet.packetId);
        return;
      case PacketType.Suback:
      case PacketType.Unsuback:
        this.#onSuback(packet);
        return;
      default:
        this.violation(`got packet ${packet.type}`);
    }
  }

  #onPublish({ dup, packetId, payload, qos, topicName }) {
    const name = Buffer.from(payload.subarray(0, 64)).toString('latin1').split(' ', 1)[0];
    if (qos === 2) {
      this.notePacket(packetId, `PUBLISH${dup ? ' (DUP)' : ''} ${name}`);
      const held = this.#held.get(packetId);
      if (held !== undefined) {
        if (held !== name) {
          this.violation(
            `packet id ${packetId} is of ${held} and not released, and brings ${name}`,
            packetId,
          );
        } else if (!dup) {
          this.violation(`${name} came again under packet id ${packetId} without DUP`, packetId);
        }
        this.#acknowledge(PacketType.Pubrec, packetId);
        return;
      }
      this.#held.set(packetId, name);
      this.world.onPromise?.('publish 2');
    }
    this.world.ledger.arrive(this.books, topicName, payload, qos);
    this.world.onArrival?.();
    if (qos > 0) this.#acknowledge(qos === 1 ? PacketType.Puback : PacketType.Pubrec, packetId);
  }

  #acknowledge(type, packetId) {
    const { link } = this;
    if (this.isDeaf) return;
    if (this.slownessMs === 0) {
      link.acknowledge(type, packetId);
      return;
    }
    const timer = setTimeout(() => {
      this.#lateAcks.delete(timer);
      if (this.link === link) link.acknowledge(type, packetId);
    }, this.world.random.below(this.slownessMs));
    this.#lateAcks.add(timer);
  }

  #onSuback({ packetId, reasonCodes, type }) {
    const pending = this.#pending;
    if (pending === null || pending.packetId !== packetId || pending.type !== type) {
      this.violation(`packet ${type} for packet id ${packetId}, which is not in use`);
      return;
    }
    this.#pending = null;
    this.world.onPromise?.(type === PacketType.Suback ? 'suback' : 'unsuback');
    const { grant } = pending;
    if (type === PacketType.Suback) {
      if (reasonCodes[0] !== grant.qos) this.violation(`SUBACK with ${reasonCodes[0]}`);
      grant.grantedAt = this.world.ledger.now;
    } else {
      grant.endedAt = this.world.ledger.now;
      this.#wanted.splice(this.#wanted.indexOf(grant), 1);
    }
    this.#next();
  }

  /** One thing at a time. */
  #next() {
    if (!this.isReady || this.#pending !== null) return;
    const isNever = (time) => time === Number.POSITIVE_INFINITY;
    const grant = this.#wanted.find((each) => !isSettled(each));
    if (grant === undefined) return;
    const packetId = this.nextPacketId(() => false);
    if (isNever(grant.grantedAt)) {
      this.link.subscribe(packetId, grant.filter, grant.qos);
      this.#pending = { packetId, grant, type: PacketType.Suback };
    } else {
      this.link.unsubscribe(packetId, grant.filter);
      this.#pending = { packetId, grant, type: PacketType.Unsuback };
    }
  }

  /** What the session has is not asked for any more. */
  #forfeit() {
    for (const grant of this.books.grants) {
      grant.isForfeited = true;
      if (grant.endAskedAt === Number.POSITIVE_INFINITY) grant.endAskedAt = this.world.ledger.now;
    }
  }

  /** Nothing is left of an older session. */
  #startOver() {
    this.#held.clear();
    this.books.last.clear();
    this.#isRenewing = false;
    for (const grant of this.books.grants) {
      if (grant.isForfeited && grant.endedAt === Number.POSITIVE_INFINITY) {
        grant.endedAt = this.world.ledger.now;
      }
    }
    this.#wanted = this.#wanted.filter((grant) => !grant.isForfeited);
  }
}

function isSettled(grant) {
  const isGranted = grant.grantedAt !== Number.POSITIVE_INFINITY;
  const isEnding = grant.endAskedAt !== Number.POSITIVE_INFINITY;
  return isGranted && !isEnding;
}

/** Lives with a will, again and again, and ends one way or another. Its wills are numbered. */
export class Mortal extends Client {
  #topic;
  #qos;
  #life = null;
  #lives = 0;

  constructor(world, id, version, qos) {
    super(world, id, version);
    this.#topic = `w/${id}`;
    this.#qos = qos;
  }

  isCleanStart() {
    return true;
  }

  properties() {
    return {};
  }

  will() {
    const { topic, qos } = this.#life;
    return { topicName: topic, payload: this.#life.payload(), qos, retain: false, properties: {} };
  }

  onConnecting() {
    const { ledger } = this.world;
    const fields = { topic: this.#topic, qos: this.#qos, retain: false, publisher: this.id };
    this.#life = ledger.add(new SentMessage({ ...fields, seq: ++this.#lives, size: 40 }));
    this.#life.sentAt = ledger.now;
    this.#life.sends = 1;
  }

  /** Breaks off. Returns the will, which is owed if the server lives on. */
  die() {
    const life = this.#life;
    this.drop(true);
    return life;
  }

  /** Says goodbye. Returns the will, which nobody may get if the server lives on. */
  depart() {
    const life = this.#life;
    this.leave();
    return life;
  }
}
