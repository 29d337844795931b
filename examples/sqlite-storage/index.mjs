// A store in one SQLite file, as an example of how to write a store of your own: it knows nothing of the server but the types of
// the contract. What is recorded is kept as a list of statements and done in one transaction; when that fails the list is still
// there, and goes first with the next commit. Reading does what is on the list beforehand, within the transaction that the
// commit will end, and so sees all that was recorded.

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import sqlite from 'node-sqlite3-wasm';

/**
 * @import { Message, Recovery, Storage, StorageHost, StoredDelivery, StoredSession, StoredSubscription, StoredWill, StoreInfo,
 *   TableEntry } from 'iothub'
 * @typedef {number | string | Uint8Array | null} Value
 * @typedef {Record<string, any>} Row
 */

const FORMAT = 1;
/** Rows that are handed back between two turns of the event loop. */
const PAGE = 100;
/** `DeliveryState.Queued` */
const QUEUED = 0;

// Topic names are kept as text, names of tables' entries as bytes: their order is that of their bytes, and text ends at U+0000.
const SCHEMA = `
  CREATE TABLE session (number INTEGER PRIMARY KEY, data TEXT NOT NULL);
  CREATE TABLE subscription (session INTEGER, filter TEXT, data TEXT NOT NULL, PRIMARY KEY (session, filter));
  CREATE TABLE delivery (session INTEGER, sequence INTEGER, state INTEGER NOT NULL, packet_id INTEGER NOT NULL,
    data TEXT NOT NULL, message BLOB NOT NULL, PRIMARY KEY (session, sequence));
  CREATE TABLE inbound (session INTEGER, packet_id INTEGER, PRIMARY KEY (session, packet_id));
  CREATE TABLE will (session INTEGER PRIMARY KEY, delay INTEGER NOT NULL, message BLOB NOT NULL);
  CREATE TABLE retained (topic TEXT PRIMARY KEY, message BLOB NOT NULL);
  CREATE TABLE entry (tbl TEXT, key BLOB, value BLOB NOT NULL, PRIMARY KEY (tbl, key));
  CREATE TABLE highest (session INTEGER NOT NULL, sequence INTEGER NOT NULL);
  INSERT INTO highest VALUES (0, 0);
  PRAGMA user_version = ${FORMAT};
`;
const OF_A_SESSION = ['subscription', 'delivery', 'inbound', 'will'];

/** @implements {Storage} */
export class SqliteStorage {
  #location;
  /** @type {sqlite.Database | null} */
  #db = null;
  /** @type {StorageHost | null} */
  #host = null;
  /** @type {Map<string, sqlite.Statement>} */
  #prepared = new Map();
  /** What was recorded and is not durable, and how much of it the open transaction has done. @type {[string, Value[]][]} */
  #batch = [];
  #done = 0;

  /** @param {string} file where it is, or will be */
  constructor(file) {
    this.#location = path.resolve(file);
  }

  /** @param {StorageHost} host @returns {Promise<StoreInfo>} */
  async open(host) {
    if (this.#db !== null) throw new Error(`the store ${this.#location} is open already`);
    const isNew = !fs.existsSync(this.#location) || fs.statSync(this.#location).size === 0;
    try {
      this.#db = new sqlite.Database(this.#location);
      this.#host = host;
      this.#db.exec('PRAGMA synchronous = FULL');
      if (isNew) this.#db.exec(`BEGIN; ${SCHEMA} COMMIT`);
      const { user_version: format } = this.#get('PRAGMA user_version') ?? {};
      if (format !== FORMAT) throw new Error(`its format is ${format}, and ${FORMAT} is known`);
      const { session, sequence } = this.#get('SELECT * FROM highest') ?? {};
      return { location: this.#location, isNew, highest: { session, sequence } };
    } catch (error) {
      this.#release();
      throw new Error(`the store ${this.#location} cannot be used: ${messageOf(error)}`);
    }
  }

  /** @param {Recovery} recovery */
  async recover(recovery) {
    const { messages } = this.#open;
    for await (const { number, data } of this.#pages('session', ['number'])) {
      recovery.onSession({
        session: { number, ...JSON.parse(data) },
        subscriptions: this.#all('SELECT data FROM subscription WHERE session = ?', [number]).map(
          (row) => JSON.parse(row.data),
        ),
        inflight: this.#all(
          `SELECT * FROM delivery WHERE session = ? AND state <> ${QUEUED} ORDER BY sequence`,
          [number],
        ).flatMap((row) => this.#toDelivery(row)),
        inboundPacketIds: this.#all('SELECT packet_id FROM inbound WHERE session = ?', [
          number,
        ]).map((row) => row.packet_id),
        will: this.#will(number),
      });
    }
    for await (const row of this.#pages('delivery', ['session', 'sequence'])) {
      if (row.state !== QUEUED) continue;
      const { qos, sharedFilter } = JSON.parse(row.data);
      const summary = this.#readable(() => messages.summarize(row.message));
      if (summary === null) continue;
      const { sequence } = row;
      recovery.onQueued(row.session, {
        sequence,
        qos,
        isShared: sharedFilter !== null,
        ...summary,
      });
    }
    for await (const row of this.#pages('retained', ['topic'])) {
      const message = this.#readable(() => messages.decode(row.message));
      if (message !== null) recovery.onRetained(message);
    }
  }

