// Randomness comes from here, so that a test can replay it.

export interface Ids {
  uuid(): string;
}

export const RANDOM_IDS: Ids = { uuid: () => crypto.randomUUID() };
