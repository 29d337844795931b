// What people can put right: their message is all that is shown.

/** What is wrong with the command line. */
export class UsageError extends Error {}

/** Something that a run needs is not there: a server that lets clients in, or what starts one. */
export class TargetError extends Error {}
