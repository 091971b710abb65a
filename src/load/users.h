// Who asks: users and their tiers, from a file or made up.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "load/options.h"
#include "punctual/result.h"

namespace punctual::load {

// Reads "user,tier,style" lines below a header line that names these columns, in this order; behind them may be a
// column "model". `style` picks the lines of one style; empty: all. kNotFound: no such file, or no user of that style;
// kInvalidArgument names the file, the line and what is wrong with it.
Result<std::vector<User>> ReadUsers(const std::string& path, const std::vector<Tier>& tiers, std::string_view style);
// u1 ... uN, their tiers in turn.
std::vector<User> MakeUsers(std::size_t count, const std::vector<Tier>& tiers);

// "premium=15" (milliseconds) as --tier takes it. kInvalidArgument.
Result<Tier> ParseTier(std::string_view text);

}  // namespace punctual::load
