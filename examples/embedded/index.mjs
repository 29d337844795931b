// A program with an MQTT server in it that lets in whom it knows, as an example: devices and people are users in the server's own
// store, services show a token, and rules say what each may do. All of it is what `iothub` makes of its configuration, too.

import { randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { Server } from 'iothub';
import {
  AccessError,
  AuthenticatorChain,
  AuthorizerChain,
  CredentialCache,
  Guard,
  JwtAuthenticator,
  loadJwtKeys,
  PasswordHasher,
  RulesAuthorizer,
  UserDatabase,
  UsersAuthenticator,
} from 'iothub/auth';
import { LmdbStorage, prepareFolder } from 'iothub/lmdb';

/**
 * @import { Logger } from 'iothub'
 * @import { AccessRule } from 'iothub/auth'
 * @typedef {{ readonly folder: string, readonly port?: number, readonly secret: string, readonly logger?: Logger }} Settings
 * @typedef {{ readonly server: Server, readonly users: UserDatabase, stop(): Promise<void> }} Hub
 */

/** The first that fits decides; what none is about is refused. @type {readonly AccessRule[]} */
const RULES = [
  // A device is known by its name, so nobody can take its session, or its topics, by a client id.
  { effect: 'allow', actions: ['connect'], groups: ['devices'], clientIds: ['%u'] },
  { effect: 'allow', actions: ['connect'], groups: ['operators'] },
  { effect: 'allow', actions: ['publish'], groups: ['devices'], topics: ['devices/%u/#'] },
  { effect: 'allow', actions: ['subscribe'], groups: ['devices'], topics: ['commands/%u/#'] },
  {
    ...{ effect: 'allow', actions: ['publish', 'subscribe'], groups: ['operators'] },
    topics: ['devices/#', 'commands/#', '$SYS/#'],
  },
];

/**
 * Starts it. Tokens are signed with `secret` (HS256), issued by `services`, for `mqtt`.
 *
 * @param {Settings} settings
 * @returns {Promise<Hub>}
 */
export async function startHub({ folder, port = 1883, secret, logger }) {
  const hasher = new PasswordHasher(); // in threads of its own
  const key = { algorithms: ['HS256'], secret: Buffer.from(secret) };
  const tokens = new JwtAuthenticator({
    ...{ name: 'tokens', issuer: 'services', audience: ['mqtt'] },
    keys: await loadJwtKeys({ name: 'tokens', keys: [key], logger }),
  });
  const rules = new RulesAuthorizer({ name: 'rules', rules: RULES });
  const authorizer = new AuthorizerChain({
    members: [{ name: 'rules', authorizer: rules }],
    logger,
  });

  const { folder: data, lock } = await prepareFolder(folder, { isStrict: false });
  /** @type {UserDatabase | undefined} */
  let users;
  const server = new Server({
    listeners: [{ host: '127.0.0.1', port }],
    storage: new LmdbStorage({ folder: data, level: 'always' }),
    guard: new Guard(), // whoever guesses has to wait
    logger,
    // The users are in the store, which is open now; nobody can come before this has ended.
    async prepareAccess({ table }) {
      const stored = table('users');
      if (stored === null) throw new Error('users need a server with a store');
      const database = await UserDatabase.load({
        ...{ table: stored, hasher, logger },
        // Whoever is connected may have to go, or may do something else from now on.
        onChange: (username) => void server.reviewUser(username),
      });
      users = database;
      const passwords = new UsersAuthenticator({
        ...{ name: 'users', database, hasher, cache: new CredentialCache() },
      });
      const members = [
        { name: 'users', authenticator: passwords },
        { name: 'tokens', authenticator: tokens },
      ];
      return {
        authenticator: new AuthenticatorChain({ members, anonymous: false, logger }),
        authorizer,
      };
    },
  });

  const stop = async () => {
    await server.stop();
    // What was made here is closed here.
    await authorizer.close();
    tokens.close();
    await hasher.close();
    await lock.release();
  };
  try {
    await server.start();
    if (users === undefined) throw new Error('access was not prepared');
    return { server, users, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** `node index.mjs FOLDER PORT`, with the secret of tokens in the variable SECRET. */
async function main() {
  const [folder = './data', port = '1883'] = process.argv.slice(2);
  const { SECRET: secret = '' } = process.env;
  const { server, users, stop } = await startHub({ folder, port: Number(port), secret });
  if (users.get('admin') === null) {
    const password = randomBytes(24).toString('base64url');
    await users.add('admin', Buffer.from(password), { groups: ['operators'] });
    process.stdout.write(`the user admin has the password ${password}\n`);
  }
  process.stdout.write(`clients are served on mqtt://127.0.0.1:${server.addresses[0].port}\n`);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    process.stderr.write(`${error.message}\n`); // what is wrong, a line each
    process.exitCode = 1;
  }
}
