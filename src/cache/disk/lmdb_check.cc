#include "cache/disk/lmdb_check.h"

#include <algorithm>
#include <bitset>
#include <cstring>
#include <vector>

#include "cache/disk/layout.h"

namespace punctual {

namespace {

constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kDataVersion = 1;
constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
constexpr std::size_t kPageHead = 16;
constexpr std::size_t kNodeHead = 8;
constexpr std::size_t kSmallestPage = 4096, kLargestPage = 32768;
constexpr std::size_t kMaxDepth = 32;                                      // LMDB's own stack of a cursor
constexpr std::uint16_t kIntegerKey = 0x08;                                // a tree's flag
constexpr std::uint16_t kBranch = 1, kLeaf = 2, kOverflow = 4, kMeta = 8;  // a page's kind
constexpr std::uint16_t kBigData = 1, kSubData = 2;                        // a node's flags

// MDB_db: what the file says of a tree.
struct Tree {
  std::uint32_t pad;  // in the first tree of a meta page: the page size
  std::uint16_t flags;
  std::uint16_t depth;
  std::uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};
static_assert(sizeof(Tree) == 48);

// MDB_meta, which follows the head of a meta page.
struct Meta {
  std::uint32_t magic, version;
  std::uint64_t address, map_bytes;
  Tree free, main;
  std::uint64_t last_page, transaction;
};
static_assert(sizeof(Meta) == 136);

struct PageHead {
  std::uint64_t number;
  std::uint16_t pad, flags, lower, upper;
  std::uint32_t run() const { return lower | std::uint32_t{upper} << 16; }  // of an overflow page: how many follow
};
static_assert(sizeof(PageHead) == kPageHead);

struct Node {
  std::uint16_t low, high, flags, key_bytes;
  std::uint32_t data_bytes() const { return low | std::uint32_t{high} << 16; }
  std::uint64_t child() const { return data_bytes() | std::uint64_t{flags} << 32; }
};
static_assert(sizeof(Node) == kNodeHead);

template <class T>
T Load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

enum class Kind { kFree, kEntries, kExpiry };

class Walk {
 public:
  explicit Walk(const LmdbFile& file) : file_(file) {}

  LmdbCheck Check() {
    if (file_.bytes != 0 && PickMeta()) {
      seen_.resize(meta_.last_page + 1);
      CheckTree(meta_.main, Kind::kEntries) && (!has_expiry_ || CheckTree(expiry_, Kind::kExpiry)) &&
          CheckTree(meta_.free, Kind::kFree);
    }
    return result_;
  }

 private:
  bool Damaged(const std::string& what) {
    result_ = {LmdbCheck::Verdict::kDamaged, what};
    return false;
  }
  bool Damaged(std::uint64_t page, const std::string& what) {
    return Damaged("page " + std::to_string(page) + ": " + what);
  }

  bool PickMeta() {
    Meta metas[2];
    for (std::uint64_t i = 0; i < 2; ++i) {
      std::byte bytes[kPageHead + sizeof(Meta)];
      const std::uint64_t at = i * page_bytes_;
      if (at + sizeof bytes > file_.bytes) return Damaged(i, "the file ends before it");
      if (!file_.read(at, bytes)) return Damaged(i, "cannot be read");
      Meta& meta = metas[i] = Load<Meta>(bytes + kPageHead);
      if (Load<PageHead>(bytes).flags != kMeta) return Damaged(i, "is no meta page");
      if (meta.magic != kMagic) return Damaged(i, "is no meta page of LMDB");
      if (meta.version != kDataVersion) {
        result_ = {LmdbCheck::Verdict::kOtherVersion, "it has data format " + std::to_string(meta.version)};
        return false;
      }
      if (i == 0) page_bytes_ = meta.free.pad;
      if (page_bytes_ < kSmallestPage || page_bytes_ > kLargestPage || (page_bytes_ & (page_bytes_ - 1)) != 0 ||
          meta.free.pad != page_bytes_)
        return Damaged(i, "has pages of " + std::to_string(meta.free.pad) + " bytes");
    }
    const std::size_t newest = metas[0].transaction < metas[1].transaction;
    meta_ = metas[newest];
    // Transactions write the two in turn; those that read find theirs by its number.
    if (meta_.transaction != 0 && (meta_.transaction & 1) != newest) return Damaged(newest, "has the other's number");
    if (meta_.transaction >> 62 != 0) return Damaged(newest, "has no number of a transaction");
    if (std::max(metas[0].map_bytes, metas[1].map_bytes) > file_.max_map_bytes)
      return Damaged(newest, "wants a map of " + std::to_string(meta_.map_bytes) + " bytes");
    if (meta_.last_page < 1 || meta_.last_page >= file_.max_map_bytes / page_bytes_)
      return Damaged(newest, "says that " + std::to_string(meta_.last_page) + " is the last page");
    if (meta_.free.flags != kIntegerKey || meta_.main.flags != 0) return Damaged(newest, "has trees of another kind");
    file_pages_ = file_.bytes / page_bytes_;
    return true;
  }

