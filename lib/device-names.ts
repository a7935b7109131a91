// How devices and their arithmetic are named in options.

export const DTYPES = ['auto', 'fp32', 'fp16', 'bf16'] as const
export type Dtype = (typeof DTYPES)[number]

export type DeviceName = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`

/** 'cuda:' and a GPU's number, from 0. */
export const NUMBERED_DEVICE = /^cuda:(\d{1,4})$/
