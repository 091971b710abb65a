#include "optimize/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

Subject SubjectOf(const std::string& manifest_text, const std::string& student = "") {
  Subject subject;
  subject.folder.name = "m";
  subject.folder.manifest_text = manifest_text;
  subject.folder.manifest.variant = "fp32";
  subject.folder.manifest.student = student;
  return subject;
}

VariantRun RunOf(const std::string& variant, double p50_us, bool passed = true) {
  VariantRun run{.variant = variant, .backend = "native"};
  run.passed = passed;
  run.latency.warm = run.latency.cold = run.latency.busy = {p50_us, p50_us, 100};
  return run;
}

// The model itself takes 100 µs, and its answers 100 µs.
Optimization Found(std::vector<VariantRun> others, double budget_ms = 15) {
  Optimization found;
  found.model = "m";
  found.tiers = {{"premium", budget_ms}};
  found.runs = std::move(others);
  found.runs.insert(found.runs.begin(), RunOf("fp32", 100));
  found.int8.failure = "none was made";
  found.student.failure = "none was asked for";
  for (const VariantRun& run : found.runs) {
    if (run.variant == "int8") found.int8.failure.clear();
    if (run.variant != "student") continue;
    found.student.failure.clear();
    found.student.description = "perceptron 8";
    found.student.time.typical_us = run.latency.warm.p50_us;
    found.student.of_model.typical_us = 100;
  }
  return found;
}

// Of the model's own folder.
std::string ManifestOf(const Subject& subject, Optimization& found) {
  const std::vector<MadeModel> models = Decide(subject, found);
  EXPECT_EQ(models.at(0).name, "m");
  EXPECT_EQ(models[0].variant, found.serves);
  return models[0].manifest;
}

TEST(DecideTest, WhatIsNoQuickerIsNotServed) {
  Optimization found = Found({RunOf("int8", 81), RunOf("student", 51)});
  EXPECT_EQ(ManifestOf(SubjectOf("x = 1\n"), found), "x = 1\n");
  EXPECT_EQ(found.serves, "fp32");
  EXPECT_THAT(found.to_serve, IsEmpty());
  EXPECT_THAT(found.verdict, StartsWith("Serve the model as it is, in fp32."));
  EXPECT_THAT(found.verdict, HasSubstr("int8 passed the gate but takes 81 µs where the model takes 100 (medians"));
  EXPECT_THAT(found.verdict,
              HasSubstr("The student (perceptron 8) passed the gate, but an answer takes 51 µs instead of 100;"));
  EXPECT_EQ(found.student_name, "m-student") << "it lies beside the model";
}

TEST(DecideTest, TimesAreWrittenWithoutExponents) {
  Optimization found = Found({RunOf("int8", 2345.6), RunOf("student", 1234.4)});
  Decide(SubjectOf(""), found);
  EXPECT_THAT(found.verdict, HasSubstr("takes 2346 µs"));
  EXPECT_THAT(found.verdict, HasSubstr("takes 1234 µs instead of 100;"));
}

TEST(DecideTest, WhatPassedAndIsQuickerIsServed) {
  Optimization found = Found({RunOf("int8", 79), RunOf("student", 50)});
  EXPECT_EQ(ManifestOf(SubjectOf(""), found), "student = \"m-student\"\nvariant = \"int8\"\n");
  EXPECT_EQ(found.serves, "int8");
  EXPECT_THAT(found.to_serve, ElementsAre("m", "m-student"));
  EXPECT_THAT(found.verdict, StartsWith("Serve int8, with the student beside it."));
}

TEST(DecideTest, OnABusyMachineAVariantMustBeMuchQuicker) {
  Optimization found = Found({RunOf("int8", 75)});
  found.machine.load = 2;
  Decide(SubjectOf(""), found);
  EXPECT_EQ(found.serves, "fp32");
  EXPECT_THAT(found.verdict, HasSubstr("30 % less, as the machine had other work"));
}

