// Whose queue has which bounds: the server's limits, unless a rule of the configuration fits the client (the first that does
// counts), and within that the policy that the client itself asked for in CONNECT. Quotas may make the bounds smaller.

import { Glob } from '../lib/glob.ts';
import type { QueueLimits, QueuePolicy } from './limits.ts';
import type { QueueCap } from './quota-share.ts';

/** CONNECT user property by which a client chooses the policy of its own queue. */
export const QUEUE_POLICY_PROPERTY = 'queue-policy';

export const QUEUE_POLICIES: readonly QueuePolicy[] = [
  'drop-new',
  'drop-oldest',
  'keep-latest-per-topic',
  'disconnect',
];

/** Bounds for the clients that fit: of what is given, `*` standing for any characters. Given is one of the two, or both. */
export interface QueueRule extends Partial<QueueLimits> {
  readonly clientId?: string;
  readonly username?: string;
}

export interface QueueClient {
  readonly clientId: string;
  readonly username: string | null;
}

interface CompiledRule {
  readonly clientId: Glob | null;
  readonly username: Glob | null;
  readonly limits: QueueLimits;
}

/** Variants of bounds that are remembered; more come only with other quotas. */
const VARIANTS_MAX = 1_024;

export class QueueRules {
  readonly #default: QueueLimits;
  readonly #rules: readonly CompiledRule[];
  /** Bounds with another policy or smaller ones, made once each so that a million sessions share them. */
  readonly #variants = new Map<string, QueueLimits>();

  constructor(limits: QueueLimits, rules: readonly QueueRule[] = []) {
    this.#default = limits;
    this.#rules = rules.map((rule) => ({
      clientId: rule.clientId === undefined ? null : new Glob(rule.clientId),
      username: rule.username === undefined ? null : new Glob(rule.username),
      limits: Object.freeze({
        queueMessagesMax: rule.queueMessagesMax ?? limits.queueMessagesMax,
        queueBytesMax: rule.queueBytesMax ?? limits.queueBytesMax,
        queuePolicy: rule.queuePolicy ?? limits.queuePolicy,
        queueQos0: rule.queueQos0 ?? limits.queueQos0,
      }),
    }));
  }

  /** The bounds for a client; `requested` is the policy it asked for, `cap` what its quotas allow at most, or null. */
  limitsFor(
    client: QueueClient,
    requested: QueuePolicy | null,
    cap: QueueCap | null = null,
  ): QueueLimits {
    const limits = this.#rules.find((rule) => fits(rule, client))?.limits ?? this.#default;
    const wanted = {
      queueMessagesMax: Math.min(limits.queueMessagesMax, cap?.queueMessagesMax ?? Infinity),
      queueBytesMax: Math.min(limits.queueBytesMax, cap?.queueBytesMax ?? Infinity),
      queuePolicy: requested ?? limits.queuePolicy,
      queueQos0: limits.queueQos0,
    };
    const isSame =
      wanted.queuePolicy === limits.queuePolicy &&
      wanted.queueMessagesMax === limits.queueMessagesMax &&
      wanted.queueBytesMax === limits.queueBytesMax;
    return isSame ? limits : this.#variantOf(wanted);
  }

  #variantOf(wanted: QueueLimits): QueueLimits {
    const key = Object.values(wanted).join(' ');
    const known = this.#variants.get(key);
    if (known !== undefined) return known;
    if (this.#variants.size >= VARIANTS_MAX) this.#variants.clear();
    const variant = Object.freeze(wanted);
    this.#variants.set(key, variant);
    return variant;
  }
}

/** The policy of that name, or null. */
export function queuePolicyOf(name: string | undefined): QueuePolicy | null {
  return QUEUE_POLICIES.find((policy) => policy === name) ?? null;
}

function fits(rule: CompiledRule, client: QueueClient): boolean {
  if (rule.clientId !== null && !rule.clientId.matches(client.clientId)) return false;
  return (
    rule.username === null || (client.username !== null && rule.username.matches(client.username))
  );
}
