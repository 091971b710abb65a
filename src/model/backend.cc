#include "model/backend.h"

#include <map>

#include "base/mutex.h"

namespace punctual {

namespace {

struct Entry {
  BackendFactory factory = nullptr;
  std::unique_ptr<Backend> backend;
};

struct Backends {
  Mutex mutex;
  std::map<std::string, Entry> entries GUARDED_BY(mutex);
};

// Never destroyed: sessions of engines in static storage may outlive any order of destruction.
Backends& AllBackends() {
  static Backends* const backends = new Backends;
  return *backends;
}

}  // namespace

bool RegisterBackend(const std::string& name, BackendFactory factory) {
  Backends& all = AllBackends();
  MutexLock lock(all.mutex);
  return all.entries.emplace(name, Entry{factory, nullptr}).second;
}

Result<Backend*> FindBackend(const std::string& name) {
  Backends& all = AllBackends();
  MutexLock lock(all.mutex);
  const auto found = all.entries.find(name);
  if (found == all.entries.end()) {
    std::string names = "auto";
    for (const auto& [known, entry] : all.entries) names += ", " + known;
    return Fail(Code::kNotFound, "backend: \"" + name + "\" is not one of: " + names);
  }
  if (!found->second.backend) found->second.backend = found->second.factory();
  return found->second.backend.get();
}

}  // namespace punctual