TEST(DecideTest, WhatDidNotPassIsLeftOutHoweverQuick) {
  Optimization found = Found({RunOf("int8", 1, false), RunOf("student", 1, false)}, 0.001);
  EXPECT_EQ(ManifestOf(SubjectOf(""), found), "");
  EXPECT_THAT(found.to_serve, IsEmpty());
  EXPECT_EQ(found.student_name, "");
  EXPECT_THAT(found.verdict, HasSubstr("int8 did not pass the gate (by native)"));
  EXPECT_THAT(found.verdict, HasSubstr("did not pass the gate (by native): it is left out."));
  EXPECT_THAT(found.verdict, HasSubstr("Nothing that passed fits premium (0.001 ms) with room."));
}

TEST(DecideTest, Bf16IsServedWhereItIsQuickerThanWhatElseWouldBe) {
  Optimization found = Found({RunOf("int8", 50), RunOf("bf16", 40)});
  EXPECT_EQ(ManifestOf(SubjectOf(""), found), "variant = \"bf16\"\n");
  found = Found({RunOf("int8", 50), RunOf("bf16", 60)});
  EXPECT_EQ(ManifestOf(SubjectOf(""), found), "variant = \"int8\"\n");
}

TEST(DecideTest, AStudentThatTheManifestNamesIsServedAgainAsItIsANewOne) {
  Optimization found = Found({RunOf("student", 5)});
  EXPECT_EQ(ManifestOf(SubjectOf("student = \"m-student\"\n", "m-student"), found), "student = \"m-student\"\n");
  EXPECT_THAT(found.to_serve, ElementsAre("m", "m-student"));
  EXPECT_THAT(found.notes, IsEmpty());
}

TEST(DecideTest, AnotherStudentInTheManifestStaysAndNothingIsToBeServed) {
  Optimization found = Found({RunOf("student", 5)});
  EXPECT_EQ(ManifestOf(SubjectOf("student = \"other\"\n", "other"), found), "student = \"other\"\n");
  EXPECT_THAT(found.to_serve, IsEmpty());
  EXPECT_THAT(found.verdict, StartsWith("Serve the model as it is, in fp32."));
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("names the student \"other\" already"),
                                       HasSubstr("\"other\", which is not in the new folder")));
}

// One that is no quicker takes the place of the one that stands in only if somebody copies it, which is said.
TEST(DecideTest, AStudentThatTheManifestNamesIsNotServedWhereTheNewOneIsNotQuicker) {
  const Subject subject = SubjectOf("student = \"m-student\"\n", "m-student");
  Optimization found = Found({RunOf("student", 60)});
  EXPECT_EQ(ManifestOf(subject, found), "student = \"m-student\"\n");
  EXPECT_THAT(found.to_serve, IsEmpty());
  EXPECT_THAT(found.verdict, StartsWith("Serve the model as it is, in fp32."));
  EXPECT_THAT(found.verdict,
              HasSubstr("has to take half as long. The model names m-student already: copied over that"));
  EXPECT_THAT(found.notes, IsEmpty());
  found = Found({RunOf("student", 60)}, 0.15);
  Decide(subject, found);
  EXPECT_THAT(found.to_serve, ElementsAre("m-student")) << "a tier needs it";
  EXPECT_THAT(found.verdict, HasSubstr("copied over that, or served from the new folder, it stands in all the same."));
}

TEST(DecideTest, AStudentThatTheManifestNamesAndThatDidNotPassIsMissedInTheNewFolder) {
  Optimization found = Found({RunOf("student", 5, false)});
  Decide(SubjectOf("student = \"m-student\"\n", "m-student"), found);
  EXPECT_THAT(found.to_serve, IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("\"m-student\", which is not in the new folder")));
}

