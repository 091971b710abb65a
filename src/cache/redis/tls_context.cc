#include "cache/redis/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>

namespace punctual::redis {
namespace {

std::string OpenSslError() {
  const unsigned long code = ERR_get_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "cannot be read" : reason;
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::Create(const std::string& ca_file, const std::string& cert_file,
                                                       const std::string& key_file) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) return Fail(Code::kInternal, "cache.redis.tls: " + OpenSslError());
  std::unique_ptr<TlsContext> tls(new TlsContext(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int trusted = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                      : SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr);
  if (trusted != 1) return Fail(Code::kInvalidArgument, "cache.redis.ca_file: \"" + ca_file + "\": " + OpenSslError());
  if (!cert_file.empty() && SSL_CTX_use_certificate_chain_file(context, cert_file.c_str()) != 1)
    return Fail(Code::kInvalidArgument, "cache.redis.cert_file: \"" + cert_file + "\": " + OpenSslError());
  if (!key_file.empty() && SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return Fail(Code::kInvalidArgument, "cache.redis.key_file: \"" + key_file + "\": " + OpenSslError());
  return tls;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

SSL* TlsContext::NewSession(const std::string& host) const {
  SSL* session = SSL_new(context_);
  if (session == nullptr) return nullptr;
  boost::system::error_code not_numeric;
  boost::asio::ip::make_address(host, not_numeric);
  // The second is what SSL_set_tlsext_host_name does, a macro with a C cast.
  const bool ready = not_numeric ? SSL_set1_host(session, host.c_str()) == 1 &&
                                       SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                                const_cast<char*>(host.c_str())) == 1
                                 : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
  if (ready) return session;
  SSL_free(session);
  return nullptr;
}

std::string CertificateError(const SSL* session) {
  const long result = SSL_get_verify_result(session);
  return result == X509_V_OK ? std::string() : std::string("certificate: ") + X509_verify_cert_error_string(result);
}

}  // namespace punctual::redis
