#include "request_log/request_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <utility>

#include "base/clock.h"
#include "base/threads.h"
#include "request_log/segment.h"

namespace punctual {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSegments = 8;       // of a model: with the oldest an eighth of what is kept goes
constexpr std::size_t kMostSegments = 64;  // of a model: each start begins one
constexpr std::size_t kMostOpen = 64;      // segments, of as many models
constexpr int kNice = 19;
constexpr Duration kBetweenNotices = std::chrono::minutes(1);

Error SystemFail(const std::string& path) {
  return Fail(Code::kUnavailable, "request log: " + path + ": " + std::strerror(errno));
}

Error Refuse(const std::string& what) { return Fail(Code::kInvalidArgument, "request_log." + what); }

// All of it, or nothing is there that was not.
Result<void> Append(int file, const std::string& path, std::string_view bytes) {
  const off_t before = ::lseek(file, 0, SEEK_END);
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t wrote = ::write(file, left.data(), left.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      const Error error = SystemFail(path);
      if (before >= 0 && ::ftruncate(file, before) != 0) return SystemFail(path);
      return error;
    }
    left.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

void AppendNumber(std::string& text, const auto number) {
  text.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// The oldest go, until `room` more would fit.
void MakeRoom(const std::string& folder, std::size_t room, std::size_t bytes) {
  std::vector<std::pair<std::string, std::size_t>> segments;
  std::size_t all = 0;
  std::error_code error;
  for (const std::string& path : request_log::SegmentsOf(folder)) {
    const auto size = fs::file_size(path, error);
    if (error) continue;
    segments.emplace_back(path, size);
    all += size;
  }
  std::size_t left = segments.size();
  for (const auto& [path, size] : segments) {
    if (all + room <= bytes && left < kMostSegments) return;
    if (!fs::remove(path, error)) continue;
    all -= size;
    --left;
  }
}

// What segments are named by: nanoseconds of Unix time, but never less than the newest has, also where the clock goes
// back, so that the newest is never taken for the oldest. Not of a name: 0.
std::int64_t NumberOf(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && std::string_view(end, name.data() + name.size()) == request_log::kSuffix ? number : 0;
}

}  // namespace

struct RequestLog::Segment {
  ~Segment() { Close(); }
  void Close() {
    if (file >= 0) ::close(file);
    file = -1;
  }
  // Not open, or removed by others: nobody would read what is written to it.
  bool IsGone() const {
    struct stat found;
    return file < 0 || ::fstat(file, &found) != 0 || found.st_nlink == 0;
  }
  int file = -1;
  std::string path;
  std::size_t bytes = 0;
};

RequestLog::RequestLog(const RequestLogOptions& options, int lock, std::function<void(const std::string&)> notice)
    : options_(options),
      lock_(lock),
      notice_(std::move(notice)),
      sample_(options.share, std::random_device()()),
      thread_([this] { Run(); }) {}

Result<void> RequestLog::Check(const RequestLogOptions& options) {
  if (options.directory.empty()) return Refuse("directory: is missing; name a folder of this server alone");
  if (!(options.share >= 0 && options.share <= 1)) return Refuse("share: must be from 0 to 1");
  if (options.bytes < kLeastBytes) return Refuse("bytes: must be at least " + std::to_string(kLeastBytes));
  std::error_code error;
  // The folder, or the one above in which it would be made.
  fs::path there = fs::absolute(options.directory, error).lexically_normal();
  while (!error && !fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  const std::string what = "directory: " + options.directory + ": cannot be written to: ";
  if (error) return Refuse(what + error.message());
  if (!fs::is_directory(there, error)) return Refuse(what + there.string() + " is no folder; choose another one");
  struct stat found;
  if (there == fs::absolute(options.directory, error).lexically_normal() && ::stat(there.c_str(), &found) == 0 &&
      (found.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Refuse("directory: " + options.directory + ": others may write into it; take that away (chmod go-w)");
  if (::access(there.c_str(), W_OK | X_OK) != 0)
    return Refuse(what + there.string() + ": " + std::strerror(errno) +
                  "; choose a folder that this user may write to");
  return {};
}

Result<std::unique_ptr<RequestLog>> RequestLog::Open(const RequestLogOptions& options,
                                                     std::function<void(const std::string&)> notice) {
  PUNCTUAL_TRY(Check(options));
  RequestLogOptions whole = options;
  std::error_code error;
  whole.directory = fs::absolute(options.directory, error).lexically_normal().string();
  const std::string what = "directory: " + whole.directory + ": ";
  fs::create_directories(fs::path(whole.directory).parent_path(), error);
  if (::mkdir(whole.directory.c_str(), 0700) != 0 && errno != EEXIST)
    return Refuse(what + "cannot be made: " + std::strerror(errno));
  const int lock = ::open((whole.directory + "/lock").c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (lock < 0) return Refuse(what + "cannot be written to: " + std::strerror(errno));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    return Fail(Code::kUnavailable,
                "request_log." + what + "another server writes to it; give each a folder of its own");
  }
  return std::unique_ptr<RequestLog>(new RequestLog(whole, lock, std::move(notice)));
}

RequestLog::~RequestLog() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  waiting_.consume_all([](Waiting* left) { delete left; });
  ::close(lock_);
}

bool RequestLog::Stop() {
  if (!thread_.joinable()) return true;
  stopping_ = true;
  for (const TimePoint until = Clock::Real().Now() + kPatience; !ended_; std::this_thread::sleep_for(kPoll))
    if (Clock::Real().Now() >= until) return false;
  thread_.join();
  return true;
}

void RequestLog::Add(const std::string& model, LoggedRequest request, std::size_t most_books) {
  std::size_t bytes = 0;
  if (request.inputs != nullptr)
    for (const NamedTensor& input : *request.inputs) bytes += input.tensor.bytes().size();
  if (waiting_bytes_.fetch_add(bytes) + bytes <= kMostWaitingBytes) {
    auto added = std::make_unique<Waiting>(Waiting{model, std::move(request), most_books, bytes});
    if (waiting_.push(added.get())) return static_cast<void>(added.release());
  }
  waiting_bytes_ -= bytes;
  CountDropped();
}

RequestLogStats RequestLog::stats() const {
  RequestLogStats stats{options_.directory, options_.share, logged_.load(), dropped_.load(), failed_.load(), ""};
  MutexLock lock(mutex_);
  stats.last_error = last_error_;
  return stats;
}

void RequestLog::Run() {
  NameThisThread("request-log");
  NiceThisThread(kNice);
  for (;;) {
    const bool last = stopping_;  // before it looks: what was added until then is written
    for (Waiting* next = nullptr; waiting_.pop(next);) {
      const std::unique_ptr<Waiting> waiting(next);
      Note(Write(*waiting));
      waiting_bytes_ -= waiting->bytes;
    }
    if (last) break;
    std::this_thread::sleep_for(kPoll);
  }
  ended_ = true;
}

Result<void> RequestLog::Write(const Waiting& waiting) {
  const std::string record = EncodeRequest(waiting.request, waiting.most_books);
  std::string framed;
  framed.reserve(request_log::kFrameBytes + record.size());
  AppendNumber(framed, static_cast<std::uint32_t>(record.size()));
  AppendNumber(framed, request_log::Checksum(record));
  framed += record;
  const std::size_t most = std::min(options_.bytes / kSegments, request_log::kMostSegmentBytes);
  if (request_log::kMagic.size() + framed.size() > most)
    return Fail(Code::kResourceExhausted, "request log: a request to model " + waiting.model + " takes " +
                                              std::to_string(framed.size()) +
                                              " bytes, more than an eighth of request_log.bytes");
  // Of models that are gone, too.
  if (segments_.size() >= kMostOpen && !segments_.contains(waiting.model)) segments_.clear();
  std::unique_ptr<Segment>& segment = segments_[waiting.model];
  if (segment == nullptr) segment = std::make_unique<Segment>();
  if (segment->IsGone() || segment->bytes + framed.size() > most)
    PUNCTUAL_TRY(Begin(*segment, options_.directory + "/" + waiting.model, most));
  PUNCTUAL_TRY(Append(segment->file, segment->path, framed));
  segment->bytes += framed.size();
  return {};
}

Result<void> RequestLog::Begin(Segment& segment, const std::string& folder, std::size_t most) const {
  segment.Close();
  // Both may have been removed, to begin anew.
  ::mkdir(options_.directory.c_str(), 0700);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return SystemFail(folder);
  // What goes from it must not be somebody else's, elsewhere.
  if (std::error_code error; fs::symlink_status(folder, error).type() != fs::file_type::directory)
    return Fail(Code::kUnavailable, "request log: " + folder + ": is no folder; remove it");
  MakeRoom(folder, most, options_.bytes);
  std::int64_t number = UnixTimeNs();
  for (const std::string& path : request_log::SegmentsOf(folder)) number = std::max(number, NumberOf(path) + 1);
  std::array<char, 32> name;
  std::snprintf(name.data(), name.size(), "%020lld", static_cast<long long>(number));
  segment.path = folder + "/" + name.data() + std::string(request_log::kSuffix);
  segment.file = ::open(segment.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (segment.file < 0) return SystemFail(segment.path);
  segment.bytes = request_log::kMagic.size();
  Result<void> begun = Append(segment.file, segment.path, request_log::kMagic);
  if (begun.has_error()) {
    segment.Close();
    ::unlink(segment.path.c_str());
  }
  return begun;
}

void RequestLog::Note(const Result<void>& written) {
  if (!written.has_error()) {
    logged_.fetch_add(1, std::memory_order_relaxed);
    MutexLock lock(mutex_);
    last_error_.clear();
    return;
  }
  failed_.fetch_add(1, std::memory_order_relaxed);
  {
    MutexLock lock(mutex_);
    last_error_ = written.error().message;
  }
  // A disk that stays full, or is full now and then, is said now and then.
  const TimePoint now = Clock::Real().Now();
  if (!notice_ || stopping_ || (told_at_ != TimePoint() && now - told_at_ < kBetweenNotices)) return;
  told_at_ = now;
  notice_(written.error().message);
}

}  // namespace punctual