// A tier's users ask it as a model of its own: the model's folder can stay.
TEST(DecideTest, AStudentThatOnlyATierNeedsIsServedWithoutTheModelsFolder) {
  Optimization found = Found({RunOf("student", 60)}, 0.15);
  EXPECT_EQ(ManifestOf(SubjectOf(""), found), "");
  EXPECT_EQ(found.choices.at(0).model, "m-student");
  EXPECT_THAT(found.to_serve, ElementsAre("m-student"));
  EXPECT_THAT(found.verdict, HasSubstr("Only the student fits premium (0.15 ms) with room: the lines for the server's "
                                       "configuration let them ask m-student."));
}

TEST(DecideTest, AVariantThatOnlyATierNeedsGetsAFolderOfItsOwn) {
  Optimization found = Found({RunOf("int8", 90), RunOf("student", 1)}, 0.19);
  found.tiers = {{"first", 0.185}, {"second", 0.19}, {"third", 0.2}};
  const std::vector<MadeModel> models = Decide(SubjectOf("device = \"CPU\"\nvariant = \"fp32\"\n"), found);
  ASSERT_EQ(models.size(), 2u) << "one for both tiers";
  const std::string student = "student = \"m-student\"\n";
  EXPECT_EQ(models[0].manifest, student + "device = \"CPU\"\nvariant = \"fp32\"\n");
  EXPECT_EQ(models[1].name, "m-int8");
  EXPECT_EQ(models[1].variant, "int8");
  EXPECT_EQ(models[1].manifest, student + "device = \"CPU\"\nvariant = \"int8\"\n");
  EXPECT_EQ(found.choices[0].model, "m-int8");
  EXPECT_EQ(found.choices[1].model, "m-int8");
  EXPECT_EQ(found.choices[2].model, "") << "the model itself has room";
  EXPECT_THAT(found.to_serve, ElementsAre("m", "m-student", "m-int8"));
  EXPECT_THAT(found.verdict, StartsWith("Serve the model as it is, in fp32, with the student beside it."));
  EXPECT_THAT(found.verdict, HasSubstr("The most faithful that fits first (0.185 ms) and second (0.19 ms) with room is "
                                       "int8 by native: the lines for the server's configuration let them ask m-int8. "
                                       "The model itself fits third (0.2 ms) with room, by native."));
}

// All ask the model then; what it serves is quick enough for all that something more faithful is for.
TEST(DecideTest, NobodyAsksAnotherModelWhereWhatIsServedHasRoom) {
  Optimization found = Found({RunOf("bf16", 60), RunOf("int8", 50)}, 0.15);
  EXPECT_EQ(Decide(SubjectOf(""), found).size(), 1u);
  EXPECT_EQ(found.serves, "int8");
  EXPECT_EQ(found.runs[*found.choices.at(0).run].variant, "bf16");
  EXPECT_EQ(found.choices[0].model, "");
  EXPECT_THAT(found.to_serve, ElementsAre("m"));
  EXPECT_THAT(found.verdict, HasSubstr("with room is bf16 by native; int8, which is served, fits as well."));
  found = Found({RunOf("int8", 50)}, 0.15);
  Decide(SubjectOf(""), found);
  EXPECT_THAT(found.verdict, HasSubstr("with room is int8 by native, which is served."));
}

// Served is what is quicker mostly; what a tier needs must be quick nearly always.
TEST(DecideTest, AModelThatFitsWhereWhatIsServedDoesNotGetsAFolderOfItsOwn) {
  Optimization found = Found({RunOf("int8", 50)}, 0.25);
  found.runs[1].latency.busy.p99_us = 300;
  const std::vector<MadeModel> models = Decide(SubjectOf("variant = \"fp32\"\n"), found);
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].manifest, "variant = \"int8\"\n");
  EXPECT_EQ(models[1].name, "m-fp32");
  EXPECT_EQ(models[1].manifest, "variant = \"fp32\"\n");
  EXPECT_THAT(found.to_serve, ElementsAre("m", "m-fp32"));
  EXPECT_THAT(found.verdict, HasSubstr("The most faithful that fits premium (0.25 ms) with room is fp32 by native: the "
                                       "lines for the server's configuration let them ask m-fp32."));
}

