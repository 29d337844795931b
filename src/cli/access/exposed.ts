// Files with secrets that every user of the machine can read: a warning each, or an error where that is wished.

import { AccessError, type AccessProblem } from '../../auth/access-error.ts';
import { permissionWarning } from '../../auth/file-permissions.ts';

/** Throws AccessError when `isStrict` and there are any. */
export async function exposedSecrets(
  files: readonly string[],
  isStrict: boolean,
): Promise<readonly AccessProblem[]> {
  const found: AccessProblem[] = [];
  for (const file of files) {
    const message = await permissionWarning(file).catch(unlessGone);
    if (message !== null) found.push({ file, line: null, message });
  }
  if (isStrict && found.length > 0) throw new AccessError(found);
  return found;
}

/** What is gone shows nothing; whoever cannot do without it says so. */
function unlessGone(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
