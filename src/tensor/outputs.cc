#include "punctual/outputs.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

namespace punctual {

namespace {

// Each output in the block: this, the shape, the name, the values; the name and the values padded with zeros to 8.
struct Header {
  std::uint32_t size = 0;  // of all of it
  std::uint16_t name_size = 0;
  std::uint8_t dtype = 0;
  std::uint8_t rank = 0;
  std::uint64_t bytes = 0;  // of values
};
static_assert(sizeof(Header) == 16);
using Count = std::uint64_t;

constexpr std::size_t Padded(std::size_t size) { return (size + 7) & ~std::size_t{7}; }

std::size_t SizeIn(const OutputView& output) {
  return sizeof(Header) + output.shape.size_bytes() + Padded(output.name.size()) + Padded(output.bytes.size());
}

Header HeaderAt(const std::byte* at) {
  Header header;
  std::memcpy(&header, at, sizeof header);
  return header;
}

void Write(std::byte*& to, const void* from, std::size_t size) {
  if (size != 0) std::memcpy(to, from, size);
  std::memset(to + size, 0, Padded(size) - size);
  to += Padded(size);
}

OutputView ViewAt(const std::byte* at) {
  const Header header = HeaderAt(at);
  const std::byte* shape = at + sizeof(Header);
  const std::byte* name = shape + header.rank * sizeof(std::int64_t);
  return {{reinterpret_cast<const char*>(name), header.name_size},
          static_cast<DType>(header.dtype),
          {reinterpret_cast<const std::int64_t*>(shape), header.rank},
          {name + Padded(header.name_size), header.bytes}};
}

// The size of the output that begins the rest, checked, or what is wrong.
Result<std::size_t> CheckOne(std::span<const std::byte> rest) {
  const auto refuse = [](const char* what) { return Fail(Code::kInvalidArgument, std::string("outputs: ") + what); };
  if (rest.size() < sizeof(Header)) return refuse("end within a header");
  const Header header = HeaderAt(rest.data());
  if (header.dtype > static_cast<std::uint8_t>(DType::kInt64)) return refuse("have an unknown dtype");
  if (header.rank > Outputs::kMaxRank) return refuse("have too many dimensions");
  if (header.bytes > rest.size()) return refuse("end within their values");
  const std::size_t size = sizeof(Header) + header.rank * sizeof(std::int64_t) + Padded(header.name_size) +
                           Padded(static_cast<std::size_t>(header.bytes));
  if (header.size != size || size > rest.size()) return refuse("have a size that does not fit");
  const OutputView view = ViewAt(rest.data());
  const auto count = ElementCount(Shape(view.shape.begin(), view.shape.end()));
  if (count.has_error()) return count.error();
  if (*count * SizeOf(view.dtype) != view.bytes.size()) return refuse("have values that do not fit the shape");
  if (!AllFinite(view.dtype, view.bytes)) return refuse("have a value that is not finite");
  return size;
}

}  // namespace

Outputs::Outputs(std::span<const OutputView> outputs) {
  std::size_t size = sizeof(Count);
  for (const OutputView& output : outputs) size += SizeIn(output);
  std::byte* to = Allocate(size);
  const Count count = outputs.size();
  Write(to, &count, sizeof count);
  for (const OutputView& output : outputs) {
    assert(output.name.size() <= 65535 && output.shape.size() <= kMaxRank);
    const Header header{static_cast<std::uint32_t>(SizeIn(output)), static_cast<std::uint16_t>(output.name.size()),
                        static_cast<std::uint8_t>(output.dtype), static_cast<std::uint8_t>(output.shape.size()),
                        output.bytes.size()};
    Write(to, &header, sizeof header);
    Write(to, output.shape.data(), output.shape.size_bytes());
    Write(to, output.name.data(), output.name.size());
    Write(to, output.bytes.data(), output.bytes.size());
  }
}

Outputs::Outputs(std::span<const NamedTensor> outputs) {
  std::vector<OutputView> views;
  for (const NamedTensor& output : outputs)
    views.push_back({output.name, output.tensor.dtype(), output.tensor.shape(), output.tensor.bytes()});
  *this = Outputs(views);
}

Result<Outputs> Outputs::FromBlock(std::span<const std::byte> block) {
  if (block.empty()) return Outputs();
  if (block.size() > kMaxBlockBytes || block.size() < sizeof(Count))
    return Fail(Code::kInvalidArgument, "outputs: have a size that cannot be");
  Outputs outputs;
  // Copied first: the checks read numbers where they lie, which must be aligned, and must not change meanwhile.
  std::memcpy(outputs.Allocate(block.size()), block.data(), block.size());
  const std::span<const std::byte> own = outputs.block();
  Count count = 0;
  std::memcpy(&count, own.data(), sizeof count);
  std::size_t at = sizeof count;
  for (Count i = 0; i < count; ++i) {
    PUNCTUAL_ASSIGN(const std::size_t size, CheckOne(own.subspan(at)));
    at += size;
  }
  if (at != own.size()) return Fail(Code::kInvalidArgument, "outputs: have bytes beyond their end");
  return outputs;
}

std::size_t Outputs::size() const {
  if (empty()) return 0;
  Count count = 0;
  std::memcpy(&count, data(), sizeof count);
  return static_cast<std::size_t>(count);
}

OutputView Outputs::operator[](std::size_t index) const {
  assert(index < size());
  Iterator at = begin();
  for (; index > 0; --index) ++at;
  return *at;
}

Outputs::Iterator Outputs::begin() const { return Iterator(data() + (empty() ? 0 : sizeof(Count))); }
OutputView Outputs::Iterator::operator*() const { return ViewAt(at_); }
Outputs::Iterator& Outputs::Iterator::operator++() {
  at_ += HeaderAt(at_).size;
  return *this;
}

bool operator==(const Outputs& a, const Outputs& b) { return std::ranges::equal(a.block(), b.block()); }

std::byte* Outputs::Allocate(std::size_t size) {
  size_ = size;
  if (size <= kInlineBytes) return inline_.data();
  shared_ = std::make_shared<std::uint64_t[]>((size + 7) / 8);
  return reinterpret_cast<std::byte*>(shared_.get());
}

}  // namespace punctual
