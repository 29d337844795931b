// The servers that the scenario `access` compares: the same traffic by the same users, and four kinds of access control.

import fs from 'node:fs';
import path from 'node:path';
import { aclFile, ownRules, passwordFile, USERS } from './rule-sets.mjs';

/**
 * What of three questions the server answers by delivering nothing: a PUBLISH to a topic of somebody else, a SUBSCRIBE to one, and
 * a message that the subscriber may not get although it matches its filter.
 * @typedef {{ publish: boolean, subscribe: boolean, receive: boolean }} Denies
 */

const DENIES_NOTHING = { publish: false, subscribe: false, receive: false };
const DENIES_OTHERS = { publish: true, subscribe: true, receive: false };
const DENIES_SECRETS = { publish: true, subscribe: true, receive: true };

const PASSWORDS = 'passwords';
const ACL = 'acl';

function write(folder, name, text) {
  const file = path.join(folder, name);
  fs.writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function authenticator(folder, rules) {
  const file = write(folder, PASSWORDS, passwordFile(rules));
  return ['[[authenticators]]', 'type = "password-file"', `file = ${JSON.stringify(file)}`];
}

/** @type {import('./target.mjs').Contestant[]} */
export const ACCESS_VARIANTS = [
  {
    name: 'no access control',
    login: USERS, // who says who it is where nobody asks is let in, too
    denies: DENIES_NOTHING,
    configure: () => [],
  },
  {
    name: 'ACL file',
    login: USERS,
    denies: DENIES_OTHERS,
    configure(folder, { rules }) {
      const file = write(folder, ACL, aclFile(rules));
      const authorizer = ['[[authorizers]]', 'type = "acl-file"', `file = ${JSON.stringify(file)}`];
      return [...authenticator(folder, rules), ...authorizer];
    },
  },
  {
    name: 'own rules',
    login: USERS,
    denies: DENIES_OTHERS,
    configure: (folder, { rules }) => [...authenticator(folder, rules), ...ownRules(rules, false)],
  },
  {
    name: 'own rules, deliveries asked',
    login: USERS,
    denies: DENIES_SECRETS,
    configure: (folder, { rules }) => [...authenticator(folder, rules), ...ownRules(rules, true)],
  },
];

/** Another server, which has to go by the same files. @param {import('./target.mjs').Contestant} contestant */
export function withAccess(contestant) {
  return {
    ...contestant,
    login: USERS,
    denies: DENIES_OTHERS,
    filesFor: (folder, { rules }) => ({
      acl: write(folder, ACL, aclFile(rules)),
      passwords: write(folder, PASSWORDS, passwordFile(rules)),
    }),
  };
}
