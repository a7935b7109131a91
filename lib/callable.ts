// Functions that have properties and methods too, as transformers.js' pipelines and models are.

/**
 * `call` with the properties of `members`, getters included.
 */
export function callable<Call extends (...args: never[]) => unknown, Members extends object>(
  call: Call,
  members: Members,
): Call & Members {
  return Object.defineProperties(
    call,
    Object.getOwnPropertyDescriptors(members),
  ) as unknown as Call & Members
}
