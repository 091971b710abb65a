// Texts in TOML that is written.
#pragma once

#include <string>
#include <string_view>

namespace punctual::optimize {

// As a basic string: "a \"b\"", in its quotes.
std::string TomlString(std::string_view text);
// As a key: bare where it may be, else a basic string.
std::string TomlKey(std::string_view name);

}  // namespace punctual::optimize
