// Module hooks that put fake-pipeline.mjs in the place of the pipelines.

export async function resolve(specifier, context, next) {
  if (specifier === '../pipelines/index.js' && context.parentURL?.endsWith('/cli/embed.js')) {
    return { url: new URL('./fake-pipeline.mjs', import.meta.url).href, shortCircuit: true }
  }
  return next(specifier, context)
}
