#include "cache/redis/ticket_table.h"

#include <gtest/gtest.h>

#include <string>

namespace punctual::redis {
namespace {

using namespace std::chrono_literals;

TEST(TicketTableTest, ATicketIsGoodUntilItIsReleased) {
  TicketTable<std::string> table(Kind::kWrite, 2);
  Ticket first = 0, second = 0, third = 0;
  *table.Take(first) = "first";
  *table.Take(second) = "second";
  EXPECT_EQ(table.Take(third), nullptr) << "the bound";
  EXPECT_EQ(KindOf(first), Kind::kWrite);
  EXPECT_EQ(*table.Find(first), "first");
  table.Release(first);
  EXPECT_EQ(table.Find(first), nullptr);
  ASSERT_NE(table.Take(third), nullptr);
  EXPECT_EQ(*table.Find(third), "") << "nothing is left of who was there before";
  EXPECT_EQ(table.Find(first), nullptr) << "the place is used again, the ticket is not";
  EXPECT_EQ(*table.Find(second), "second");
  EXPECT_EQ(table.size(), 2u);
}

TEST(DeadlinesTest, ComeInTheirOrder) {
  Deadlines deadlines;
  EXPECT_EQ(deadlines.next(), TimePoint::max());
  deadlines.Push(TimePoint(3ms), 3);
  deadlines.Push(TimePoint(1ms), 1);
  deadlines.Push(TimePoint(2ms), 2);
  EXPECT_EQ(deadlines.next(), TimePoint(1ms));
  Ticket ticket = 0;
  ASSERT_TRUE(deadlines.PopDue(TimePoint(2ms), ticket));
  EXPECT_EQ(ticket, 1u);
  ASSERT_TRUE(deadlines.PopDue(TimePoint(2ms), ticket));
  EXPECT_EQ(ticket, 2u);
  EXPECT_FALSE(deadlines.PopDue(TimePoint(2ms), ticket));
  EXPECT_EQ(deadlines.next(), TimePoint(3ms));
}

}  // namespace
}  // namespace punctual::redis
