// Calls of tests to an engine.
#pragma once

#include <future>
#include <memory>
#include <utility>

#include "cpu/test_batch.h"
#include "engine/engine.h"

namespace fusebert::test {

// The result of packed ids; where the engine takes no such call, its refusal.
inline std::future<EncodeResult> submit(Engine& engine, const cpu::Batch& batch,
                                        const OutputOptions& output) {
  EncodeRequest request;
  PackedEncoding& encoded = request.encoded;
  encoded.input_ids.assign(batch.ids.begin(), batch.ids.end());
  encoded.token_type_ids.assign(batch.types.begin(), batch.types.end());
  encoded.cu_seqlens.assign(batch.cu_seqlens.begin(), batch.cu_seqlens.end());
  request.output = output;
  auto promise = std::make_shared<std::promise<EncodeResult>>();
  auto result = promise->get_future();
  const auto id = engine.submit(std::move(request), [promise](EncodeResult r) {
    promise->set_value(std::move(r));
  });
  if (!id.ok()) {
    EncodeResult refused;
    refused.status = id.status();
    promise->set_value(std::move(refused));
  }
  return result;
}

}  // namespace fusebert::test
