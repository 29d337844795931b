// The files that a configuration names: whether they can be read, and the secrets that stand in them. Of those of access control
// see access-files.ts.

import { open } from 'node:fs/promises';
import type { ConfigProblem } from './config-error.ts';
import type { CertificateConfig, ListenerConfig } from './listener-config.ts';

/** A secret is no larger; a mistaken path must not be read into memory. */
const SECRET_BYTES_MAX = 4_096;

const READ_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a directory, not a file',
};

/** Why a file cannot be read, in words. */
export function readProblem(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return READ_PROBLEMS[code ?? ''] ?? `cannot be read: ${message}`;
}

/** A listener with the secrets of its files in their places, and what is wrong with the files. */
export interface FilledListener {
  readonly listener: ListenerConfig;
  readonly problems: readonly ConfigProblem[];
}

/** Looks at the files of one listener. `at`: where it stands in the configuration. */
export async function fillFromFiles(listener: ListenerConfig, at: string): Promise<FilledListener> {
  const { tls } = listener;
  if (tls === null) return { listener, problems: [] };
  const problems: ConfigProblem[] = [];
  const note = (key: string, message: string | null): void => {
    if (message !== null) problems.push({ path: `${at}.tls.${key}`, message, line: null });
  };
  for (const key of ['ca', 'crl'] as const) note(key, await problemOf(tls[key]));
  const own = await fillCertificate(tls, note, '');
  const sni = [];
  for (const [index, entry] of tls.sni.entries()) {
    sni.push({ ...entry, ...(await fillCertificate(entry, note, `sni[${index}].`)) });
  }
  return { listener: { ...listener, tls: { ...tls, ...own, sni } }, problems };
}

async function fillCertificate(
  { cert, key, keyPassphrase, keyPassphraseFile }: CertificateConfig,
  note: (key: string, message: string | null) => void,
  prefix: string,
): Promise<{ keyPassphrase: string | null }> {
  note(`${prefix}cert`, await problemOf(cert));
  note(`${prefix}key`, await problemOf(key));
  if (keyPassphraseFile === null) return { keyPassphrase };
  const secret = await readSecret(keyPassphraseFile, 'a passphrase');
  if ('problem' in secret) note(`${prefix}key_passphrase_file`, secret.problem);
  return { keyPassphrase: 'text' in secret ? secret.text : null };
}

/** Why this file cannot be read, or null. */
export async function problemOf(file: string | null): Promise<string | null> {
  if (file === null) return null;
  try {
    const handle = await open(file);
    try {
      if ((await handle.stat()).isDirectory()) return `${file} ${READ_PROBLEMS.EISDIR}`;
    } finally {
      await handle.close();
    }
    return null;
  } catch (error) {
    return describe(file, error);
  }
}

function describe(file: string, error: unknown): string {
  const problem = readProblem(error);
  return problem.startsWith('there') ? `${file}: ${problem}` : `${file} ${problem}`;
}

/** The text of a file that holds a secret, without one newline at its end. `what`: what the secret is. */
export async function readSecret(
  file: string,
  what: string,
): Promise<{ text: string } | { problem: string }> {
  let bytes: Uint8Array;
  try {
    const handle = await open(file);
    try {
      bytes = new Uint8Array(SECRET_BYTES_MAX + 1);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, null);
      bytes = bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    return { problem: describe(file, error) };
  }
  if (bytes.length > SECRET_BYTES_MAX) return { problem: `${file} is too large for ${what}` };
  const text = new TextDecoder().decode(bytes).replace(/\r?\n$/, '');
  return text === '' ? { problem: `${file} is empty` } : { text };
}
