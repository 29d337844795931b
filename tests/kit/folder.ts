// Folders that a test makes and that are gone when its process ends, however it ends.

import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const folders: string[] = [];

/** An empty folder. */
export function temporaryFolder(): string {
  if (folders.length === 0) {
    process.on('exit', removeAll);
    // Vitest ends its workers so, and no exit listener is called.
    process.once('SIGTERM', () => {
      removeAll();
      process.kill(process.pid, 'SIGTERM');
    });
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iothub-test-'));
  folders.push(folder);
  return folder;
}

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
