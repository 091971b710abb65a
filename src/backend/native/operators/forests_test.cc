// What the trees give for XGBoost's forests is what XGBoost itself says, missing values among the inputs.
// tests/forests/make_forests.py wrote the files in tests/forests/fixtures, and can write many more; with
// PUNCTUAL_FORESTS=FOLDER this test reads those of another folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "backend/native/graph/onnx_reader.h"
#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan.h"

namespace punctual::native {
namespace {

namespace fs = std::filesystem;

std::string BytesOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// What XGBoost says, row by row: make_forests.py tells the file's format.
struct Answers {
  std::size_t rows = 0, features = 0, margins = 0, probabilities = 0;  // no probabilities: a regression
  std::vector<float> x;                                                // [rows, features]
  std::vector<float> margin;                                           // [rows, margins]
  std::vector<float> probability;                                      // [rows, probabilities]
  std::vector<std::int64_t> label;                                     // [rows], of a classification
};

// All zeros: the file is not of that format.
Answers ReadAnswers(const fs::path& path) {
  std::ifstream file(path);
  Answers answers;
  for (const auto& [name, count] :
       {std::pair("rows", &answers.rows), std::pair("features", &answers.features),
        std::pair("margins", &answers.margins), std::pair("probabilities", &answers.probabilities)}) {
    std::string word;
    if (!(file >> word >> *count) || word != name) return {};
  }
  const auto read = [&file](std::size_t count, std::vector<float>& numbers) {
    std::string word;  // streams do not read nan
    for (std::size_t i = 0; i < count && file >> word; ++i) numbers.push_back(std::strtof(word.c_str(), nullptr));
  };
  for (std::size_t row = 0; row < answers.rows; ++row) {
    read(answers.features, answers.x);
    read(answers.margins, answers.margin);
    read(answers.probabilities, answers.probability);
    if (answers.probabilities > 0) file >> answers.label.emplace_back();
  }
  return file ? answers : Answers{};
}

// What the native backend gives for all rows at once.
struct Computed {
  std::vector<std::int64_t> label;
  std::vector<float> scores;
};

template <class T>
std::vector<T> ValuesOf(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Result<Computed> Compute(Graph graph, const Answers& answers) {
  Optimize(graph);
  PUNCTUAL_ASSIGN(const auto plan, Plan::Make(std::move(graph)));
  Arena arena(plan->arena_bytes());
  std::memcpy(plan->input(0, arena).data(), answers.x.data(), answers.x.size() * sizeof(float));
  plan->Run(arena);
  Computed computed;
  const bool is_classifier = answers.probabilities > 0;
  if (is_classifier) computed.label = ValuesOf<std::int64_t>(plan->output(0, arena));
  computed.scores = ValuesOf<float>(plan->output(is_classifier ? 1 : 0, arena));
  return computed;
}

// How far our margins and XGBoost's may be apart: both are sums of the same n floats, a leaf of each tree and the base
// value, in different orders. A sum of n floats is at most (n - 1) * 2^-24 * (the sum of their magnitudes) from the
// true one, to first order (Higham, Accuracy and Stability of Numerical Algorithms, section 4.2). No leaf is larger
// than its tree's largest; one rounding more is the base value's, which is a logarithm where there are two classes.
std::vector<double> MarginTolerances(const Node& node, const Answers& answers) {
  const std::string prefix = answers.probabilities > 0 ? "class" : "target";
  const auto& trees = *node.Ints(prefix + "_treeids");
  const auto& targets = *node.Ints(prefix + "_ids");
  const auto& weights = *node.Floats(prefix + "_weights");
  const auto* const base_values = node.Floats("base_values");
  std::map<std::pair<std::int64_t, std::int64_t>, double> largest;  // by target and tree
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double& most = largest[{targets[i], trees[i]}];
    most = std::max(most, std::abs(static_cast<double>(weights[i])));
  }
  std::vector<double> tolerances;
  for (std::size_t target = 0; target < answers.margins; ++target) {
    double sum = 0, count = 1;
    if (base_values != nullptr && !base_values->empty()) sum = std::abs(static_cast<double>(base_values->at(target)));
    for (const auto& [key, most] : largest)
      if (key.first == static_cast<std::int64_t>(target)) sum += most, ++count;
    tolerances.push_back(2 * count * std::ldexp(sum, -24));
  }
  return tolerances;
}

// Leaves the trees what they are, but every other branch asks x <= the float before its threshold instead of x < its
// threshold. XGBoost has only the latter, and a mixture is walked through in another way.
void MixModes(Node& node) {
  auto& modes = std::get<std::vector<std::string>>(node.attributes.at("nodes_modes"));
  auto& thresholds = std::get<std::vector<float>>(node.attributes.at("nodes_values"));
  for (std::size_t i = 0; i < modes.size(); i += 2) {
    if (modes[i] != "BRANCH_LT") continue;
    modes[i] = "BRANCH_LEQ";
    thresholds[i] = std::nextafter(thresholds[i], -std::numeric_limits<float>::infinity());
  }
}

double Apart(float a, float b) { return std::abs(static_cast<double>(a) - static_cast<double>(b)); }

class Comparison {
 public:
  // FOREST.onnx, and FOREST.txt beside it.
  void Compare(const fs::path& onnx) {
    SCOPED_TRACE(onnx.stem());
    const Answers answers = ReadAnswers(fs::path(onnx).replace_extension(".txt"));
    ASSERT_GT(answers.rows, 0u) << "its answers cannot be read";
    const auto read = ReadOnnx(BytesOf(onnx), "the forest", {.batch = static_cast<std::int64_t>(answers.rows)});
    ASSERT_FALSE(read.has_error()) << read.error().message;
    const auto served = Compute(read->graph, answers);
    ASSERT_FALSE(served.has_error()) << served.error().message;
    // The same trees, but what they sum to stays as it is.
    Graph raw = read->graph;
    const auto trees = std::ranges::find(raw.nodes, "ai.onnx.ml", [](const Node& node) { return node.op->domain; });
    ASSERT_NE(trees, raw.nodes.end());
    trees->attributes["post_transform"] = std::string("NONE");
    const std::vector<double> tolerances = MarginTolerances(*trees, answers);
    const auto margins = Compute(raw, answers);
    ASSERT_FALSE(margins.has_error()) << margins.error().message;
    ++forests_;
    rows_ += answers.rows;
    CompareMargins(answers, margins->scores, tolerances);
    MixModes(*trees);
    const auto walked_slowly = Compute(raw, answers);
    ASSERT_FALSE(walked_slowly.has_error()) << walked_slowly.error().message;
    EXPECT_EQ(walked_slowly->scores, margins->scores);
    if (answers.probabilities == 0) {
      EXPECT_EQ(served->scores, margins->scores);
      return;
    }
    EXPECT_EQ(served->label, answers.label);
    // Neither the logistic function nor the softmax makes more than half a difference of its arguments; they end with
    // a few roundings of numbers that are at most 1.
    CompareProbabilities(answers, served->scores, *std::ranges::max_element(tolerances) / 2 + std::ldexp(4, -24));
  }

