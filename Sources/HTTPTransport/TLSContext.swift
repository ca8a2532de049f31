import COpenSSL

/// What the sessions of a server share: certificate, key and what is agreed to. Never changed once it is made.
///
/// TLS 1.2 and 1.3 with what Mozilla calls intermediate: forward secrecy and authenticated encryption only. No
/// renegotiation, no compression, no early data; HTTP/1.1 is the one protocol.
///
/// - Source: reliability.md section 6; wiki.mozilla.org/Security/Server_Side_TLS.
package struct TLSContext: Sendable {
    private static let ciphers = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ]
    private static let ciphersOfTLS13 = [
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
    ]
    private static let groups = ["X25519", "P-256", "P-384"]

    package let configuration: TLSConfiguration
    /// What the operator should know, a line each: an expired certificate, a key that everybody can read.
    package let warnings: [String]
    private let handle: ContextHandle

    /// Reads the files.
    package init(_ configuration: TLSConfiguration) throws(TLSError) {
        guard let handle = ContextHandle() else { throw .unavailable(reason: OpenSSL.takeReason()) }
        self.configuration = configuration
        self.handle = handle
        try Self.setPolicy(handle.pointer)
        warnings = try Self.useCertificate(configuration, handle.pointer)
        if let path = configuration.clientAuthorityPath {
            try Self.verifyClients(by: PEMFile(path), configuration.clientVerification, handle.pointer)
        }
    }

    /// For OpenSSL's calls, while this value lives.
    var pointer: OpaquePointer { handle.pointer }

    private static func setPolicy(_ context: OpaquePointer) throws(TLSError) {
        ERR_clear_error()
        guard nt_set_min_version(context, TLS1_2_VERSION) == 1,
            SSL_CTX_set_cipher_list(context, ciphers.joined(separator: ":")) == 1,
            SSL_CTX_set_ciphersuites(context, ciphersOfTLS13.joined(separator: ":")) == 1,
            nt_set_groups(context, groups.joined(separator: ":")) == 1,
            SSL_CTX_set_max_early_data(context, 0) == 1
        else { throw .unavailable(reason: OpenSSL.takeReason()) }
        SSL_CTX_set_options(context, nt_no_renegotiation | nt_no_compression)
        // Released buffers: an idle connection holds none.
        nt_set_mode(
            context,
            Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS))
        // Sessions are resumed by tickets, which clients keep; a cache of ours would grow with their number.
        nt_keep_no_sessions(context)
        let name = [UInt8]("needletail".utf8)
        SSL_CTX_set_session_id_context(context, name, UInt32(name.count))
        SSL_CTX_set_alpn_select_cb(context, selectHTTP11, nil)
    }

    private static func useCertificate(
        _ configuration: TLSConfiguration, _ context: OpaquePointer
    ) throws(TLSError) -> [String] {
        let path = configuration.certificatePath
        let chain = try PEMFile(path).certificates()
        let keyFile = try PEMFile(configuration.keyPath)
        let key = try keyFile.privateKey()
        guard X509_check_private_key(chain[0].pointer, key.pointer) == 1 else {
            ERR_clear_error()
            throw .keyMismatch(certificatePath: path, keyPath: keyFile.path)
        }
        guard SSL_CTX_use_certificate(context, chain[0].pointer) == 1,
            SSL_CTX_use_PrivateKey(context, key.pointer) == 1,
            chain.dropFirst().allSatisfy({ nt_add_chain_certificate(context, $0.pointer) == 1 })
        else { throw .unusable(path: path, reason: OpenSSL.takeReason()) }
        var warnings: [String] = []
        if let day = chain[0].expiredOn { warnings.append("the certificate in \(path) expired on \(day)") }
        if let day = chain[0].holdsFrom { warnings.append("the certificate in \(path) is not valid before \(day)") }
        if keyFile.isReadableByOthers { warnings.append("everybody can read the private key in \(keyFile.path)") }
        return warnings
    }

    private static func verifyClients(
        by file: PEMFile, _ verification: TLSConfiguration.ClientVerification, _ context: OpaquePointer
    ) throws(TLSError) {
        for authority in try file.certificates() {
            guard X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.pointer) == 1,
                SSL_CTX_add_client_CA(context, authority.pointer) == 1
            else { throw .unusable(path: file.path, reason: OpenSSL.takeReason()) }
        }
        let strictness = verification == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | strictness, nil)
    }
}

/// Owns an `SSL_CTX`.
///
/// Unchecked: `TLSContext` changes it only while it is being made; afterwards threads only make sessions of it, which
/// OpenSSL allows, counting references atomically.
private final class ContextHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    init?() {
        guard let pointer = SSL_CTX_new(TLS_server_method()) else { return nil }
        self.pointer = pointer
    }

    deinit { SSL_CTX_free(pointer) }
}

/// Chooses HTTP/1.1 among the protocols that a client names, each with its length before it. A client that names
/// others only is refused (RFC 7301 3.2): it would not understand our answers.
private let selectHTTP11: SSL_CTX_alpn_select_cb_func = { _, chosen, chosenCount, names, count, _ in
    let wanted = [UInt8]("http/1.1".utf8)
    var rest = UnsafeBufferPointer(start: names, count: Int(count))[...]
    while let length = rest.popFirst(), rest.count >= length {
        let name = UnsafeBufferPointer(rebasing: rest.prefix(Int(length)))
        if name.elementsEqual(wanted) {
            chosen?.pointee = name.baseAddress
            chosenCount?.pointee = length
            return SSL_TLSEXT_ERR_OK
        }
        rest = rest.dropFirst(Int(length))
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}
