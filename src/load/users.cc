#include "load/users.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>

namespace punctual::load {

Result<std::vector<User>> ReadUsers(const std::string& path, const std::vector<Tier>& tiers, std::string_view style) {
  std::ifstream file(path);
  if (!file) return Fail(Code::kNotFound, path + ": cannot be opened; give a file of user,tier,style lines");
  std::vector<User> users;
  std::set<std::string, std::less<>> names;
  bool has_models = false;  // which the server reads
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const auto bad = [&](const std::string& what) {
      return Fail(Code::kInvalidArgument, path + ":" + std::to_string(number) + ": " + what);
    };
    if (line.ends_with('\r')) line.pop_back();
    if (number == 1) {
      has_models = line == "user,tier,style,model";
      if (!has_models && line != "user,tier,style")
        return bad("the header must be \"user,tier,style\" or \"user,tier,style,model\"");
      continue;
    }
    if (line.empty()) continue;
    const std::ptrdiff_t commas = std::count(line.begin(), line.end(), ',');
    if (commas != (has_models ? 3 : 2))
      return bad(has_models ? "takes four fields: user,tier,style,model" : "takes three fields: user,tier,style");
    const std::size_t first = line.find(','), second = line.find(',', first + 1);
    const std::string user = line.substr(0, first), tier = line.substr(first + 1, second - first - 1);
    if (user.empty()) return bad("user: must not be empty");
    const auto found = std::find_if(tiers.begin(), tiers.end(), [&](const Tier& t) { return t.name == tier; });
    if (found == tiers.end()) return bad("tier: \"" + tier + "\" has no budget; give it with --tier " + tier + "=MS");
    if (!names.insert(user).second) return bad("user: \"" + user + "\" is there twice");
    if (!style.empty() && line.substr(second + 1, line.find(',', second + 1) - second - 1) != style) continue;
    users.push_back({user, static_cast<std::size_t>(found - tiers.begin())});
  }
  if (users.empty())
    return Fail(Code::kNotFound, path + ": no users" + (style.empty() ? "" : " of style " + std::string(style)));
  return users;
}

std::vector<User> MakeUsers(std::size_t count, const std::vector<Tier>& tiers) {
  std::vector<User> users(count);
  for (std::size_t i = 0; i < count; ++i) users[i] = {"u" + std::to_string(i + 1), i % tiers.size()};
  return users;
}

Result<Tier> ParseTier(std::string_view text) {
  const std::size_t equals = text.find('=');
  double ms = 0;
  if (equals != std::string_view::npos && equals > 0) {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + equals + 1, end, ms);
    if (parsed.ec != std::errc() || parsed.ptr != end) ms = 0;
  }
  if (!(ms > 0 && ms <= 3'600'000))
    return Fail(Code::kInvalidArgument,
                "tier \"" + std::string(text) + "\": write NAME=MILLISECONDS, for instance premium=15");
  return Tier{std::string(text.substr(0, equals)), Duration(static_cast<std::int64_t>(ms * 1e6))};
}

}  // namespace punctual::load
