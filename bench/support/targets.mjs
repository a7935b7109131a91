// What a measurement should reach, as rows carry it: a text for the table and whether it is met.

/**
 * @param found, limit - numbers, or undefined where there is no such target
 * @returns an array of one target or none
 */
export const atLeast = (found, limit, text = `≥ ${limit}`) =>
  limit === undefined ? [] : [{ text, met: found >= limit }]

export const atMost = (found, limit, text = `≤ ${limit}`) =>
  limit === undefined ? [] : [{ text, met: found <= limit }]

/** One target that is met when one of these is. */
export const anyOf = (...targets) =>
  targets.length === 0
    ? []
    : [{ text: targets.map(({ text }) => text).join(' or '), met: targets.some(({ met }) => met) }]

/** For the table: the targets and, where the run can tell, whether they are met. */
export function describeTargets(targets = [], conclusive) {
  const verdict = (met) => (conclusive ? ` ${met ? 'met' : 'missed'}` : '')
  return targets.map(({ text, met }) => text + verdict(met)).join('; ')
}
