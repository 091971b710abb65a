#include "request_log/request_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "request_log/read_log.h"
#include "request_log/segment.h"

namespace punctual {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

LoggedRequest RequestOf(std::int64_t number, std::size_t numbers = 4) {
  std::vector<NamedTensor> inputs;
  const std::vector<float> values(numbers, static_cast<float>(number));
  inputs.push_back({"x", Tensor::Float32({1, static_cast<std::int64_t>(numbers)}, values)});
  return {number, "A", Window(), std::make_shared<const std::vector<NamedTensor>>(std::move(inputs))};
}

class RequestLogTest : public ::testing::Test {
 protected:
  RequestLogTest() {
    char folder[] = "/tmp/punctual-requests-XXXXXX";
    directory_ = ::mkdtemp(folder);
  }
  ~RequestLogTest() override { fs::remove_all(directory_); }

  std::unique_ptr<RequestLog> Open(std::size_t bytes = RequestLog::kLeastBytes) {
    return RequestLog::Open({directory_ + "/log", 1, bytes}, [this](const std::string& text) { told_ += text + "\n"; })
        .value();
  }
  // One after the other, so that none is dropped.
  static void Log(RequestLog& log, const std::string& model, const LoggedRequest& request) {
    const auto settled = [&] {
      const RequestLogStats stats = log.stats();
      return stats.logged + stats.failed;
    };
    const std::uint64_t before = settled();
    log.Add(model, request, 1);
    while (settled() == before) std::this_thread::yield();
  }
  std::vector<std::int64_t> Read(const std::string& model, std::size_t* damaged = nullptr) const {
    std::vector<std::int64_t> times;
    auto reader = LogReader::Open(directory_ + "/log/" + model);
    if (reader.has_error()) return times;
    while (const auto request = reader->Next()) times.push_back(request->asked_unix_ns);
    if (damaged != nullptr) *damaged = reader->damaged();
    return times;
  }
  std::vector<std::string> Segments(const std::string& model) const {
    return request_log::SegmentsOf(directory_ + "/log/" + model);
  }

