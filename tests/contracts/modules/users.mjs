// An authenticator as somebody else may write one, in plain JavaScript: asynchronous, with a review, and with a method of its own
// for enhanced authentication. `options.passwords` has the password of each user.

const SUCCESS = 0x00;
const CONTINUE = 0x18;
const BAD_USER_NAME_OR_PASSWORD = 0x86;
const REFUSED = { reasonCode: BAD_USER_NAME_OR_PASSWORD };

export async function createAuthenticator({ passwords }) {
  const known = new Map(Object.entries(passwords));
  return {
    async authenticate({ username, password }) {
      if (username === null || password === null || !known.has(username)) return 'next';
      return known.get(username) === textOf(password) ? accept(username) : REFUSED;
    },

    begin(method, _request, current) {
      if (method !== 'BACKWARDS') return null;
      let username = null;
      return {
        async step(data) {
          if (username === null) {
            username = textOf(data);
            return { reasonCode: CONTINUE, data: null };
          }
          const isRight = known.get(username)?.split('').reverse().join('') === textOf(data);
          return isRight && (current ?? username) === username ? accept(username) : REFUSED;
        },
      };
    },

    async review(client) {
      const isSame = known.has(client.username) && client.credential === `${client.username}'s`;
      return isSame ? { ...client, groups: ['module'] } : null;
    },
  };
}

function accept(username) {
  return { reasonCode: SUCCESS, username, groups: ['module'], credential: `${username}'s` };
}

function textOf(bytes) {
  return Buffer.from(bytes ?? []).toString('latin1');
}
