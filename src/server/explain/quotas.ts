// What the quotas of a client would say to one more message: as `QuotaShare.take` and `mayRetain`, without taking anything.

import { DropReason } from '../../core/drop.ts';
import type { QuotaAccount, QuotaClient } from '../../core/quota-account.ts';
import { retainedOver } from '../../core/quota-share.ts';
import type { Message } from '../../protocol/message.ts';
import type { Context } from '../../session/context.ts';
import type { ExplainedStep } from '../contract/explain.ts';
import { pass, stop, wait } from './steps.ts';

/** Whether it may pass by the rates. `bytes`: of its packet. */
export function rateStep(
  context: Context,
  client: QuotaClient,
  message: Message,
  bytes: number,
): ExplainedStep {
  const rated = context.quotas.accountsFor(client).filter(({ quota }) => quota.isRated);
  if (rated.length === 0) return pass('quota', 'no quota bounds how much it may publish');
  const nowMs = context.clock.now();
  const over = rated.filter((account) => account.waitMs(bytes, nowMs) > 0);
  const disconnecting = over.find(({ quota }) => quota.over === 'disconnect');
  if (disconnecting !== undefined) {
    const drop = message.qos === 0 ? DropReason.Quota : null;
    return stop(
      'quota',
      `${ruleOf(disconnecting)} is used up: it would be disconnected (0x96)`,
      drop,
    );
  }
  const refusing = over.find(({ quota }) => quota.over === 'refuse');
  if (refusing !== undefined) {
    const text = `${ruleOf(refusing)} is used up: the message would be refused (0x97)`;
    return stop('quota', text, DropReason.Quota);
  }
  const [first] = [...over].sort((a, b) => b.waitMs(bytes, nowMs) - a.waitMs(bytes, nowMs));
  if (first === undefined) return pass('quota', `it has what it needs by ${list(rated)}`);
  const ms = Math.ceil(first.waitMs(bytes, nowMs));
  return wait(
    'quota',
    `${ruleOf(first)} is used up: the message would wait ${ms} ms, and its client is not read`,
  );
}

/** Whether it may be retained by whom it belongs to; null: no quota says anything. */
export function retainedQuotaStep(
  context: Context,
  client: QuotaClient,
  message: Message,
): ExplainedStep | null {
  const { clock, quotas, retained } = context;
  const accounts = quotas.accountsFor(client).filter(({ quota }) => quota.boundsRetained);
  if (accounts.length === 0 || quotas.owners === null) return null;
  const former = retained.peek(message.topic.name, clock.now());
  const over = retainedOver(accounts, quotas.owners, message, former);
  if (over === null) return pass('retained-quota', `it may retain one more by ${list(accounts)}`);
  const text = `${ruleOf(over)} allows no more retained messages: the message would be refused (0x97)`;
  return stop('retained-quota', text, DropReason.Quota);
}

function ruleOf({ quota }: QuotaAccount): string {
  return `quota ${quota.number} (per ${quota.per})`;
}

function list(accounts: readonly QuotaAccount[]): string {
  const numbers = accounts.map(({ quota }) => quota.number);
  return `quota${numbers.length === 1 ? '' : 's'} ${numbers.join(', ')}`;
}
