// Whether this process runs in a container, where loopback is the container's own and a published port leads past it. A guess
// by the traces that Docker, Podman, Kubernetes, LXC and systemd-nspawn leave; a line of the log depends on it, nothing else.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const TRACES = ['.dockerenv', 'run/.containerenv'];
const CONTROL_GROUP = /(?:docker|containerd|kubepods|libpod|lxc|machine\.slice)/;

/** `root`: where the file system begins. */
export function isContainer(
  root = '/',
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  if (environment.container || environment.KUBERNETES_SERVICE_HOST) return true;
  return TRACES.some((name) => existsSync(path.join(root, name))) || isInControlGroup(root);
}

function isInControlGroup(root: string): boolean {
  try {
    return CONTROL_GROUP.test(readFileSync(path.join(root, 'proc/1/cgroup'), 'utf8'));
  } catch {
    return false; // no Linux, or not allowed to look
  }
}