  std::size_t forests() const { return forests_; }
  std::string Report() const {
    std::ostringstream report;
    report << forests_ << " forests, " << rows_ << " rows: margins differ by at most " << margin_difference_ << " ("
           << share_of_tolerance_ << " of what rounding may do), probabilities by " << probability_difference_;
    return report.str();
  }

 private:
  void CompareMargins(const Answers& answers, const std::vector<float>& scores, const std::vector<double>& tolerances) {
    // A classifier with one margin gives two scores: that of the second class is it.
    const std::size_t scores_in_row = scores.size() / answers.rows, first = scores_in_row - answers.margins;
    ASSERT_EQ(scores.size(), answers.rows * scores_in_row);
    ASSERT_EQ(scores_in_row, std::max(answers.margins, answers.probabilities));
    for (std::size_t row = 0; row < answers.rows; ++row)
      for (std::size_t i = 0; i < answers.margins; ++i) {
        const float expected = answers.margin[row * answers.margins + i];
        const double difference = Apart(scores[row * scores_in_row + first + i], expected);
        ASSERT_LE(difference, tolerances[i]) << "margin " << i << " of row " << row << ", which is " << expected;
        margin_difference_ = std::max(margin_difference_, difference);
        share_of_tolerance_ = std::max(share_of_tolerance_, difference / tolerances[i]);
      }
  }

  void CompareProbabilities(const Answers& answers, const std::vector<float>& scores, double tolerance) {
    ASSERT_EQ(scores.size(), answers.probability.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double difference = Apart(scores[i], answers.probability[i]);
      ASSERT_LE(difference, tolerance) << "probability " << i % answers.probabilities << " of row "
                                       << i / answers.probabilities;
      probability_difference_ = std::max(probability_difference_, difference);
    }
  }

  std::size_t forests_ = 0, rows_ = 0;
  double margin_difference_ = 0, share_of_tolerance_ = 0, probability_difference_ = 0;
};

TEST(ForestsTest, GiveXgboostsOwnPredictions) {
  const char* const other = std::getenv("PUNCTUAL_FORESTS");
  const fs::path folder = other != nullptr ? other : PUNCTUAL_SOURCE_DIR "/tests/forests/fixtures";
  Comparison comparison;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".onnx") comparison.Compare(entry.path());
  EXPECT_GT(comparison.forests(), 0u) << folder << " has no forests";
  std::cout << comparison.Report() << "\n";
}

}  // namespace
}  // namespace punctual::native
