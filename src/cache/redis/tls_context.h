// TLS towards Redis: who the server must be, who we are. Immutable after creation: thread-safe.
//
// libvalkey's own TLS context verifies a certificate's chain but not its name, so any holder of any certificate of the
// CA could answer. This one verifies the name (or the address) as well; the handshake itself is libvalkey's.
#pragma once

#include <memory>
#include <string>

#include "punctual/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace punctual::redis {

class TlsContext {
 public:
  // Empty paths: the system's certificates; no client certificate. kInvalidArgument names the field and the file.
  static Result<std::unique_ptr<TlsContext>> Create(const std::string& ca_file, const std::string& cert_file,
                                                    const std::string& key_file);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // A session that accepts the server `host` (a name or a numeric address) alone. Null: out of memory. The caller owns
  // it, or hands it to valkeyInitiateTLS.
  ssl_st* NewSession(const std::string& host) const;

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
};

// Why a handshake failed, as far as the certificate is why; empty otherwise.
std::string CertificateError(const ssl_st* session);

}  // namespace punctual::redis
