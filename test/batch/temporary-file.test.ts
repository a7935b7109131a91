// Output files appear complete or not at all.
import {
  chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync,
} from 'node:fs'

import { describe, expect, test } from 'vitest'

import { planEmbedFile } from '../../lib/batch/plan.js'
import { removeTemporaryFiles, TemporaryFile } from '../../lib/batch/temporary-file.js'
import { scratch } from './fake.js'

describe('a temporary file', () => {
  test('appears on commit, not before, and keeps the permissions of what it replaces', async () => {
    const folder = scratch()
    const path = folder.write('out.npy', 'old')
    chmodSync(path, 0o640)
    const file = await TemporaryFile.create(path)
    await file.write(Buffer.from('head'))
    await file.write(Buffer.from('tail'))
    await file.writeAt(Buffer.from('HEAD'), 0)
    expect(readFileSync(path, 'utf8')).toBe('old')
    expect(folder.list()).toHaveLength(2)
    expect(folder.list()[0]).toMatch(new RegExp(`^\\.out\\.npy\\.${process.pid}-[0-9a-f]+\\.tmp$`))
    await file.commit()
    await file.discard()
    expect(readFileSync(path, 'utf8')).toBe('HEADtail')
    expect(statSync(path).mode & 0o777).toBe(0o640)
    expect(folder.list()).toEqual(['out.npy'])
  })

  test('short writes are continued, and writes of nothing end', async () => {
    const folder = scratch()
    const file = await TemporaryFile.create(folder.path('a'), async (handle, bytes, position) => {
      return (await handle.write(bytes, 0, Math.min(3, bytes.length), position)).bytesWritten
    })
    await file.write(Buffer.from('0123456789'))
    await file.commit()
    expect(readFileSync(folder.path('a'), 'utf8')).toBe('0123456789')

    const stuck = await TemporaryFile.create(folder.path('b'), () => Promise.resolve(0))
    const failure = stuck.write(Buffer.from('x'))
    await expect(failure).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' })
    await stuck.discard()
    expect(folder.list()).toEqual(['a'])
  })

  test('a link stays a link, and its target is replaced', async () => {
    const folder = scratch()
    folder.write('real', 'old')
    symlinkSync('real', folder.path('link'))
    const file = await TemporaryFile.create(folder.path('link'))
    await file.write(Buffer.from('new'))
    await file.commit()
    expect(readlinkSync(folder.path('link'))).toBe('real')
    expect(readFileSync(folder.path('real'), 'utf8')).toBe('new')
  })

  test('a link to nothing stays a link, and its target is created', async () => {
    const folder = scratch()
    mkdirSync(folder.path('sub'))
    symlinkSync('sub/other', folder.path('link'))
    symlinkSync('../real', folder.path('sub/other'))
    const file = await TemporaryFile.create(folder.path('link'))
    await file.write(Buffer.from('new'))
    expect(existsSync(folder.path('real'))).toBe(false)
    await file.commit()
    expect(readlinkSync(folder.path('link'))).toBe('sub/other')
    expect(readFileSync(folder.path('real'), 'utf8')).toBe('new')

    symlinkSync('missing/out', folder.path('broken'))
    const broken = TemporaryFile.create(folder.path('broken'))
    await expect(broken).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' })
    expect(folder.list()).toEqual(['broken', 'link', 'real', 'sub'])
  })

  test('a name that cannot be is refused before anything is done', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', 'a')
    symlinkSync('circle.npy', folder.path('circle.npy'))
    symlinkSync(`${'n'.repeat(252)}.npy`, folder.path('long.npy'))
    symlinkSync('missing/../detour.npy', folder.path('detour.npy'))
    const long = `${'n'.repeat(252)}.npy`
    const names = [long, 'circle.npy', 'long.npy', 'detour.npy', 'in.txt/out.npy']
    for (const name of names) {
      const plan = planEmbedFile({ input, output: folder.path(name) })
      await expect(plan).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' })
    }
    await planEmbedFile({ input, output: folder.path(`${'n'.repeat(251)}.npy`) })
  })

  test('a folder, a device, a missing folder are refused', async () => {
    const folder = scratch()
    mkdirSync(folder.path('sub'))
    for (const path of [folder.path('sub'), '/dev/null', folder.path('missing/out')]) {
      await expect(TemporaryFile.create(path)).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' })
    }
    expect(folder.list()).toEqual(['sub'])
  })

  test('a process in a hurry removes what is unfinished', async () => {
    const folder = scratch()
    const file = await TemporaryFile.create(folder.path('out'))
    expect(folder.list()).toHaveLength(1)
    removeTemporaryFiles()
    expect(folder.list()).toEqual([])
    await file.discard()
  })
})
