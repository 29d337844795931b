// Why a message that somebody publishes would arrive, or not: each decision in the order in which `handlers/publish.ts` and the
// router take it, to the first that ends it.

import { DropReason } from '../../core/drop.ts';
import { isServersOwn } from '../../core/server-topics.ts';
import type { Message } from '../../protocol/message.ts';
import { SharedGroup } from '../../router/shared-subscription.ts';
import type { Subscriber, Subscription } from '../../router/subscription.ts';
import type { Access } from '../../session/access.ts';
import { Session, sessionIdOf } from '../../session/session.ts';
import type {
  ExplainedDelivery,
  ExplainedGroup,
  ExplainedStep,
  PublishExplanation,
  PublishQuestion,
} from '../contract/explain.ts';
import type { AclAnswer } from '../contract.ts';
import { type Asked, explainedClient, publisherOf, quotaClientOf } from './client.ts';
import { explainGroup } from './groups.ts';
import { checkAsked, messageOf, packetSizeOf, topicProblem } from './message.ts';
import type { ExplainParts } from './parts.ts';
import { rateStep, retainedQuotaStep } from './quotas.ts';
import { askRule, because } from './rule.ts';
import { note, pass, stop, whyStopped } from './steps.ts';
import { explainDelivery } from './subscribers.ts';

/** What is listed; the rest is counted. */
const SUBSCRIBERS_MAX = 100;
const GROUPS_MAX = 20;
/** Subscribers that are looked at before others have a turn. */
const SLICE = 10;

/** Rejects with ControlError. */
export async function explainPublish(
  parts: ExplainParts,
  question: PublishQuestion,
): Promise<PublishExplanation> {
  checkAsked(question.topic);
  const asked = publisherOf(parts, question);
  const { client, session } = asked;
  const { clientId, username } = client;
  const publisher = session?.publisher ?? { sessionId: sessionIdOf(clientId), clientId, username };
  const message = messageOf(question, publisher, parts.context.clock.now());
  const packetSize = packetSizeOf(message, client.protocolVersion);
  const { steps, rule } = await accepting(parts, asked, message, packetSize);
  const isAccepted = whyStopped(steps) === null;
  const found = isAccepted ? await reached(parts, message) : NOBODY;
  const { topic, qos, retain } = question;
  return {
    client: explainedClient(client, session),
    ...{ topic, qos, retain, packetSize, rule, isAccepted },
    steps: [...steps, ...found.steps],
    subscribers: found.subscribers,
    moreSubscribers: found.moreSubscribers,
    groups: found.groups,
    moreGroups: found.moreGroups,
    conclusion: isAccepted ? summary(found) : `would not be published: ${whyStopped(steps)}`,
  };
}

interface Accepting {
  readonly steps: readonly ExplainedStep[];
  readonly rule: AclAnswer | null;
}

/** All that is decided before the message goes to anybody. */
async function accepting(
  parts: ExplainParts,
  { client, session, step }: Asked,
  message: Message,
  packetSize: number,
): Promise<Accepting> {
  const { context } = parts;
  if (step.outcome === 'stop') return { steps: [step], rule: null };
  const steps = [step, ...limitSteps(parts, session, message, packetSize)];
  if (whyStopped(steps) !== null) return { steps, rule: null };
  const quotaClient = quotaClientOf(client, session);
  steps.push(rateStep(context, quotaClient, message, packetSize));
  if (whyStopped(steps) !== null) return { steps, rule: null };
  const { step: permission, rule } = await permissionStep(context.access, client, message);
  steps.push(permission);
  if (whyStopped(steps) === null) steps.push(...keepingSteps(parts, client, session, message));
  return { steps, rule };
}

