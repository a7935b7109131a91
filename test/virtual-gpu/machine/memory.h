// Device memory: allocations, the addresses that the application sees, and which bits are defined.
//
// An address of the device cannot be used by the host: the range it lies in is reserved and
// forbidden. The bytes lie elsewhere, and so does a byte of `defined` bits for each of them (a set
// bit is a defined bit). Addresses are never given out twice, so that a use after free is seen
// however late it comes. Pinned host memory has the same address on both sides.
//
// Streams free memory while kernels of others run. What is freed is marked at once, and its pages
// go when every operation that was under way then has ended (Memory::Use).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

namespace virtual_gpu {

/// Pages from the system, zero at first and only there once written to.
class Pages {
 public:
  Pages() = default;
  explicit Pages(std::size_t bytes);
  /// Addresses without memory: nobody may read or write there.
  static Pages reserved(std::size_t bytes);
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&& other) noexcept;
  ~Pages();
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  Pages(std::size_t bytes, int protection);

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

enum class MemoryKind : std::uint8_t { kDevice, kPinned, kRegistered, kVariable, kConstant };

inline bool is_host(MemoryKind kind) {
  return kind == MemoryKind::kPinned || kind == MemoryKind::kRegistered;
}

struct Allocation {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  MemoryKind kind = MemoryKind::kDevice;
  std::string label;                 // "cuMemAlloc #3" or a variable's name
  std::byte* data = nullptr;
  std::uint8_t* defined = nullptr;   // null: all of it is, as host memory is taken to be
  std::atomic<bool> freed = false;   // looked at before `data`, which then may be null
  Pages pages;
  Pages defined_pages;

  std::uint64_t end() const { return address + bytes; }

  /// What GlobalRaces keeps beside each byte.
  static constexpr std::size_t kCellBytes = 32;
  /// Room for it: zero, and only there from the first call on; null where the system has none.
  std::byte* cells();

 private:
  friend class Memory;
  void drop_pages();

  bool free_queued_ = false;         // under Memory's lock
  std::once_flag cells_made_;
  Pages cells_;
};

class Memory {
 public:
  /// `capacity`: bytes of the device, beyond which allocations fail.
  explicit Memory(std::uint64_t capacity);
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// What an operation of the device holds from its beginning to its end: allocations that were
  /// there at its beginning, and pointers to them, stay valid although somebody frees them.
  class Use {
   public:
    explicit Use(Memory& memory);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Memory& memory_;
    std::multiset<std::uint64_t>::iterator began_;
  };

  /// Null when the device is full. The address is aligned to 256 bytes, and to no more than that.
  Allocation* allocate(std::uint64_t bytes, MemoryKind kind, std::string label);
  /// New memory of the host that the device knows, from a page's beginning on; null when the host
  /// has no more.
  Allocation* allocate_pinned(std::uint64_t bytes, std::string label);
  /// Makes host memory known to the device, at its own address; null where some of it is already.
  Allocation* adopt(void* host, std::uint64_t bytes, MemoryKind kind, std::string label);
  /// False for an address that no live allocation of that kind begins at.
  bool free(std::uint64_t address, MemoryKind kind = MemoryKind::kDevice);
  /// Says that a free of device memory is on its way, which can be said once; false as of `free`.
  bool queue_free(std::uint64_t address);

  /// The allocation that contains the address, live or freed; null where there never was one.
  Allocation* find(std::uint64_t address);
  /// The live or freed allocation nearest to the address, for messages; null when there is none.
  Allocation* nearest(std::uint64_t address);
  /// Whether the address lies in the range that is reserved for the device's.
  bool is_device_address(std::uint64_t address) const;

  /// Remembers where undefined bits that were stored there come from.
  void note_origin(std::uint64_t address, std::uint32_t bytes, const std::string& origin);
  /// What was remembered of the address; empty when nothing was.
  std::string origin_at(std::uint64_t address) const;
  /// The first byte of the range of which not all bits are defined.
  std::optional<std::uint64_t> first_undefined(std::uint64_t address, std::uint64_t bytes);

  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t used() const { return used_.load(); }
  /// Changes whenever an allocation comes or goes, for caches of `find`.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  /// An allocation whose pages are still there; the last owner of one of the host's.
  struct Freed {
    std::uint64_t number = 0;      // of the free, counted from 1
    Allocation* allocation = nullptr;
    std::unique_ptr<Allocation> owner;
  };

  Allocation* insert(std::unique_ptr<Allocation> allocation);
  /// Addresses that nobody had; 0 where the system has none left.
  std::uint64_t take_addresses(std::uint64_t bytes);
  /// Begins another reserved range. Throws std::bad_alloc.
  void add_window();
  /// The live allocation of that kind that begins at the address, or by_address_.end().
  auto find_live(std::uint64_t address, MemoryKind kind);
  void drop_unused_pages();

  std::uint64_t capacity_;
  std::uint64_t frees_ = 0;        // so far
  std::uint64_t next_ = 0;         // the next free address in the last window
  std::atomic<std::uint64_t> used_ = 0;
  std::atomic<std::uint64_t> version_ = 1;
  mutable std::shared_mutex mutex_;
  std::map<std::uint64_t, std::string> origins_;  // by the address of a word of 4 bytes
  std::map<std::uint64_t, std::unique_ptr<Allocation>> by_address_;
  std::vector<Pages> windows_;             // the ranges that are reserved for addresses
  std::deque<Freed> freed_;                // in the order of their frees
  std::multiset<std::uint64_t> running_;   // `frees_` at the beginning of each Use
};

}  // namespace virtual_gpu
