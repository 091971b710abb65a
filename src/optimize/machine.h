// The machine that figures of time are of. Linux.
#pragma once

#include <string>

namespace punctual::optimize {

struct Machine {
  std::string cpu;   // as it calls itself
  std::string simd;  // the vector instructions that inference is made of: "avx2 avx512f avx512_vnni"; empty: none known
  int cores = 0;     // that this process may use
  double load = 0;   // those that wanted to run, of the last minute: far above 1, others were at work, too
};

Machine ThisMachine();

}  // namespace punctual::optimize
