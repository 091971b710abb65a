// A prediction request's body: either a request whose numbers are finite, or an error.
#include <cmath>
#include <cstdlib>
#include <string>

#include "server/http/predict_json.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static punctual::http::JsonParser parser;
  std::string text(reinterpret_cast<const char*>(data), size);
  const auto request = punctual::http::ParsePredictRequest(parser, punctual::http::PaddedText::Of(text));
  if (request.has_error()) return 0;
  for (const auto& input : request->inputs)
    if (input.tensor.dtype() == punctual::DType::kFloat32)
      for (const float value : input.tensor.values<float>())
        if (!std::isfinite(value)) std::abort();
  for (const auto& book : request->market) (void)punctual::Validate(book);
  return 0;
}
