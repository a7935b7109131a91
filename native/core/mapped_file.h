// A read-only mapping of a file whose contents cannot be trusted to stay. If the file is truncated
// while mapped, touching the lost pages would normally kill the process with SIGBUS; here such
// pages read as zero, and check_unchanged() says so afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/status.h"

namespace fusebert {

class MappedFile {
 public:
  // Maps `path`, which must be a regular file of exactly `expected_bytes` (what the parser of its
  // header saw); otherwise kFileNotFound or kFileRead.
  static Result<std::unique_ptr<MappedFile>> open(const std::string& path,
                                                  uint64_t expected_bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Gives back the memory of pages that lie wholly in [offset, offset + count). They can be read
  // again, and take memory again then.
  void release(size_t offset, size_t count) const;

  // ok, or kFileRead when a page was lost or the file's size or modification time has changed since
  // open(): what was read may be a mixture. Call it after the last read.
  Status check_unchanged() const;

 private:
  MappedFile() = default;

  std::string path_;
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  int64_t mtime_ns_ = 0;
  int guard_slot_ = -1;  // this mapping's place in the SIGBUS guard's table
};

}  // namespace fusebert
