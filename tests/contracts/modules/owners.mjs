// An authorizer as somebody else may write one, in plain JavaScript, asynchronous where it may be: what lies below
// `<options.root>/<user name>/` is that user's, and about the rest it has no opinion.

const SUCCESS = 0x00;
const NOT_AUTHORIZED = 0x87;
const UNDECIDED = -1;

export async function createAuthorizer({ root }) {
  const verdictOf = ({ username }, topic) => {
    if (!topic.startsWith(`${root}/`)) return UNDECIDED;
    if (username === null || username === '' || /[+#/\0]/.test(username)) return NOT_AUTHORIZED;
    const branch = `${root}/${username}`;
    return topic === branch || topic.startsWith(`${branch}/`) ? SUCCESS : NOT_AUTHORIZED;
  };
  return {
    authorizePublish: async (client, topicName) => verdictOf(client, topicName),
    authorizeSubscribe: async (client, topicFilter) => {
      const verdict = verdictOf(client, topicFilter);
      return verdict === SUCCESS ? { qosMax: 1, isWhole: true } : verdict;
    },
    authorizeReceive: verdictOf,
  };
}
