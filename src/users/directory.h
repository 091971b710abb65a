// Who asks: users, their tiers (budgets) and their trading styles (models). Immutable; thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual {

struct Tier {
  std::string name;
  Duration budget{};
  std::size_t index = 0;  // in UserDirectory::tiers(), by rising budget
  double weight = 1;      // share of the worker pool under overload
};

struct User {
  const Tier* tier = nullptr;
  const std::string* model = nullptr;  // that the user's style picks
};

struct UserEntry {
  std::string name, tier, style;
  std::string where = {};  // where it was declared, for messages; may be empty
};

class UserDirectory {
 public:
  // kInvalidArgument names the user, tier or style that is wrong: no tier at all, a budget <= 0, a user twice, a tier
  // or style that is not declared.
  static Result<UserDirectory> Make(const std::map<std::string, Duration>& tier_budgets,
                                    const std::map<std::string, std::string>& style_models,
                                    const std::vector<UserEntry>& users);
  UserDirectory(UserDirectory&&) = default;
  UserDirectory& operator=(UserDirectory&&) = default;

  // kNotFound.
  Result<User> Find(std::string_view name) const;
  const std::vector<Tier>& tiers() const { return tiers_; }
  std::size_t user_count() const { return users_.size(); }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  UserDirectory() = default;

  std::vector<Tier> tiers_;                    // never changes after Make: users point into it
  std::map<std::string, std::string> styles_;  // as well
  std::unordered_map<std::string, User, TextHash, std::equal_to<>> users_;
};

// Reads `user,tier,style` lines under that header (CSV without quotes). kNotFound, or kInvalidArgument naming file and
// line.
Result<std::vector<UserEntry>> ReadUsersFile(const std::string& path);

}  // namespace punctual
