// An address that cannot be listened on, as a sentence that says what to do.

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
