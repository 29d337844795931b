import { describe, expect, test } from 'vitest';
import {
  costOf,
  createPasswordHash,
  decoyOf,
  formatPasswordHash,
  type PasswordAlgorithm,
  type PasswordHash,
  parsePasswordHash,
  passwordProblem,
} from '../../../src/auth/passwords/password-hash.ts';
import { bytes, hashOf, testHasher } from './fixture.ts';

/** `mosquitto_passwd` 2.0.11 and Debian's `argon2` made them, of `secret`. */
const OF_SECRET = {
  'PBKDF2, 101 rounds':
    '$7$101$CUHbTJHYpL3bpPSS$x+GlKF6tpTAOEH4cZ2M2tW9terfWxp66AgP9LpYOpz6pACf3YstUuOtaDwOaJVLLTIfclr5iG5pZKRzMiw6VGQ==',
  'SHA-512':
    '$6$RZgKbZEyaqKYECPn$r3QR329Rm66QPSTj3pSoYyNzW0k/Sc6Hb2KKKQuwPmWFWhjwRb7jwP2/+HS+j+QJQbtZK3d5jpbSAz1Wl0kcug==',
  'SHA-512 with a salt of one byte':
    '$6$AQ==$oOHZd+Xjld8xxGmlCKjfSwpqA0L1ejgEsDfIWZFg69qeRjcunszJbaGkOkLNnRKDx4Fm1RVhrlUInOJ49C0AsQ==',
  'argon2id, two passes and lanes, a hash of 32 bytes':
    '$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHRzYWx0$5MDgR2mUB4Zws4sw3StBKH+wjqlN04UASu1ex6f3e4A',
  'argon2id with salt and hash of 64 bytes, as Mosquitto 2.1 writes it':
    '$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw$2DD5MNIgPv9NjRflN4fqMyuoojduatOlD6Uy6xBU0w1N6DPHtVbBlIw+Dg8/ycr7GdpsfRR3zNT10kOakV3SRw',
};

function parsed(text: string): PasswordHash {
  const hash = parsePasswordHash(text);
  if (typeof hash === 'string') throw new Error(hash);
  return hash;
}

/** A hash of 64 bytes. */
const HASH = `${'A'.repeat(86)}==`;
const SALT = 'AAAAAAAAAAAAAAAA';
const UNPADDED = 'A'.repeat(43);

describe.each(Object.entries(OF_SECRET))('a hash of another tool: %s', (_name, text) => {
  test('is read and written as it is', () => {
    expect(formatPasswordHash(parsed(text))).toBe(text);
  });

  test('fits its password and no other', async () => {
    const hasher = testHasher();
    const isThere = () => false;
    expect(await hasher.verify(parsed(text), bytes('secret'), isThere)).toBe('match');
    for (const other of ['secreT', 'secret2', 'secre', 'secret\0', '\0secret', ' secret']) {
      expect(await hasher.verify(parsed(text), bytes(other), isThere)).toBe('mismatch');
    }
  });

  test('its decoy costs the same, and the password does not fit it', async () => {
    const hasher = testHasher();
    const decoy = decoyOf(parsed(text));
    expect(costOf(decoy)).toBe(costOf(parsed(text)));
    expect(await hasher.verify(decoy, bytes('secret'), () => false)).toBe('mismatch');
  });
});

test('lengths of salts and hashes are those of the format', () => {
  const salt64 = `${'A'.repeat(86)}==`;
  expect(parsed(`$7$1$${salt64}$${HASH}`).salt).toHaveLength(64);
  expect(parsePasswordHash(`$7$1$${'A'.repeat(87)}=$${HASH}`)).toContain('a salt of 65 bytes');
  expect(parsePasswordHash(`$6$$${HASH}`)).toContain('a salt of 0 bytes: expected 1 to 64');
  expect(parsePasswordHash(`$6$${SALT}$${'A'.repeat(84)}`)).toContain(
    '63 bytes follow the salt, expected 64',
  );
});

test.each([
  // up to the limit, and one more
  [`$7$10000000$${SALT}$${HASH}`, null],
  [`$7$10000001$${SALT}$${HASH}`, 'iterations must be from 1 to 10,000,000'],
  [`$7$0$${SALT}$${HASH}`, 'iterations must be from 1 to 10,000,000'],
  [`$argon2id$v=19$m=262144,t=4,p=16$${SALT}$${UNPADDED}`, null],
  [
    `$argon2id$v=19$m=262145,t=1,p=1$${SALT}$${UNPADDED}`,
    'memory (m, in KiB) must be from 1 to 262,144',
  ],
  [`$argon2id$v=19$m=64,t=65,p=1$${SALT}$${UNPADDED}`, 'number of passes (t) must be from 1 to 64'],
  [`$argon2id$v=19$m=512,t=1,p=17$${SALT}$${UNPADDED}`, 'number of lanes (p) must be from 1 to 16'],
  [`$argon2id$v=19$m=16384,t=64,p=1$${SALT}$${UNPADDED}`, null],
  [`$argon2id$v=19$m=16385,t=64,p=1$${SALT}$${UNPADDED}`, 'm times t must be at most 1,048,576'],
  [`$argon2id$v=19$m=16,t=1,p=2$${SALT}$${UNPADDED}`, null],
  [`$argon2id$v=19$m=15,t=1,p=2$${SALT}$${UNPADDED}`, 'must be at least 8 KiB a lane'],
])('what a file may ask for is bounded: %s', (text, problem) => {
  const hash = parsePasswordHash(text);
  if (problem === null) expect(typeof hash).toBe('object');
  else expect(hash).toContain(problem);
});

