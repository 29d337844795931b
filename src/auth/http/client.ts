// Asks one endpoint over HTTP: connections are kept, so many questions at a time and no more, a bounded queue before them, and
// a circuit that opens when the endpoint fails, so that nobody waits for one that is down. What it says about failures has
// neither headers nor bodies in it.

import dns from 'node:dns';
import { setMaxListeners } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Cancellable } from '../../lib/clock.ts';
import { FailureLog } from '../failure-log.ts';
import { Circuit } from './circuit.ts';
import { type HttpEndpoint, isLoopbackHost } from './endpoint.ts';
import { exchange, type HttpAnswer, type HttpQuestion } from './exchange.ts';

export type HttpOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly body: Uint8Array }
  /** No complete answer, or nobody was asked because the circuit is open. */
  | { readonly kind: 'failed'; readonly problem: string }
  /** The queue is full, or it was too long. */
  | { readonly kind: 'busy' }
  /** Whoever wanted to know has gone. */
  | { readonly kind: 'gone' };

interface Waiting {
  readonly question: HttpQuestion;
  readonly isGone: () => boolean;
  readonly isUnwelcome: () => boolean;
  readonly resolve: (outcome: HttpOutcome | Promise<HttpOutcome>) => void;
  readonly timer: Cancellable;
}

const OPEN: HttpOutcome = { kind: 'failed', problem: 'it failed before: nobody asks it now' };
const CLOSED: HttpOutcome = { kind: 'failed', problem: 'the server stops asking' };
const BUSY: HttpOutcome = { kind: 'busy' };
const GONE: HttpOutcome = { kind: 'gone' };

export class HttpClient {
  readonly #endpoint: HttpEndpoint;
  readonly #agent: http.Agent;
  readonly #circuit: Circuit;
  readonly #log: FailureLog;
  readonly #end = new AbortController();
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(endpoint: HttpEndpoint) {
    this.#endpoint = endpoint;
    setMaxListeners(0, this.#end.signal); // one each exchange that runs
    this.#agent = agentOf(endpoint);
    this.#log = new FailureLog(endpoint.logger, endpoint.clock);
    this.#circuit = new Circuit({
      failuresMax: endpoint.circuitFailures,
      openMs: endpoint.circuitOpenMs,
      clock: endpoint.clock,
      onChange: (isOpen) => this.#sayCircuit(isOpen),
    });
  }

  /**
   * Never rejects. `isGone` says that nobody waits for the answer any more, `isUnwelcome` that it would have no consequence; it is
   * not asked for then.
   */
  ask(
    question: HttpQuestion,
    isGone: () => boolean,
    isUnwelcome: () => boolean = () => false,
  ): Promise<HttpOutcome> {
    const { concurrency, queueMax, timeoutMs, clock } = this.#endpoint;
    if (this.#end.signal.aborted) return Promise.resolve(CLOSED);
    if (this.#circuit.isOpen) return Promise.resolve(OPEN);
    if (this.#running < concurrency) return this.#send(question);
    if (this.#waiting.size >= queueMax) this.#dropGone();
    if (this.#waiting.size >= queueMax) return Promise.resolve(this.#busy());
    return new Promise((resolve) => {
      const timer = clock.every(timeoutMs, () => this.#settle(waiting, this.#busy()));
      const waiting: Waiting = { question, isGone, isUnwelcome, resolve, timer };
      this.#waiting.add(waiting);
    });
  }

  /** Ends what is under way; nothing is asked any more. */
  close(): void {
    this.#end.abort();
    for (const waiting of this.#waiting) this.#settle(waiting, CLOSED);
    this.#agent.destroy();
    this.#log.close();
  }

  async #send(question: HttpQuestion): Promise<HttpOutcome> {
    const ticket = this.#circuit.enter();
    if (ticket === null) return OPEN;
    this.#running++;
    const answer = await exchange(this.#endpoint, this.#agent, question, this.#end.signal);
    this.#running--;
    if (this.#end.signal.aborted) return CLOSED;
    if (isFailure(answer)) this.#circuit.failed(ticket);
    else this.#circuit.succeeded(ticket);
    this.#sendNext();
    if (!('problem' in answer)) return { kind: 'answered', ...answer };
    this.complain(answer.problem);
    return { kind: 'failed', problem: answer.problem };
  }

  /** A line about an answer that cannot be used; not one each. */
  complain(problem: string): void {
    const { name, place } = this.#endpoint;
    const fields = { name, endpoint: place, problem };
    this.#log.warn(name, fields, 'the endpoint does not answer as it should: access is refused');
  }

  #sendNext(): void {
    for (const waiting of this.#waiting) {
      if (this.#running >= this.#endpoint.concurrency) return;
      this.#waiting.delete(waiting);
      waiting.timer.cancel();
      if (waiting.isGone() || waiting.isUnwelcome()) waiting.resolve(GONE);
      else waiting.resolve(this.#send(waiting.question));
    }
  }

  #dropGone(): void {
    for (const waiting of this.#waiting) if (waiting.isGone()) this.#settle(waiting, GONE);
  }

  #busy(): HttpOutcome {
    const { name, place } = this.#endpoint;
    const fields = { name, endpoint: place, queued: this.#waiting.size };
    this.#log.warn(
      name,
      fields,
      'the endpoint is asked more than it can answer: access is refused',
    );
    return BUSY;
  }

  #settle(waiting: Waiting, outcome: HttpOutcome): void {
    this.#waiting.delete(waiting);
    waiting.timer.cancel();
    waiting.resolve(outcome);
  }

  #sayCircuit(isOpen: boolean): void {
    const { name, place, circuitFailures, circuitOpenMs, logger } = this.#endpoint;
    const fields = { name, endpoint: place };
    if (isOpen) {
      logger.warn(
        fields,
        `the endpoint failed ${circuitFailures} times in a row: it is tried again every ${circuitOpenMs} ms, and access is refused meanwhile`,
      );
    } else logger.info(fields, 'the endpoint answers again');
  }
}

/** Whether the endpoint is down or overloaded. An answer that says no, in whatever way, is none: a client may provoke that. */
function isFailure(answer: HttpAnswer): boolean {
  return 'problem' in answer || answer.status >= 500 || answer.status === 429;
}

function agentOf({ url, ca, concurrency, insecure }: HttpEndpoint): http.Agent {
  const options = { keepAlive: true, maxSockets: concurrency, maxFreeSockets: concurrency };
  if (url.protocol === 'https:') {
    return new https.Agent({ ...options, ca: ca ?? undefined, rejectUnauthorized: true });
  }
  const isLocal = !insecure && isLoopbackHost(url.hostname);
  return new http.Agent(isLocal ? { ...options, lookup: lookupLoopback } : options);
}

/** Only what leads to this machine: a name is no proof of that. */
const lookupLoopback: LookupFunction = (hostname, options, callback) => {
  dns.lookup(hostname, { ...options, all: true }, (error, found) => {
    const addresses = found?.filter(({ address }) => isLoopbackHost(address)) ?? [];
    if (error === null && addresses.length > 0) {
      if (options.all === true) callback(null, addresses);
      else callback(null, addresses[0].address, addresses[0].family);
      return;
    }
    const none = Object.assign(new Error('no address on this machine'), { code: 'ENOTLOOPBACK' });
    callback(error ?? none, []);
  });
};
