// Errors that are told apart by their kind. Of those that people can put right the message is all that is shown.

/** What is wrong with the command line. */
export class UsageError extends Error {}

/** Something that a run needs is not there: a server that lets clients in, or what starts one. */
export class TargetError extends Error {}

/** The server does not let a client in. */
export class NotLetIn extends Error {
  /** @param {number} reasonCode of CONNACK @param {string} clientId */
  constructor(reasonCode, clientId) {
    super(`CONNACK ${reasonCode} for ${clientId}`);
    this.reasonCode = reasonCode;
  }
}
