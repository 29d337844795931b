// A program of somebody else that secures a server with the parts of `iothub/auth` that the example does without. Its argument is a
// folder with the files `passwords` and `acl`. It prints the port, and ends with its standard input.

import http from 'node:http';
import { Server } from 'iothub';
import {
  AccessError,
  AclFileAuthorizer,
  AddressRanges,
  AuthenticatorChain,
  AuthorizerChain,
  CertificateAuthenticator,
  ClaimsAuthorizer,
  CredentialCache,
  Guard,
  HasherError,
  HttpAuthenticator,
  HttpAuthorizer,
  loadAuthenticatorModule,
  loadAuthorizerModule,
  PasswordFileAuthenticator,
  PasswordHasher,
  RulesAuthorizer,
  ruleWarnings,
  UserError,
} from 'iothub/auth';

const [folder] = process.argv.slice(2);
const modules = new URL('../contracts/modules/', import.meta.url).pathname;

/** Knows `web`, lets it publish to `web/#`, and everybody connect. */
const endpoint = http.createServer(async (request, response) => {
  const { question, username, topic = '' } = JSON.parse((await request.toArray()).join(''));
  const isWeb = username === 'web' && (question === 'authenticate' || topic.startsWith('web/'));
  const mayDo = isWeb || question === 'connect';
  response.end(JSON.stringify({ result: mayDo ? 'allow' : 'ignore' }));
});
await new Promise((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${endpoint.address().port}/`;

const hasher = new PasswordHasher({ workers: 1 });
const cache = new CredentialCache({ ttlMs: 60_000 });
const file = `${folder}/passwords`;
const passwords = { mia: 'm0dule m0dule' };
const authenticators = {
  certificate: new CertificateAuthenticator({ name: 'certificate' }),
  file: await PasswordFileAuthenticator.load({ name: 'file', file, hasher, cache }),
  module: await loadAuthenticatorModule({
    ...{ name: 'module', type: './users.mjs', base: modules, options: { passwords } },
  }),
  http: new HttpAuthenticator({ name: 'http', url }),
};

const rules = [{ effect: 'allow', actions: ['publish'], topics: ['clients/%c'], users: ['fay'] }];
const authorizers = {
  acl: await AclFileAuthorizer.load({ name: 'acl', file: `${folder}/acl` }),
  rules: new RulesAuthorizer({ name: 'rules', rules }),
  claims: new ClaimsAuthorizer({ name: 'claims' }),
  module: await loadAuthorizerModule({
    ...{ name: 'module', type: './owners.mjs', base: modules, options: { root: 'users' } },
  }),
  http: new HttpAuthorizer({ name: 'http', url }),
};

const server = new Server({
  listeners: [{ host: '127.0.0.1', port: 0 }],
  guard: new Guard({ settings: { failuresMax: 2, trusted: new AddressRanges(['10.0.0.0/8']) } }),
  authenticator: new AuthenticatorChain({
    members: Object.entries(authenticators).map(([name, authenticator]) => {
      return { name, authenticator };
    }),
    anonymous: false,
    groupsOf: (username) => (username === 'fay' ? ['people'] : []),
  }),
  authorizer: new AuthorizerChain({
    members: Object.entries(authorizers).map(([name, authorizer]) => ({ name, authorizer })),
  }),
});
await server.start();

const errors = [AccessError, HasherError, UserError].map(({ name }) => name);
const warned = ruleWarnings(rules).length;
process.stdout.write(`${JSON.stringify({ port: server.addresses[0].port, warned, errors })}\n`);

for await (const _ of process.stdin);
await server.stop();
for (const one of Object.values({ ...authenticators, ...authorizers })) await one.close?.();
endpoint.close();
endpoint.closeAllConnections();
await hasher.close();
