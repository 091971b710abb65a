// Who asks: users, their tiers (budgets, rates) and their trading styles (models). Immutable, but for what the token
// buckets hold; thread-safe.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "punctual/prediction.h"
#include "punctual/result.h"
#include "users/rate_limit.h"

namespace punctual {

struct Tier {
  std::string name;
  Duration budget{};
  double weight = 1;              // share of the worker pool when it has too much to do
  TokenBucket* bucket = nullptr;  // of all its users together; null: no limit
  std::size_t index = 0;          // in UserDirectory::tiers(), by rising budget
};

struct User {
  const Tier* tier = nullptr;
  const std::string* model = nullptr;  // that PickModel picks
  TokenBucket* bucket = nullptr;       // null: no limit
};

// Which limit refused a request, and after how long the next one may pass.
enum class LimitOf : std::uint8_t { kUser, kTier };
struct OverLimit {
  LimitOf limit = LimitOf::kUser;
  Duration retry_after{};  // > 0
};

// A token of the user's and one of the tier's for one request, or none of either. Thread-safe and lock-free.
std::optional<OverLimit> TakeTokens(const User& user, TimePoint now);

using StyleModels = std::map<std::string, std::string>;  // style -> model

// Who picks a user's model, the strongest first.
enum class PickedBy : std::uint8_t { kUser, kTier, kStyle };
struct ModelPick {
  const std::string* model = nullptr;  // null: the style is not declared
  PickedBy by = PickedBy::kStyle;
};

// The model of a user that names none in a request: `own`, unless it is empty; else the tier's for the style; else the
// style's. Points into its arguments.
ModelPick PickModel(const std::string& own, const StyleModels& of_tier, const StyleModels& of_styles,
                    const std::string& style);

struct TierEntry {
  Duration budget{};
  double weight = 1;
  RateLimit limit = {};       // of the whole tier
  RateLimit user_limit = {};  // of each of its users
  StyleModels models = {};    // of its users, before those of the styles
};

struct UserEntry {
  std::string name, tier, style;
  std::string model = {};  // its own; empty: none
  std::string where = {};  // where it was declared, for messages; may be empty
};

class UserDirectory {
 public:
  // kInvalidArgument names the user, tier or style that is wrong: no tier at all, a budget or weight <= 0, a limit that
  // cannot work, a user twice, a tier or style that is not declared. Whether there are such models is not asked here.
  static Result<UserDirectory> Make(const std::map<std::string, TierEntry>& tiers, const StyleModels& style_models,
                                    const std::vector<UserEntry>& users);
  UserDirectory(UserDirectory&&) = default;
  UserDirectory& operator=(UserDirectory&&) = default;

  // kNotFound. One look-up: the model was picked in Make.
  Result<User> Find(std::string_view name) const;
  const std::vector<Tier>& tiers() const { return tiers_; }
  std::size_t user_count() const { return users_.size(); }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  UserDirectory() = default;
  TokenBucket* NewBucket(const RateLimit& limit);

  std::vector<Tier> tiers_;          // never changes after Make: users point into it
  std::set<std::string> models_;     // as well
  std::deque<TokenBucket> buckets_;  // as well
  std::unordered_map<std::string, User, TextHash, std::equal_to<>> users_;
};

// What is said of a user that is not there: kNotFound.
Error UnknownUser(std::string_view name);

// Reads lines of `user,tier,style` or `user,tier,style,model`, as the header has it (CSV without quotes; no model:
// none of its own). kNotFound, or kInvalidArgument naming file and line.
Result<std::vector<UserEntry>> ReadUsersFile(const std::string& path);

}  // namespace punctual
