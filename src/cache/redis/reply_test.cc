#include "cache/redis/reply.h"

#include <gtest/gtest.h>
#include <valkey/valkey.h>

#include <memory>
#include <string>

namespace punctual::redis {
namespace {

const Address kFrom{"10.0.0.1", 7000};

std::unique_ptr<valkeyReply, FreeReply> Parse(const std::string& bytes) {
  valkeyReader* reader = ::valkeyReaderCreate();
  void* reply = nullptr;
  ::valkeyReaderFeed(reader, bytes.data(), bytes.size());
  ::valkeyReaderGetReply(reader, &reply);
  ::valkeyReaderFree(reader);
  return std::unique_ptr<valkeyReply, FreeReply>(static_cast<valkeyReply*>(reply));
}

TEST(ReplyTest, RedirectionsAreRead) {
  const auto moved = ParseRedirection("MOVED 3999 127.0.0.1:6381", kFrom);
  ASSERT_TRUE(moved);
  EXPECT_FALSE(moved->ask);
  EXPECT_EQ(moved->slot, 3999);
  EXPECT_EQ(AddressText(moved->address), "127.0.0.1:6381");
  const auto ask = ParseRedirection("ASK 0 ::1:6381", kFrom);
  ASSERT_TRUE(ask);
  EXPECT_TRUE(ask->ask);
  EXPECT_EQ(AddressText(ask->address), "[::1]:6381");
}

TEST(ReplyTest, ARedirectionWithoutAHostMeansTheSender) {
  const auto moved = ParseRedirection("MOVED 1 :6381", kFrom);
  ASSERT_TRUE(moved);
  EXPECT_EQ(AddressText(moved->address), "10.0.0.1:6381");
}

TEST(ReplyTest, WhatIsNoRedirectionIsNone) {
  for (const char* text : {"", "MOVED", "MOVED ", "MOVED x 1:2", "MOVED 1", "MOVED 1 ", "MOVED 1 nowhere",
                           "MOVED 1 a:0", "MOVED 1 a:65536", "MOVED 1 a b:1", "MOVED 16384 a:1", "MOVED -1 a:1",
                           "ERR MOVED 1 a:1", "ASKING 1 a:1", "MOVED 1 a:1 "})
    EXPECT_FALSE(ParseRedirection(text, kFrom)) << text;
}

TEST(ReplyTest, ErrorsAreOfAKeyOrAWriteOrTheNode) {
  EXPECT_EQ(MeaningOf("WRONGTYPE Operation against"), ErrorMeaning::kThisKey);
  EXPECT_EQ(MeaningOf("OOM command not allowed"), ErrorMeaning::kThisWrite);
  EXPECT_EQ(MeaningOf("LOADING Redis is loading"), ErrorMeaning::kNodeUseless);
  EXPECT_EQ(MeaningOf("NOAUTH"), ErrorMeaning::kNodeUseless);
}

TEST(ReplyTest, ClusterSlotsAreRead) {
  const auto reply = Parse(
      "*2\r\n"
      "*4\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:30001\r\n$2\r\nid\r\n*0\r\n*3\r\n$9\r\n127.0.0.1\r\n:30004\r\n$"
      "2\r\nid\r\n"
      "*3\r\n:5461\r\n:5461\r\n*3\r\n$-1\r\n:30002\r\n$2\r\nid\r\n");
  const auto ranges = ParseClusterSlots(*reply, kFrom);
  ASSERT_TRUE(ranges);
  ASSERT_EQ(ranges->size(), 2u);
  EXPECT_EQ((*ranges)[0].last, 5460);
  EXPECT_EQ(AddressText((*ranges)[0].master), "127.0.0.1:30001");
  ASSERT_EQ((*ranges)[0].replicas.size(), 1u);
  EXPECT_EQ(AddressText((*ranges)[0].replicas[0]), "127.0.0.1:30004");
  EXPECT_EQ(AddressText((*ranges)[1].master), "10.0.0.1:30002") << "no host: the one that was asked";
}

TEST(ReplyTest, RangesThatMakeNoSenseAreLeftOut) {
  const auto reply = Parse(
      "*6\r\n"
      "*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n"
      "*3\r\n:5\r\n:4\r\n*2\r\n$1\r\na\r\n:1\r\n"
      "*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n?\r\n:1\r\n"
      "*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:99999\r\n"
      "*3\r\n:0\r\n:1\r\n:7\r\n"
      "$5\r\nhello\r\n");
  const auto ranges = ParseClusterSlots(*reply, kFrom);
  ASSERT_TRUE(ranges);
  EXPECT_TRUE(ranges->empty());
  EXPECT_FALSE(ParseClusterSlots(*Parse("-ERR This instance has cluster support disabled\r\n"), kFrom));
}

TEST(PrintableTest, IsShortAndPlain) {
  EXPECT_EQ(Printable("OOM command not allowed"), "OOM command not allowed");
  EXPECT_EQ(Printable(std::string_view("a\x1b[31m\r\n\0\xff\x7f~", 12)), "a?[31m?????~");
  EXPECT_EQ(Printable(std::string(5000, 'x')), std::string(200, 'x'));
}

TEST(AuthRefusalTest, NeverRepeatsWhatTheServerRepeats) {
  EXPECT_EQ(AuthRefusal("WRONGPASS invalid username-password pair"), "AUTH was refused: WRONGPASS");
  EXPECT_EQ(AuthRefusal("ERR unknown command 'AUTH', with args beginning with: 'sesame' "), "AUTH was refused: ERR");
  for (const char* reply : {"sesame", "SESAME", "sesame is wrong", "ERRsesame", "", " sesame"})
    EXPECT_EQ(AuthRefusal(reply), "AUTH was refused: no reason that may be shown") << reply;
}

}  // namespace
}  // namespace punctual::redis
