#include "load/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

namespace punctual::load {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

int PortOf(const Address& address) {
  sockaddr_in found{};
  std::memcpy(&found, &address.socket_address, sizeof found);
  return ntohs(found.sin_port);
}

TEST(AddressTest, ReadsHostAndPort) {
  EXPECT_EQ(PortOf(ParseAddress("http://127.0.0.1:8080").value()), 8080);
  EXPECT_EQ(PortOf(ParseAddress("http://127.0.0.1:65535/").value()), 65535);
  EXPECT_EQ(PortOf(ParseAddress("http://127.0.0.1").value()), 80);
  EXPECT_EQ(ParseAddress("http://[::1]:1").value().socket_address.ss_family, AF_INET6);
  EXPECT_EQ(ParseAddress("unix:/run/x.sock").value().socket_address.ss_family, AF_UNIX);
  EXPECT_EQ(ParseAddress("unix:x.sock").value().socket_address.ss_family, AF_UNIX);
}

// The system's resolver takes 99999 for 34463.
TEST(AddressTest, APortThatIsNoneIsRefused) {
  for (const char* port : {"65536", "99999", "4295032832", "0", "-1", "+80", "80x", "http", " 80"}) {
    const auto address = ParseAddress("http://127.0.0.1:" + std::string(port));
    ASSERT_TRUE(address.has_error()) << port;
    EXPECT_EQ(address.error().code, Code::kInvalidArgument);
    EXPECT_THAT(address.error().message, AllOf(HasSubstr(port), HasSubstr("must be a number from 1 to 65535")));
  }
}

}  // namespace
}  // namespace punctual::load
