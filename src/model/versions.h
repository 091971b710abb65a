// Which folders of a model's folder are its versions: those called as a number above 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace punctual {

// The number that a folder of this name has as a version; none: it would be none.
std::optional<std::uint64_t> VersionOf(std::string_view name);

// The names of the versions in a model's folder, the highest first; empty where it has none or cannot be read. A link
// to a folder counts as one; a dangling link, or a file, does not.
std::vector<std::string> VersionsOf(const std::string& model_folder);

}  // namespace punctual