/** May it, by whoever decides that. */
async function permissionStep(
  access: Access,
  client: Asked['client'],
  { topic, qos, retain }: Message,
): Promise<{ readonly step: ExplainedStep; readonly rule: AclAnswer | null }> {
  const denied = DropReason.NotAuthorized;
  if (isServersOwn(topic.name)) {
    const text = "topics under $SYS are the server's own, whatever rules say";
    return { step: stop('permission', text, denied), rule: null };
  }
  if (access.isReserved(topic.name)) {
    const text = 'topics that begin with $ need a rule, and there is no authorizer';
    return { step: stop('permission', text, denied), rule: null };
  }
  if (access.authorizer === null) {
    const text = 'there is no authorizer: whoever is let in may publish';
    return { step: pass('permission', text), rule: null };
  }
  const asked = { action: 'publish', topic: topic.name, qos, retain } as const;
  const rule = await askRule(access.authorizer, client, asked);
  const step = rule.isAllowed
    ? pass('permission', `it may publish this: ${because(rule)}`)
    : stop('permission', `it may not publish this: ${because(rule)}`, denied);
  return { step, rule };
}

/** Limits, as far as they say anything of a PUBLISH. */
function limitSteps(
  { context }: ExplainParts,
  session: Session | null,
  { topic, qos, retain }: Message,
  packetSize: number,
): ExplainedStep[] {
  const { limits } = session?.connection?.context ?? context; // a listener may have its own
  const problem = topicProblem(topic.name, limits);
  if (problem !== null) return [stop('topic', `the connection would be ended: ${problem}`)];
  const steps = [pass('topic', 'it is a topic name within the limits')];
  if (packetSize > limits.packetSizeMax) {
    const sizes = `${packetSize} bytes, at most ${limits.packetSizeMax} are allowed`;
    return [...steps, stop('packet-size', `the connection would be ended (0x95): ${sizes}`)];
  }
  steps.push(pass('packet-size', `${packetSize} of ${limits.packetSizeMax} bytes`));
  if (qos > limits.qosMax) {
    const text = `the connection would be ended (0x9B): QoS ${limits.qosMax} is the highest here`;
    return [...steps, stop('qos', text, DropReason.Limit)];
  }
  if (retain && !limits.retainAvailable) {
    const text = 'the connection would be ended (0x9A): retained messages are not available';
    return [...steps, stop('retain', text, DropReason.Limit)];
  }
  const writer = session?.connection?.writer;
  if (qos > 0 && writer?.version === 5 && writer.unacknowledged >= limits.receiveMaximum) {
    const text = `the connection would be ended (0x93): ${writer.unacknowledged} messages of its are not acknowledged yet`;
    return [...steps, stop('receive-maximum', text, DropReason.ReceiveMaximum)];
  }
  return steps;
}

/** The store, and what is to be retained. */
function keepingSteps(
  { context }: ExplainParts,
  client: Asked['client'],
  session: Session | null,
  message: Message,
): ExplainedStep[] {
  const { clock, commits, limits, retained, router } = context;
  const { name } = message.topic;
  const nowMs = clock.now();
  if (commits?.isFailing === true && message.qos > 0) {
    const { found } = router.foresee(name);
    const isItsOwn = message.qos === 2 && session?.record.isStored === true; // its packet id
    const isStored = message.retain || isItsOwn || found.some(storesFor);
    const text = 'the store cannot be written, and the message would have to be stored';
    if (isStored) return [stop('store', text, DropReason.StoreFailing)];
  }
  if (!message.retain) return [];
  const quota = retainedQuotaStep(context, quotaClientOf(client, session), message);
  const steps = quota === null ? [] : [quota];
  if (whyStopped(steps) !== null) return steps;
  switch (retained.foresee(message)) {
    case 'stored': {
      const isNew = retained.peek(name, nowMs) === null;
      const what = isNew ? 'it becomes' : 'it takes the place of';
      const room = `${retained.count} of ${limits.retainedMessagesMax} messages, ${retained.bytes} of ${limits.retainedBytesMax} bytes`;
      return [...steps, pass('retained', `${what} the topic's retained message (${room})`)];
    }
    case 'deleted':
      return [...steps, pass('retained', 'it has no payload: the retained message is removed')];
    case 'absent':
      return [...steps, pass('retained', 'it has no payload, and there is nothing to remove')];
    case 'full': {
      const room = `${retained.count} of ${limits.retainedMessagesMax} messages, ${retained.bytes} of ${limits.retainedBytesMax} bytes`;
      const text = `there is no room for another retained message (${room}): it is delivered, and not kept`;
      return [...steps, note('retained', text, DropReason.RetainedLimit)];
    }
  }
}

