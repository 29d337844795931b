// Why some cases of a contract cannot be shown of some places, by the name of the place. Whatever else is not shown is a failure,
// and so is a reason here that is not needed any more.

const NOT_ENHANCED = 'it offers no enhanced authentication';
const NOBODY_LOSES = 'nobody loses the right to come in here';
const JUDGES_ALL = 'it judges everything';
const NO_REVIEW = 'it does not review';
const NO_PASSWORD = 'nobody shows a password';
const NO_NAME = 'nobody is known by a user name';
const NO_RULE_NAME = 'no rule has a name in it';
const NOT_DELIVERIES = 'it is not asked about deliveries';
const FOR_OTHERS = 'it grants for others';
const NO_EXPLAIN = 'it does not explain';
const SEEN = 'somebody may see it here';

export const CANNOT_RUN: Readonly<Record<string, readonly string[]>> = {
  'a chain of everything': [JUDGES_ALL],
  'a chain of those that answer at once': [JUDGES_ALL, NOBODY_LOSES],
  'a chain of those that answer later': [JUDGES_ALL, NOBODY_LOSES],
  'a chain that lets anonymous clients in': [JUDGES_ALL, NOT_ENHANCED, NOBODY_LOSES],
  'a chain with a module': [JUDGES_ALL],
  'a chain with an endpoint behind rules': [FOR_OTHERS],
  'a chain with one that fails': [NO_RULE_NAME],
  'a module that authorizes': [NO_EXPLAIN],
  'an ACL file with users and denials': [NO_RULE_NAME, SEEN],
  'own rules of many kinds': [NO_RULE_NAME, SEEN],
  'own rules with QoS and retain': [NO_RULE_NAME],
  'the HTTP authenticator': [NO_REVIEW, NOT_ENHANCED],
  'the HTTP authenticator by GET': [NO_REVIEW, NOT_ENHANCED, NO_PASSWORD],
  'the HTTP authenticator without a cache': [NO_REVIEW, NOT_ENHANCED],
  'the HTTP authorizer': [NOT_DELIVERIES],
  'the HTTP authorizer by GET': [NOT_DELIVERIES],
  'the HTTP authorizer without a cache': [NOT_DELIVERIES],
  'the JWT authenticator with ES256': [NOBODY_LOSES],
  'the JWT authenticator with ES384': [NOBODY_LOSES],
  'the JWT authenticator with Ed25519': [NOBODY_LOSES],
  'the JWT authenticator with EdDSA': [NOBODY_LOSES],
  'the JWT authenticator with HS256': [NOBODY_LOSES],
  'the JWT authenticator with PS256': [NOBODY_LOSES],
  'the JWT authenticator with RS256': [NOBODY_LOSES],
  'the JWT authenticator with a key that goes': [JUDGES_ALL, NOT_ENHANCED, NO_NAME],
  'the JWT authenticator with tokens in the user name': [NOBODY_LOSES, NO_PASSWORD],
  'the certificate authenticator': [NO_REVIEW, NOT_ENHANCED, NO_NAME, NO_PASSWORD],
  'the example of an authenticator': [NOT_ENHANCED, NOBODY_LOSES],
  'the password file with a cache': [NOT_ENHANCED],
  'the password file with argon2id': [NOT_ENHANCED],
  'the password file with sha512': [NOT_ENHANCED],
  'the password file with sha512-pbkdf2': [NOT_ENHANCED],
  'the permissions of a token': [NO_RULE_NAME],
  'the users of the store without SCRAM': [NOT_ENHANCED],
};
