// How Punctual reports what went wrong: a canonical code and a message that says what was wrong, where, and what to do.
//
// No exception leaves a Punctual function that returns Result. Error and Result are values; each may be used from any
// thread like an int.
#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace punctual {

// The canonical codes (those of gRPC), of which Punctual uses these. HttpStatus() in server/http maps them.
enum class Code {
  kOk = 0,
  kInvalidArgument,     // the request is wrong whatever the server's state: fix the named field
  kUnauthenticated,     // nobody we know
  kPermissionDenied,    // known, but not allowed
  kNotFound,            // no such user, model, symbol or path
  kAlreadyExists,       // a sequence that was published before
  kOutOfRange,          // a sequence before the newest one, a body over the limit
  kFailedPrecondition,  // not in this state: a window that is not full yet, a model that is not loaded
  kResourceExhausted,   // at a configured bound, for instance of a rate
  kDeadlineExceeded,    // the budget was over before anything could be done
  kUnavailable,         // no rung of the ladder had an answer in time
  kInternal,            // a fault of ours or of a backend
};

// The code's name as the API writes it, for instance "INVALID_ARGUMENT".
std::string_view CodeName(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;
  // With kResourceExhausted of a rate: asking again before is in vain. 0: not known.
  std::chrono::nanoseconds retry_after{};
};

template <class T>
using Result = boost::system::result<T, Error>;

// Shorthand: `return Fail(Code::kNotFound, "symbol: ...");`
inline Error Fail(Code code, std::string message) { return Error{code, std::move(message), {}}; }

// Required by boost::system::result: value() on an error is a bug in the caller, and ends the program with its message.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

}  // namespace punctual

// Returns the error of `expression` (a Result) from the enclosing function, if it is one.
#define PUNCTUAL_TRY(expression)                                            \
  do {                                                                      \
    if (auto punctual_result_ = (expression); punctual_result_.has_error()) \
      return std::move(punctual_result_).error();                           \
  } while (false)
#define PUNCTUAL_CONCAT_(a, b) a##b
#define PUNCTUAL_CONCAT(a, b) PUNCTUAL_CONCAT_(a, b)
// Declares `target` with the value of `expression` (a Result), or returns its error from the enclosing function.
#define PUNCTUAL_ASSIGN(target, expression) \
  PUNCTUAL_ASSIGN_(PUNCTUAL_CONCAT(punctual_result_, __LINE__), target, expression)
#define PUNCTUAL_ASSIGN_(result, target, expression)        \
  auto result = (expression);                               \
  if (result.has_error()) return std::move(result).error(); \
  target = std::move(result).value()
