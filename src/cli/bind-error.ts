// An address that cannot be listened on, as a sentence that says what to do.

/** The same of the admin API, which is changed or switched off elsewhere. */
export function describeAdminBindError(error: unknown, url: string): string | null {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = ADMIN_REASONS[code ?? ''];
  if (why === undefined && describeBindError(error) === null) return null;
  return `The admin API cannot listen on ${url}: ${why ?? message}. Choose another port with --admin http://127.0.0.1:PORT (url of [admin]), or switch it off with --no-admin.`;
}

const ADMIN_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'a program listens on that port already, perhaps another server of this kind',
  EACCES: 'this user may not use that port',
  EADDRNOTAVAIL: 'that is no address of this machine',
};

/** Null when the error is another. */
export function describeBindError(error: unknown): string | null {
  const { code, address, port, message } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  const isFile = port === undefined || port < 0;
  switch (code) {
    case 'EADDRINUSE':
      return isFile
        ? `${address === undefined ? message : `a server listens at ${address} already`}: stop it, or choose another path.`
        : `Port ${port} on ${address} is in use: stop the program that listens there, or choose another with --port or --listener.`;
    case 'EACCES':
      return isFile
        ? `The socket ${address} may not be made by this user: choose a folder that it may write to.`
        : `Port ${port} on ${address} may not be used by this user: choose one above 1023 with --port or --listener.`;
    case 'EADDRNOTAVAIL':
      return `The address ${address} is not one of this machine: choose another with --host or --listener.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name ${(error as { hostname?: string }).hostname ?? address} has no address: choose another with --host or --listener.`;
    case 'EEXIST':
    case 'ENAMETOOLONG':
    case 'EPERM':
      return `${message}.`;
    case 'ENOENT':
      return isFile ? `${message}.` : null;
    default:
      return null;
  }
}
