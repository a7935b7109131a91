// Module hooks that put fake-pipeline.mjs in the place of the pipelines.

export async function resolve(specifier, context, next) {
  const fromCommand = context.parentURL?.endsWith('/cli/shared-options.js')
  if (specifier === '../pipelines/index.js' && fromCommand) {
    return { url: new URL('./fake-pipeline.mjs', import.meta.url).href, shortCircuit: true }
  }
  return next(specifier, context)
}
