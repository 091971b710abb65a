#include "users/directory.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/text.h"

namespace punctual {

std::optional<OverLimit> TakeTokens(const User& user, TimePoint now) {
  TokenBucket::Taken of_user;
  if (user.bucket != nullptr) {
    of_user = user.bucket->Take(now);
    if (!of_user.passed()) return OverLimit{LimitOf::kUser, of_user.retry_after};
  }
  if (user.tier->bucket == nullptr) return std::nullopt;
  const TokenBucket::Taken of_tier = user.tier->bucket->Take(now);
  if (of_tier.passed()) return std::nullopt;
  if (user.bucket != nullptr) user.bucket->GiveBack(of_user);
  return OverLimit{LimitOf::kTier, of_tier.retry_after};
}

TokenBucket* UserDirectory::NewBucket(const RateLimit& limit) {
  return limit.rate > 0 ? &buckets_.emplace_back(limit) : nullptr;
}

ModelPick PickModel(const std::string& own, const StyleModels& of_tier, const StyleModels& of_styles,
                    const std::string& style) {
  const auto by_style = of_styles.find(style);
  if (by_style == of_styles.end()) return {};
  if (!own.empty()) return {&own, PickedBy::kUser};
  const auto by_tier = of_tier.find(style);
  if (by_tier != of_tier.end()) return {&by_tier->second, PickedBy::kTier};
  return {&by_style->second, PickedBy::kStyle};
}

Result<UserDirectory> UserDirectory::Make(const std::map<std::string, TierEntry>& tiers,
                                          const StyleModels& style_models, const std::vector<UserEntry>& users) {
  UserDirectory directory;
  if (tiers.empty()) return Fail(Code::kInvalidArgument, "tiers: there must be one at least");
  for (const auto& [name, tier] : tiers) {
    const std::string where = "tiers." + name + ".";
    if (tier.budget <= Duration::zero()) return Fail(Code::kInvalidArgument, where + "budget_ms: must be above 0");
    if (!(tier.weight > 0 && std::isfinite(tier.weight)))
      return Fail(Code::kInvalidArgument, where + "weight: must be above 0");
    PUNCTUAL_TRY(tier.limit.Check(where));
    PUNCTUAL_TRY(tier.user_limit.Check(where + "user_"));
    for (const auto& [style, model] : tier.models)
      if (!style_models.contains(style))
        return Fail(Code::kInvalidArgument,
                    where + "models." + style + ": style \"" + style + "\" is not declared under [styles]");
    directory.tiers_.push_back({name, tier.budget, tier.weight, directory.NewBucket(tier.limit), 0});
  }
  std::stable_sort(directory.tiers_.begin(), directory.tiers_.end(),
                   [](const Tier& a, const Tier& b) { return a.budget < b.budget; });
  for (std::size_t i = 0; i < directory.tiers_.size(); ++i) directory.tiers_[i].index = i;
  directory.users_.reserve(users.size());
  for (const UserEntry& entry : users) {
    const std::string who = (entry.where.empty() ? "" : entry.where + ": ") + "user " + entry.name;
    if (entry.name.empty()) return Fail(Code::kInvalidArgument, who + ": the name is empty");
    for (const auto& [field, value] : {std::pair("tier", &entry.tier), std::pair("style", &entry.style)})
      if (value->empty())
        return Fail(Code::kInvalidArgument,
                    who + ": " + field + ": is missing; name one that is declared under [" + field + "s]");
    const auto tier = std::find_if(directory.tiers_.begin(), directory.tiers_.end(),
                                   [&](const Tier& t) { return t.name == entry.tier; });
    if (tier == directory.tiers_.end())
      return Fail(Code::kInvalidArgument, who + ": tier \"" + entry.tier + "\" is not declared under [tiers]");
    const TierEntry& tier_entry = tiers.at(tier->name);
    const ModelPick pick = PickModel(entry.model, tier_entry.models, style_models, entry.style);
    if (pick.model == nullptr)
      return Fail(Code::kInvalidArgument, who + ": style \"" + entry.style + "\" is not declared under [styles]");
    const std::string* model = &*directory.models_.insert(*pick.model).first;
    const auto [user, is_new] = directory.users_.emplace(entry.name, User{&*tier, model});
    if (!is_new) return Fail(Code::kInvalidArgument, who + ": stands there twice");
    user->second.bucket = directory.NewBucket(tier_entry.user_limit);
  }
  return directory;
}

Result<User> UserDirectory::Find(std::string_view name) const {
  const auto found = users_.find(name);
  if (found == users_.end()) return UnknownUser(name);
  return found->second;
}

Error UnknownUser(std::string_view name) {
  return Fail(Code::kNotFound, "user: \"" + std::string(CutText(name, 64)) + "\" is not known; add it under [users]");
}

Result<std::vector<UserEntry>> ReadUsersFile(const std::string& path) {
  std::ifstream file(path);
  if (!file)
    return Fail(Code::kNotFound, path + ": cannot be opened; users.file must name a CSV file that can be read");
  std::vector<UserEntry> users;
  bool has_models = false;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    const auto refuse = [&](const std::string& what) {
      return Fail(Code::kInvalidArgument, path + ":" + std::to_string(number) + ": " + what);
    };
    if (number == 1) {
      has_models = line == "user,tier,style,model";
      if (!has_models && line != "user,tier,style")
        return refuse("the first line must be \"user,tier,style\" or \"user,tier,style,model\"");
      continue;
    }
    if (line.empty()) continue;
    std::vector<std::string_view> columns = SplitAtCommas(line);
    if (columns.size() != (has_models ? 4u : 3u))
      return refuse(has_models ? "must have 4 columns: user, tier, style, model (empty: none of its own)"
                               : "must have 3 columns: user, tier, style");
    columns.resize(4);
    users.push_back({std::string(columns[0]), std::string(columns[1]), std::string(columns[2]), std::string(columns[3]),
                     path + ":" + std::to_string(number)});
  }
  return users;
}

}  // namespace punctual
