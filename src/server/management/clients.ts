// Who is connected or away: listed by page, chosen from all sessions in slices, and told in detail. Nothing that is secret is
// shown: no password, no token, no claims.

import type { QuotaAccount } from '../../core/quota-account.ts';
import { AddressRanges, rangeProblem } from '../../lib/address.ts';
import type { Connection } from '../../session/connection.ts';
import type { Context } from '../../session/context.ts';
import { NEVER, type Session } from '../../session/session.ts';
import type {
  ClientConnection,
  ClientDetail,
  ClientFilter,
  ClientQuota,
  ClientWill,
  ListedClient,
  Page,
  PageRequest,
} from '../contract/management.ts';
import { ControlError } from '../contract.ts';
import type { Registry } from '../registry.ts';
import { FirstNames } from './first-names.ts';
import { globOf, sessionOf, shownName } from './names.ts';
import { nextTurn, Slices } from './slices.ts';
import { shownSubscription } from './subscriptions.ts';
import { wallTime } from './times.ts';

/** Sessions that are looked at in one turn. */
const SLICE = 500;
/** Subscriptions in the detail of a client. */
const SUBSCRIPTIONS_MAX = 100;

/**
 * One page, in the order of client ids. A client that stays while pages are read is on one of them and no other, whoever comes
 * and goes meanwhile.
 */
export async function listClients(
  context: Context,
  registry: Registry,
  filter: ClientFilter,
  request: PageRequest,
): Promise<Page<ListedClient>> {
  const fits = matcherOf(filter);
  const first = new FirstNames<true>(request);
  const slices = new Slices(SLICE);
  for (const session of registry) {
    if (slices.isOver()) await nextTurn();
    const { clientId } = session;
    if (first.wants(clientId) && fits(session)) first.set(clientId, true);
  }
  return first.page((_, clientId) => {
    const session = registry.get(clientId);
    return session === undefined || !fits(session) ? null : listed(context, session);
  });
}

export async function clientDetail(
  context: Context,
  registry: Registry,
  clientId: string,
): Promise<ClientDetail> {
  const session = sessionOf(registry, clientId);
  const filters = new FirstNames<Session>({ limit: SUBSCRIPTIONS_MAX, after: null });
  for (const { topicFilter } of session.subscriptions) {
    if (filters.wants(topicFilter)) filters.set(topicFilter, session);
  }
  const { items: subscriptionList } = await filters.page((_, topicFilter) => {
    const subscription = session.subscriptions.get(topicFilter);
    return subscription === undefined ? null : shownSubscription(clientId, subscription);
  });
  const { client, connection, inboundPacketIds, queueLimits, quota } = session;
  return {
    ...listed(context, session),
    groups: client.groups ?? [],
    authenticator: client.by === undefined || client.by === '' ? null : client.by,
    connection: connection === null ? null : shownConnection(connection),
    will: shownWill(session),
    queue: {
      messagesMax: queueLimits.queueMessagesMax,
      bytesMax: queueLimits.queueBytesMax,
      policy: queueLimits.queuePolicy,
      qos0: queueLimits.queueQos0,
    },
    inboundInflightMessages: inboundPacketIds === null ? 0 : inboundPacketIds.size,
    quotas: quota === null ? [] : quota.accounts.map(shownQuota),
    subscriptionList,
  };
}

function listed({ clock }: Context, session: Session): ListedClient {
  const { client, clientId, connection, disconnectedAtMs, expiryInterval, outbound } = session;
  const isConnected = connection !== null;
  return {
    clientId,
    username: shownName(client.username),
    state: isConnected ? 'connected' : 'away',
    protocolVersion: session.version,
    address: isConnected || session.listener !== null ? client.remoteAddress : null,
    listener: session.listener,
    connectedAt: isConnected ? wallTime(clock, connection.openedAtMs) : null,
    disconnectedAt: isConnected ? null : wallTime(clock, disconnectedAtMs),
    sessionExpiryInterval: expiryInterval === NEVER ? null : expiryInterval,
    subscriptions: session.subscriptions.count,
    queuedMessages: outbound.queuedMessages,
    queuedBytes: outbound.queuedBytes,
    inflightMessages: outbound.inflightCount,
  };
}

function shownConnection(connection: Connection): ClientConnection {
  const { stream, writer } = connection;
  return {
    transport: stream.transport,
    address: stream.remoteAddress,
    port: stream.remotePort,
    cleanStart: connection.request === null ? null : connection.request.cleanStart,
    keepAlive: connection.keepAlive.timeoutMs / 1_500,
    certificateSubject: stream.certificate === null ? null : stream.certificate.subject,
    bytesReceived: connection.bytesReceived,
    bytesSent: writer.bytesSent,
    pendingBytes: writer.output.pendingBytes,
    receiveMaximum: connection.sendWindow,
    unacknowledged: writer.unacknowledged,
  };
}

function shownWill({ will }: Session): ClientWill | null {
  if (will === null) return null;
  const { delayInterval, message } = will;
  const { qos, retain, payloadLength: payloadBytes } = message;
  return { topic: message.topic.name, qos, retain, delayInterval, payloadBytes };
}

function shownQuota({ connections, quota, subscriptions }: QuotaAccount): ClientQuota {
  const { connectionsMax, number, over, per, subscriptionsMax } = quota;
  return {
    ...{ number, per, over, connections, subscriptions },
    connectionsMax: Number.isFinite(connectionsMax) ? connectionsMax : null,
    subscriptionsMax: Number.isFinite(subscriptionsMax) ? subscriptionsMax : null,
  };
}

/** Whether a client is meant. Throws ControlError for an address that is none. */
function matcherOf(filter: ClientFilter): (session: Session) => boolean {
  const { address = null, state = null } = filter;
  const clientId = globOf(filter.clientId);
  const username = globOf(filter.username);
  const listener = globOf(filter.listener);
  const ranges = address === null ? null : rangesOf(address);
  const isConnected = state === null ? null : state === 'connected';
  return (session) => {
    if (isConnected !== null && (session.connection !== null) !== isConnected) return false;
    if (clientId !== null && !clientId.matches(session.clientId)) return false;
    const { client } = session;
    if (username !== null && (client.username === null || !username.matches(client.username))) {
      return false;
    }
    if (listener !== null && (session.listener === null || !listener.matches(session.listener))) {
      return false;
    }
    return ranges === null || (session.listener !== null && ranges.has(client.remoteAddress));
  };
}

function rangesOf(text: string): AddressRanges {
  const problem = rangeProblem(text);
  if (problem === null) return new AddressRanges([text]);
  throw new ControlError('invalid', problem);
}
