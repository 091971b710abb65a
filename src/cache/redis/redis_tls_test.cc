#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cache/redis/redis_under_test.h"
#include "support/redis_server.h"

namespace punctual::test {
namespace {

namespace fs = std::filesystem;

// A folder with a certificate authority and a server's certificate for `name` ("IP:127.0.0.1", "DNS:...").
class Certificates {
 public:
  explicit Certificates(const std::string& name) {
    std::string pattern = (fs::temp_directory_path() / "punctual-tls-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    folder_ = pattern;
    std::ofstream(folder_ + "/extensions") << "subjectAltName=" << name << "\n";
    Run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-ca "
        "-keyout ca.key -out ca.crt");
    Run("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test-server "
        "-keyout server.key -out server.csr");
    Run("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out "
        "server.crt");
  }
  ~Certificates() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  const std::string& folder() const { return folder_; }
  RedisOptions OptionsFor(const std::string& node) const {
    RedisOptions options = Options({node});
    options.tls = true;
    options.ca_file = folder_ + "/ca.crt";
    options.cert_file = folder_ + "/server.crt";
    options.key_file = folder_ + "/server.key";
    return options;
  }

 private:
  void Run(const std::string& arguments) const {
    if (std::system(("cd " + folder_ + " && openssl " + arguments + " >openssl.log 2>&1").c_str()) != 0)
      ADD_FAILURE() << "openssl " << arguments;
  }
  std::string folder_;
};

TEST(RedisTlsTest, ATrustedServerOfTheRightNameIsUsed) {
  const Certificates certificates("IP:127.0.0.1,DNS:localhost");
  RedisServer server({}, certificates.folder());
  auto cache = OpenAndWait(certificates.OptionsFor(server.address()));
  ASSERT_TRUE(PutAndWait(*cache, 1, "record"));
  EXPECT_EQ(Ask(*cache, 1).bytes, "record");
  for (std::uint64_t key = 10; key < 15; ++key) Put(*cache, key, std::string(1u << 20, 'x'));
  ASSERT_TRUE(WaitFor([&] { return cache->Stats().written == 6; }));
  std::vector<std::future<Answer>> answers;
  for (std::uint64_t key = 10; key < 15; ++key) answers.push_back(AskLater(*cache, key));
  for (auto& answer : answers) EXPECT_EQ(answer.get().bytes.size(), 1u << 20) << "more than one TLS record";

  auto by_name = OpenAndWait(certificates.OptionsFor("localhost:" + std::to_string(server.port())));
  EXPECT_EQ(Ask(*by_name, 1).bytes, "record");
}

TEST(RedisTlsTest, AServerOfAnotherNameIsRefused) {
  const Certificates certificates("DNS:elsewhere");
  RedisServer server({}, certificates.folder());
  auto cache = OpenCache(certificates.OptionsFor(server.address()));
  EXPECT_TRUE(WaitFor([&] { return NodeStats(*cache, server.address()).last_error != ""; }));
  EXPECT_THAT(NodeStats(*cache, server.address()).last_error, testing::HasSubstr("IP address mismatch"));
  EXPECT_EQ(cache->Stats().connects, 0u);
}

TEST(RedisTlsTest, AServerOfAnotherAuthorityIsRefused) {
  const Certificates certificates("IP:127.0.0.1"), others("IP:127.0.0.1");
  RedisServer server({}, certificates.folder());
  RedisOptions options = others.OptionsFor(server.address());
  auto cache = OpenCache(options);
  EXPECT_TRUE(WaitFor([&] { return NodeStats(*cache, server.address()).last_error != ""; }));
  EXPECT_THAT(NodeStats(*cache, server.address()).last_error, testing::HasSubstr("certificate: "));
  EXPECT_EQ(cache->Stats().connects, 0u);
}

TEST(RedisTlsTest, APlainServerIsNoTlsServer) {
  const Certificates certificates("IP:127.0.0.1");
  RedisServer server;
  RedisOptions options = certificates.OptionsFor(server.address());
  options.connect_timeout = 200ms;
  auto cache = OpenCache(options);
  EXPECT_TRUE(WaitFor([&] { return NodeStats(*cache, server.address()).state == "open"; }));
  EXPECT_EQ(cache->Stats().connects, 0u);
}

}  // namespace
}  // namespace punctual::test
