// A folder whose files are replaced the way others replace them while a server reads them: all of a renewal at once.

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './folder.ts';

/** Content by file name. */
export type Files = Readonly<Record<string, string>>;

export interface SwappedFolder {
  path(name: string): string;
  swap(files: Files): void;
}

/** Each file is replaced by a rename, as editors, certbot and cert-manager do. */
export class RenamedFiles implements SwappedFolder {
  readonly #folder = temporaryFolder();

  path(name: string): string {
    return path.join(this.#folder, name);
  }

  swap(files: Files): void {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(this.path(`${name}.tmp`), content);
      renameSync(this.path(`${name}.tmp`), this.path(name));
    }
  }
}

/** A volume of Kubernetes: the files are links into `..data`, a link that turns to a new folder with all of them. */
export class KubernetesVolume implements SwappedFolder {
  readonly #folder = temporaryFolder();
  #version = '';
  #files: Files = {};

  path(name: string): string {
    return path.join(this.#folder, name);
  }

  swap(files: Files): void {
    const former = this.#version;
    const isNew = Object.keys(files).filter((name) => !(name in this.#files));
    this.#files = { ...this.#files, ...files };
    this.#version = mkdtempSync(this.path('..2026_'));
    for (const [name, content] of Object.entries(this.#files)) {
      mkdirSync(this.#version, { recursive: true });
      writeFileSync(path.join(this.#version, name), content);
    }
    symlinkSync(path.basename(this.#version), this.path('..data_tmp'));
    renameSync(this.path('..data_tmp'), this.path('..data'));
    for (const name of isNew) symlinkSync(path.join('..data', name), this.path(name));
    if (former !== '') rmSync(former, { recursive: true });
  }
}
