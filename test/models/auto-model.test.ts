// AutoModel's inputs: tensors and nested arrays, masks, and what is refused.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { AutoModel, Tensor, type BertModel, type ModelInputs } from '../../dist/index.js'
import { GOLDEN_MODEL } from '../support/require.js'

let model: BertModel

beforeAll(async () => {
  model = await AutoModel.from_pretrained(GOLDEN_MODEL)
})

afterAll(() => model.dispose())

const ids = [[2, 7, 8, 3], [2, 9, 3, 0]]
const mask = [[1, 1, 1, 1], [1, 1, 1, 0]]

describe('AutoModel', () => {
  test('takes int64, int32 and nested arrays alike', async () => {
    const nested = await model({ input_ids: ids, attention_mask: mask })
    const int64 = new Tensor('int64', BigInt64Array.from(ids.flat().map(BigInt)), [2, 4])
    const int32 = new Tensor('int32', Int32Array.from(mask.flat()), [2, 4])
    const tensors = await model({ input_ids: int64, attention_mask: int32 })
    expect(tensors.last_hidden_state.data).toEqual(nested.last_hidden_state.data)
    expect(nested.last_hidden_state.dims).toEqual([2, 4, 32])
  })

  test('padding changes nothing and comes back as zeros', async () => {
    const { last_hidden_state: all } = await model({ input_ids: ids, attention_mask: mask })
    const { last_hidden_state: alone } = await model({ input_ids: [[2, 9, 3]] })
    expect(all.data.slice(4 * 32, 7 * 32)).toEqual(alone.data)
    expect(all.data.slice(7 * 32).every((value) => value === 0)).toBe(true)
  })

  test('token types default to zeros', async () => {
    const plain = await model({ input_ids: [[2, 7, 3]] })
    const zeros = await model({ input_ids: [[2, 7, 3]], token_type_ids: [[0, 0, 0]] })
    const ones = await model({ input_ids: [[2, 7, 3]], token_type_ids: [[0, 1, 1]] })
    expect(zeros.last_hidden_state.data).toEqual(plain.last_hidden_state.data)
    expect(ones.last_hidden_state.data).not.toEqual(plain.last_hidden_state.data)
  })

  test('an AbortSignal rejects with its reason', async () => {
    const reason = new Error('enough')
    const call = model({ input_ids: ids }, { signal: AbortSignal.abort(reason) })
    await expect(call).rejects.toBe(reason)
  })

  test('asyncDispose frees it', async () => {
    const mine = await AutoModel.from_pretrained(GOLDEN_MODEL)
    await mine[Symbol.asyncDispose]()
    await expect(mine({ input_ids: ids })).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  test('an empty batch gives an empty result', async () => {
    const { last_hidden_state } = await model({ input_ids: [] })
    expect(last_hidden_state.dims).toEqual([0, 0, 32])
  })

  test.each<[string, unknown, string]>([
    ['a mask with a hole', { input_ids: ids, attention_mask: [[1, 0, 1, 1], [1, 1, 1, 0]] },
      'ERR_INVALID_ARGUMENT'],
    ['padding on the left', { input_ids: ids, attention_mask: [[0, 1, 1, 1], [1, 1, 1, 0]] },
      'ERR_INVALID_ARGUMENT'],
    ['a row of padding', { input_ids: ids, attention_mask: [[1, 1, 1, 1], [0, 0, 0, 0]] },
      'ERR_INVALID_ARGUMENT'],
    ['a mask of another shape', { input_ids: ids, attention_mask: [[1, 1]] },
      'ERR_INVALID_ARGUMENT'],
    ['ragged rows', { input_ids: [[2, 3], [2]] }, 'ERR_INVALID_ARGUMENT'],
    ['rows without tokens', { input_ids: [[], []] }, 'ERR_INVALID_ARGUMENT'],
    ['one dimension', { input_ids: [2, 3] }, 'ERR_INVALID_ARGUMENT'],
    ['nothing', undefined, 'ERR_INVALID_ARGUMENT'],
    ['no ids', {}, 'ERR_INVALID_ARGUMENT'],
    ['a fraction', { input_ids: [[1.5]] }, 'ERR_INVALID_ARGUMENT'],
    ['a negative id', { input_ids: [[-1]] }, 'ERR_INVALID_ARGUMENT'],
    ['a string', { input_ids: [['2']] }, 'ERR_INVALID_ARGUMENT'],
    ['an id beyond the vocabulary', { input_ids: [[200]] }, 'ERR_INPUT_TOKEN'],
    ['a type beyond the table', { input_ids: [[2]], token_type_ids: [[2]] }, 'ERR_INPUT_TOKEN'],
    ['more tokens than positions', { input_ids: [new Array(41).fill(2)] }, 'ERR_INPUT_TOO_LONG'],
  ])('refuses %s', async (_, inputs, code) => {
    await expect(model(inputs as ModelInputs)).rejects.toMatchObject({
      name: 'FusebertError', code,
    })
  })
})
