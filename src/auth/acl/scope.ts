// Whom a rule is about: users, groups and client ids, each a list of names that may hold `*` for any characters. All lists of
// a rule must fit, of a list one name. A rule of a client without a user name names it by the empty name; `*` is everybody who
// has one, so that nobody opens a door to anonymous clients by a star.
//
// Rules are filed by what their clients must be called, so that those of others are not even looked at.

import {
  fill,
  isLiteral,
  type KnownClient,
  parseTemplate,
  strictValue,
  type Template,
} from './filter-template.ts';

/** Lists that are absent are about everybody. */
export interface ScopeNames {
  readonly users?: readonly string[] | null;
  readonly groups?: readonly string[] | null;
  /** Also with `%u`, `${claim.x}` and `${cert}`. */
  readonly clientIds?: readonly string[] | null;
}

export class Scope {
  readonly #users: NameList | null;
  readonly #groups: NameList | null;
  readonly #clientIds: NameList | null;

  private constructor(
    users: NameList | null,
    groups: NameList | null = null,
    clientIds: NameList | null = null,
  ) {
    this.#users = users;
    this.#groups = groups;
    this.#clientIds = clientIds;
  }

  static of({ users, groups, clientIds }: ScopeNames): Scope {
    return new Scope(
      users ? NameList.of(users, 'none') : null,
      groups ? NameList.of(groups, 'none') : null,
      clientIds ? NameList.of(clientIds, 'all') : null,
    );
  }

  /** One user, by a name in which no character means anything; null: anonymous clients. */
  static user(username: string | null): Scope {
    return new Scope(new NameList([username ?? ''], []));
  }

  /** Whether a rule with this scope is about the client. */
  has(client: KnownClient): boolean {
    if (this.#users !== null && !this.#users.has(userKey(client), client)) return false;
    if (this.#clientIds !== null && !this.#clientIds.has(client.clientId, client)) return false;
    return this.#groups === null || this.#groups.hasOne(client.groups ?? [], client);
  }

  /** The kind of names and the names by which all of its clients are found, or null if it takes a look at each. */
  get key(): {
    readonly kind: 'user' | 'group' | 'clientId';
    readonly names: Iterable<string>;
  } | null {
    if (this.#users?.isExact) return { kind: 'user', names: this.#users.exact };
    if (this.#clientIds?.isExact) return { kind: 'clientId', names: this.#clientIds.exact };
    if (this.#groups?.isExact) return { kind: 'group', names: this.#groups.exact };
    return null;
  }
}

export const EVERYBODY = Scope.of({});

/** Something for each name that scopes are filed by, made when it is needed. */
export class ByScope<T> {
  /** For scopes that are filed by no name. */
  readonly forAll: T;
  readonly #make: () => T;
  readonly #kinds = {
    user: new Map<string, T>(),
    group: new Map<string, T>(),
    clientId: new Map<string, T>(),
  };

  constructor(make: () => T) {
    this.#make = make;
    this.forAll = make();
  }

  /** Where something with that scope belongs. */
  placesOf({ key }: Scope): T[] {
    if (key === null) return [this.forAll];
    const kind = this.#kinds[key.kind];
    const places: T[] = [];
    for (const name of key.names) {
      const place = kind.get(name) ?? this.#make();
      kind.set(name, place);
      places.push(place);
    }
    return places;
  }

  /** Where everything lies that may be about the client, but for `forAll`. */
  placesFor(client: KnownClient): T[] {
    const { user, group, clientId } = this.#kinds;
    const places: T[] = [];
    const username = userKey(client);
    if (username !== null) push(places, user.get(username));
    push(places, clientId.get(client.clientId));
    if (group.size > 0 && client.groups !== undefined) {
      for (const name of client.groups) push(places, group.get(name));
    }
    return places;
  }
}

/** Names of one kind, of which one must fit. */
export class NameList {
  readonly exact: ReadonlySet<string>;
  readonly #patterns: readonly Pattern[];

  constructor(exact: readonly string[], patterns: readonly Pattern[]) {
    this.exact = new Set(exact);
    this.#patterns = patterns;
  }

  static of(names: readonly string[], kinds: 'none' | 'all'): NameList {
    const exact: string[] = [];
    const patterns: Pattern[] = [];
    for (const name of names) {
      const pattern = new Pattern(name, kinds);
      if (pattern.isExact) exact.push(name);
      else patterns.push(pattern);
    }
    return new NameList(exact, patterns);
  }

  get isExact(): boolean {
    return this.#patterns.length === 0;
  }

  has(name: string | null, client: KnownClient): boolean {
    if (name === null) return false;
    if (this.exact.has(name)) return true;
    return name !== '' && this.#patterns.some((pattern) => pattern.fits(name, client));
  }

  hasOne(names: readonly string[], client: KnownClient): boolean {
    return names.some((name) => this.has(name, client));
  }
}

/** A name with `*` for any characters, and with placeholders. */
class Pattern {
  /** Between the stars; plain text, where no placeholder stands in it. */
  readonly #pieces: readonly (string | Template)[];

  constructor(text: string, kinds: 'none' | 'all') {
    this.#pieces = text.split('*').map((piece) => {
      const template = parseTemplate(piece, kinds);
      return isLiteral(template) ? piece : template;
    });
  }

  get isExact(): boolean {
    return this.#pieces.length === 1 && typeof this.#pieces[0] === 'string';
  }

  fits(name: string, client: KnownClient): boolean {
    const last = this.#pieces.length - 1;
    let at = 0;
    for (let i = 0; i <= last; i++) {
      const written = this.#pieces[i];
      const piece = typeof written === 'string' ? written : fill(written, client, strictValue);
      if (piece === null) return false;
      if (i === 0) {
        if (!name.startsWith(piece)) return false;
        at = piece.length;
        if (last === 0) return at === name.length;
      } else if (i === last) {
        return name.length - piece.length >= at && name.endsWith(piece);
      } else {
        const found = name.indexOf(piece, at);
        if (found < 0) return false;
        at = found + piece.length;
      }
    }
    return false;
  }
}

/** '' for an anonymous client; null for one whose user name is empty, which is no name and not anonymous either. */
function userKey({ username }: KnownClient): string | null {
  if (username === null) return '';
  return username === '' ? null : username;
}

function push<T>(places: T[], place: T | undefined): void {
  if (place !== undefined) places.push(place);
}