function storesFor(destination: Subscription | SharedGroup): boolean {
  const all = destination instanceof SharedGroup ? destination.members : [destination];
  return all.some(({ qos, subscriber }) => {
    return qos > 0 && subscriber instanceof Session && subscriber.record.isStored;
  });
}

interface Reached {
  readonly steps: readonly ExplainedStep[];
  readonly subscribers: readonly ExplainedDelivery[];
  readonly moreSubscribers: number;
  readonly groups: readonly ExplainedGroup[];
  readonly moreGroups: number;
}

const NOBODY: Reached = {
  ...{ steps: [], subscribers: [], moreSubscribers: 0, groups: [], moreGroups: 0 },
};

/** Who would get it, as the router finds them. */
async function reached(parts: ExplainParts, message: Message): Promise<Reached> {
  const { router } = parts.context;
  const { match, found } = router.foresee(message.topic.name);
  const listed = match.subscriptions.slice(0, SUBSCRIBERS_MAX);
  const made = madeBy(found, new Set(listed.map(({ subscriber }) => subscriber)));
  const publisherId = message.publisher?.sessionId;
  const subscribers: ExplainedDelivery[] = [];
  for (const subscription of listed) {
    const { subscriber } = subscription;
    if (!(subscriber instanceof Session)) continue;
    if (subscribers.length % SLICE === SLICE - 1) await nextTurn();
    const left = subscriber.id === publisherId ? match.own?.get(subscriber) : undefined;
    const taken = left === undefined ? subscription : left;
    const all = made.get(subscriber) ?? [];
    subscribers.push(await explainDelivery(parts, subscriber, all, taken, message));
  }
  const groups: ExplainedGroup[] = [];
  for (const group of match.groups.slice(0, GROUPS_MAX)) {
    await nextTurn();
    groups.push(await explainGroup(parts, group, message));
  }
  const total = match.subscriptions.length;
  const step =
    total + match.groups.length === 0
      ? note('match', 'nobody subscribes to it', DropReason.NoSubscriber)
      : pass(
          'match',
          `${counted(total, 'client')} and ${counted(match.groups.length, 'shared subscription')} match`,
        );
  return {
    steps: [step],
    subscribers,
    moreSubscribers: total - listed.length,
    groups,
    moreGroups: Math.max(0, match.groups.length - GROUPS_MAX),
  };
}

/** The subscriptions of these, as they made them. */
function madeBy(
  found: readonly (Subscription | SharedGroup)[],
  wanted: ReadonlySet<Subscriber>,
): Map<Subscriber, Subscription[]> {
  const made = new Map<Subscriber, Subscription[]>();
  for (const destination of found) {
    if (destination instanceof SharedGroup || !wanted.has(destination.subscriber)) continue;
    const all = made.get(destination.subscriber);
    if (all === undefined) made.set(destination.subscriber, [destination]);
    else all.push(destination);
  }
  return made;
}

function summary({ subscribers, moreSubscribers, groups, moreGroups }: Reached): string {
  const all = [...subscribers, ...groups.flatMap(({ next }) => next ?? [])];
  const unserved = groups.filter(({ next }) => next === null).length;
  if (all.length + unserved === 0)
    return 'would be published, and nobody would get it: nobody subscribes to it';
  const count = (outcome: string) => all.filter((one) => one.outcome === outcome).length;
  const lost = count('lost') + unserved;
  const parts = [
    ...(count('sent') > 0 ? [`sent at once to ${counted(count('sent'), 'client')}`] : []),
    ...(count('queued') > 0 ? [`queued for ${count('queued')}`] : []),
    ...(lost > 0 ? [`lost for ${lost}`] : []),
  ];
  const more = moreSubscribers + moreGroups;
  const rest = more === 0 ? '' : `; ${more} more were not looked at`;
  return `would be published: ${parts.join(', ')}${rest}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