  std::string directory_;
  std::string told_;  // read once the log has gone
};

TEST_F(RequestLogTest, WhatIsAddedIsReadBackByModelAndInOrder) {
  {
    const auto log = Open();
    for (std::int64_t i = 0; i < 10; ++i) log->Add(i % 2 == 0 ? "even" : "odd", RequestOf(i), 1);
  }
  EXPECT_THAT(Read("even"), testing::ElementsAre(0, 2, 4, 6, 8));
  EXPECT_THAT(Read("odd"), testing::ElementsAre(1, 3, 5, 7, 9));
  EXPECT_TRUE(LogReader::Open(directory_ + "/log/other").has_error());
}

TEST_F(RequestLogTest, ItIsReadWhileItIsWritten) {
  const auto log = Open();
  Log(*log, "m", RequestOf(1));
  EXPECT_THAT(Read("m"), testing::ElementsAre(1));
  Log(*log, "m", RequestOf(2));
  EXPECT_THAT(Read("m"), testing::ElementsAre(1, 2));
}

TEST_F(RequestLogTest, TheOldestGoAndTheFolderStaysWithinItsBytes) {
  const auto log = Open();
  constexpr std::int64_t kCount = 300;
  for (std::int64_t i = 0; i < kCount; ++i) {
    Log(*log, "m", RequestOf(i, 4'000));  // 16 kB, 4.8 MB in all
    std::uint64_t bytes = 0;
    for (const std::string& segment : Segments("m")) bytes += fs::file_size(segment);
    ASSERT_LE(bytes, RequestLog::kLeastBytes);
  }
  const std::vector<std::int64_t> kept = Read("m");
  ASSERT_GT(kept.size(), 45u);  // seven of eight segments of 128 KiB at least
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i], kCount - static_cast<std::int64_t>(kept.size() - i));
}

TEST_F(RequestLogTest, ARestartGoesOnBehindWhatIsThere) {
  { Open()->Add("m", RequestOf(1), 1); }
  { Open()->Add("m", RequestOf(2), 1); }
  EXPECT_THAT(Read("m"), testing::ElementsAre(1, 2));
}

TEST_F(RequestLogTest, OnlyItsUserMayReadIt) {
  { Open()->Add("m", RequestOf(1), 1); }
  struct stat found;
  ASSERT_EQ(::stat((directory_ + "/log").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat(Segments("m").at(0).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(RequestLogTest, OfADamagedSegmentWhatLiesBeforeTheDamageIsRead) {
  {
    const auto log = Open();
    for (std::int64_t i = 0; i < 5; ++i) Log(*log, "m", RequestOf(i));
  }
  const std::string path = Segments("m").at(0);
  const auto size = fs::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size - 1));
    file.put('x');
  }
  std::size_t damaged = 0;
  EXPECT_THAT(Read("m", &damaged), testing::ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(damaged, 1u);
  // One that is not whole may be being written: it is no damage.
  fs::resize_file(path, size - 3);
  EXPECT_THAT(Read("m", &damaged), testing::ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(damaged, 0u);
}

TEST_F(RequestLogTest, AFolderThatIsRemovedIsMadeAgain) {
  const auto log = Open();
  Log(*log, "m", RequestOf(1));
  fs::remove_all(directory_ + "/log/m");
  Log(*log, "m", RequestOf(2));
  EXPECT_THAT(Read("m"), testing::ElementsAre(2));
  fs::remove_all(directory_ + "/log");
  Log(*log, "m", RequestOf(3));
  EXPECT_THAT(Read("m"), testing::ElementsAre(3));
}

TEST_F(RequestLogTest, WhatCannotBeWrittenIsCountedAndSaidOnce) {
  {
    const auto log = Open();
    fs::remove_all(directory_ + "/log");
    std::ofstream(directory_ + "/log") << "a file";
    Log(*log, "m", RequestOf(1));
    Log(*log, "m", RequestOf(2));
    EXPECT_EQ(log->stats().failed, 2u);
    EXPECT_EQ(log->stats().logged, 0u);
    EXPECT_THAT(log->stats().last_error, HasSubstr(directory_ + "/log/m"));
    fs::remove(directory_ + "/log");
    fs::create_directory(directory_ + "/log");
    Log(*log, "m", RequestOf(3));
    EXPECT_EQ(log->stats().last_error, "");
  }
  EXPECT_EQ(std::count(told_.begin(), told_.end(), '\n'), 1) << told_;
}

TEST_F(RequestLogTest, ARequestThatIsTooLargeIsNotWritten) {
  const auto log = Open();
  Log(*log, "m", RequestOf(1, 100'000));
  EXPECT_EQ(log->stats().failed, 1u);
  EXPECT_THAT(log->stats().last_error, HasSubstr("more than an eighth of request_log.bytes"));
}

TEST_F(RequestLogTest, OptionsThatCannotBeAreRefused) {
  const auto refusal = [](const RequestLogOptions& options) { return RequestLog::Open(options, {}).error().message; };
  EXPECT_THAT(refusal({"", 1, 1 << 20}), HasSubstr("request_log.directory: is missing"));
  EXPECT_THAT(refusal({directory_, 1.5, 1 << 20}), HasSubstr("request_log.share"));
  EXPECT_THAT(refusal({directory_, 1, 1000}), HasSubstr("request_log.bytes"));
  std::ofstream(directory_ + "/file") << "x";
  EXPECT_THAT(refusal({directory_ + "/file", 1, 1 << 20}), HasSubstr("is no folder"));
  EXPECT_THAT(refusal({directory_ + "/file/below", 1, 1 << 20}), HasSubstr("is no folder"));
}

TEST_F(RequestLogTest, ACheckMakesNothing) {
  EXPECT_TRUE(RequestLog::Check({directory_ + "/a/b", 1, 1 << 20}).has_value());
  EXPECT_FALSE(fs::exists(directory_ + "/a"));
}

TEST_F(RequestLogTest, TwoMayNotWriteToOneFolder) {
  {
    const auto log = Open();
    const auto other = RequestLog::Open({directory_ + "/log", 1, 1 << 20}, {});
    ASSERT_TRUE(other.has_error());
    EXPECT_EQ(other.error().code, Code::kUnavailable);
    EXPECT_THAT(other.error().message, HasSubstr("another server writes to it"));
  }
  EXPECT_TRUE(RequestLog::Open({directory_ + "/log", 1, 1 << 20}, {}).has_value());
}

TEST_F(RequestLogTest, WhatWasWrittenWhileTheClockWasAheadIsNotWhatStays) {
  const auto log = Open();
  Log(*log, "m", RequestOf(-1, 4'000));
  const std::string first = Segments("m").at(0);
  fs::rename(first, directory_ + "/log/m/09000000000000000000.requests");
  fs::remove_all(directory_ + "/log/m/" + fs::path(first).filename().string());
  for (std::int64_t i = 0; i < 100; ++i) Log(*log, "m", RequestOf(i, 4'000));
  const std::vector<std::int64_t> kept = Read("m");
  EXPECT_EQ(kept.back(), 99);
  EXPECT_GT(kept.front(), -1);
}

TEST_F(RequestLogTest, ALinkInPlaceOfAModelsFolderIsNotFollowed) {
  fs::create_directory(directory_ + "/elsewhere");
  const auto log = Open();
  fs::create_directory_symlink(directory_ + "/elsewhere", directory_ + "/log/m");
  Log(*log, "m", RequestOf(1));
  EXPECT_EQ(log->stats().failed, 1u);
  EXPECT_TRUE(fs::is_empty(directory_ + "/elsewhere"));
}

TEST_F(RequestLogTest, AFolderThatOthersMayWriteIntoIsRefused) {
  fs::create_directory(directory_ + "/log");
  fs::permissions(directory_ + "/log", fs::perms::all);
  EXPECT_THAT(RequestLog::Open({directory_ + "/log", 1, 1 << 20}, {}).error().message, HasSubstr("chmod go-w"));
}

TEST_F(RequestLogTest, StartsDoNotPileUpSegments) {
  for (int i = 0; i < 80; ++i) {
    const auto log = Open();
    Log(*log, "m", RequestOf(i));
  }
  EXPECT_LE(Segments("m").size(), 64u);
  EXPECT_EQ(Read("m").back(), 79);
}

TEST_F(RequestLogTest, TensorsThatWaitAreBoundedInBytes) {
  const auto log = Open(std::size_t{1} << 30);
  const LoggedRequest large = RequestOf(1, 4'000'000);  // 16 MB, two of which may wait
  for (int i = 0; i < 20; ++i) log->Add("m", large, 1);
  EXPECT_GE(log->stats().dropped, 10u);
}

TEST_F(RequestLogTest, StoppingWritesWhatWaits) {
  const auto log = Open();
  for (std::int64_t i = 0; i < 20; ++i) log->Add("m", RequestOf(i), 1);
  EXPECT_TRUE(log->Stop());
  EXPECT_TRUE(log->Stop());
  EXPECT_EQ(Read("m").size(), 20u);
}

TEST_F(RequestLogTest, ItDrawsItsShare) {
  const auto log = RequestLog::Open({directory_ + "/log", 0.25, RequestLog::kLeastBytes}, {}).value();
  int drawn = 0;
  for (int i = 0; i < 20'000; ++i) drawn += log->Draw() ? 1 : 0;
  EXPECT_NEAR(drawn, 5'000, 300);  // five standard deviations
}

TEST_F(RequestLogTest, WhatTheDiskDoesNotKeepUpWithIsDropped) {
  constexpr std::uint64_t kCount = 5'000;
  std::uint64_t logged, dropped;
  {
    const auto log = Open(std::size_t{64} << 20);
    const LoggedRequest request = RequestOf(1, 2'000);
    for (std::uint64_t i = 0; i < kCount; ++i) log->Add("m", request, 1);
    while (log->stats().logged + log->stats().dropped < kCount) std::this_thread::yield();
    logged = log->stats().logged;
    dropped = log->stats().dropped;
  }
  EXPECT_EQ(logged + dropped, kCount);
  EXPECT_EQ(Read("m").size(), logged);
}

}  // namespace
}  // namespace punctual
