#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

// Macros that Swift does not see.

static const uint64_t nt_no_renegotiation = SSL_OP_NO_RENEGOTIATION;
static const uint64_t nt_no_compression = SSL_OP_NO_COMPRESSION;

static inline int nt_set_min_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}

static inline int nt_set_max_version(SSL *session, int version) {
    return (int)SSL_set_max_proto_version(session, version);
}

static inline int nt_set_groups(SSL_CTX *context, const char *names) {
    return (int)SSL_CTX_set1_groups_list(context, names);
}

static inline void nt_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }

static inline void nt_keep_no_sessions(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline int nt_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

/// The bytes in a memory buffer; valid until it is read from, written to or emptied.
static inline long nt_buffer_contents(BIO *buffer, char **bytes) { return BIO_get_mem_data(buffer, bytes); }

static inline void nt_buffer_empty(BIO *buffer) { (void)BIO_reset(buffer); }
