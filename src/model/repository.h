// The model repository: folders MODEL/model.toml and MODEL/VERSION/model.onnx, of which the highest version that loads
// serves. Reload() looks again; a version that cannot be loaded is reported, and the one before goes on serving.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/published.h"
#include "model/served_model.h"

namespace punctual {

struct RepositoryEntry {
  std::string name;
  std::shared_ptr<const ServedModel> served;   // null: none could be loaded
  std::string error;                           // why the newest files were refused; empty: they were not
  std::shared_ptr<const ServedModel> student;  // that its manifest names; null: none that can be used
  std::string student_error;                   // why not; empty: it can be, or none is named
};

// Who answers a question.
struct Answerers {
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<const ServedModel> student;  // may be null
};

// Thread-safe. Find never waits for a Reload.
class Repository {
 public:
  using View = std::map<std::string, RepositoryEntry, std::less<>>;

  Repository(std::string path, LoadOptions options);

  // Loads what changed since the last look. Slow (it compiles); one at a time. kNotFound: no such folder, and what was
  // served stays. Returns how many models were loaded, dropped or refused anew.
  Result<int> Reload();
  // kNotFound: no such model; kFailedPrecondition: it could not be loaded, with the reason.
  Result<Answerers> Find(std::string_view name) const;
  std::shared_ptr<const View> Models() const { return view_.Get(); }

 private:
  // Name, size and time of change of the files of a model's folder and of its versions, and where these lead: when it
  // is as before, nothing is read.
  static std::string Fingerprint(const std::string& folder);
  RepositoryEntry LoadModel(const std::string& name, const RepositoryEntry* before) const;
  static void FindStudents(View& view);

  const std::string path_;
  const LoadOptions options_;
  Mutex reload_mutex_;
  std::map<std::string, std::string> fingerprints_ GUARDED_BY(reload_mutex_);
  // Not served any more, but perhaps still answering. Kept until a Reload finds that nobody has them: to take a model
  // down takes milliseconds, which must not fall to the thread of the last request.
  std::vector<std::shared_ptr<const ServedModel>> retired_ GUARDED_BY(reload_mutex_);
  Published<std::shared_ptr<const View>> view_;
};

}  // namespace punctual
