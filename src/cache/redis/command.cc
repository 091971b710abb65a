#include "cache/redis/command.h"

#include <charconv>
#include <cstring>

namespace punctual::redis {
namespace {

constexpr std::array<std::uint16_t, 256> MakeCrcTable() {
  std::array<std::uint16_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[i] = static_cast<std::uint16_t>(crc);
  }
  return table;
}
constexpr auto kCrcTable = MakeCrcTable();

char* PutHex(char* at, std::uint64_t number) {
  for (int shift = 60; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[(number >> shift) & 15];
  return at;
}

void AppendNumber(std::string& out, char type, std::size_t number) {
  char text[24];
  text[0] = type;
  char* end = std::to_chars(text + 1, text + sizeof text - 2, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(text, end);
}

}  // namespace

KeyText MakeKey(std::string_view prefix, const Digest& digest, const Subject& subject) {
  KeyText key;
  char* at = key.bytes.data();
  std::memcpy(at, prefix.data(), prefix.size());
  at += prefix.size();
  for (const std::uint64_t part : {subject.model, subject.version, subject.symbol}) {
    *at++ = ':';
    at = PutHex(at, part);
  }
  *at++ = ':';
  at = PutHex(PutHex(at, digest.high), digest.low);
  key.size = static_cast<std::uint8_t>(at - key.bytes.data());
  return key;
}

std::string MatchPattern(std::string_view prefix, const SubjectFilter& filter) {
  std::string pattern;
  for (const char c : prefix) {
    if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  for (const std::uint64_t part : {filter.model, filter.version, filter.symbol}) {
    char hex[16];
    PutHex(hex, part);
    pattern += ':';
    pattern.append(part == 0 ? "????????????????" : std::string_view(hex, sizeof hex));
  }
  return pattern + ":" + std::string(32, '?');
}

std::uint16_t KeySlot(std::string_view key) {
  if (const std::size_t open = key.find('{'); open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close != open + 1) key = key.substr(open + 1, close - open - 1);
  }
  std::uint32_t crc = 0;
  for (const char c : key) crc = ((crc << 8) ^ kCrcTable[((crc >> 8) ^ static_cast<unsigned char>(c)) & 0xFF]) & 0xFFFF;
  return static_cast<std::uint16_t>(crc % kSlotCount);
}

void AppendCommand(std::string& out, std::initializer_list<std::string_view> arguments) {
  AppendNumber(out, '*', arguments.size());
  for (const std::string_view argument : arguments) {
    AppendNumber(out, '$', argument.size());
    out.append(argument);
    out.append("\r\n");
  }
}

}  // namespace punctual::redis
