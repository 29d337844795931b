// An authorizer of one's own, as an example: many customers on one server, who never see each other. A user name is
// `<tenant>.<device>`; a device publishes below `tenants/<tenant>/<device>/` and gets what is published below
// `tenants/<tenant>/`. It takes nothing of the server but the types of the contract.

/**
 * @import { AccessQuestion, Authorizer, Client, Explanation, SubscribeVerdict, Verdict } from 'iothub'
 * @typedef {{ readonly tenant: string, readonly device: string }} Owner
 */

const SUCCESS = 0x00;
const NOT_AUTHORIZED = 0x87;
const UNDECIDED = -1;

/** Nothing else: a name with `/`, `+` or `#` in it would reach into the topics of others. */
const USER_NAME = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;

/**
 * `options` is the table `[authorizers.options]`. What is wrong with it is thrown here, and the server does not start.
 *
 * @param {Readonly<Record<string, unknown>>} options
 * @returns {Authorizer}
 */
export function createAuthorizer({ root = 'tenants' }) {
  if (typeof root !== 'string' || !/^[^$+#/\0][^+#\0]*$/.test(root)) {
    throw new Error('options.root must be the beginning of topic names, such as "tenants"');
  }
  return new TenantAuthorizer(root);
}

/** @implements {Authorizer} */
class TenantAuthorizer {
  #root;

  /** @param {string} root */
  constructor(root) {
    this.#root = root;
  }

  /** @param {Client} client @param {string} topicName @returns {Verdict} */
  authorizePublish(client, topicName) {
    const owner = ownerOf(client);
    if (owner === null) return UNDECIDED;
    const own = `${this.#root}/${owner.tenant}/${owner.device}/`;
    return topicName.startsWith(own) ? SUCCESS : NOT_AUTHORIZED;
  }

  /** @param {Client} client @param {string} topicFilter @returns {SubscribeVerdict} */
  authorizeSubscribe(client, topicFilter) {
    const owner = ownerOf(client);
    if (owner === null) return UNDECIDED;
    // All that matches such a filter lies within, so that no delivery needs to be asked about.
    return this.#isWithin(owner, topicFilter) ? { qosMax: 2, isWhole: true } : NOT_AUTHORIZED;
  }

  /** Asked when another authorizer granted the subscription. @param {Client} client @param {string} topicName @returns {Verdict} */
  authorizeReceive(client, topicName) {
    const owner = ownerOf(client);
    if (owner === null) return UNDECIDED;
    return this.#isWithin(owner, topicName) ? SUCCESS : NOT_AUTHORIZED;
  }

  /** @param {Client} client @param {AccessQuestion} question @returns {Explanation} */
  explain(client, { action, topic }) {
    const where = { source: 'tenants', rule: null, file: null, line: null };
    const owner = ownerOf(client);
    if (owner === null) {
      return { outcome: 'undecided', ...where, reason: 'the user name is not <tenant>.<device>' };
    }
    const branch = `${this.#root}/${owner.tenant}`;
    const [isAllowed, expected] =
      action === 'publish'
        ? [this.authorizePublish(client, topic) === SUCCESS, `${branch}/${owner.device}/`]
        : [this.#isWithin(owner, topic), `${branch}/`];
    const reason = `${owner.tenant}.${owner.device} may ${action} below ${expected}`;
    return { outcome: isAllowed ? 'allow' : 'deny', ...where, reason };
  }

  /** @param {Owner} owner @param {string} topic a topic name or filter */
  #isWithin({ tenant }, topic) {
    const branch = `${this.#root}/${tenant}`;
    return topic === branch || topic.startsWith(`${branch}/`);
  }
}

/** @param {Client} client @returns {Owner | null} */
function ownerOf({ username }) {
  const [, tenant, device] = USER_NAME.exec(username ?? '') ?? [];
  return tenant === undefined ? null : { tenant, device };
}
