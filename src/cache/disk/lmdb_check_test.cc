#include "cache/disk/lmdb_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "cache/disk/disk_cache_under_test.h"

namespace punctual {
namespace {

using namespace test;
using testing::HasSubstr;
using Verdict = LmdbCheck::Verdict;

LmdbCheck Check(const std::string& bytes, std::uint64_t max_map_bytes = 1u << 30) {
  return CheckLmdbFile({[&](std::uint64_t offset, std::span<std::byte> into) {
                          EXPECT_LE(offset + into.size(), bytes.size());
                          if (offset + into.size() > bytes.size()) return false;
                          std::memcpy(into.data(), bytes.data() + offset, into.size());
                          return true;
                        },
                        bytes.size(), max_map_bytes});
}

std::string FileOf(const std::string& folder) {
  std::ostringstream bytes;
  bytes << std::ifstream(folder + "/data.mdb", std::ios::binary).rdbuf();
  return bytes.str();
}

// A file with branches, leaves, overflow pages and free pages.
const std::string& SoundFile() {
  static const std::string file = [] {
    TemporaryFolder folder;
    {
      const auto cache = OpenCache(OptionsFor(folder.path(), 16u << 20));
      const std::int64_t expires = UnixTimeNs() + 1000 * kSecond;
      for (std::uint64_t i = 0; i < 600; ++i) PutSurely(*cache, i, {1, 2, 3}, expires, i % 10 == 0 ? 9000 : 300);
      EXPECT_TRUE(Drained(*cache));
      for (std::uint64_t i = 0; i < 600; i += 3) PutSurely(*cache, i, {1, 2, 3}, expires + 1, i % 7 == 0 ? 9000 : 200);
    }
    return FileOf(folder.path());
  }();
  return file;
}

template <class T>
T At(const std::string& file, std::size_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}
template <class T>
std::string With(std::size_t offset, T value) {
  std::string file = SoundFile();
  std::memcpy(file.data() + offset, &value, sizeof value);
  return file;
}

// Places in the file, by mdb.c.
constexpr std::size_t kPage = 4096, kHead = 16;
std::size_t NewestMeta() {
  return At<std::uint64_t>(SoundFile(), kHead + 128) < At<std::uint64_t>(SoundFile(), kPage + kHead + 128) ? kPage : 0;
}
std::size_t MainRoot() { return At<std::uint64_t>(SoundFile(), NewestMeta() + kHead + 24 + 48 + 40) * kPage; }
std::size_t FirstNode(std::size_t page) { return page + At<std::uint16_t>(SoundFile(), page + kHead); }
std::size_t FirstLeaf() {
  std::size_t page = MainRoot();
  while (At<std::uint16_t>(SoundFile(), page + 10) == 1) page = At<std::uint32_t>(SoundFile(), FirstNode(page)) * kPage;
  return page;
}

void ExpectDamaged(const std::string& file, const std::string& what) {
  const LmdbCheck check = Check(file);
  EXPECT_EQ(check.verdict, Verdict::kDamaged) << what;
  EXPECT_THAT(check.what, HasSubstr(what));
}

TEST(LmdbCheckTest, WhatLmdbWroteIsSound) {
  const LmdbCheck check = Check(SoundFile());
  EXPECT_EQ(check.verdict, Verdict::kSound) << check.what;
  EXPECT_EQ(Check("").verdict, Verdict::kSound);
  EXPECT_EQ(At<std::uint16_t>(SoundFile(), MainRoot() + 10), 1) << "no branch to check";
}

TEST(LmdbCheckTest, AShorterFileIsDamagedOrLostNothingInUse) {
  std::size_t damaged = 0;
  for (std::size_t bytes = 1; bytes < SoundFile().size(); bytes += 1021)
    damaged += Check(SoundFile().substr(0, bytes)).verdict == Verdict::kDamaged;
  EXPECT_GT(damaged, SoundFile().size() / 1021 * 9 / 10);
  ExpectDamaged(SoundFile().substr(0, 100), "page 0: the file ends before it");
  ExpectDamaged(SoundFile().substr(0, kPage), "page 1: the file ends before it");
}

TEST(LmdbCheckTest, MetaPagesThatCannotBeAreDamaged) {
  ExpectDamaged(With<std::uint16_t>(10, 2), "page 0: is no meta page");
  ExpectDamaged(With<std::uint32_t>(kHead, 7), "is no meta page of LMDB");
  ExpectDamaged(With<std::uint32_t>(kHead + 24, 4095), "has pages of 4095 bytes");
  ExpectDamaged(With<std::uint32_t>(kPage + kHead + 24, 8192), "has pages of 8192 bytes");
  const std::size_t meta = NewestMeta() + kHead;
  ExpectDamaged(With<std::uint64_t>(meta + 16, 1u << 31), "wants a map");
  ExpectDamaged(With<std::uint64_t>(meta + 120, ~std::uint64_t{0}), "is the last page");
  ExpectDamaged(With<std::uint64_t>(meta + 120, 3), "is no page of this file");
  ExpectDamaged(With<std::uint64_t>(meta + 128, At<std::uint64_t>(SoundFile(), meta + 128) + 1), "the other's number");
  ExpectDamaged(With<std::uint16_t>(meta + 24 + 4, 0x10), "trees of another kind");
  ExpectDamaged(With<std::uint16_t>(meta + 72 + 6, 40), "no sensible depth");
  ExpectDamaged(With<std::uint64_t>(meta + 72 + 32, 5), "does not hold what it says");
}

TEST(LmdbCheckTest, AnotherFormatIsNotCalledDamaged) {
  const LmdbCheck check = Check(With<std::uint32_t>(kHead + 4, 2));
  EXPECT_EQ(check.verdict, Verdict::kOtherVersion);
  EXPECT_THAT(check.what, HasSubstr("data format 2"));
}

TEST(LmdbCheckTest, PagesAndNodesThatCannotBeAreDamaged) {
  const std::size_t root = MainRoot(), leaf = FirstLeaf();
  ExpectDamaged(With<std::uint64_t>(root, 77), "says that it is another");
  ExpectDamaged(With<std::uint16_t>(leaf + 10, 0x12), "is no leaf");  // dirty
  ExpectDamaged(With<std::uint16_t>(root + 12, 8), "bounds");
  ExpectDamaged(With<std::uint16_t>(root + 12, 16), "is empty");
  ExpectDamaged(With<std::uint16_t>(leaf + 14, 5000), "bounds");
  ExpectDamaged(With<std::uint16_t>(leaf + kHead, 4094), "a node outside");
  ExpectDamaged(With<std::uint16_t>(leaf + kHead, 40), "a node outside");
  ExpectDamaged(With<std::uint16_t>(leaf + kHead, At<std::uint16_t>(SoundFile(), leaf + kHead + 2)), "over each other");
  const std::size_t node = FirstNode(leaf);
  ExpectDamaged(With<std::uint16_t>(node, 65535), "too long");
  ExpectDamaged(With<std::uint16_t>(node + 6, 12), "a key of the wrong length");
  ExpectDamaged(With<std::uint16_t>(node + 4, 4), "none of ours");
  ExpectDamaged(With<std::uint64_t>(node + 8, ~std::uint64_t{0}), "out of order");
  const std::size_t second_child = root + At<std::uint16_t>(SoundFile(), root + kHead + 2);
  ExpectDamaged(With<std::uint32_t>(second_child, At<std::uint32_t>(SoundFile(), FirstNode(root))), "is used twice");
  ExpectDamaged(With<std::uint32_t>(second_child, 1u << 20), "is no page of this file");
}

TEST(LmdbCheckTest, AFreePageThatIsInUseIsDamaged) {
  const std::size_t root = At<std::uint64_t>(SoundFile(), NewestMeta() + kHead + 24 + 40) * kPage;
  ASSERT_EQ(At<std::uint16_t>(SoundFile(), root + 10), 2) << "expected one leaf of free pages";
  const std::size_t nodes = (At<std::uint16_t>(SoundFile(), root + 12) - kHead) / 2;
  for (std::size_t i = 0; i < nodes; ++i) {
    const std::size_t list = root + At<std::uint16_t>(SoundFile(), root + kHead + 2 * i) + 16;
    const auto length = At<std::uint64_t>(SoundFile(), list);
    if (length == 0) continue;
    ExpectDamaged(With<std::uint64_t>(list + 8 * length, 2 + (MainRoot() / kPage == 2)), "");
    ExpectDamaged(With<std::uint64_t>(list, 1u << 20), "too long");
    return;
  }
  FAIL() << "no free pages";
}

TEST(LmdbCheckTest, AnyBytesAreJudgedWithoutHarm) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::string file = SoundFile();
    for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
      // Mostly where the structure is: the heads of pages.
      const std::size_t page = random() % (file.size() / kPage) * kPage;
      const std::size_t at = page + (random() % 3 == 0 ? random() % kPage : random() % 200);
      file[at] = static_cast<char>(file[at] ^ (1 << (random() % 8)));
    }
    const LmdbCheck check = Check(file);
    EXPECT_EQ(check.verdict == Verdict::kSound, check.what.empty());
  }
}

}  // namespace
}  // namespace punctual
