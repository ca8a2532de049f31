import COpenSSL
import Foundation
import HTTPTransport
import TestSupport
import Testing

/// The client's side of a TLS connection, by the same OpenSSL, without a socket.
///
/// Unchecked: a test hands it to the one thread that drives it.
final class TLSPeer: @unchecked Sendable {
    struct Options {
        var versions = TLS1_2_VERSION...TLS1_3_VERSION
        /// For 1.2 and older.
        var ciphers: String?
        var groups: String?
        /// Offered by ALPN.
        var protocols: [String] = []
        /// A fixture: certificate and key to show.
        var identity: String?
        /// A fixture: whose certificates are believed.
        var authority = "authority"
    }

    private(set) var plaintext: [UInt8] = []
    /// The server has said `close_notify`.
    private(set) var isClosed = false
    private(set) var failure: String?
    let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer

    init(_ options: Options = Options()) throws {
        let context = try #require(SSL_CTX_new(TLS_client_method()))
        defer { SSL_CTX_free(context) }
        try #require(nt_set_min_version(context, options.versions.lowerBound) == 1)
        if let ciphers = options.ciphers { try #require(SSL_CTX_set_cipher_list(context, ciphers) == 1) }
        if let groups = options.groups { try #require(nt_set_groups(context, groups) == 1) }
        try #require(SSL_CTX_load_verify_file(context, Self.fixture("\(options.authority).pem")) == 1)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        if let identity = options.identity {
            try #require(SSL_CTX_use_certificate_chain_file(context, Self.fixture("\(identity).pem")) == 1)
            let key = Self.fixture("\(identity).key")
            try #require(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1)
        }
        ssl = try #require(SSL_new(context))
        (input, output) = (BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()))
        SSL_set_bio(ssl, input, output)
        SSL_set_connect_state(ssl)
        try #require(nt_set_max_version(ssl, options.versions.upperBound) == 1)
        let names = options.protocols.flatMap { [UInt8($0.utf8.count)] + $0.utf8 }
        if !names.isEmpty { SSL_set_alpn_protos(ssl, names, UInt32(names.count)) }
    }

    deinit { SSL_free(ssl) }

    static func fixture(_ name: String) -> String { SharedData.fixture("tls/\(name)").path }

    var isOpen: Bool { failure == nil && SSL_is_init_finished(ssl) == 1 }

    /// The protocol that ALPN chose.
    var chosenProtocol: String {
        var (name, count) = (UnsafePointer<UInt8>?.none, UInt32(0))
        SSL_get0_alpn_selected(ssl, &name, &count)
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    /// The subject of the server's certificate.
    var serverName: String {
        guard let certificate = SSL_get0_peer_certificate(ssl), let subject = X509_get_subject_name(certificate),
            let line = X509_NAME_oneline(subject, nil, 0)
        else { return "" }
        defer { CRYPTO_free(line, #file, #line) }
        return String(cString: line)
    }

    /// Takes what the server sent; the first call begins the handshake.
    func receive(_ ciphertext: [UInt8]) {
        if !ciphertext.isEmpty { BIO_write(input, ciphertext, Int32(ciphertext.count)) }
        var buffer = [UInt8](repeating: 0, count: 16384)
        while failure == nil, !isClosed {
            ERR_clear_error()
            let count = SSL_read(ssl, &buffer, Int32(buffer.count))
            if count > 0 {
                plaintext += buffer[..<Int(count)]
                continue
            }
            switch SSL_get_error(ssl, count) {
            case SSL_ERROR_WANT_READ: return
            case SSL_ERROR_ZERO_RETURN: isClosed = true
            default: failure = Self.reason()
            }
        }
    }

    static func reason() -> String {
        ERR_reason_error_string(ERR_get_error()).map { String(cString: $0) } ?? "unknown"
    }

    func takePlaintext(upTo count: Int = .max) -> [UInt8] {
        defer { plaintext.removeFirst(min(count, plaintext.count)) }
        return [UInt8](plaintext.prefix(count))
    }

    /// The ciphertext of these bytes, and of what OpenSSL had to say before.
    func send(_ bytes: [UInt8]) -> [UInt8] {
        ERR_clear_error()
        if !bytes.isEmpty, SSL_write(ssl, bytes, Int32(bytes.count)) <= 0 { failure = Self.reason() }
        return takeOutput()
    }

    /// Says `close_notify`.
    func end() -> [UInt8] {
        SSL_shutdown(ssl)
        return takeOutput()
    }

    func takeOutput() -> [UInt8] {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = nt_buffer_contents(output, &bytes)
        guard count > 0, let bytes else { return [] }
        defer { nt_buffer_empty(output) }
        return [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
    }
}

/// The server's side with the fixtures `server`, or others.
func serverContext(
    _ name: String = "server", clients: TLSConfiguration.ClientVerification? = nil
) throws(TLSError) -> TLSContext {
    var configuration = TLSConfiguration(
        certificatePath: TLSPeer.fixture("\(name).pem"), keyPath: TLSPeer.fixture("\(name).key"))
    if let clients {
        configuration.clientAuthorityPath = TLSPeer.fixture("authority.pem")
        configuration.clientVerification = clients
    }
    return try TLSContext(configuration)
}
