// Explanations as lines for people.

import type {
  DeliveryExplanation,
  ExplainedDelivery,
  ExplainedGroup,
  ExplainedStep,
  PublishExplanation,
} from '../server/contract/explain.ts';
import type { AclAnswer } from '../server/contract.ts';

const MARKS = { pass: 'ok', wait: 'waits', stop: 'no', note: '-' } as const;
const NAME_WIDTH = 16;

export function publishLines(explanation: PublishExplanation): string[] {
  const { groups, moreGroups, moreSubscribers, rule, steps, subscribers } = explanation;
  const lines = steps.flatMap((one) => {
    const isDecided = one.step === 'permission' && rule !== null;
    return isDecided ? [stepLine(one), ...ruleLines(rule)] : [stepLine(one)];
  });
  for (const subscriber of subscribers) lines.push(...subscriberLines(subscriber));
  if (moreSubscribers > 0) lines.push(`and ${moreSubscribers} more subscribers`);
  for (const group of groups) lines.push(...groupLines(group));
  if (moreGroups > 0) lines.push(`and ${moreGroups} more shared subscriptions`);
  return [...lines, explanation.conclusion];
}

export function deliveryLines(explanation: DeliveryExplanation): string[] {
  const { delivery, groups, recentDrops, retained, steps } = explanation;
  const lines = steps.flatMap((one) => {
    const isDelivery = one.step === 'delivery' && delivery !== null;
    return isDelivery ? [stepLine(one), ...detailLines(delivery)] : [stepLine(one)];
  });
  for (const group of groups) lines.push(...groupLines(group));
  if (retained !== null) {
    const { qos, size, publisher, mayReceive } = retained;
    const by = publisher === null ? 'the server' : publisher;
    const may = mayReceive ? 'a new subscription brings it' : 'no subscription of its brings it';
    lines.push(`retained: ${size} bytes at QoS ${qos}, by ${by}; ${may}`);
  }
  for (const { at, reason, topic, count } of recentDrops ?? []) {
    lines.push(`lost before: ${at} ${reason} ${topic}${count > 1 ? `, ${count} messages` : ''}`);
  }
  return [...lines, explanation.conclusion];
}

function stepLine({ step, outcome, text, drop }: ExplainedStep): string {
  const mark = MARKS[outcome].padEnd(6);
  return `${mark}${step.padEnd(NAME_WIDTH)} ${text}${reason(drop)}`;
}

function reason(drop: string | null): string {
  return drop === null ? '' : ` [${drop}]`;
}

/** The step says where it is. */
function ruleLines({ source, rule }: AclAnswer): string[] {
  const indent = ' '.repeat(6 + NAME_WIDTH + 1);
  return [`${indent}by: ${source}`, ...(rule === null ? [] : [`${indent}rule: ${rule}`])];
}

function subscriberLines(delivery: ExplainedDelivery): string[] {
  const { clientId, drop, outcome, text, username } = delivery;
  const who = username === null ? clientId : `${clientId} (user ${username})`;
  const head = `${outcome}: ${who}: ${text}${reason(drop)}`;
  return [head, ...detailLines(delivery)];
}

function detailLines({ connection, rule, subscriptions }: ExplainedDelivery): string[] {
  const lines: string[] = [];
  for (const { topicFilter, grantedQos, noLocal, access } of subscriptions) {
    const options = [`QoS ${grantedQos}`, ...(noLocal ? ['No Local'] : []), access];
    lines.push(`  by ${topicFilter} (${options.join(', ')})`);
  }
  if (rule !== null && rule.rule !== null) {
    const where = rule.file === null ? '' : ` (${rule.file}:${rule.line ?? '?'})`;
    lines.push(`  rule: ${rule.rule}${where}`);
  }
  if (connection !== null) {
    const { inflight, inflightMax, outputBytes } = connection;
    lines.push(`  connected: ${inflight} of ${inflightMax} in flight, ${outputBytes} bytes unread`);
  }
  return lines;
}

function groupLines({
  drop,
  shareName,
  topicFilter,
  members,
  next,
  text,
}: ExplainedGroup): string[] {
  const name = `$share/${shareName}/${topicFilter}`;
  const head = `shared: ${name}, ${members} member${members === 1 ? '' : 's'}: ${text}${reason(drop)}`;
  return next === null ? [head] : [head, ...subscriberLines(next).map((line) => `  ${line}`)];
}