TEST(DecideTest, AManifestThatCannotBeChangedStaysWithANote) {
  // The key is inside of a text: what would be changed is not what counts.
  const std::string text = "description = '''\nvariant = \"x\"\n'''\n";
  Optimization found = Found({RunOf("int8", 5)});
  EXPECT_EQ(ManifestOf(SubjectOf(text), found), text);
  EXPECT_EQ(found.serves, "fp32");
  EXPECT_THAT(found.to_serve, IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("cannot be put into it")));
  EXPECT_THAT(found.verdict, Not(HasSubstr("Serve int8")));

  found = Found({RunOf("int8", 90)}, 0.19);
  EXPECT_EQ(Decide(SubjectOf(text), found).size(), 1u);
  EXPECT_EQ(found.choices.at(0).model, "");
  EXPECT_THAT(found.to_serve, IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("No folder with variant = \"int8\" is made for tiers: the manifest")));
}

// Whoever followed the lines of an earlier run is told when they are for nothing.
TEST(DecideTest, WhatTiersAskForNothingIsSaid) {
  Optimization found = Found({RunOf("int8", 90), RunOf("student", 60)}, 0.15);
  found.tiers = {{"first", 0.15, std::nullopt, {"m-student", "other"}},
                 {"second", 0.19, std::nullopt, {"m-student"}},
                 {"third", 15, std::nullopt, {"m-fp32"}},
                 {"in vain", 0.01, std::nullopt, {"m-student"}}};
  Decide(SubjectOf(""), found);
  EXPECT_EQ(found.choices[0].model, "m-student");
  EXPECT_EQ(found.choices[1].model, "m-int8");
  EXPECT_EQ(found.choices[3].model, "") << "nothing has room: nobody can say what is better";
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("users of the tier second ask m-student, which by these"),
                                       HasSubstr("users of the tier third ask m-fp32, which by these")));
}

TEST(DecideTest, AVariantOfItsOwnIsNotHeldAgainstItself) {
  Subject subject = SubjectOf("variant = \"bf16\"\n");
  subject.folder.manifest.variant = "bf16";
  Optimization found = Found({});
  found.runs = {RunOf("bf16", 100)};
  Decide(subject, found);
  EXPECT_THAT(found.verdict, StartsWith("Serve the model as it is, in bf16. There is no int8 file"));
  EXPECT_THAT(found.verdict, Not(HasSubstr("passed the gate")));
}

TEST(DecideTest, AStudentsNameOfAnyCharactersIsWrittenIntoTheManifest) {
  Optimization found = Found({RunOf("student", 5)});
  found.model = "it\"s\\\n";
  const std::vector<MadeModel> models = Decide(SubjectOf(""), found);
  EXPECT_EQ(models.at(0).manifest, "student = \"it\\\"s\\\\\\u000A-student\"\n");
  EXPECT_THAT(found.notes, IsEmpty());
}

TEST(DecideTest, AFolderForATierIsNotMadeInThePlaceOfTheModelsStudent) {
  Optimization found = Found({RunOf("int8", 90)}, 0.19);
  found.tiers = {{"first", 0.185}, {"second", 0.19}};
  EXPECT_EQ(Decide(SubjectOf("student = \"m-int8\"\n", "m-int8"), found).size(), 1u);
  EXPECT_THAT(found.to_serve, IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("is made for tiers: m-int8 is the model's student; copy the model's"),
                                       HasSubstr("which is not in the new folder")));
  EXPECT_THAT(found.verdict, HasSubstr("The most faithful that fits first (0.185 ms) and second (0.19 ms) with room is "
                                       "int8 by native."));
}

}  // namespace
}  // namespace punctual::optimize
