#include "cache/redis/command.h"

#include <gtest/gtest.h>

namespace punctual::redis {
namespace {

TEST(CommandTest, IsWrittenAsTheProtocolHasIt) {
  std::string out;
  AppendCommand(out, {"SET", "k", std::string_view("a\0\r\n", 4), ""});
  EXPECT_EQ(out, std::string("*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n", 36));
}

TEST(CommandTest, AKeyNamesItsSubjectAndItsDigest) {
  const KeyText key = MakeKey("punctual", {0x0123456789abcdef, 2}, {.model = 0xA, .version = 0xB, .symbol = 0});
  EXPECT_EQ(key.view(), "punctual:000000000000000a:000000000000000b:0000000000000000:0123456789abcdef0000000000000002");
  EXPECT_LE(MakeKey(std::string(kMaxPrefix, 'p'), {}, {}).view().size(), key.bytes.size());
}

TEST(CommandTest, APatternFixesThePartsOfItsFilterAndEscapesThePrefix) {
  const std::string any(16, '?');
  EXPECT_EQ(MatchPattern("a*[b]", {.version = 255}),
            "a\\*\\[b\\]:" + any + ":00000000000000ff:" + any + ":" + any + any);
}

// The reference values of the Redis Cluster specification, and of `redis-cli cluster keyslot`.
TEST(CommandTest, KeysHaveRedisSlots) {
  EXPECT_EQ(KeySlot("123456789"), 0x31C3);
  EXPECT_EQ(KeySlot("foo"), 12182);
  EXPECT_EQ(KeySlot("{foo}bar"), 12182);
  EXPECT_EQ(KeySlot("x{foo}{bar}"), 12182);
  EXPECT_EQ(KeySlot(""), 0);
  EXPECT_NE(KeySlot("{}foo"), KeySlot("")) << "empty braces do not count";
}

}  // namespace
}  // namespace punctual::redis
