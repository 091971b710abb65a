// Which vector instructions the kernels use on this machine. Each kernel is compiled for several targets, and the best
// that the processor has is chosen when it is first called; one program runs everywhere.
#pragma once

#include <string>

namespace punctual::native {

// The chosen target's name, as Highway has it: "AVX3_DL", "AVX2", "SSE4", ...
std::string TargetName();

}  // namespace punctual::native
