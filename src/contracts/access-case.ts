// What a case of the contracts of access control is: a sentence, and something to run that rejects when the sentence is not
// true. It knows no test runner, so that the author of an authenticator or authorizer may use any.

/** Makes what a case needs; every case asks for its own, and disposes of it. */
export type MakeAccessPlace<P> = () => P | Promise<P>;

export interface AccessCase<P> {
  /** A sentence, of all cases of its contract the only one like it. */
  readonly title: string;
  /**
   * Rejects with an AssertionError when it does not do what the title says, with whatever it threw, and with `CannotRun`
   * when this place cannot show it. It knows no time: what never answers runs into the test runner's timeout.
   */
  run(makePlace: MakeAccessPlace<P>): Promise<void>;
}

/** A case with one subject, which is closed after it. */
export function accessCase<
  S extends { close?(): void | PromiseLike<void> },
  P extends { dispose?(): void | Promise<void> },
>(
  title: string,
  subjectOf: (place: P) => S | Promise<S>,
  body: (subject: S, place: P) => Promise<void>,
): AccessCase<P> {
  return {
    title,
    async run(makePlace) {
      const place = await makePlace();
      try {
        const subject = await subjectOf(place);
        try {
          await body(subject, place);
        } finally {
          await subject.close?.();
        }
      } finally {
        await place.dispose?.();
      }
    },
  };
}
