// What stands between a client that is who it says and its session: is the session its own, may it connect, may its will be
// published, and which of the subscriptions that it comes back to are still allowed. MQTT 5 §3.1.4, §4.13.
//
// Everything is asked at once; only an answer that is still to come parks the connection.

import type {
  Accepted,
  Authorizer,
  Client,
  ConnectRequest,
  Refused,
  SubscribeVerdict,
} from '../auth/auth.ts';
import { isServersOwn } from '../core/server-topics.ts';
import { clipName } from '../lib/clip.ts';
import { splitSharedFilter } from '../protocol/filter.ts';
import { type ConnectPacket, PacketType, type QoS, type Will } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { type Subscription, SubscriptionAccess } from '../router/subscription.ts';
import type { Access } from './access.ts';
import type { Context } from './context.ts';
import { askAll, isDoubt, isPending, verdictFor, verdictOf } from './parking.ts';
import type { Session } from './session.ts';

/** Who the client is, as an authenticator says. */
export function clientOf(
  known: Pick<Client, 'clientId' | 'certificateName' | 'protocolVersion' | 'remoteAddress'>,
  accepted: Accepted,
): Client {
  return {
    clientId: known.clientId,
    username: accepted.username,
    groups: accepted.groups ?? NOTHING,
    claims: accepted.claims,
    permissions: accepted.permissions,
    certificateName: known.certificateName,
    by: accepted.by,
    ownGroups: accepted.ownGroups,
    credential: accepted.credential,
    protocolVersion: known.protocolVersion,
    remoteAddress: known.remoteAddress,
  };
}

const NOTHING: readonly string[] = [];

/** A subscription, and what the rules say of it now. */
export interface JudgedSubscription {
  readonly subscription: Subscription;
  readonly access: SubscriptionAccess;
  readonly qosMax: QoS;
}

/** The answers that an admission needs, all of them there. */
export interface Admitted {
  readonly subscriptions: readonly JudgedSubscription[];
}

/**
 * Why this client may not have the session of its client id, or null. Where nobody is asked who he is there is no owner either.
 */
export function ownerObjection(context: Context, client: Client): Refused | null {
  if (context.authentication.authenticator === null) return null;
  if (context.access.rules.sessionOwner === 'discard') return null;
  const existing = context.registry.get(client.clientId);
  if (existing === undefined || isOwner(existing, client)) return null;
  return {
    reasonCode: ReasonCode.ClientIdentifierNotValid,
    reasonString: 'this client identifier belongs to another user',
    detail: `the session was made by ${nameOf(existing.client.username)}, and ${nameOf(client.username)} asked for it`,
  };
}

export function isOwner(session: Session, client: Client): boolean {
  return session.client.username === client.username;
}

function nameOf(username: string | null): string {
  return username === null ? 'an anonymous client' : `the user ${clipName(username)}`;
}

/** Asks for everything that may keep the client out; a promise only if one of the answers is. */
export function admit(
  context: Context,
  packet: ConnectPacket,
  request: ConnectRequest,
  client: Client,
): Admitted | Refused | PromiseLike<Admitted | Refused> {
  const { access } = context;
  const { authorizer } = access;
  const { will } = packet;
  if (will !== null && (access.isReserved(will.topicName) || isServersOwn(will.topicName))) {
    return willRefused(context, client, will);
  }
  if (authorizer === null) return NOTHING_TO_JUDGE;
  const existing = resumable(context, packet, client);
  const subscriptions = existing === null ? [] : [...existing.subscriptions];
  const answers = askAll<unknown>([
    () => authorizer.authorizeConnect?.(client, request) ?? ReasonCode.Success,
    () =>
      will === null
        ? ReasonCode.Success
        : authorizer.authorizePublish(client, will.topicName, will.qos, will.retain),
    ...subscriptions.map((one) => () => askAgain(access, client, one)),
  ]);
  const judgeBy = (settled: readonly unknown[]): Admitted | Refused => {
    const refused = refusalIn(context, packet, request, client, settled);
    if (refused !== null) return refused;
    const doubt = settled.slice(2).find(isDoubt);
    if (doubt !== undefined) return { reasonCode: doubt, reasonString: CANNOT_SAY };
    return {
      subscriptions: subscriptions.map((one, i) => judged(one, settled[i + 2], authorizer)),
    };
  };
  if (!answers.some(isPending)) return judgeBy(answers);
  return Promise.all(answers).then(judgeBy);
}

