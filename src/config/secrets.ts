// Whether secrets stand in the configuration file itself: then it is one of the files that not everybody may read.

const PARTS = ['listeners', 'authenticators', 'authorizers', 'admin', 'tracing'] as const;
const SECRET_KEYS: ReadonlySet<string> = new Set(['secret', 'key_passphrase', 'headers']);

/** `raw` is what the file says, before anything else is merged in. What is an author's own (`options`) is not looked at. */
export function holdsSecrets(raw: Readonly<Record<string, unknown>>): boolean {
  return PARTS.some((part) => holds(raw[part]));
}

function holds(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(holds);
  return Object.entries(value).some(([key, inner]) => {
    if (key === 'options') return false;
    return SECRET_KEYS.has(key) ? !isEmpty(inner) : holds(inner);
  });
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
