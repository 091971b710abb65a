#include "optimize/array_file.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace punctual::optimize {
namespace {

constexpr std::size_t kMaxArrays = 1024;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;
using Archive = std::unique_ptr<zip_t, DiscardArchive>;
using Entry = std::unique_ptr<zip_file_t, CloseEntry>;

// An array that comes byte after byte from somewhere.
class StreamReader : public ArrayReader {
 public:
  Result<void> Open(std::string where, std::uint64_t bytes) {
    where_ = std::move(where);
    const auto header = ReadHeader(bytes);
    if (header.has_error()) return Fail(header.error().code, where_ + ": " + header.error().message);
    header_ = *header;
    return {};
  }
  Result<void> Read(std::span<std::byte> out) override {
    auto read = Fill(out);
    std::byte more;
    // The end is read too: only there an archive knows whether what it gave was sound.
    if (read.has_value() && (read = AtEnd(more)).has_value()) return {};
    return Fail(read.error().code, where_ + ": " + read.error().message);
  }

 protected:
  // Up to out.size() bytes; 0 at the end.
  virtual Result<std::size_t> Some(std::span<std::byte> out) = 0;

 private:
  Result<NpyHeader> ReadHeader(std::uint64_t bytes) {
    std::string header(kNpyPrefixBytes, '\0');
    if (bytes < header.size()) return NpyHeaderBytes("").error();
    PUNCTUAL_TRY(Fill(std::as_writable_bytes(std::span(header))));
    PUNCTUAL_ASSIGN(const std::size_t header_bytes, NpyHeaderBytes(header));
    header.resize(header_bytes);
    PUNCTUAL_TRY(Fill(std::as_writable_bytes(std::span(header).subspan(kNpyPrefixBytes))));
    return ParseNpyHeader(header, bytes);
  }
  Result<void> Fill(std::span<std::byte> out) {
    while (!out.empty()) {
      PUNCTUAL_ASSIGN(const std::size_t got, Some(out));
      if (got == 0) return Fail(Code::kInvalidArgument, "ends before its array does; it was cut");
      out = out.subspan(got);
    }
    return {};
  }
  Result<void> AtEnd(std::byte& more) {
    PUNCTUAL_ASSIGN(const std::size_t got, Some({&more, 1}));
    if (got != 0) return Fail(Code::kInvalidArgument, "goes on behind its array; it is damaged");
    return {};
  }
};

class FileReader final : public StreamReader {
 public:
  explicit FileReader(File file) : file_(std::move(file)) {}

 private:
  Result<std::size_t> Some(std::span<std::byte> out) override {
    const std::size_t got = std::fread(out.data(), 1, out.size(), file_.get());
    if (got == 0 && std::ferror(file_.get()) != 0) return Fail(Code::kInternal, "cannot be read");
    return got;
  }
  File file_;
};

class EntryReader final : public StreamReader {
 public:
  explicit EntryReader(Entry entry) : entry_(std::move(entry)) {}

 private:
  Result<std::size_t> Some(std::span<std::byte> out) override {
    const zip_int64_t got = zip_fread(entry_.get(), out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    return Fail(Code::kInvalidArgument,
                std::string("is damaged: ") + zip_error_strerror(zip_file_get_error(entry_.get())));
  }
  Entry entry_;
};

Result<File> OpenFile(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (file) return file;
  const std::string why = std::generic_category().message(errno);
  return Fail(errno == ENOENT ? Code::kNotFound : Code::kPermissionDenied, path + ": " + why);
}

class NpyFile final : public ArrayFile {
 public:
  explicit NpyFile(std::string path) : path_(std::move(path)) {}
  const std::vector<std::string>& names() const override { return names_; }
  Result<std::unique_ptr<ArrayReader>> Array(std::size_t) override {
    PUNCTUAL_ASSIGN(File file, OpenFile(path_));
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path_, error);
    if (error) return Fail(Code::kInvalidArgument, path_ + ": " + error.message());
    auto reader = std::make_unique<FileReader>(std::move(file));
    PUNCTUAL_TRY(reader->Open(path_, bytes));
    return std::unique_ptr<ArrayReader>(std::move(reader));
  }

 private:
  const std::string path_;
  const std::vector<std::string> names_ = {""};
};

class NpzFile final : public ArrayFile {
 public:
  NpzFile(std::string path, Archive archive) : path_(std::move(path)), archive_(std::move(archive)) {}

  Result<void> ReadNames() {
    const zip_int64_t entries = zip_get_num_entries(archive_.get(), 0);
    for (zip_int64_t i = 0; i < entries; ++i) {
      const char* const name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), 0);
      if (name == nullptr || !std::string_view(name).ends_with(".npy")) continue;
      if (names_.size() == kMaxArrays)
        return Fail(Code::kInvalidArgument, path_ + ": has more than " + std::to_string(kMaxArrays) + " arrays");
      const std::string array(name, std::string_view(name).size() - 4);
      if (std::find(names_.begin(), names_.end(), array) != names_.end())
        return Fail(Code::kInvalidArgument, path_ + ": has two arrays called \"" + array + "\"");
      names_.push_back(array);
      entries_.push_back(static_cast<zip_uint64_t>(i));
    }
    return {};
  }
  const std::vector<std::string>& names() const override { return names_; }
  Result<std::unique_ptr<ArrayReader>> Array(std::size_t i) override {
    const std::string where = path_ + ": " + names_[i];
    zip_stat_t stat;
    if (zip_stat_index(archive_.get(), entries_[i], 0, &stat) != 0 || (stat.valid & ZIP_STAT_SIZE) == 0)
      return Fail(Code::kInvalidArgument, where + ": " + zip_strerror(archive_.get()));
    Entry entry(zip_fopen_index(archive_.get(), entries_[i], 0));
    if (!entry) return Fail(Code::kInvalidArgument, where + ": " + zip_strerror(archive_.get()));
    auto reader = std::make_unique<EntryReader>(std::move(entry));
    PUNCTUAL_TRY(reader->Open(where, stat.size));
    return std::unique_ptr<ArrayReader>(std::move(reader));
  }

 private:
  const std::string path_;
  const Archive archive_;
  std::vector<std::string> names_;
  std::vector<zip_uint64_t> entries_;
};

Result<std::unique_ptr<ArrayFile>> OpenArchive(const std::string& path) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    return Fail(Code::kInvalidArgument, path + ": " + why);
  }
  auto file = std::make_unique<NpzFile>(path, std::move(archive));
  PUNCTUAL_TRY(file->ReadNames());
  return std::unique_ptr<ArrayFile>(std::move(file));
}

}  // namespace

Result<std::unique_ptr<ArrayFile>> ArrayFile::Open(const std::string& path) {
  PUNCTUAL_ASSIGN(const File file, OpenFile(path));
  std::array<char, kNpyMagic.size()> first{};
  const std::string_view begin(first.data(), std::fread(first.data(), 1, first.size(), file.get()));
  if (begin == kNpyMagic) return std::unique_ptr<ArrayFile>(std::make_unique<NpyFile>(path));
  if (begin.starts_with("PK")) return OpenArchive(path);
  return Fail(Code::kInvalidArgument,
              path + ": is neither a .npy nor a .npz file; write it with numpy.save or numpy.savez");
}

}  // namespace punctual::optimize
