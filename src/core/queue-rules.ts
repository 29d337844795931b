// Whose queue has which bounds: the server's limits, unless a rule of the configuration fits the client (the first that does
// counts), and within that the policy that the client itself asked for in CONNECT.

import { Glob } from '../lib/glob.ts';
import type { QueueLimits, QueuePolicy } from './limits.ts';

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

export class QueueRules {
  readonly #default: QueueLimits;
  readonly #rules: readonly CompiledRule[];
  /** Bounds with another policy, made once each so that a million sessions share them. */
  readonly #variants = new Map<QueueLimits, Map<QueuePolicy, QueueLimits>>();

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

  /** The bounds for a client; `requested` is the policy it asked for, or null. */
  limitsFor(client: QueueClient, requested: QueuePolicy | null): QueueLimits {
    const limits = this.#rules.find((rule) => fits(rule, client))?.limits ?? this.#default;
    if (requested === null || requested === limits.queuePolicy) return limits;
    let variants = this.#variants.get(limits);
    if (variants === undefined) {
      variants = new Map();
      this.#variants.set(limits, variants);
    }
    let variant = variants.get(requested);
    if (variant === undefined) {
      const { queueMessagesMax, queueBytesMax, queueQos0 } = limits;
      variant = { queueMessagesMax, queueBytesMax, queuePolicy: requested, queueQos0 };
      variants.set(requested, Object.freeze(variant));
    }
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
