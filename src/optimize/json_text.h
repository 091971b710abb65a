// JSON as people read it: indented, numbers of ten digits without exponents where they are not tiny.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace punctual::optimize {

// Numbers that are not finite become null: JSON has none. Ends with a line end.
std::string JsonText(const boost::json::value& value);

}  // namespace punctual::optimize
