import COpenSSL

/// The server's side of one TLS connection, without a socket: ciphertext in, plaintext out, and the other way.
///
/// OpenSSL reads from and writes to memory buffers. Both are emptied in each call, so that what is held between calls
/// is at most one record that has not come whole. Lives on its connection's queue.
final class TLSSession {
    enum State: Equatable {
        case handshaking
        case open
        /// The peer has said `close_notify`: it sends no more.
        case peerClosed
        /// We have said `close_notify`: we send no more, and what comes is not looked at.
        case ended
        /// The first bytes are those of some clear text protocol.
        case notTLS
        /// For a line in the log: OpenSSL's reason, without data of the peer's.
        case failed(String)
    }

    /// What OpenSSL is given at once. A record holds 16 KiB; so much is the most that the memory buffers ever grow to.
    private static let pieceByteCount = 16 << 10

    private(set) var state = State.handshaking
    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    private let handshakeByteLimit: Int
    private var handshakeByteCount = 0

    /// Nil when there is no memory.
    init?(_ context: TLSContext, handshakeByteLimit: Int) {
        guard let ssl = SSL_new(context.pointer) else { return nil }
        guard let input = BIO_new(BIO_s_mem()), let output = BIO_new(BIO_s_mem()) else {
            SSL_free(ssl)
            return nil
        }
        SSL_set_bio(ssl, input, output)  // The session owns them from here on.
        SSL_set_accept_state(ssl)
        (self.ssl, self.input, self.output) = (ssl, input, output)
        self.handshakeByteLimit = handshakeByteLimit
    }

    deinit { SSL_free(ssl) }

    // MARK: In

    /// Takes what the peer sent, and appends what OpenSSL answers by itself (handshake, alerts) to `replies`, also when
    /// it fails.
    ///
    /// - Returns: plaintext; that of before an end or a failure, which `state` tells. After our own end the ciphertext
    ///   itself, to be counted and thrown away.
    func receive(_ ciphertext: [UInt8], replies: inout [UInt8]) -> [UInt8] {
        guard state != .ended else { return ciphertext }
        if handshakeByteCount == 0, let first = ciphertext.first, Self.isLetter(first) {
            state = .notTLS
            return []
        }
        var plaintext: [UInt8] = []
        var rest = ciphertext[...]
        while !rest.isEmpty, state == .handshaking || state == .open {
            feed(rest.prefix(Self.pieceByteCount))
            rest = rest.dropFirst(Self.pieceByteCount)
            read(into: &plaintext)
        }
        takeOutput(to: &replies)
        return plaintext
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        // Bit 5 makes a capital letter small. A TLS record begins with 20 to 23.
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private func feed(_ piece: ArraySlice<UInt8>) {
        if state == .handshaking {
            handshakeByteCount += piece.count
            guard handshakeByteCount <= handshakeByteLimit else {
                state = .failed("handshake too long")
                return
            }
        }
        let count = piece.withUnsafeBytes { BIO_write(input, $0.baseAddress, Int32($0.count)) }
        if count != piece.count { state = .failed("no memory") }
    }

    private func read(into plaintext: inout [UInt8]) {
        guard state == .handshaking || state == .open else { return }
        withUnsafeTemporaryAllocation(byteCount: Self.pieceByteCount, alignment: 16) { buffer in
            var count: Int32 = 1
            while count > 0 {
                ERR_clear_error()
                count = SSL_read(ssl, buffer.baseAddress, Int32(buffer.count))
                if count > 0 { plaintext += buffer[..<Int(count)] }
            }
            if state == .handshaking, SSL_is_init_finished(ssl) == 1 { state = .open }
            settle(SSL_get_error(ssl, count))
        }
    }

    private func settle(_ outcome: Int32) {
        switch outcome {
        case SSL_ERROR_WANT_READ: break
        case SSL_ERROR_ZERO_RETURN: state = .peerClosed
        default: state = .failed(reason())
        }
    }

    private func reason() -> String {
        let reason = OpenSSL.takeReason()
        let verdict = SSL_get_verify_result(ssl)
        guard verdict != X509_V_OK, let text = X509_verify_cert_error_string(verdict) else { return reason }
        return "\(reason): \(String(cString: text))"
    }

    // MARK: Out

    /// Encrypts and takes all of `plaintext`; during the handshake it stays until it can be.
    ///
    /// - Returns: false when nothing can be sent any more.
    func send(_ plaintext: inout [UInt8], to ciphertext: inout [UInt8]) -> Bool {
        guard !plaintext.isEmpty, state != .handshaking else { return true }
        guard state == .open || state == .peerClosed else { return false }
        var rest = plaintext[...]
        while !rest.isEmpty {
            ERR_clear_error()
            let piece = rest.prefix(Self.pieceByteCount)
            let count = piece.withUnsafeBytes { SSL_write(ssl, $0.baseAddress, Int32($0.count)) }
            guard count > 0 else {
                state = .failed(reason())
                return false
            }
            takeOutput(to: &ciphertext)
            rest = rest.dropFirst(Int(count))
        }
        plaintext = []
        return true
    }

    /// Says `close_notify`, once: what was sent before is all there is.
    func end(to ciphertext: inout [UInt8]) {
        guard state == .open || state == .peerClosed else { return }
        ERR_clear_error()
        SSL_shutdown(ssl)
        takeOutput(to: &ciphertext)
        state = .ended
    }

    private func takeOutput(to ciphertext: inout [UInt8]) {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = nt_buffer_contents(output, &bytes)
        guard count > 0, let bytes else { return }
        ciphertext += UnsafeRawBufferPointer(start: bytes, count: count)
        nt_buffer_empty(output)
    }
}