  bool Claim(std::uint64_t page) {
    if (page < 2 || page > meta_.last_page) return Damaged(page, "is no page of this file");
    if (seen_[page]) return Damaged(page, "is used twice");
    seen_[page] = true;
    return true;
  }
  // Claims and reads the beginning of a page, as far as `into` is long.
  bool Read(std::uint64_t page, std::span<std::byte> into) {
    if (!Claim(page)) return false;
    if (page >= file_pages_) return Damaged(page, "lies after the file's end");
    if (!file_.read(page * page_bytes_, into)) return Damaged(page, "cannot be read");
    if (Load<PageHead>(into.data()).number != page) return Damaged(page, "says that it is another");
    return true;
  }

  bool CheckTree(const Tree& tree, Kind kind) {
    counted_ = {};
    counted_.root = tree.root;
    previous_.clear();
    if (tree.root == kNoPage) {
      if (tree.depth != 0 || tree.entries != 0) return Damaged("an empty tree with entries");
    } else {
      if (tree.depth < 1 || tree.depth > kMaxDepth) return Damaged(tree.root, "hangs from a tree of no sensible depth");
      if (!CheckPage(tree.root, tree.depth, kind)) return false;
    }
    if (counted_.branch_pages != tree.branch_pages || counted_.leaf_pages != tree.leaf_pages ||
        counted_.overflow_pages != tree.overflow_pages || counted_.entries != tree.entries)
      return Damaged(tree.root, "its tree does not hold what it says");
    return true;
  }

  // `levels`: how many levels are left, this one included.
  bool CheckPage(std::uint64_t page, std::size_t levels, Kind kind) {
    std::vector<std::byte> bytes(page_bytes_);
    if (!Read(page, bytes)) return false;
    const PageHead head = Load<PageHead>(bytes.data());
    const bool leaf = levels == 1;
    // Exactly: a page on disk that says it is dirty would be written to where it is mapped.
    if (head.flags != (leaf ? kLeaf : kBranch)) return Damaged(page, leaf ? "is no leaf" : "is no branch");
    if (head.lower < kPageHead || head.lower > head.upper || head.upper > page_bytes_ || head.lower % 2 != 0)
      return Damaged(page, "has bounds that cannot be");
    const std::size_t nodes = (head.lower - kPageHead) / 2;
    if (nodes < (leaf || kind == Kind::kFree ? 1u : 2u)) return Damaged(page, "is empty");
    ++(leaf ? counted_.leaf_pages : counted_.branch_pages);
    taken_.reset();
    // All of this page before those below, which use the same notes.
    for (std::size_t i = 0; i < nodes; ++i)
      if (!CheckNode(page, bytes, i, leaf, kind)) return false;
    for (std::size_t i = 0; i < nodes; ++i) {
      const std::size_t at = Load<std::uint16_t>(bytes.data() + kPageHead + 2 * i);
      const Node node = Load<Node>(bytes.data() + at);
      const auto key = std::span<const std::byte>(bytes).subspan(at + kNodeHead, node.key_bytes);
      if (leaf ? !CheckEntry(page, node, key, bytes.data() + at + kNodeHead + node.key_bytes, kind)
               : !CheckPage(node.child(), levels - 1, kind))
        return false;
    }
    return true;
  }

  // That the node lies in its page, and over no other.
  bool CheckNode(std::uint64_t page, std::span<const std::byte> bytes, std::size_t index, bool leaf, Kind kind) {
    const std::size_t at = Load<std::uint16_t>(bytes.data() + kPageHead + 2 * index);
    const std::size_t upper = Load<PageHead>(bytes.data()).upper;
    if (at < upper || at % 2 != 0 || at + kNodeHead > page_bytes_) return Damaged(page, "has a node outside");
    const Node node = Load<Node>(bytes.data() + at);
    std::size_t size = kNodeHead + node.key_bytes;
    if (leaf) size += (node.flags & kBigData) != 0 ? sizeof(std::uint64_t) : node.data_bytes();
    if (size > page_bytes_ - at) return Damaged(page, "has a node that is too long");
    for (std::size_t unit = at / 2; unit < (at + size + 1) / 2; ++unit) {
      if (taken_[unit]) return Damaged(page, "has nodes over each other");
      taken_[unit] = true;
    }
    // The first key of a branch is not looked at; LMDB leaves it empty.
    const bool may_be_empty = !leaf && index == 0;
    if (!KeyFits(kind, node.key_bytes) && !(may_be_empty && node.key_bytes == 0))
      return Damaged(page, "has a key of the wrong length");
    return true;
  }

