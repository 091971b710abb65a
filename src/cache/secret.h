// The secret that keys and signs a disk cache: made once, kept beside it, shared by the processes that share the cache.
#pragma once

#include <string>

#include "punctual/result.h"

namespace punctual {

// Reads DIRECTORY/secret, or makes it (32 random bytes, readable by its owner alone). Safe against another process that
// makes it at the same time. One that is empty (a power cut) is filled anew. kFailedPrecondition: it cannot be read or
// written, or has another size.
Result<std::string> SecretIn(const std::string& directory);

}  // namespace punctual
