// What the authorizers say to a question, with the rule and where it is written. Nothing is remembered by it, but that an
// endpoint which is asked over HTTP may keep its own answer, as it does for a client.

import { answerNow, explainMember } from '../../auth/acl/chain-explanation.ts';
import type { AccessQuestion, Authorizer, Client, Explanation } from '../../auth/auth.ts';
import type { AclAnswer } from '../contract.ts';

/** Does not throw: an authorizer that fails refuses, and the answer says so. */
export async function askRule(
  authorizer: Authorizer,
  client: Client,
  question: AccessQuestion,
): Promise<AclAnswer> {
  return shown(await explained(authorizer, client, question));
}

/** Why, and where that is written. */
export function because({ reason, file, line }: AclAnswer): string {
  if (file === null) return reason;
  return `${reason} (${file}${line === null ? '' : `:${line}`})`;
}

function shown({ outcome, source, rule, file, line, reason }: Explanation): AclAnswer {
  return { isAllowed: outcome === 'allow', source, rule, file, line, reason };
}

/** A chain names the member that decided; whoever cannot explain itself is asked plainly. */
async function explained(
  authorizer: Authorizer,
  client: Client,
  question: AccessQuestion,
): Promise<Explanation> {
  const named = { name: 'the authorizer' };
  if (authorizer.explain !== undefined) {
    try {
      return await authorizer.explain(client, question);
    } catch (error) {
      return explainMember(named, async () => Promise.reject(error), asNothing);
    }
  }
  return explainMember(named, asNothing, async () => ask(authorizer, client, question));
}

async function asNothing(): Promise<undefined> {}

function ask(authorizer: Authorizer, client: Client, question: AccessQuestion): unknown {
  const { action, topic, qos, retain } = question;
  if (action === 'publish') return authorizer.authorizePublish(client, topic, qos, retain);
  if (action === 'receive') return answerNow(authorizer.authorizeReceive?.(client, topic));
  return authorizer.authorizeSubscribe(client, topic, qos, null);
}