  static bool KeyFits(Kind kind, std::size_t bytes) {
    switch (kind) {
      case Kind::kFree: return bytes == sizeof(std::uint64_t);
      case Kind::kEntries: return bytes == kEntryKeyBytes || bytes == std::strlen(kExpiryTable);
      case Kind::kExpiry: return bytes == kExpiryKeyBytes;
    }
    return false;
  }

  bool CheckEntry(std::uint64_t page, const Node& node, std::span<const std::byte> key, const std::byte* data,
                  Kind kind) {
    ++counted_.entries;
    if (!CheckOrder(page, key, kind)) return false;
    const bool big = node.flags == kBigData;
    if (big && !CheckRun(Load<std::uint64_t>(data), node.data_bytes())) return false;
    switch (kind) {
      case Kind::kFree:
        if (!big && node.flags != 0) break;
        return CheckFreeList(page, Load<std::uint64_t>(key.data()), node, data);
      case Kind::kEntries:
        if (key.size() == kEntryKeyBytes && (big || node.flags == 0) && node.data_bytes() >= kEntryHeadBytes)
          return true;
        if (key.size() == std::strlen(kExpiryTable) && std::memcmp(key.data(), kExpiryTable, key.size()) == 0 &&
            node.flags == kSubData && node.data_bytes() == sizeof(Tree)) {
          has_expiry_ = true;
          expiry_ = Load<Tree>(data);
          return expiry_.flags == 0 || Damaged(page, "has a tree of another kind");
        }
        break;
      case Kind::kExpiry:
        if (node.flags == 0 && node.data_bytes() == kSubjectBytes) return true;
        break;
    }
    return Damaged(page, "has an entry that is none of ours");
  }

  bool CheckOrder(std::uint64_t page, std::span<const std::byte> key, Kind kind) {
    if (!previous_.empty()) {
      const std::size_t both = std::min(previous_.size(), key.size());
      int order = std::memcmp(previous_.data(), key.data(), both);
      if (order == 0) order = previous_.size() < key.size() ? -1 : 1;
      if (kind == Kind::kFree) order = Load<std::uint64_t>(previous_.data()) < Load<std::uint64_t>(key.data()) ? -1 : 1;
      if (order > 0) return Damaged(page, "has keys out of order");
    }
    previous_.assign(key.begin(), key.end());
    return true;
  }

  bool CheckRun(std::uint64_t first, std::uint64_t data_bytes) {
    std::byte bytes[kPageHead];
    if (!Read(first, bytes)) return false;
    const PageHead head = Load<PageHead>(bytes);
    if (head.flags != kOverflow) return Damaged(first, "is no overflow page");
    const std::uint64_t pages = head.run();
    if (pages > file_pages_ || first + pages > file_pages_ || pages * page_bytes_ < kPageHead + data_bytes)
      return Damaged(first, "is a run of overflow pages of the wrong length");
    for (std::uint64_t page = first + 1; page < first + pages; ++page)
      if (!Claim(page)) return false;
    counted_.overflow_pages += pages;
    return true;
  }

  // A list is its length, then page numbers, falling. Room may be left after it.
  bool CheckFreeList(std::uint64_t page, std::uint64_t transaction, const Node& node, const std::byte* data) {
    if (transaction == 0 || transaction > meta_.transaction) return Damaged(page, "frees in no transaction");
    std::vector<std::byte> list(node.data_bytes());
    if (list.size() < sizeof(std::uint64_t)) return Damaged(page, "has a list of free pages without a length");
    if (node.flags == kBigData) {
      const std::uint64_t first = Load<std::uint64_t>(data);
      if (!file_.read(first * page_bytes_ + kPageHead, list)) return Damaged(first, "cannot be read");
    } else {
      std::memcpy(list.data(), data, list.size());
    }
    const std::uint64_t length = Load<std::uint64_t>(list.data());
    if (length > list.size() / sizeof(std::uint64_t) - 1) return Damaged(page, "has a list of free pages too long");
    std::uint64_t before = kNoPage;
    for (std::uint64_t i = 1; i <= length; ++i) {
      const std::uint64_t free = Load<std::uint64_t>(list.data() + i * sizeof(std::uint64_t));
      if (free >= before) return Damaged(page, "has a list of free pages out of order");
      if (!Claim(free)) return false;
      before = free;
    }
    return true;
  }

  const LmdbFile& file_;
  LmdbCheck result_;
  std::size_t page_bytes_ = 0;
  std::uint64_t file_pages_ = 0;
  Meta meta_{};
  std::vector<bool> seen_;
  std::bitset<kLargestPage / 2> taken_;  // of the page being checked, in units of two bytes
  Tree counted_{};
  std::vector<std::byte> previous_;  // the key before, in the whole tree
  Tree expiry_{};
  bool has_expiry_ = false;
};

}  // namespace

LmdbCheck CheckLmdbFile(const LmdbFile& file) { return Walk(file).Check(); }

}  // namespace punctual