  /** @param {StoredSession} session */
  saveSession({ number, ...data }) {
    this.#record('INSERT OR REPLACE INTO session VALUES (?, ?)', number, JSON.stringify(data));
    this.#record('UPDATE highest SET session = max(session, ?)', number);
  }

  /** @param {number} session */
  deleteSession(session) {
    this.#record('DELETE FROM session WHERE number = ?', session);
    for (const table of OF_A_SESSION) {
      this.#record(`DELETE FROM ${table} WHERE session = ?`, session);
    }
  }

  /** @param {number} session @param {StoredSubscription} subscription */
  saveSubscription(session, subscription) {
    const data = JSON.stringify(subscription);
    const { topicFilter } = subscription;
    this.#record(
      'INSERT OR REPLACE INTO subscription VALUES (?, ?, ?)',
      session,
      topicFilter,
      data,
    );
  }

  /** @param {number} session @param {string} topicFilter */
  deleteSubscription(session, topicFilter) {
    this.#record('DELETE FROM subscription WHERE session = ? AND filter = ?', session, topicFilter);
  }

  /** @param {number} session @param {StoredDelivery} delivery */
  enqueue(session, { sequence, message, packetId, state, ...rest }) {
    const { qos, retain, subscriptionIdentifiers, sharedFilter } = rest;
    const data = JSON.stringify({ qos, retain, subscriptionIdentifiers, sharedFilter });
    const bytes = this.#open.messages.encode(message);
    const sql = 'INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?)';
    this.#record(sql, session, sequence, state, packetId, data, bytes);
    this.#record('UPDATE highest SET sequence = max(sequence, ?)', sequence);
  }

  /** @param {number} session @param {StoredDelivery} delivery */
  updateDelivery(session, { sequence, packetId, state }) {
    const sql = 'UPDATE delivery SET packet_id = ?, state = ? WHERE session = ? AND sequence = ?';
    this.#record(sql, packetId, state, session, sequence);
  }

  /** @param {number} session @param {number} sequence */
  dequeue(session, sequence) {
    this.#record('DELETE FROM delivery WHERE session = ? AND sequence = ?', session, sequence);
  }

  /** @param {number} session @param {number} packetId */
  saveInboundPacketId(session, packetId) {
    this.#record('INSERT OR REPLACE INTO inbound VALUES (?, ?)', session, packetId);
  }

  /** @param {number} session @param {number} packetId */
  deleteInboundPacketId(session, packetId) {
    this.#record('DELETE FROM inbound WHERE session = ? AND packet_id = ?', session, packetId);
  }

  /** @param {number} session @param {StoredWill} will */
  saveWill(session, { delayInterval, message }) {
    const bytes = this.#open.messages.encode(message);
    this.#record('INSERT OR REPLACE INTO will VALUES (?, ?, ?)', session, delayInterval, bytes);
  }

  /** @param {number} session */
  deleteWill(session) {
    this.#record('DELETE FROM will WHERE session = ?', session);
  }

  /** @param {Message} message */
  saveRetained(message) {
    const bytes = this.#open.messages.encode(message);
    this.#record('INSERT OR REPLACE INTO retained VALUES (?, ?)', message.topic.name, bytes);
  }

  /** @param {string} topicName */
  deleteRetained(topicName) {
    this.#record('DELETE FROM retained WHERE topic = ?', topicName);
  }

  /** @param {string} table @param {string} key @param {Uint8Array} value */
  put(table, key, value) {
    const copy = Uint8Array.from(value);
    this.#record('INSERT OR REPLACE INTO entry VALUES (?, ?, ?)', table, Buffer.from(key), copy);
  }

  /** @param {string} table @param {string} key */
  remove(table, key) {
    this.#record('DELETE FROM entry WHERE tbl = ? AND key = ?', table, Buffer.from(key));
  }

  /** @param {number} session @param {readonly number[]} sequences @returns {StoredDelivery[]} */
  readDeliveries(session, sequences) {
    this.#doBatch();
    const rows = this.#all(
      `SELECT * FROM delivery WHERE session = ? AND state = ${QUEUED}
       AND sequence IN (SELECT value FROM json_each(?)) ORDER BY sequence`,
      [session, JSON.stringify(sequences)],
    );
    return rows.flatMap((row) => this.#toDelivery(row));
  }

  /** @param {string} table @param {string} key @returns {Uint8Array | null} */
  get(table, key) {
    this.#doBatch();
    const sql = 'SELECT value FROM entry WHERE tbl = ? AND key = ?';
    return this.#get(sql, [table, Buffer.from(key)])?.value ?? null;
  }

  /**
   * @param {string} table
   * @param {string | null} afterKey
   * @param {number} limit
   * @returns {TableEntry[]}
   */
  list(table, afterKey, limit) {
    this.#doBatch();
    const sql = 'SELECT key, value FROM entry WHERE tbl = ? AND key > ? ORDER BY key LIMIT ?';
    return this.#all(sql, [table, Buffer.from(afterKey ?? ''), limit]).map(({ key, value }) => ({
      key: Buffer.from(key).toString(),
      value,
    }));
  }

  async commit() {
    try {
      this.#doBatch();
      if (this.#done > 0) this.#run('COMMIT');
    } catch (error) {
      this.#rollBack(); // the batch is done again from its beginning
      throw error;
    }
    this.#batch = [];
    this.#done = 0;
  }

  async close() {
    if (this.#db === null) return;
    try {
      await this.commit();
    } finally {
      this.#release();
    }
  }

  get #open() {
    if (this.#host === null) throw new Error('the store is not open');
    return this.#host;
  }

  /** @param {string} sql @param {Value[]} values */
  #record(sql, ...values) {
    this.#batch.push([sql, values]);
  }

  /** Does what is on the list and was not done yet, in a transaction that stays open. */
  #doBatch() {
    if (this.#done === 0 && this.#batch.length > 0) this.#run('BEGIN IMMEDIATE');
    try {
      for (; this.#done < this.#batch.length; this.#done++) this.#run(...this.#batch[this.#done]);
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #rollBack() {
    this.#done = 0;
    if (this.#db?.inTransaction) this.#run('ROLLBACK');
  }

  #release() {
    for (const statement of this.#prepared.values()) statement.finalize();
    this.#prepared.clear();
    this.#batch = [];
    this.#done = 0;
    this.#db?.close();
    this.#db = null;
    this.#host = null;
  }

  /**
   * All rows of a table in the order of its key, a page at a time, with a turn of the event loop after each.
   *
   * @param {string} table
   * @param {string[]} key
   * @returns {AsyncGenerator<Row>}
   */
  async *#pages(table, key) {
    const order = `ORDER BY ${key.join(', ')} LIMIT ${PAGE}`;
    const after = `(${key.join(', ')}) > (${key.map(() => '?').join(', ')})`;
    let rows = this.#all(`SELECT * FROM ${table} ${order}`);
    while (rows.length > 0) {
      yield* rows;
      await turn();
      const last = rows[rows.length - 1];
      const values = key.map((column) => last[column]);
      rows = this.#all(`SELECT * FROM ${table} WHERE ${after} ${order}`, values);
    }
  }

  /**
   * One delivery, or none when its message cannot be read.
   *
   * @param {Row} row
   * @returns {StoredDelivery[]}
   */
  #toDelivery({ sequence, packet_id: packetId, state, data, message: bytes }) {
    const message = this.#readable(() => this.#open.messages.decode(bytes));
    return message === null ? [] : [{ sequence, message, packetId, state, ...JSON.parse(data) }];
  }

  /** @param {number} session @returns {StoredWill | null} */
  #will(session) {
    const row = this.#get('SELECT delay, message FROM will WHERE session = ?', [session]);
    if (row === null) return null;
    const message = this.#readable(() => this.#open.messages.decode(row.message));
    return message === null ? null : { message, delayInterval: row.delay };
  }

  /**
   * What is read of a message, or null, and an entry in the log, when its bytes are damaged.
   *
   * @template T
   * @param {() => T} read
   * @returns {T | null}
   */
  #readable(read) {
    try {
      return read();
    } catch (error) {
      this.#open.log('error', { error: messageOf(error) }, 'a stored message cannot be read');
      return null;
    }
  }

  /** @param {string} sql @param {Value[]} values */
  #run(sql, values = []) {
    this.#prepare(sql).run(values);
  }

  /** @param {string} sql @param {Value[]} values @returns {Row[]} */
  #all(sql, values = []) {
    return this.#prepare(sql).all(values);
  }

  /** @param {string} sql @param {Value[]} values @returns {Row | null} */
  #get(sql, values = []) {
    return this.#all(sql, values)[0] ?? null; // `get` would leave the statement open, and with it the lock of the file
  }

  /** @param {string} sql */
  #prepare(sql) {
    if (this.#db === null) throw new Error('the store is not open');
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
