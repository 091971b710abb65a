// Checks an LMDB file of ours before LMDB maps it: LMDB trusts its file, so that a damaged one (a power loss, a bad
// disk, somebody's hand) crashes the program or makes it overwrite pages in use. This reads the file itself and never
// crashes on any bytes.
//
// The format is that of LMDB 0.9 (data version 1), as its mdb.c describes it (MDB_page, MDB_node, MDB_db, MDB_meta):
// pages 0 and 1 are meta pages, the one with the higher transaction is the newest snapshot; from it hang the tree of
// free pages (a transaction each, with a list of page numbers) and the main tree, and in the main tree the record of
// the tree "expiry" (cache/disk/layout.h). Of that snapshot it is checked: the meta pages; of every page of the three
// trees its number, flags, bounds, every node's place and sizes, the order of keys, depth; runs of overflow pages; the
// counts that the trees keep of themselves; the lists of free pages; and that no page is used twice. What a record says
// is not: each has a check of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace punctual {

struct LmdbFile {
  // Fills all of `into` from `offset` on; false: it cannot be read. REQUIRES: it lies within `bytes`.
  std::function<bool(std::uint64_t offset, std::span<std::byte> into)> read;
  std::uint64_t bytes = 0;
  std::uint64_t max_map_bytes = 0;  // a file that wants a larger map is damaged; bounds what a check allocates
};

struct LmdbCheck {
  enum class Verdict : std::uint8_t {
    kSound,         // an empty file is sound
    kOtherVersion,  // of a data format that this LMDB does not read
    kDamaged,
  };
  Verdict verdict = Verdict::kSound;
  std::string what;  // what is wrong and on which page; empty if sound
};

// Reads all pages of the trees, not those of the records that have pages of their own. Thread-safe.
LmdbCheck CheckLmdbFile(const LmdbFile& file);

}  // namespace punctual