/** Else what waits for the client would be lost because somebody could not say whether it may have it. */
const CANNOT_SAY = 'the subscriptions of this session cannot be checked now';

const NOTHING_TO_JUDGE: Admitted = { subscriptions: [] };

/** The session that this CONNECT would go on with, as of now. */
function resumable(context: Context, packet: ConnectPacket, client: Client): Session | null {
  const existing = context.registry.get(client.clientId);
  if (existing === undefined || packet.cleanStart || existing.hasEnded) return null;
  return existing.isDurable ? existing : null;
}

/** Whether the answers are about all subscriptions of the session, as they are now. */
export function coversAll(
  context: Context,
  { packet, client }: { readonly packet: ConnectPacket; readonly client: Client },
  { subscriptions }: Admitted,
): boolean {
  const existing = resumable(context, packet, client);
  if (context.access.authorizer === null || existing === null) return true;
  const judgedOnes = new Set(subscriptions.map(({ subscription }) => subscription));
  return [...existing.subscriptions].every((one) => judgedOnes.has(one));
}

/** By the first two answers, about connecting and the will. */
function refusalIn(
  context: Context,
  { will }: ConnectPacket,
  request: ConnectRequest,
  client: Client,
  [connect, publish]: readonly unknown[],
): Refused | null {
  const mayConnect = verdictOf(connect);
  if (mayConnect >= ReasonCode.UnspecifiedError) {
    if (mayConnect === ReasonCode.NotAuthorized) context.denials.connectDenied(client, request);
    return { reasonCode: mayConnect, reasonString: 'this client may not connect' };
  }
  const mayPublish = verdictOf(publish);
  if (will === null || mayPublish < ReasonCode.UnspecifiedError) return null;
  return willRefused(context, client, will, mayPublish);
}

function willRefused(
  { denials }: Context,
  client: Client,
  { topicName: topic, qos, retain }: Will,
  reasonCode: ReasonCode = ReasonCode.NotAuthorized,
): Refused {
  if (reasonCode === ReasonCode.NotAuthorized) {
    denials.denied(client, { action: 'publish', topic, qos, retain });
  }
  const detail = `the topic of the will is ${topic}`;
  return { reasonCode, reasonString: 'the will may not be published', detail };
}

/** Asks for a subscription that is there already. Throws what the authorizer throws. */
export function askAgain(
  access: Access,
  client: Client,
  { grantedQos: qos, topicFilter: whole }: Subscription,
): SubscribeVerdict | PromiseLike<SubscribeVerdict> {
  const { topicFilter, shareName } = splitSharedFilter(whole);
  const { authorizer } = access;
  if (authorizer !== null) {
    return authorizer.authorizeSubscribe(client, topicFilter, qos, shareName);
  }
  return access.isReserved(topicFilter) ? ReasonCode.NotAuthorized : ReasonCode.Success;
}

/** What an answer makes of a subscription. */
export function judged(
  subscription: Subscription,
  answer: unknown,
  authorizer: Authorizer | null,
): JudgedSubscription {
  const grant = grantOf(answer, authorizer);
  return typeof grant === 'number'
    ? { subscription, access: SubscriptionAccess.Muted, qosMax: 2 }
    : { subscription, ...grant };
}

export interface Granted {
  readonly access: SubscriptionAccess;
  readonly qosMax: QoS;
}

/** An answer of `authorizeSubscribe`: what is granted, or the code that refuses. What is no answer refuses. */
export function grantOf(answer: unknown, authorizer: Authorizer | null): Granted | ReasonCode {
  const mustAsk = authorizer?.authorizeReceive !== undefined;
  if (typeof answer !== 'object' || answer === null) {
    const code = verdictFor(PacketType.Suback, answer);
    if (code >= ReasonCode.UnspecifiedError) return code;
    return { access: mustAsk ? SubscriptionAccess.Asked : SubscriptionAccess.Whole, qosMax: 2 };
  }
  const { qosMax, isWhole } = answer as { readonly qosMax?: unknown; readonly isWhole?: unknown };
  if (qosMax !== 0 && qosMax !== 1 && qosMax !== 2) return ReasonCode.NotAuthorized;
  const isAsked = mustAsk && isWhole !== true;
  return { access: isAsked ? SubscriptionAccess.Asked : SubscriptionAccess.Whole, qosMax };
}
