// What runs a model whose manifest leaves that to us (backend = "auto"): of the backends that can run the file, the one
// that is quicker on this CPU. What was measured is kept in a file, so that the choice does not change between starts.
#pragma once

#include <memory>
#include <string>

#include "model/backend.h"

namespace punctual {

struct BackendChoice {
  std::string backend;                      // its name
  std::unique_ptr<CompiledModel> compiled;  // by it
  std::string reason;                       // for people, of "auto": "native 2.1 us, openvino 5.3 us"; else empty
};

// `backend`: of a manifest, a name or "auto". `kept_in`: the file of what was measured before, made if it is not there;
// empty, or one that cannot be used: measured again each time, which takes some tens of milliseconds. Processes may
// share it. kInvalidArgument: the model file cannot be run, with what each backend says; kNotFound: no such backend.
// Thread-safe.
Result<BackendChoice> ChooseBackend(const std::string& backend, const CompileRequest& request,
                                    const std::string& kept_in);

}  // namespace punctual
