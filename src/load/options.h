// What a load run is: every field with its default. Values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "punctual/prediction.h"

namespace punctual::load {

// Whose protocol is spoken: ours, that of a straightforward Node server (POST /predict), or the Open Inference
// Protocol.
enum class Api { kPunctual, kAdr, kOip };
// What a request carries: the symbol's name alone (the server has the books), books, or tensors.
enum class RequestKind { kSymbol, kSnapshot, kTensors };
// Poisson: exponential gaps and a user drawn for each request. Fixed: equal gaps, users in turn.
enum class Arrivals { kPoisson, kFixed };

struct Tier {
  std::string name;
  Duration budget{};
};

struct User {
  std::string name;
  std::size_t tier = 0;  // index into LoadOptions::tiers
};

struct LoadOptions {
  std::string to = "http://127.0.0.1:8080";
  Api api = Api::kPunctual;
  RequestKind kind = RequestKind::kSymbol;
  double rate = 1000;  // requests a second, of all connections together
  Arrivals arrivals = Arrivals::kPoisson;
  Duration duration = std::chrono::seconds(30);  // what is measured
  Duration warmup{};                             // before it, under the same load, not counted
  Duration timeout = std::chrono::seconds(2);    // a request that has no response by then counts as unanswered
  Duration report_window{};                      // the report counts by windows of this length; 0: not
  std::size_t connections = 0;                   // 0: one a user
  int threads = 1;
  std::uint64_t seed = 1;

  std::vector<Tier> tiers = {{"premium", std::chrono::milliseconds(15)},
                             {"standard", std::chrono::milliseconds(25)},
                             {"basic", std::chrono::milliseconds(50)}};
  std::vector<User> users;           // required
  std::vector<std::string> symbols;  // required, the most popular first
  double zipf = 0.8;                 // the popularity of the n-th symbol is 1 / n^zipf; 0: all alike

  // Books and tensors: a symbol's content changes tick_hz times a second and repeats in between.
  double tick_hz = 10;
  std::string model;        // required for tensors, but with Api::kAdr
  std::string input = "x";  // name of the tensor
  std::vector<std::int64_t> shape = {1, 128};
  int window = 1;           // books in a request
  std::string market_file;  // the books come from this CSV file; empty: from the market simulator
};

}  // namespace punctual::load
