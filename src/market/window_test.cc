#include "market/window.h"

#include <gtest/gtest.h>

#include <set>

#include "market/book_for_test.h"

namespace punctual {
namespace {

std::vector<BookSnapshot> Books(std::uint64_t first, std::uint64_t last) {
  std::vector<BookSnapshot> books;
  for (std::uint64_t sequence = first; sequence <= last; ++sequence) books.push_back(BookForTest(sequence));
  return books;
}

std::shared_ptr<SnapshotBlock> Block(const std::vector<BookSnapshot>& books) {
  auto block = std::make_shared<SnapshotBlock>(books.size());
  for (std::size_t i = 0; i < books.size(); ++i) block->snapshots[i] = {books[i], DigestOf(books[i]), {}};
  return block;
}

TEST(WindowTest, AnEmptyWindowHasNothing) {
  EXPECT_TRUE(Window().empty());
  EXPECT_EQ(Window().size(), 0u);
  EXPECT_TRUE(Window::Of({}, {}).empty());
}

TEST(WindowTest, RequestsBooksAreKeptInTheirOrder) {
  const TimePoint arrived = TimePoint(Duration(5));
  const Window window = Window::Of(Books(1, 3), arrived);
  ASSERT_EQ(window.size(), 3u);
  for (std::size_t back = 0; back < 3; ++back) EXPECT_EQ(window.FromNewest(back).book.sequence, 3 - back);
  EXPECT_EQ(window.newest().arrived, arrived);
}

TEST(WindowTest, RunsOverTwoBlocks) {
  const Window window(Block(Books(1, 4)), Block(Books(5, 8)), 2);
  ASSERT_EQ(window.size(), 6u);
  for (std::size_t back = 0; back < 6; ++back) EXPECT_EQ(window.FromNewest(back).book.sequence, 6 - back);
}

TEST(WindowTest, EqualWindowsHaveEqualDigestsHoweverTheyAreStored) {
  const Window whole = Window::Of(Books(1, 300), {});
  const Window split(Block(Books(51, 200)), Block(Books(201, 350)), 100);
  for (const std::size_t length : {1u, 2u, 63u, 64u, 65u, 100u, 101u, 250u})
    EXPECT_EQ(whole.DigestOf(length), split.DigestOf(length)) << length;
}

TEST(WindowTest, DigestsDifferByLengthOrderAndContent) {
  const auto digest = [](std::vector<BookSnapshot> books) { return Window::Of(books, {}).DigestOf(books.size()); };
  std::set<Digest> digests;
  for (std::uint64_t last = 1; last <= 200; ++last) digests.insert(digest(Books(1, last)));
  EXPECT_EQ(digests.size(), 200u);
  std::vector<BookSnapshot> swapped = Books(1, 3);
  std::swap(swapped[0], swapped[1]);
  EXPECT_NE(digest(swapped), digest(Books(1, 3)));
}

TEST(WindowTest, ASnapshotsDigestSeesEveryNumberOfItsLevelsAndNothingElse) {
  const BookSnapshot book = BookForTest(1);
  const Digest digest = DigestOf(book);
  for (std::size_t level = 0; level < 10; ++level)
    for (double BookLevel::*member :
         {&BookLevel::ask_price, &BookLevel::ask_size, &BookLevel::bid_price, &BookLevel::bid_size}) {
      BookSnapshot other = book;
      other.levels[level].*member += 1e-9;
      EXPECT_NE(DigestOf(other), digest);
    }
  BookSnapshot shorter = book;
  shorter.level_count = 9;
  EXPECT_NE(DigestOf(shorter), digest);

  BookSnapshot same = book;
  same.sequence = 99;
  same.exchange_time_ns = same.receive_time_ns = 7;
  same.levels[10].ask_price = 5;  // beyond the used levels
  EXPECT_EQ(DigestOf(same), digest);
}

}  // namespace
}  // namespace punctual
