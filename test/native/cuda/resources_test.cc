// Streams that wait for each other, threads that wait for streams, and launches that are recorded.
#include "cuda/driver/resources.h"

#include <cstring>

#include "cuda/device.h"
#include "cuda/driver/graph.h"

namespace fusebert::cuda::testing {
namespace {

TEST(Resources, AStreamWaitsForAnother) {
  constexpr std::size_t kBytes = std::size_t{32} << 20;  // that take a while
  const ContextPointer context = Device::get().context();
  const Api& api = context->api();
  auto up = create_stream(context), down = create_stream(context);
  auto event = create_event(context), done = create_event(context);
  auto device = allocate_device(context, kBytes);
  auto from = allocate_pinned(context, kBytes), to = allocate_pinned(context, kBytes);
  ASSERT_TRUE(up.ok() && down.ok() && event.ok() && done.ok() && device.ok());
  ASSERT_TRUE(from.ok() && to.ok());
  std::memset(from.value().get(), 0x5A, kBytes);
  std::memset(to.value().get(), 0, kBytes);
  const CUdeviceptr memory = device.value().get();
  EXPECT_EQ(api.cuMemcpyHtoDAsync(memory, from.value().get(), kBytes, up.value().get()),
            CUDA_SUCCESS);
  EXPECT_TRUE(order(event.value(), up.value(), down.value()).ok());
  EXPECT_EQ(api.cuMemcpyDtoHAsync(to.value().get(), memory, kBytes, down.value().get()),
            CUDA_SUCCESS);
  EXPECT_EQ(api.cuEventRecord(done.value().get(), down.value().get()), CUDA_SUCCESS);
  EXPECT_TRUE(wait_for(done.value()).ok());
  EXPECT_EQ(std::memcmp(from.value().get(), to.value().get(), kBytes), 0);
}

TEST(Resources, ARecordingThatFailsLeavesItsStreamUsable) {
  Device& device = Device::get();
  const auto failed = record_graph(device.context(), device.stream(), [] {
    return Status(StatusCode::kInternal, "not this time");
  });
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().message(), "not this time");
  // A call that no graph can hold.
  const Api& api = device.context()->api();
  const auto refused = record_graph(device.context(), device.stream(), [&] {
    return api.check(api.cuStreamSynchronize(device.stream().get()), "cuStreamSynchronize");
  });
  EXPECT_FALSE(refused.ok());
  device.synchronize();
}

}  // namespace
}  // namespace fusebert::cuda::testing
