#include "machine/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace virtual_gpu {
namespace {

constexpr std::uint64_t kWindowBytes = std::uint64_t{1} << 42;
// The least that the driver promises; a kernel that needs more must not find it by luck.
constexpr std::uint64_t kAlignment = 256;
// Between two allocations, so that a step beyond one does not land in the next.
constexpr std::uint64_t kGap = 4096;
constexpr std::uint64_t kWord = 4;
constexpr std::size_t kMaxOrigins = 1 << 20;

std::byte* map_pages(std::size_t bytes, int protection) {
  void* address = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(address);
}

}  // namespace

Pages::Pages(std::size_t bytes)
    : data_(map_pages(bytes, PROT_READ | PROT_WRITE)), bytes_(bytes) {}

Pages::Pages(Pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

std::byte* Allocation::cells() {
  std::call_once(cells_made_, [this] {
    try {
      cells_ = Pages(bytes * kCellBytes);
    } catch (const std::bad_alloc&) {
      // Without it races go unseen, which is better than no launch.
    }
  });
  return cells_.data();
}

Memory::Memory(std::uint64_t capacity)
    : capacity_(capacity),
      window_(reinterpret_cast<std::uint64_t>(map_pages(kWindowBytes, PROT_NONE))),
      next_(window_ + kGap) {}

Memory::~Memory() { munmap(reinterpret_cast<void*>(window_), kWindowBytes); }

Allocation* Memory::insert(std::unique_ptr<Allocation> allocation) {
  Allocation* result = allocation.get();
  by_address_.insert_or_assign(result->address, std::move(allocation));
  version_.fetch_add(1, std::memory_order_release);
  return result;
}

Allocation* Memory::allocate(std::uint64_t bytes, MemoryKind kind, std::string label) {
  if (bytes == 0) return nullptr;
  const std::unique_lock lock(mutex_);
  if (bytes > capacity_ - used_.load()) return nullptr;
  if (next_ + bytes + 2 * kGap > window_ + kWindowBytes) return nullptr;
  auto allocation = std::make_unique<Allocation>();
  allocation->address = next_;
  allocation->bytes = bytes;
  allocation->kind = kind;
  allocation->label = std::move(label);
  try {
    allocation->pages = Pages(bytes);
    allocation->defined_pages = Pages(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  allocation->data = allocation->pages.data();
  allocation->defined = reinterpret_cast<std::uint8_t*>(allocation->defined_pages.data());
  next_ = (next_ + bytes + kGap + kAlignment - 1) / kAlignment * kAlignment;
  if (next_ % (2 * kAlignment) == 0) next_ += kAlignment;
  used_ += bytes;
  return insert(std::move(allocation));
}

Allocation* Memory::adopt(void* host, std::uint64_t bytes, MemoryKind kind, std::string label) {
  const std::unique_lock lock(mutex_);
  auto allocation = std::make_unique<Allocation>();
  allocation->address = reinterpret_cast<std::uint64_t>(host);
  allocation->bytes = bytes;
  allocation->kind = kind;
  allocation->label = std::move(label);
  allocation->data = static_cast<std::byte*>(host);
  return insert(std::move(allocation));
}

bool Memory::free(std::uint64_t address, MemoryKind kind) {
  const std::unique_lock lock(mutex_);
  const auto found = by_address_.find(address);
  if (found == by_address_.end() || found->second->freed || found->second->kind != kind) {
    return false;
  }
  Allocation& allocation = *found->second;
  version_.fetch_add(1, std::memory_order_release);
  if (is_host(allocation.kind)) {
    // The host may get the same address again, so nothing is remembered of it.
    by_address_.erase(found);
    return true;
  }
  allocation.freed = true;
  used_ -= allocation.bytes;
  allocation.pages = Pages();
  allocation.defined_pages = Pages();
  allocation.cells_ = Pages();
  allocation.data = nullptr;
  allocation.defined = nullptr;
  return true;
}

Allocation* Memory::find(std::uint64_t address) {
  const std::shared_lock lock(mutex_);
  auto after = by_address_.upper_bound(address);
  if (after == by_address_.begin()) return nullptr;
  Allocation* allocation = std::prev(after)->second.get();
  return address < allocation->end() ? allocation : nullptr;
}

Allocation* Memory::nearest(std::uint64_t address) {
  const std::shared_lock lock(mutex_);
  if (by_address_.empty()) return nullptr;
  auto after = by_address_.upper_bound(address);
  if (after == by_address_.begin()) return after->second.get();
  Allocation* before = std::prev(after)->second.get();
  if (after == by_address_.end()) return before;
  const std::uint64_t behind = address - std::min(address, before->end());
  return behind <= after->second->address - address ? before : after->second.get();
}

void Memory::note_origin(std::uint64_t address, std::uint32_t bytes, const std::string& origin) {
  const std::unique_lock lock(mutex_);
  for (std::uint64_t word = address / kWord; word <= (address + bytes - 1) / kWord; ++word) {
    // Enough for messages; not a second copy of the memory.
    if (origins_.size() >= kMaxOrigins) return;
    origins_[word * kWord] = origin;
  }
}

std::string Memory::origin_at(std::uint64_t address) const {
  const std::shared_lock lock(mutex_);
  const auto found = origins_.find(address / kWord * kWord);
  return found == origins_.end() ? std::string() : found->second;
}

std::optional<std::uint64_t> Memory::first_undefined(std::uint64_t address, std::uint64_t bytes) {
  const Allocation* allocation = find(address);
  if (allocation == nullptr || allocation->defined == nullptr) return std::nullopt;
  const std::uint8_t* defined = allocation->defined + (address - allocation->address);
  const std::uint64_t count = std::min(bytes, allocation->end() - address);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (defined[i] != 0xFF) return address + i;
  }
  return std::nullopt;
}

bool Memory::is_device_address(std::uint64_t address) const {
  return address >= window_ && address < window_ + kWindowBytes;
}

}  // namespace virtual_gpu
