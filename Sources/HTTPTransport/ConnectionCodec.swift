/// What lies between a socket's bytes and those of HTTP: nothing, or TLS.
enum ConnectionCodec {
    case plain
    case tls(TLSSession)

    /// Nil when there is no memory for a session.
    init?(_ context: TLSContext?, handshakeByteLimit: Int) {
        guard let context else {
            self = .plain
            return
        }
        guard let session = TLSSession(context, handshakeByteLimit: handshakeByteLimit) else { return nil }
        self = .tls(session)
    }

    /// Why nothing more will come.
    enum End {
        /// The client has said so.
        case closed
        /// Clear text came to a port of TLS.
        case notTLS
        case failed(reason: String)
    }

    /// - Returns: what HTTP reads of the socket's bytes, and the end, where it comes after them. What must be answered below HTTP is
    ///   appended to `replies`.
    func receive(_ bytes: [UInt8], replies: inout [UInt8]) -> (bytes: [UInt8], end: End?) {
        guard case .tls(let session) = self else { return (bytes, nil) }
        let plaintext = session.receive(bytes, replies: &replies)
        switch session.state {
        case .handshaking, .open, .ended: return (plaintext, nil)
        case .peerClosed: return (plaintext, .closed)
        case .notTLS: return (plaintext, .notTLS)
        case .failed(let reason): return (plaintext, .failed(reason: reason))
        }
    }

    /// Moves what HTTP answers to what the socket sends.
    ///
    /// - Returns: false when the connection is lost.
    func send(_ answers: inout [UInt8], to output: inout [UInt8]) -> Bool {
        if case .tls(let session) = self { return session.send(&answers, to: &output) }
        if output.isEmpty { swap(&output, &answers) } else { output += answers }
        answers = []
        return true
    }

    /// Says that no more will be sent, where that can be said; once.
    func end(_ output: inout [UInt8]) {
        if case .tls(let session) = self { session.end(to: &output) }
    }

    var isHandshaking: Bool {
        if case .tls(let session) = self { session.state == .handshaking } else { false }
    }
}
