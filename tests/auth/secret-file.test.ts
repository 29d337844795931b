import {
  chmodSync,
  chownSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AccessError } from '../../src/auth/access-error.ts';
import { createSecretFile, rewriteSecretFile } from '../../src/auth/secret-file.ts';
import { temporaryFolder } from '../kit/folder.ts';

function makeFile(content: string, mode = 0o600): string {
  const file = path.join(temporaryFolder(), 'secret');
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

function modeOf(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

/** Nothing else is left in the folder. */
function expectAlone(file: string): void {
  expect(readdirSync(path.dirname(file))).toEqual([path.basename(file)]);
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => 'it was written',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AccessError);
  return String(error);
}

describe('a new file', () => {
  test('is its owner’s only', async () => {
    const file = path.join(temporaryFolder(), 'secret');
    await createSecretFile(file, 'x\n');
    expect([readFileSync(file, 'utf8'), modeOf(file)]).toEqual(['x\n', '600']);
  });

  test('never takes the place of another', async () => {
    const file = makeFile('old');
    expect(await refusal(createSecretFile(file, 'new'))).toContain(`${file}: exists already`);
    expect(readFileSync(file, 'utf8')).toBe('old');
  });

  test('needs its folder', async () => {
    const file = path.join(temporaryFolder(), 'none', 'secret');
    expect(await refusal(createSecretFile(file, ''))).toContain(`${file}: does not exist`);
    const inFile = path.join(makeFile(''), 'secret');
    expect(await refusal(createSecretFile(inFile, ''))).toContain('is in no folder');
  });
});

describe('rewriting', () => {
  test('replaces the content as a whole, and leaves nothing behind', async () => {
    const file = makeFile('old');
    const inode = statSync(file).ino;
    await rewriteSecretFile(file, (content) => `${content} and new`);
    expect(readFileSync(file, 'utf8')).toBe('old and new');
    expect(statSync(file).ino).not.toBe(inode); // whoever reads the old one reads it to its end
    expectAlone(file);
  });

  test('can leave it as it is', async () => {
    const file = makeFile('old');
    const inode = statSync(file).ino;
    expect(await rewriteSecretFile(file, () => null)).toEqual({ openMode: null });
    expect(statSync(file).ino).toBe(inode);
    expectAlone(file);
  });

  test('that fails leaves it as it is', async () => {
    const file = makeFile('old');
    const failing = rewriteSecretFile(file, () => {
      throw new RangeError('no such user');
    });
    await expect(failing).rejects.toThrow(new RangeError('no such user'));
    expect(readFileSync(file, 'utf8')).toBe('old');
    expectAlone(file);
  });

  test.each([
    [0o600, '600', null],
    [0o640, '640', null],
    [0o660, '660', null],
    [0o601, '600', null],
    [0o644, '640', 0o644],
    [0o666, '660', 0o666],
  ])('keeps what the group may do, and ends what others may: %i', async (mode, after, openMode) => {
    const file = makeFile('old', mode);
    expect(await rewriteSecretFile(file, () => 'new')).toEqual({ openMode });
    expect(modeOf(file)).toBe(after);
  });

  test.runIf(process.getuid?.() === 0)('keeps owner and group', async () => {
    const file = makeFile('old', 0o640);
    chownSync(file, 1_234, 5_678);
    await rewriteSecretFile(file, () => 'new');
    const { uid, gid } = statSync(file);
    expect([uid, gid, modeOf(file)]).toEqual([1_234, 5_678, '640']);
  });

  test('follows symbolic links', async () => {
    const file = makeFile('old');
    const link = path.join(temporaryFolder(), 'link');
    symlinkSync(file, link);
    await rewriteSecretFile(link, () => 'new');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('new');
    expectAlone(link);
  });

  test('of many at once loses none', async () => {
    const file = makeFile('');
    const names = Array.from({ length: 20 }, (_, i) => `${i};`);
    await Promise.all(
      names.map((name) => rewriteSecretFile(file, (content) => `${content}${name}`)),
    );
    const written = readFileSync(file, 'utf8').match(/\d+;/g) ?? [];
    expect(written.sort()).toEqual(names.sort());
    expectAlone(file);
  });

  test('that another program does not end is an error, which leaves its file', async () => {
    const file = makeFile('old');
    writeFileSync(`${file}.new`, '');
    const said = await refusal(rewriteSecretFile(file, () => 'new', { waitMs: 0 }));
    expect(said).toContain(`${file}.new: exists: another program is writing`);
    expect(readdirSync(path.dirname(file)).sort()).toEqual(['secret', 'secret.new']);
  });

  test.each([
    ['a folder', temporaryFolder(), 'is a folder'],
    ['a device', '/dev/null', 'is not a file'],
    ['nothing', path.join(temporaryFolder(), 'none'), 'does not exist'],
  ])('%s is refused', async (_name, file, message) => {
    expect(await refusal(rewriteSecretFile(file, () => 'new'))).toContain(`${file}: ${message}`);
  });
});
