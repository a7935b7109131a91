// Mapping of files that may shrink under us. POSIX raises SIGBUS for a page past the end of the
// file; a handler that is installed only while mappings exist puts a page of zeros there, marks the
// mapping damaged and lets the read go on. Other faults go to the handler that was there before.
#include "core/mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace fusebert {
namespace {

// Mappings at once in the process. A model has at most a few hundred shards.
constexpr int kMaxMappings = 4096;

struct GuardSlot {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};

// Constant-initialised and trivially destroyed: a signal may come while the process exits.
std::array<GuardSlot, kMaxMappings> guard_slots;
struct sigaction previous_action;
uintptr_t page_bytes = 4096;

std::mutex& guard_mutex() {
  static std::mutex* mutex = new std::mutex;  // never destroyed, for the same reason
  return *mutex;
}
int guard_users = 0;

// The thread that is handing a fault on. The handler before ours may itself chain to ours, when it
// was put over an earlier installation: the second time round, the default applies.
std::atomic<pid_t> chaining_thread{0};

void call_previous(int signal, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr) {
    previous_action.sa_sigaction(signal, info, context);
    return;
  }
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
    return;
  }
  // The default is to die. Returning repeats the faulting instruction, now without a handler.
  sigaction(signal, &previous_action, nullptr);
}

void chain_to_previous(int signal, siginfo_t* info, void* context) {
  const pid_t self = static_cast<pid_t>(syscall(SYS_gettid));
  if (chaining_thread.load(std::memory_order_relaxed) == self) {
    struct sigaction fatal {};
    fatal.sa_handler = SIG_DFL;
    sigaction(signal, &fatal, nullptr);
    return;
  }
  chaining_thread.store(self, std::memory_order_relaxed);
  call_previous(signal, info, context);
  chaining_thread.store(0, std::memory_order_relaxed);
}

// Async-signal-safe: atomics and system calls only.
void on_bus_error(int signal, siginfo_t* info, void* context) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (GuardSlot& slot : guard_slots) {
    const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    if (begin == 0 || address < begin || address >= slot.end.load(std::memory_order_relaxed)) {
      continue;
    }
    void* page = reinterpret_cast<void*>(address & ~(page_bytes - 1));
    const int saved_errno = errno;
    void* zeros =
        mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = saved_errno;
    if (zeros == MAP_FAILED) break;
    slot.damaged.store(true, std::memory_order_release);
    return;
  }
  chain_to_previous(signal, info, context);
}

// Takes a slot for [begin, begin + bytes) and makes sure the handler is installed; -1 when full.
int guard_range(const void* begin, size_t bytes) {
  std::lock_guard lock(guard_mutex());
  for (int i = 0; i < kMaxMappings; ++i) {
    GuardSlot& slot = guard_slots[static_cast<size_t>(i)];
    if (slot.begin.load(std::memory_order_relaxed) != 0) continue;
    if (guard_users == 0) {
      page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
      struct sigaction action {};
      action.sa_sigaction = on_bus_error;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK;
      sigemptyset(&action.sa_mask);
      if (sigaction(SIGBUS, &action, &previous_action) != 0) return -1;
    }
    ++guard_users;
    slot.damaged.store(false, std::memory_order_relaxed);
    slot.end.store(reinterpret_cast<uintptr_t>(begin) + bytes, std::memory_order_relaxed);
    slot.begin.store(reinterpret_cast<uintptr_t>(begin), std::memory_order_release);
    return i;
  }
  return -1;
}

void release_range(int index) {
  std::lock_guard lock(guard_mutex());
  guard_slots[static_cast<size_t>(index)].begin.store(0, std::memory_order_release);
  if (--guard_users > 0) return;
  struct sigaction current {};
  sigaction(SIGBUS, nullptr, &current);
  // Somebody who came after us keeps what they installed.
  if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_bus_error) {
    sigaction(SIGBUS, &previous_action, nullptr);
  }
}

int64_t modification_time_ns(const struct stat& info) {
#if defined(__APPLE__)
  const timespec time = info.st_mtimespec;
#else
  const timespec time = info.st_mtim;
#endif
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Result<std::unique_ptr<MappedFile>> MappedFile::open(const std::string& path,
                                                     uint64_t expected_bytes) {
  std::unique_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  // O_NONBLOCK: a name that has become a pipe must not hang the load.
  file->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->fd_ < 0) {
    return Status(errno == ENOENT ? StatusCode::kFileNotFound : StatusCode::kFileRead,
                  "Expected a readable file at " + path + " but " + std::strerror(errno) + ".");
  }
  struct stat info {};
  if (fstat(file->fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return Status(StatusCode::kFileRead, "Expected a regular file at " + path + ".");
  }
  if (static_cast<uint64_t>(info.st_size) != expected_bytes) {
    return Status(StatusCode::kFileRead,
                  "Expected " + std::to_string(expected_bytes) + " bytes in " + path +
                      " but received " + std::to_string(info.st_size) +
                      ": it changed while it was being loaded. Load it again.");
  }
  file->mtime_ns_ = modification_time_ns(info);
  if (expected_bytes == 0) return file;
  void* data = mmap(nullptr, expected_bytes, PROT_READ, MAP_PRIVATE, file->fd_, 0);
  if (data == MAP_FAILED) {
    return Status(StatusCode::kOutOfMemory,
                  "Could not map " + path + ": " + std::strerror(errno) + ".");
  }
  file->data_ = static_cast<const std::byte*>(data);
  file->size_ = expected_bytes;
  file->guard_slot_ = guard_range(data, expected_bytes);
  if (file->guard_slot_ < 0) {
    return Status(StatusCode::kOutOfMemory, "Too many files are mapped at once.");
  }
  return file;
}

MappedFile::~MappedFile() {
  // The slot first: once unmapped, the addresses may be somebody else's.
  if (guard_slot_ >= 0) release_range(guard_slot_);
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
  if (fd_ >= 0) close(fd_);
}

void MappedFile::release(size_t offset, size_t count) const {
  const size_t begin = (offset + page_bytes - 1) / page_bytes * page_bytes;
  const size_t end = (offset + count) / page_bytes * page_bytes;
  if (begin >= end || end > size_) return;
  // Advice: where it is not taken, memory goes with the mapping.
  madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

Status MappedFile::check_unchanged() const {
  const bool damaged =
      guard_slot_ >= 0 &&
      guard_slots[static_cast<size_t>(guard_slot_)].damaged.load(std::memory_order_acquire);
  struct stat info {};
  const bool same = fstat(fd_, &info) == 0 && static_cast<uint64_t>(info.st_size) == size_ &&
                    modification_time_ns(info) == mtime_ns_;
  if (!damaged && same) return Status();
  return Status(StatusCode::kFileRead,
                path_ + " changed while it was being loaded. Load it again once it is complete.");
}

}  // namespace fusebert