test.each([
  ['', 'is not hashed'],
  ['secret', 'is not hashed: it must begin with $6$, $7$ or $argon2id$'],
  ['x$6$a$b', 'is not hashed'],
  ['$', 'is hashed in an unknown way'],
  ['$2b$10$abc', 'is hashed in an unknown way: it must begin with'],
  ['$6', 'expected $6$<salt>$<hash>'],
  [`$6$${SALT}$${HASH}$`, 'expected $6$<salt>$<hash>'],
  [`$7$${SALT}$${HASH}`, 'expected $7$<iterations>$<salt>$<hash>'],
  [`$7$+1$${SALT}$${HASH}`, 'iterations must be'],
  [`$7$1e3$${SALT}$${HASH}`, 'iterations must be'],
  [`$7$ 1$${SALT}$${HASH}`, 'iterations must be'],
  [`$7$99999999999999999999$${SALT}$${HASH}`, 'iterations must be'],
  [`$7$1$AAAA AAA=$${HASH}`, 'the salt is not base64'],
  [`$7$1$AAA$${HASH}`, 'the salt is not base64'],
  [`$7$1$AAA_$${HASH}`, 'the salt is not base64'],
  [`$7$1$${SALT}$${HASH.slice(0, -1)}`, 'what follows the salt is not base64'],
  [`$argon2i$v=19$m=64,t=1,p=1$${SALT}$${UNPADDED}`, 'argon2i, of which only argon2id is'],
  [`$argon2id$m=64,t=1,p=1$${SALT}$${UNPADDED}`, 'expected $argon2id$v=19$m=<KiB>'],
  [`$argon2id$v=16$m=64,t=1,p=1$${SALT}$${UNPADDED}`, 'expected v=19'],
  [`$argon2id$v=19$t=1,m=64,p=1$${SALT}$${UNPADDED}`, 'expected m=<KiB>,t=<passes>,p=<lanes>'],
  [`$argon2id$v=19$m=64,t=1,p=1,keyid=x$${SALT}$${UNPADDED}`, 'expected m=<KiB>'],
  [`$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAA$${UNPADDED}`, 'a salt of 7 bytes: expected 8 to 64'],
  [`$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAA=$${UNPADDED}`, 'not base64 without padding'],
  [`$argon2id$v=19$m=64,t=1,p=1$${SALT}$AAAA`, '3 bytes follow the salt, expected 16 to 128'],
])('%j is no hash', (text, problem) => {
  expect(parsePasswordHash(text)).toContain(problem);
});

test('what is wrong is said without what was written', () => {
  for (const secret of ['hunter2', '$hunter2$', '$6$hunter2$hunter2', '$7$hunter2$a$b']) {
    expect(parsePasswordHash(secret)).not.toContain('hunter2');
  }
});

test.each<[PasswordAlgorithm, RegExp]>([
  ['sha512', /^\$6\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==$/],
  ['sha512-pbkdf2', /^\$7\$10\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==$/],
  ['argon2id', /^\$argon2id\$v=19\$m=47104,t=1,p=1\$[A-Za-z0-9+/]{86}\$[A-Za-z0-9+/]{86}$/],
])('a new hash is as Mosquitto writes it: %s', async (algorithm, format) => {
  const hasher = testHasher();
  const hash = await hashOf(hasher, 'pässword', { algorithm });
  const text = formatPasswordHash(hash);
  expect(text).toMatch(format);
  expect(await hasher.verify(parsed(text), bytes('pässword'), () => false)).toBe('match');
  const again = await hashOf(hasher, 'pässword', { algorithm });
  expect(formatPasswordHash(again)).not.toBe(text); // another salt
});

test('210,000 rounds are the default', async () => {
  const hash = await createPasswordHash(testHasher(), bytes('p'));
  expect(formatPasswordHash(hash)).toMatch(/^\$7\$210000\$/);
});

test('an empty password, one with a NUL and one of more than 4,096 bytes are nobody’s', async () => {
  const hasher = testHasher();
  const problems: [string, string | null][] = [
    ['', 'is empty'],
    ['\0', 'holds a NUL'],
    ['secret\0', 'holds a NUL'],
    ['x'.repeat(4_096), null],
    ['x'.repeat(4_097), 'has more than 4096 bytes'],
    ['ä'.repeat(2_049), 'has more than 4096 bytes'],
  ];
  for (const [password, problem] of problems) {
    expect(passwordProblem(bytes(password))).toBe(problem);
    if (problem === null) continue;
    await expect(hashOf(hasher, password)).rejects.toThrow(`the password ${problem}`);
  }
  expect(hasher.derivations).toBe(0);
});
