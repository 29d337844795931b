// Ten thousand rules, in the two ways in which the server takes them: a file as Mosquitto has it, and rules of its own. Both say
// the same: each user may use the topics of its own pair and those for all, and one user may use everything. Many users have two
// rules each, as in files of real sites; all have the same password.

import { createHash } from 'node:crypto';

/** Of each user. */
export const RULES_PER_USER = 2;
/** The first level of all topics. */
export const SITE = 'site';
/** Who may use everything. */
export const AUDITOR = 'auditor';
/** The last level of topics whose messages some rule sets deliver to nobody. */
export const SECRET = 'secret';

const PASSWORD = 'correct horse';
const SALT = 'bench-salt-1';

/** @type {import('./login.mjs').Login} */
export const USERS = { kind: 'password', username: nameOf('{i}'), password: PASSWORD };
/** @type {import('./login.mjs').Login} */
export const AUDITOR_LOGIN = { kind: 'password', username: AUDITOR, password: PASSWORD };

/** @param {number | string} number */
function nameOf(number) {
  return `user-${number}`;
}

/** Of the clients that load the server and of others, who only have rules. @param {number} rules */
function usersOf(rules) {
  return Array.from({ length: Math.floor(rules / RULES_PER_USER) }, (_, i) => nameOf(i));
}

function topicsOf(number) {
  return [`${SITE}/pair/${number}/#`, `${SITE}/all/#`];
}

/** A password file with all of them: SHA-512, once, since what a login costs is not the question here. @param {number} rules */
export function passwordFile(rules) {
  const hash = createHash('sha512').update(PASSWORD).update(SALT).digest('base64');
  const text = `$6$${Buffer.from(SALT).toString('base64')}$${hash}`;
  return [...usersOf(rules), AUDITOR].map((user) => `${user}:${text}\n`).join('');
}

/** An ACL file in Mosquitto's grammar. @param {number} rules */
export function aclFile(rules) {
  const lines = usersOf(rules).flatMap((user, i) => [
    `user ${user}`,
    ...topicsOf(i).map((topic) => `topic readwrite ${topic}`),
  ]);
  return [...lines, `user ${AUDITOR}`, `topic readwrite ${SITE}/#`, ''].join('\n');
}

/**
 * Rules of the configuration.
 * @param {number} rules
 * @param {boolean} hidesSecrets with one more before them, by which no subscription gets everything that matches its filter
 */
export function ownRules(rules, hidesSecrets) {
  const allow = (user, topic) => rule('allow', ['publish', 'subscribe'], [topic], [user]);
  const secrets = [`${SITE}/pair/+/${SECRET}`, `${SITE}/all/${SECRET}`];
  return [
    ...(hidesSecrets ? [rule('deny', ['receive'], secrets, null)] : []),
    ...usersOf(rules).flatMap((user, i) => topicsOf(i).map((topic) => allow(user, topic))),
    allow(AUDITOR, `${SITE}/#`),
  ].flat();
}

/** As short as can be: a configuration has a megabyte at most. */
function rule(effect, actions, topics, users) {
  return [
    '[[rules]]',
    `effect="${effect}"`,
    `actions=${JSON.stringify(actions)}`,
    `topics=${JSON.stringify(topics)}`,
    ...(users === null ? [] : [`users=${JSON.stringify(users)}`]),
  ];
}
