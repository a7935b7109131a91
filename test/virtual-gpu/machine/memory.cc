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

Pages::Pages(std::size_t bytes, int protection)
    : data_(map_pages(bytes, protection)), bytes_(bytes) {}

Pages::Pages(std::size_t bytes) : Pages(bytes, PROT_READ | PROT_WRITE) {}

Pages Pages::reserved(std::size_t bytes) { return Pages(bytes, PROT_NONE); }

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

void Allocation::drop_pages() {
  data = nullptr;
  defined = nullptr;
  pages = Pages();
  defined_pages = Pages();
  cells_ = Pages();
}

Memory::Memory(std::uint64_t capacity) : capacity_(capacity) { add_window(); }

Memory::Use::Use(Memory& memory) : memory_(memory) {
  const std::unique_lock lock(memory_.mutex_);
  began_ = memory_.running_.insert(memory_.frees_);
}

Memory::Use::~Use() {
  const std::unique_lock lock(memory_.mutex_);
  memory_.running_.erase(began_);
  memory_.drop_unused_pages();
}

void Memory::drop_unused_pages() {
  const std::uint64_t oldest = running_.empty() ? frees_ : *running_.begin();
  while (!freed_.empty() && freed_.front().number <= oldest) {
    freed_.front().allocation->drop_pages();
    freed_.pop_front();
  }
}

void Memory::add_window() {
  windows_.push_back(Pages::reserved(kWindowBytes));
  next_ = reinterpret_cast<std::uint64_t>(windows_.back().data()) + kGap + kAlignment;
}

std::uint64_t Memory::take_addresses(std::uint64_t bytes) {
  const auto fits = [&] {
    const Pages& window = windows_.back();
    const std::uint64_t end = reinterpret_cast<std::uint64_t>(window.data()) + window.bytes();
    return next_ + bytes + 2 * kGap <= end;
  };
  try {
    if (!fits()) add_window();
  } catch (const std::bad_alloc&) {
    return 0;
  }
  if (!fits()) return 0;
  const std::uint64_t address = next_;
  next_ = (next_ + bytes + kGap + kAlignment - 1) / kAlignment * kAlignment;
  if (next_ % (2 * kAlignment) == 0) next_ += kAlignment;
  return address;
}

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
  auto allocation = std::make_unique<Allocation>();
  allocation->bytes = bytes;
  allocation->kind = kind;
  allocation->label = std::move(label);
  try {
    allocation->pages = Pages(bytes);
    allocation->defined_pages = Pages(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  allocation->address = take_addresses(bytes);
  if (allocation->address == 0) return nullptr;
  allocation->data = allocation->pages.data();
  allocation->defined = reinterpret_cast<std::uint8_t*>(allocation->defined_pages.data());
  used_ += bytes;
  return insert(std::move(allocation));
}

Allocation* Memory::allocate_pinned(std::uint64_t bytes, std::string label) {
  auto allocation = std::make_unique<Allocation>();
  allocation->bytes = bytes;
  allocation->kind = MemoryKind::kPinned;
  allocation->label = std::move(label);
  try {
    allocation->pages = Pages(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  allocation->data = allocation->pages.data();
  allocation->address = reinterpret_cast<std::uint64_t>(allocation->data);
  const std::unique_lock lock(mutex_);
  return insert(std::move(allocation));
}

Allocation* Memory::adopt(void* host, std::uint64_t bytes, MemoryKind kind, std::string label) {
  const auto address = reinterpret_cast<std::uint64_t>(host);
  const std::unique_lock lock(mutex_);
  const auto after = by_address_.lower_bound(address + bytes);
  if (after != by_address_.begin() && std::prev(after)->second->end() > address) return nullptr;
  auto allocation = std::make_unique<Allocation>();
  allocation->address = address;
  allocation->bytes = bytes;
  allocation->kind = kind;
  allocation->label = std::move(label);
  allocation->data = static_cast<std::byte*>(host);
  return insert(std::move(allocation));
}

auto Memory::find_live(std::uint64_t address, MemoryKind kind) {
  const auto found = by_address_.find(address);
  if (found == by_address_.end()) return found;
  const Allocation& allocation = *found->second;
  return allocation.freed || allocation.kind != kind ? by_address_.end() : found;
}

bool Memory::queue_free(std::uint64_t address) {
  const std::unique_lock lock(mutex_);
  const auto found = find_live(address, MemoryKind::kDevice);
  return found != by_address_.end() && !std::exchange(found->second->free_queued_, true);
}

bool Memory::free(std::uint64_t address, MemoryKind kind) {
  const std::unique_lock lock(mutex_);
  const auto found = find_live(address, kind);
  if (found == by_address_.end()) return false;
  Freed& freed = freed_.emplace_back();
  freed.number = ++frees_;
  freed.allocation = found->second.get();
  freed.allocation->freed = true;
  if (is_host(kind)) {
    // The host may get the same address again, so nothing is remembered of it.
    freed.owner = std::move(found->second);
    by_address_.erase(found);
  } else {
    used_ -= freed.allocation->bytes;
  }
  version_.fetch_add(1, std::memory_order_release);
  drop_unused_pages();
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
  const std::shared_lock lock(mutex_);
  return std::any_of(windows_.begin(), windows_.end(), [address](const Pages& window) {
    const auto begin = reinterpret_cast<std::uint64_t>(window.data());
    return address >= begin && address - begin < window.bytes();
  });
}

}  // namespace virtual_gpu
