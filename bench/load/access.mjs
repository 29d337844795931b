// The scenario `access`, as the parent sees it: messages between users, some of whom have rules, and then the question whether
// the server keeps to them. A server that is fast because it lets everything through is not fast.

import { TIMES } from './access-steps.mjs';
import { SITE } from './rule-sets.mjs';
import { runTraffic } from './traffic.mjs';

const FAILURE = 0x80;

/** What each question is about. */
const QUESTIONS = {
  publish: 'a PUBLISH to the topic of somebody else',
  subscribe: 'a subscription to the topic of somebody else',
  receive: 'what a subscriber may not get of its filter',
};

/** @param {import('./target.mjs').Contestant} contestant */
export async function runAccess(target, fleet, options, contestant) {
  const site = { ...options, prefix: SITE, isWild: true };
  const result = await runTraffic(target, fleet, site);
  const checks = await fleet.first('checkAccess', { ...site, ...target.place });
  const { integrity } = result;
  const failures = [...integrity.failures, ...whatIsWrong(checks, contestant.denies, options)];
  if (integrity.lost[0] > 0) failures.push(`${integrity.lost[0]} QoS 0 messages were lost`);
  return { ...result, checks, integrity: { ...integrity, failures } };
}

/** The server has to deny what it should, and nothing else. Each violation as a sentence. */
export function whatIsWrong(checks, denies, { version }) {
  const failures = [];
  for (const [name, what] of Object.entries(QUESTIONS)) {
    const { delivered, isAlive } = checks[name];
    const isDenied = denies[name];
    const found = `${delivered} of ${TIMES} messages were delivered`;
    if (isDenied && delivered > 0) failures.push(`access: ${found} that the rules deny: ${what}`);
    if (!isDenied && delivered < TIMES) failures.push(`access: ${found} that are allowed: ${what}`);
    if (!isAlive) failures.push(`access: a message that is allowed did not come: ${what}`);
  }
  const { answers } = checks.publish;
  if (answers.length < TIMES)
    failures.push('access: a PUBLISH that the rules deny was not answered');
  if (version === 5 && denies.publish && answers.some((code) => code < FAILURE)) {
    failures.push('access: a PUBLISH that the rules deny was acknowledged as if they did not');
  }
  return failures;
}
