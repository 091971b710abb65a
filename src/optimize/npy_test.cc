#include "optimize/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "optimize/npy_for_test.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<NpyHeader> Parse(const std::string& file) {
  PUNCTUAL_ASSIGN(const std::size_t bytes, NpyHeaderBytes(std::string_view(file).substr(0, kNpyPrefixBytes)));
  return ParseNpyHeader(std::string_view(file).substr(0, bytes), file.size());
}
std::string ErrorOf(const std::string& dictionary, std::size_t data_bytes = 0) {
  return Parse(NpyForTest(dictionary, std::string(data_bytes, '\0'))).error().message;
}
// Written by NumPy itself.
std::string Corpus(const std::string& name) {
  std::ifstream file(PUNCTUAL_SOURCE_DIR "/fuzz/corpus/npy/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(NpyTest, WhatNumPyWritesIsRead) {
  const NpyHeader floats = Parse(Corpus("floats")).value();
  EXPECT_EQ(NpyTypeName(floats), "float32");
  EXPECT_THAT(floats.shape, ElementsAre(2, 3));
  EXPECT_EQ(floats.header_bytes, 128u);
  EXPECT_EQ(floats.data_bytes, 24u);
  const NpyHeader labels = Parse(Corpus("labels")).value();
  EXPECT_EQ(NpyTypeName(labels), "int64");
  EXPECT_THAT(labels.shape, ElementsAre(3));
  const NpyHeader scalar = Parse(Corpus("version_2")).value();
  EXPECT_EQ(NpyTypeName(scalar), "float64");
  EXPECT_TRUE(scalar.shape.empty());
  const NpyHeader none = Parse(Corpus("version_3")).value();
  EXPECT_EQ(NpyTypeName(none), "uint8");
  EXPECT_THAT(none.shape, ElementsAre(2, 0, 1));
  EXPECT_THAT(Parse(Corpus("fortran")).error().message, HasSubstr("numpy.ascontiguousarray"));
}

TEST(NpyTest, KeysMayStandInAnyOrderAndQuotes) {
  const auto header =
      Parse(NpyForTest("{ \"shape\":(2,),'fortran_order' : False,'descr':'|i1'}  \n", std::string(2, '\0'))).value();
  EXPECT_EQ(NpyTypeName(header), "int8");
  EXPECT_THAT(header.shape, ElementsAre(2));
}

TEST(NpyTest, OtherArraysAreRefusedWithWhatToDo) {
  const auto type = [](const std::string& descr) {
    return ErrorOf("{'descr': " + descr + ", 'fortran_order': False, 'shape': (1,), }", 4);
  };
  EXPECT_THAT(type("'>f4'"), HasSubstr("newbyteorder"));
  EXPECT_THAT(type("'|b1'"), HasSubstr("astype(numpy.float32)"));
  EXPECT_THAT(type("'<c8'"), HasSubstr("astype"));
  EXPECT_THAT(type("'<U1'"), HasSubstr("astype"));
  EXPECT_THAT(type("'|O'"), HasSubstr("astype"));
  EXPECT_THAT(type("'<f1'"), HasSubstr("astype"));
  EXPECT_THAT(type("'|f4'"), HasSubstr("astype"));
  EXPECT_THAT(type("'<f4x'"), HasSubstr("astype"));
  EXPECT_THAT(type("[('a', '<f4')]"), HasSubstr("records"));
}

TEST(NpyTest, SizesAreCheckedBeforeAnythingIsMade) {
  const auto shape = [](const std::string& text, std::size_t bytes) {
    return ErrorOf("{'descr': '<f4', 'fortran_order': False, 'shape': " + text + ", }", bytes);
  };
  EXPECT_THAT(shape("(3,)", 8), HasSubstr("float32 [3], but the file has 8 bytes for it"));
  EXPECT_THAT(shape("(3,)", 16), HasSubstr("the file has 16 bytes"));
  EXPECT_THAT(shape("(4611686018427387904, 4)", 0), HasSubstr("the file has 0 bytes")) << "2^64 bytes are not 0";
  EXPECT_THAT(shape("(9999999999999999999,)", 0), HasSubstr("where a length should be"));
  EXPECT_THAT(shape("(-1,)", 4), HasSubstr("where a length should be"));
  std::string many;
  for (int i = 0; i < 33; ++i) many += "1,";
  EXPECT_THAT(shape("(" + many + ")", 4), HasSubstr("more than 32 dimensions"));
}

TEST(NpyTest, WhatIsNoArrayIsRefused) {
  EXPECT_THAT(Parse("symbol,label\nA,1\n").error().message, HasSubstr("is not a NumPy array"));
  EXPECT_THAT(Parse("").error().message, HasSubstr("is not a NumPy array"));
  EXPECT_THAT(Parse(std::string(kNpyMagic) + std::string("\4\0\0\0\0\0", 6)).error().message, HasSubstr("version 4"));
  EXPECT_THAT(Parse(std::string(kNpyMagic) + std::string("\2\0\0\0\0\x7f", 6)).error().message,
              HasSubstr("at most 65536"));
  EXPECT_THAT(Parse(std::string(kNpyMagic) + std::string("\1\0\x76\0{}", 6)).error().message,
              HasSubstr("ends within its header"));
}

TEST(NpyTest, HeadersThatAreBrokenSayWhere) {
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("\"[]\" where { should be"));
  EXPECT_THAT(ErrorOf("{'descr': '<f4'}"), HasSubstr("must have"));
  EXPECT_THAT(ErrorOf("{'descr': '<f4', 'descr': '<f4'}"), HasSubstr("twice"));
  EXPECT_THAT(ErrorOf("{'color': 'red'}"), HasSubstr("\"color\" that is not known"));
  EXPECT_THAT(ErrorOf("{'fortran_order': 0}"), HasSubstr("True or False"));
  EXPECT_THAT(ErrorOf("{'descr': '<f4}"), HasSubstr("a quoted word"));
  EXPECT_THAT(ErrorOf("{'shape': (1 2)}"), HasSubstr("where ) should be"));
  EXPECT_THAT(ErrorOf("{'shape': (1,)"), HasSubstr("where } should be"));
  EXPECT_THAT(ErrorOf("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } more", 4),
              HasSubstr("the header's end"));
}

}  // namespace
}  // namespace punctual::optimize
