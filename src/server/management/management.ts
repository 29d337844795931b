// What an operator may see and do of a running server's clients and messages, for the admin API: each part is in a file beside this
// one. What only the command line knows (version, configuration, data folder) it adds itself.

import type { Context } from '../../session/context.ts';
import type { Broker } from '../broker.ts';
import type {
  ClientControl,
  ControlledListener,
  PublishOutcome,
  PublishRequest,
  QueueControl,
  RetainedControl,
  StoreInfo,
  SubscriptionControl,
} from '../contract/management.ts';
import type { OverloadState } from '../contract/overload.ts';
import type { ServerStats } from '../contract.ts';
import type { ListenerState } from '../listeners.ts';
import type { Registry } from '../registry.ts';
import { countStats } from '../stats.ts';
import { clientDetail, listClients } from './clients.ts';
import { Drain } from './drain.ts';
import { kick } from './kick.ts';
import { offlineSessions, purgeOffline } from './offline.ts';
import { publish } from './publish.ts';
import { clearQueue, peekQueue } from './queues.ts';
import { deleteRetained, listRetained, retainedMessage } from './retained.ts';
import { listSubscriptions, listTopics, matchingSubscriptions } from './subscriptions.ts';

/** What the server itself knows. */
export interface ManagedServer {
  readonly listeners: readonly ListenerState[];
  /** Clients that are connected. */
  countConnected(): number;
  /** How much it has to do. */
  readonly overload: OverloadState;
}

/** Of a store, without its name and place. */
export type StoreFigures = Omit<StoreInfo, 'type' | 'folder'>;

export class Management {
  readonly clients: ClientControl;
  readonly subscriptions: SubscriptionControl;
  readonly retained: RetainedControl;
  readonly queues: QueueControl;
  readonly drain: Drain;
  readonly #context: Context;
  readonly #server: ManagedServer;
  readonly #countStats: () => Promise<ServerStats>;
  /** What is being counted; null: nobody asks. */
  #counting: Promise<ServerStats> | null = null;

  constructor(
    context: Context,
    registry: Registry,
    server: ManagedServer,
    brokers: () => readonly Broker[],
  ) {
    this.#context = context;
    this.#server = server;
    this.#countStats = () => countStats(context, registry, brokers);
    this.drain = new Drain(context, registry, () => server.countConnected());
    this.clients = {
      list: (filter, page) => listClients(context, registry, filter, page),
      get: (clientId) => clientDetail(context, registry, clientId),
      kick: (clientId, request) => kick(context, registry, clientId, request),
      offline: (order, limit) => offlineSessions(context, registry, order, limit),
      purge: (offlineForMs, isDryRun) => purgeOffline(context, registry, offlineForMs, isDryRun),
    };
    this.subscriptions = {
      list: (filter, page) => listSubscriptions(registry, filter, page),
      matching: (topic, page) => matchingSubscriptions(context, topic, page),
      topics: (prefix, page) => listTopics(context, registry, prefix, page),
    };
    this.retained = {
      list: (filter, page) => listRetained(context, filter, page),
      get: async (topic, payloadBytesMax) => retainedMessage(context, topic, payloadBytesMax),
      delete: (filter, isDryRun) => deleteRetained(context, filter, isDryRun),
    };
    this.queues = {
      peek: (clientId, page) => peekQueue(context, registry, clientId, page),
      clear: (clientId, isDryRun) => clearQueue(context, registry, clientId, isDryRun),
    };
  }

  publish(request: PublishRequest): Promise<PublishOutcome> {
    return publish(this.#context, request);
  }

  get listeners(): ControlledListener[] {
    const state = this.drain.isOn ? 'draining' : 'open';
    return this.#server.listeners.map(
      ({ host: _, port: __, certificateEndsMs: ___, ...listener }) => ({ ...listener, state }),
    );
  }

  get overload(): OverloadState {
    return this.#server.overload;
  }

  /** Counted in slices: however many ask, one walks the sessions, and who asks meanwhile gets the same. */
  stats(): Promise<ServerStats> {
    this.#counting ??= this.#countStats().finally(() => {
      this.#counting = null;
    });
    return this.#counting;
  }

  async store(): Promise<StoreFigures> {
    const { commits } = this.#context;
    const stats = await this.stats();
    const { inflightMessages, queuedBytes, queuedMessages, sessions, subscriptions } = stats;
    const { retainedBytes, retainedMessages } = stats;
    return {
      isFailing: commits?.isFailing ?? false,
      ...{ sessions, subscriptions, queuedMessages, queuedBytes, inflightMessages },
      ...{ retainedMessages, retainedBytes },
      disk: commits?.storage.stats?.() ?? null,
    };
  }
}
