// What a plan is made of: steps, each of which reads and writes values in the arena. A plan and its steps are immutable
// and shared by all sessions; an arena belongs to one session.
#pragma once

#include <cstddef>

namespace punctual::native {

// Where a step finds a value: in the session's arena, or among the plan's constants. The arena's offsets are decided
// when the whole plan is known, so an operand refers to where its offset will stand.
class Operand {
 public:
  Operand() = default;
  // `offset` and `bytes` live as long as the plan.
  static Operand InArena(const std::size_t* offset) { return Operand(nullptr, offset); }
  static Operand Constant(const void* bytes) { return Operand(static_cast<const std::byte*>(bytes), nullptr); }

  bool is_constant() const { return constant_ != nullptr; }

  template <class T>
  const T* In(const std::byte* arena) const {
    return reinterpret_cast<const T*>(constant_ != nullptr ? constant_ : arena + *offset_);
  }
  // REQUIRES: !is_constant().
  template <class T>
  T* Out(std::byte* arena) const {
    return reinterpret_cast<T*>(arena + *offset_);
  }

 private:
  Operand(const std::byte* constant, const std::size_t* offset) : constant_(constant), offset_(offset) {}
  const std::byte* constant_ = nullptr;
  const std::size_t* offset_ = nullptr;
};

// A step neither allocates, locks, calls the system nor fails: all that could go wrong was checked when it was made.
class Step {
 public:
  virtual ~Step() = default;
  // `arena`: 64-byte aligned; each value in it is 64-byte aligned, with 64 readable and writable bytes after its end
  // (their content is nobody's), so that kernels may work in whole vectors there.
  virtual void Run(std::byte* arena) const = 0;
};

}  // namespace punctual::native
