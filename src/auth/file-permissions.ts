// Whether everybody on the machine can read a secret. That is a warning and not an error, since files that Kubernetes mounts are
// readable by all inside their container; whoever wants it strict makes an error of it.

import { stat } from 'node:fs/promises';

const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;

/**
 * Why the file is not secret, as the end of a sentence that begins with its name, or null. A symbolic link counts as what it
 * leads to. Throws what the file system says when there is no such file.
 */
export async function permissionWarning(file: string): Promise<string | null> {
  if (process.platform === 'win32') return null; // its permissions are not in the mode
  return modeWarning((await stat(file)).mode);
}

/** The same for a mode as the file system has it. */
export function modeWarning(mode: number): string | null {
  const verbs: string[] = [];
  if ((mode & OTHERS_READ) !== 0) verbs.push('read');
  if ((mode & OTHERS_WRITE) !== 0) verbs.push('changed');
  if (verbs.length === 0) return null;
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  return `can be ${verbs.join(' and ')} by every user of this machine (mode ${octal}): chmod o-rwx it`;
}
