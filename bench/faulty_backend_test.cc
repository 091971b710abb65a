#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "faults.h"
#include "model/backend.h"
#include "support/onnx_models.h"

namespace punctual {
namespace {

// The backend maps its page once in a process, so all tests share one.
FaultPage& Page() {
  static FaultPage* const page = [] {
    char path[] = "/tmp/punctual-faults-XXXXXX";
    const int file = ::mkstemp(path);
    EXPECT_EQ(::ftruncate(file, sizeof(FaultPage)), 0);
    ::setenv("PUNCTUAL_FAULTS", path, 1);
    void* const memory = ::mmap(nullptr, sizeof(FaultPage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    EXPECT_NE(memory, MAP_FAILED);
    FindBackend("faulty").value()->Compile({test::LinearModel(4, 3), "m/1/model.onnx", "fp32", "CPU"}).value();
    ::close(file);
    ::unlink(path);
    return static_cast<FaultPage*>(memory);
  }();
  return *page;
}

class FaultyBackendTest : public testing::Test {
 protected:
  FaultyBackendTest() {
    Suffer(Fault::kNone);
    model_ = FindBackend("faulty").value()->Compile({test::LinearModel(4, 3), "m/1/model.onnx", "fp32", "CPU"}).value();
    session_ = model_->NewSession(1).value();
    const float x[4] = {1, 2, 3, 4};
    std::memcpy(session_->input(0).data(), x, sizeof x);
  }
  ~FaultyBackendTest() override { Suffer(Fault::kNone); }

  static void Suffer(Fault fault, std::uint32_t amount = 0, std::int32_t left = -1) {
    Page().amount = amount;
    Page().per_million = 1'000'000;
    Page().left = left;
    Page().suffered = 0;
    Page().fault = static_cast<std::uint32_t>(fault);
  }
  float First() const {
    float value;
    std::memcpy(&value, session_->output(0).data(), sizeof value);
    return value;
  }

  std::unique_ptr<CompiledModel> model_;
  std::unique_ptr<Session> session_;
};

TEST_F(FaultyBackendTest, WithoutAFaultItComputesTheModel) {
  ASSERT_TRUE(session_->Run().has_value());
  EXPECT_NEAR(First(), test::LinearModelReference({1, 2, 3, 4}, 3)[0], 1e-6);
  EXPECT_EQ(Page().suffered, 0u);
}

TEST_F(FaultyBackendTest, NanIsInTheFirstOutputAndGoneWithTheFault) {
  Suffer(Fault::kNan);
  ASSERT_TRUE(session_->Run().has_value());
  EXPECT_TRUE(std::isnan(First()));
  EXPECT_EQ(Page().suffered, 1u);
  Suffer(Fault::kNone);
  ASSERT_TRUE(session_->Run().has_value());
  EXPECT_FALSE(std::isnan(First()));
}

TEST_F(FaultyBackendTest, OnlySoManyInferencesSuffer) {
  Suffer(Fault::kError, 0, 2);
  EXPECT_EQ(session_->Run().error().code, Code::kInternal);
  EXPECT_TRUE(session_->Run().has_error());
  EXPECT_TRUE(session_->Run().has_value());
  EXPECT_EQ(Page().suffered, 2u);
}

TEST_F(FaultyBackendTest, NoneSufferWhereTheShareIsNothing) {
  Suffer(Fault::kError);
  Page().per_million = 0;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(session_->Run().has_value());
}

TEST_F(FaultyBackendTest, ItSleepsAtLeastAsLongAsItIsTold) {
  Suffer(Fault::kSleep, 50);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(session_->Run().has_value());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(50));
}

TEST_F(FaultyBackendTest, WhatHangsGoesOnWhenTheFaultIsCleared) {
  Suffer(Fault::kHang, 0, 1);
  std::atomic<bool> returned = false;
  std::thread hanging([&] {
    EXPECT_TRUE(session_->Run().has_value());
    returned = true;
  });
  while (Page().suffered == 0) std::this_thread::yield();
  EXPECT_FALSE(returned);
  EXPECT_TRUE(model_->NewSession(1).value()->Run().has_value());  // one may hang: the next one does not
  EXPECT_FALSE(returned);
  Suffer(Fault::kNone);
  hanging.join();
  EXPECT_TRUE(returned);
}

}  // namespace
}  // namespace punctual
