// What has to be true of every run, however fast it was: QoS 1 loses nothing, QoS 2 loses and doubles nothing, QoS 0 doubles
// nothing, and whatever comes comes in the order of its publisher. QoS 0 may lose, and QoS 1 may double; both are printed.

/**
 * @typedef {object} Integrity
 * @property {number} sent
 * @property {number} expected how many receivers should have got them
 * @property {number} received
 * @property {number[]} lost by QoS
 * @property {number[]} duplicates by QoS
 * @property {number} outOfOrder
 * @property {number} damaged payloads and acknowledgements that nobody can explain
 * @property {number} refused acknowledged with a failure
 * @property {number} unanswered never acknowledged
 * @property {string[]} failures what else went wrong, in words
 */

/** @type {Integrity} */
export const NOTHING_WRONG = Object.freeze({
  sent: 0,
  expected: 0,
  received: 0,
  lost: [0, 0, 0],
  duplicates: [0, 0, 0],
  outOfOrder: 0,
  damaged: 0,
  refused: 0,
  unanswered: 0,
  failures: [],
});

/** So many of that QoS, none of the others. */
export function byQos(qos, count) {
  return [0, 1, 2].map((each) => (each === qos ? count : 0));
}

/** @param {readonly number[][]} all */
export function addByQos(all) {
  return [0, 1, 2].map((qos) => all.reduce((sum, one) => sum + one[qos], 0));
}

/** Of several runs. @param {readonly Integrity[]} all @returns {Integrity} */
export function addIntegrity(all) {
  const sum = { ...NOTHING_WRONG, failures: all.flatMap(({ failures }) => failures) };
  for (const name of Object.keys(NOTHING_WRONG)) {
    if (name === 'lost' || name === 'duplicates') sum[name] = addByQos(all.map((one) => one[name]));
    else if (name !== 'failures') sum[name] = all.reduce((total, one) => total + one[name], 0);
  }
  return sum;
}

/** Each violation as a sentence. @param {Integrity} found */
export function violationsOf(found) {
  const { lost, duplicates, outOfOrder, damaged, refused, unanswered, failures } = found;
  const wrong = [
    [lost[1], 'QoS 1 messages were lost'],
    [lost[2], 'QoS 2 messages were lost'],
    [duplicates[0], 'QoS 0 messages came twice'],
    [duplicates[2], 'QoS 2 messages came twice'],
    [outOfOrder, 'messages came out of the order of their publisher'],
    [damaged, 'messages or acknowledgements were damaged, or nobody sent what they answer'],
    [refused, 'messages were acknowledged with a failure'],
    [unanswered, 'messages were never acknowledged'],
  ];
  const sentences = wrong.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  if (failures.length > 3)
    sentences.push(...failures.slice(0, 3), `and ${failures.length - 3} more`);
  else sentences.push(...failures);
  return sentences;
}
