// Keeps a random share of what models are asked, in a folder, for `punctual optimize --from-server` to look at later.
//
//   DIRECTORY/MODEL/NNN.requests    segments, named by the time they were begun, so that their names sort by age
//
// A segment: 8 bytes that say what it is, then records, each behind its size (uint32) and its checksum (XXH3-64). When
// a model's segments would pass its bytes the oldest goes. Writing is done by a thread of its own, which comes after
// all others and looks for work by itself, every kPoll: those who answer take no lock that it could hold while it waits
// for a core, and wake nobody. What it cannot keep up with is dropped.
#pragma once

#include <atomic>
#include <boost/lockfree/queue.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "model/shadow_sample.h"
#include "punctual/request_log.h"
#include "request_log/logged_request.h"

namespace punctual {

// Thread-safe, but for the destructor.
class RequestLog {
 public:
  static constexpr std::size_t kMostWaiting = 256;
  static constexpr std::size_t kMostWaitingBytes = std::size_t{32} << 20;  // of tensors
  static constexpr Duration kPoll = std::chrono::milliseconds(10);
  static constexpr std::size_t kLeastBytes = std::size_t{1} << 20;

  // Whether it could be opened, found out without making anything. kInvalidArgument: "request_log.FIELD: ..."
  static Result<void> Check(const RequestLogOptions& options);
  // Makes the directory (0700). kInvalidArgument: as Check says; kUnavailable: another one writes to this directory.
  // `notice`: told what an operator should mend, on the log's thread; may be empty.
  static Result<std::unique_ptr<RequestLog>> Open(const RequestLogOptions& options,
                                                  std::function<void(const std::string&)> notice);
  // As Stop, however long it takes.
  ~RequestLog();
  RequestLog(const RequestLog&) = delete;
  RequestLog& operator=(const RequestLog&) = delete;

  // True for a random share of the calls.
  bool Draw() { return sample_.Draw(); }
  // To be written, the newest `most_books` of its window. Dropped if kMostWaiting, or kMostWaitingBytes, wait already.
  // Never waits. `model`: the name of a folder of the repository.
  void Add(const std::string& model, LoggedRequest request, std::size_t most_books);
  // What was drawn is left out.
  void CountDropped() { dropped_.fetch_add(1, std::memory_order_relaxed); }

  // Writes what waits and ends the thread. False: the disk hangs for more than kPatience, and the log must live on.
  static constexpr Duration kPatience = std::chrono::seconds(2);
  bool Stop();

  RequestLogStats stats() const;

 private:
  struct Waiting {
    std::string model;
    LoggedRequest request;
    std::size_t most_books;
    std::size_t bytes;  // of its tensors
  };
  // Of one model, that is being written to. Closed when it goes.
  struct Segment;

  RequestLog(const RequestLogOptions& options, int lock, std::function<void(const std::string&)> notice);
  void Run();
  Result<void> Write(const Waiting& waiting);
  Result<void> Begin(Segment& segment, const std::string& folder, std::size_t most) const;
  void Note(const Result<void>& written);

  const RequestLogOptions options_;
  const int lock_;  // a file descriptor
  const std::function<void(const std::string&)> notice_;
  ShadowSample sample_;
  std::atomic<std::uint64_t> logged_ = 0, dropped_ = 0, failed_ = 0;
  std::map<std::string, std::unique_ptr<Segment>> segments_;  // by model; the thread's own
  TimePoint told_at_{};                                       // of the last notice; the thread's own
  boost::lockfree::queue<Waiting*, boost::lockfree::capacity<kMostWaiting>> waiting_;
  std::atomic<std::size_t> waiting_bytes_ = 0;
  std::atomic<bool> stopping_ = false, ended_ = false;
  mutable Mutex mutex_;  // of the thread and those who ask how it is
  std::string last_error_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace punctual
