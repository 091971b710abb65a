// What runs a model whose manifest leaves that to us (backend = "auto"): of the backends that can run the file, the one
// that is quicker on this CPU. What was measured is kept in a file, so that the choice does not change between starts.
#pragma once

#include <memory>
#include <string>

#include "model/backend.h"

namespace punctual {

// Of the time that the first backend takes (native), what the second (openvino) must stay below to be taken: where both
// are as quick, servers with the same CPU should choose the same.
inline constexpr double kMuchQuicker = 0.95;

struct BackendChoice {
  std::string backend;                      // its name
  std::unique_ptr<CompiledModel> compiled;  // by it
  std::unique_ptr<Session> session;         // for one question at a time, its inputs anything
  // For people, of "auto": "native 2.1 us, openvino 5.3 us", or what another said or did for which it was not taken;
  // else empty.
  std::string reason;
  std::string note;  // what an operator should mend: why the measurement is not kept; else empty
};

// `backend`: of a manifest, a name or "auto". `kept_in`: the file of what was measured before, made if it is not there;
// empty: none, and measured again each time, which takes some tens of milliseconds; where inferences are slow, up to a
// second, and three of each backend at least. Processes may share it.
//
// Errors say what each backend that was asked said. Those about the file begin with its path (`request.where`), others
// with the manifest's key: "device: ...". kNotFound: no such backend. Thread-safe.
Result<BackendChoice> ChooseBackend(const std::string& backend, const CompileRequest& request,
                                    const std::string& kept_in);

}  // namespace punctual
