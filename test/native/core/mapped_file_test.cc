// Mappings of files that change: a truncated file reads as zeros and is reported, never fatal.
#include "core/mapped_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace fusebert {
namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(size_t bytes) {
    char name[] = "/tmp/fusebert-mapped-XXXXXX";
    const int fd = mkstemp(name);
    EXPECT_GE(fd, 0);
    close(fd);
    path_ = name;
    std::ofstream(path_, std::ios::binary) << std::string(bytes, 'x');
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr size_t kBytes = 1 << 20;

TEST(MappedFile, ShowsTheBytesOfTheFile) {
  const TemporaryFile file(kBytes);
  auto mapped = MappedFile::open(file.path(), kBytes);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(mapped.value()->bytes().size(), kBytes);
  EXPECT_EQ(static_cast<char>(mapped.value()->bytes()[kBytes - 1]), 'x');
  EXPECT_TRUE(mapped.value()->check_unchanged().ok());
}

TEST(MappedFile, RefusesWhatIsNotThereOrOfAnotherSize) {
  EXPECT_EQ(MappedFile::open("/nonexistent/file", 1).status().code(), StatusCode::kFileNotFound);
  EXPECT_EQ(MappedFile::open("/tmp", 1).status().code(), StatusCode::kFileRead);
  const TemporaryFile file(10);
  EXPECT_EQ(MappedFile::open(file.path(), 11).status().code(), StatusCode::kFileRead);
}

TEST(MappedFile, AnEmptyFileIsAnEmptyMapping) {
  const TemporaryFile file(0);
  auto mapped = MappedFile::open(file.path(), 0);
  ASSERT_TRUE(mapped.ok());
  EXPECT_TRUE(mapped.value()->bytes().empty());
}

#if defined(__linux__)
// Bytes of files that are in this process's memory (proc_pid_statm(5)).
size_t resident_file_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0, resident = 0, shared = 0;
  statm >> total >> resident >> shared;
  return shared * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

TEST(MappedFile, GivesThePagesOfARangeBack) {
  constexpr size_t kLarge = size_t{32} << 20;
  const TemporaryFile file(kLarge);
  auto opened = MappedFile::open(file.path(), kLarge);
  ASSERT_TRUE(opened.ok());
  const MappedFile& mapped = *opened.value();
  const auto count_x = [&] {
    return std::count(mapped.bytes().begin(), mapped.bytes().end(), std::byte{'x'});
  };
  const size_t before = resident_file_bytes();
  EXPECT_EQ(count_x(), static_cast<ptrdiff_t>(kLarge));
  EXPECT_GT(resident_file_bytes(), before + kLarge * 3 / 4);
  mapped.release(1, kLarge / 2);  // not from a page's boundary, nor to one
  EXPECT_LT(resident_file_bytes(), before + kLarge * 3 / 4);
  mapped.release(0, kLarge);
  EXPECT_LT(resident_file_bytes(), before + kLarge / 4);
  mapped.release(0, kLarge + 1);  // beyond the file: nothing happens
  mapped.release(kLarge, 0);
  EXPECT_EQ(count_x(), static_cast<ptrdiff_t>(kLarge));
  EXPECT_TRUE(mapped.check_unchanged().ok());
}
#endif

TEST(MappedFile, SurvivesTruncationAndReportsIt) {
  const TemporaryFile file(kBytes);
  auto mapped = MappedFile::open(file.path(), kBytes);
  ASSERT_TRUE(mapped.ok());
  ASSERT_EQ(truncate(file.path().c_str(), 4096), 0);
  size_t sum = 0;
  for (std::byte byte : mapped.value()->bytes()) sum += static_cast<size_t>(byte);
  EXPECT_EQ(sum, 4096u * 'x');
  EXPECT_EQ(mapped.value()->check_unchanged().code(), StatusCode::kFileRead);
}

TEST(MappedFile, NoticesARewriteOfTheSameSize) {
  const TemporaryFile file(kBytes);
  auto mapped = MappedFile::open(file.path(), kBytes);
  ASSERT_TRUE(mapped.ok());
  std::ofstream(file.path(), std::ios::binary) << std::string(kBytes, 'y');
  EXPECT_EQ(mapped.value()->check_unchanged().code(), StatusCode::kFileRead);
}

TEST(MappedFile, RestoresTheSignalHandlerAfterTheLastMapping) {
  struct sigaction before {};
  sigaction(SIGBUS, nullptr, &before);
  const TemporaryFile file(kBytes);
  {
    auto first = MappedFile::open(file.path(), kBytes);
    auto second = MappedFile::open(file.path(), kBytes);
    ASSERT_TRUE(first.ok() && second.ok());
  }
  struct sigaction after {};
  sigaction(SIGBUS, nullptr, &after);
  EXPECT_EQ(before.sa_sigaction, after.sa_sigaction);
}

}  // namespace
}  // namespace fusebert
