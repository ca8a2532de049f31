import COpenSSL
import TestSupport
import Testing

@testable import HTTPTransport

/// A server's session and a client, joined in memory.
final class Link {
    let server: TLSSession
    let client: TLSPeer
    /// What HTTP would have read.
    private(set) var received: [UInt8] = []
    private let cut: Cut

    /// How ciphertext is cut on its way to the server.
    enum Cut: Sendable, CustomTestStringConvertible {
        case whole, bytes
        case random(seed: UInt64)

        var testDescription: String { "\(self)" }

        /// As many as are worth it: a record holds 16,384.
        var byteCount: Int { if case .bytes = self { 4000 } else { 100_000 } }

        func pieces(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
            var rest = bytes[...]
            var pieces: [ArraySlice<UInt8>] = []
            var generator = TestGenerator(seed: 0)
            if case .random(let seed) = self { generator = TestGenerator(seed: seed) }
            while !rest.isEmpty {
                let count =
                    switch self {
                    case .whole: rest.count
                    case .bytes: 1
                    case .random: Int.random(in: 1...3000, using: &generator)
                    }
                pieces.append(rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            return pieces
        }
    }

    init(
        _ context: TLSContext? = nil, _ options: TLSPeer.Options = TLSPeer.Options(), cut: Cut = .whole,
        handshakeByteLimit: Int = 65536
    ) throws {
        server = try #require(
            TLSSession(try context ?? serverContext(), handshakeByteLimit: handshakeByteLimit))
        client = try TLSPeer(options)
        self.cut = cut
    }

    /// To the server; what it answers goes to the client.
    func deliver(_ ciphertext: [UInt8]) {
        for piece in cut.pieces(ciphertext) {
            var replies: [UInt8] = []
            received += server.receive([UInt8](piece), replies: &replies)
            if !replies.isEmpty { client.receive(replies) }
        }
    }

    /// Runs until neither has anything to say.
    func shakeHands() {
        client.receive([])
        while case let bytes = client.takeOutput(), !bytes.isEmpty { deliver(bytes) }
    }

    /// From the server to the client.
    func answer(_ plaintext: [UInt8]) -> Bool {
        var (plaintext, ciphertext) = (plaintext, [UInt8]())
        defer { client.receive(ciphertext) }
        return server.send(&plaintext, to: &ciphertext) && plaintext.isEmpty
    }
}

private let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

private func only(_ version: Int32) -> TLSPeer.Options {
    var options = TLSPeer.Options()
    options.versions = version...version
    return options
}

@Suite("TLS sessions")
struct TLSSessionTests {
    @Test(
        "bytes go both ways, however they are cut, and both ends are announced",
        arguments: versions, [.whole, .bytes, .random(seed: 1), .random(seed: 2), .random(seed: 3)] as [Link.Cut])
    func exchange(_ version: Int32, _ cut: Link.Cut) throws {
        let link = try Link(nil, only(version), cut: cut)
        var early: [UInt8] = Array("too early".utf8)
        var none: [UInt8] = []
        #expect(link.server.send(&early, to: &none) && early.count == 9 && none.isEmpty)
        link.shakeHands()
        #expect(link.server.state == .open)
        #expect(link.client.isOpen, "\(link.client.failure ?? "")")
        #expect(link.client.serverName == "/CN=server")

        var generator = TestGenerator(seed: 7)
        let bytes = (0..<cut.byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
        link.deliver(link.client.send(bytes))
        #expect(link.received == bytes)
        #expect(link.answer(bytes))
        #expect(link.client.takePlaintext() == bytes)

        link.deliver(link.client.end())
        #expect(link.server.state == .peerClosed)
        #expect(link.answer([1, 2, 3]))
        var end: [UInt8] = []
        link.server.end(to: &end)
        #expect(link.server.state == .ended)
        link.client.receive(end)
        #expect(link.client.takePlaintext() == [1, 2, 3])
        #expect(link.client.isClosed && link.client.failure == nil)
        link.server.end(to: &none)
        #expect(none.isEmpty)
        #expect(!link.answer([1]))
    }

    @Test("after our end nothing is read or answered", arguments: versions)
    func ended(_ version: Int32) throws {
        let link = try Link(nil, only(version))
        link.shakeHands()
        let late = link.client.send([1, 2, 3])
        var (end, replies) = ([UInt8](), [UInt8]())
        link.server.end(to: &end)
        #expect(link.server.receive(late, replies: &replies) == late)
        #expect(replies.isEmpty && link.server.state == .ended)
    }

    @Test("an answer of 1 MiB grows by less than a hundredth", arguments: versions)
    func overhead(_ version: Int32) throws {
        let link = try Link(nil, only(version))
        link.shakeHands()
        var (plaintext, ciphertext) = ([UInt8](repeating: 65, count: 1 << 20), [UInt8]())
        #expect(link.server.send(&plaintext, to: &ciphertext))
        #expect(plaintext.isEmpty && ciphertext.count > 1 << 20 && ciphertext.count < (1 << 20) / 100 * 101)
    }

    @Test("HTTP/1.1 is chosen where protocols are offered")
    func protocols() throws {
        var options = TLSPeer.Options()
        options.protocols = ["h2", "http/1.1", "http/1.0"]
        let link = try Link(nil, options)
        link.shakeHands()
        #expect(link.client.chosenProtocol == "http/1.1")
    }

    @Test("an RSA certificate serves both versions", arguments: versions)
    func rsa(_ version: Int32) throws {
        let link = try Link(serverContext("rsa"), only(version))
        link.shakeHands()
        #expect(link.client.isOpen && link.client.serverName == "/CN=rsa")
    }
}

@Suite("TLS refusals")
struct TLSRefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var versions = TLS1_2_VERSION...TLS1_3_VERSION
        var ciphers: String?
        var groups: String?
        var protocols: [String] = []
        var reason: String
        var testDescription: String { name }
    }

    @Test(
        "what is too old, too weak or another protocol",
        arguments: [
            Case(
                name: "TLS 1.0", versions: TLS1_VERSION...TLS1_VERSION, ciphers: "ALL@SECLEVEL=0",
                reason: "unsupported protocol"),
            Case(
                name: "TLS 1.1", versions: TLS1_1_VERSION...TLS1_1_VERSION, ciphers: "ALL@SECLEVEL=0",
                reason: "unsupported protocol"),
            Case(
                name: "CBC", versions: TLS1_2_VERSION...TLS1_2_VERSION, ciphers: "ECDHE-ECDSA-AES128-SHA256",
                reason: "no shared cipher"),
            Case(
                name: "no forward secrecy", versions: TLS1_2_VERSION...TLS1_2_VERSION, ciphers: "AES128-GCM-SHA256",
                reason: "no shared cipher"),
            Case(
                name: "P-521", versions: TLS1_3_VERSION...TLS1_3_VERSION, groups: "P-521",
                reason: "no suitable key share"),
            Case(name: "HTTP/2", protocols: ["h2"], reason: "no application protocol"),
            Case(name: "HTTP/1.0", protocols: ["http/1.0", "h3"], reason: "no application protocol"),
        ])
    func refused(_ refused: Case) throws {
        var options = TLSPeer.Options()
        options.versions = refused.versions
        options.ciphers = refused.ciphers
        options.groups = refused.groups
        options.protocols = refused.protocols
        let link = try Link(nil, options)
        link.shakeHands()
        #expect(link.server.state == .failed(refused.reason))
        #expect(link.client.failure?.contains("alert") == true, "\(link.client.failure ?? "")")
        #expect(!link.answer([1]))
    }

    @Test(
        "clear text is known by its first byte, and not answered",
        arguments: ["GET / HTTP/1.1\r\n", "p", "PRI * HTTP/2.0"])
    func clearText(_ text: String) throws {
        let link = try Link()
        var replies: [UInt8] = []
        #expect(link.server.receive([UInt8](text.utf8), replies: &replies).isEmpty)
        #expect(link.server.state == .notTLS && replies.isEmpty)
    }

    @Test("a client that does not believe us says so", arguments: versions)
    func alert(_ version: Int32) throws {
        var options = only(version)
        options.authority = "rsa"
        let link = try Link(nil, options)
        link.shakeHands()
        #expect(link.server.state == .failed("tlsv1 alert unknown ca"))
    }

    @Test("renegotiation is refused; no second handshake begins")
    func renegotiation() throws {
        let link = try Link(nil, only(TLS1_2_VERSION))
        link.shakeHands()
        #expect(SSL_renegotiate(link.client.ssl) == 1)
        SSL_do_handshake(link.client.ssl)
        let hello = link.client.takeOutput()
        #expect(!hello.isEmpty)
        link.deliver(hello)
        #expect(link.server.state == .open)
        #expect(link.client.failure == "no renegotiation")
    }

    @Test("a greeting that does not end is given up at the limit")
    func endlessGreeting() throws {
        let link = try Link(handshakeByteLimit: 50_000)
        // A ClientHello of 128,000 bytes in records of 16,384.
        let first: [UInt8] = [0x16, 3, 1, 0x40, 0, 1, 1, 0xF4, 0, 3, 3]
        let next: [UInt8] = [0x16, 3, 1, 0x40, 0]
        link.deliver(first + [UInt8](repeating: 0, count: 16_378))
        #expect(link.server.state == .handshaking)
        link.deliver(next + [UInt8](repeating: 0, count: 16_384))
        link.deliver(next + [UInt8](repeating: 0, count: 16_384))
        #expect(link.server.state == .handshaking)
        link.deliver(next)
        link.deliver([UInt8](repeating: 0, count: 16_384))
        #expect(link.server.state == .failed("handshake too long"))
    }

    @Test("half a record gives nothing; its rest gives all of it", arguments: versions)
    func halfRecord(_ version: Int32) throws {
        let link = try Link(nil, only(version))
        link.shakeHands()
        let record = link.client.send([UInt8]("all or nothing".utf8))
        for cut in [1, 4, 5, 6, record.count - 1] {
            let other = try Link(nil, only(version))
            other.shakeHands()
            let record = other.client.send([UInt8]("all or nothing".utf8))
            other.deliver([UInt8](record.prefix(cut)))
            #expect(other.received.isEmpty && other.server.state == .open)
            other.deliver([UInt8](record.dropFirst(cut)))
            #expect(other.received == [UInt8]("all or nothing".utf8))
        }
    }

    @Test("a changed record is refused with an alert, and none of it is read", arguments: versions)
    func changedRecord(_ version: Int32) throws {
        for place in [5, 12, 20] {
            let link = try Link(nil, only(version))
            link.shakeHands()
            var record = link.client.send([UInt8]("all or nothing".utf8))
            record[place] ^= 1
            link.deliver(record)
            #expect(link.received.isEmpty)
            #expect(link.server.state == .failed("decryption failed or bad record mac"))
            #expect(link.client.failure == "sslv3 alert bad record mac")
        }
    }

    @Test("a record that is too long is refused at its head", arguments: versions)
    func oversized(_ version: Int32) throws {
        let link = try Link(nil, only(version))
        link.shakeHands()
        link.deliver([23, 3, 3, 0xFF, 0xFF])
        #expect(
            link.server.state == .failed("encrypted length too long")
                || link.server.state == .failed("packet length too long"), "\(link.server.state)")
    }

    @Test("noise never opens a session")
    func noise() throws {
        let context = try serverContext()
        var generator = TestGenerator(seed: 11)
        for _ in 0..<100 {
            let link = try Link(context)
            var bytes = (0..<Int.random(in: 1...400, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) { bytes = [22, 3, 1, 0, 100, 1, 0, 0, 96, 3, 3] + bytes }
            link.deliver(bytes)
            #expect(link.server.state != .open && link.received.isEmpty)
        }
    }

    @Test("a greeting with any byte changed opens nothing that is not whole", arguments: versions)
    func changedGreeting(_ version: Int32) throws {
        let context = try serverContext()
        let count = try greeting(version).count
        // By fives; byte 2, the minor version in the record's head, is none that anybody heeds or signs.
        for place in stride(from: 0, to: count, by: 5) {
            let link = try Link(context, only(version))
            link.client.receive([])
            var hello = link.client.takeOutput()
            guard place < hello.count else { continue }
            hello[place] ^= 0x55
            link.deliver(hello)
            // The client goes on where it can: its transcript differs, so that it must not succeed.
            while case let bytes = link.client.takeOutput(), !bytes.isEmpty { link.deliver(bytes) }
            #expect(link.server.state != .open, "byte \(place)")
        }
        let link = try Link(context, only(version))
        link.shakeHands()
        #expect(link.server.state == .open)
    }

    private func greeting(_ version: Int32) throws -> [UInt8] {
        let client = try TLSPeer(only(version))
        client.receive([])
        return client.takeOutput()
    }
}

@Suite("Certificates of clients")
struct TLSClientCertificateTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var identity: String?
        var verification = TLSConfiguration.ClientVerification.required
        /// Nil where it is let in.
        var reason: String?
        var testDescription: String { "\(identity ?? "none"), \(verification)" }
    }

    @Test(
        "asked for, verified, or both",
        arguments: [
            Case(identity: "client"),
            Case(identity: "client", verification: .optional),
            Case(verification: .optional),
            Case(reason: "peer did not return a certificate"),
            Case(identity: "stranger", reason: "certificate verify failed: unable to get local issuer certificate"),
            Case(
                identity: "stranger", verification: .optional,
                reason: "certificate verify failed: unable to get local issuer certificate"),
            Case(identity: "late", reason: "certificate verify failed: certificate has expired"),
            Case(identity: "rsa", reason: "certificate verify failed: unsuitable certificate purpose"),
        ], versions)
    func client(_ tried: Case, _ version: Int32) throws {
        var options = only(version)
        options.identity = tried.identity
        let link = try Link(serverContext(clients: tried.verification), options)
        link.shakeHands()
        #expect(link.server.state == tried.reason.map { .failed($0) } ?? .open)
    }

    @Test("a server that asks for none lets every client in")
    func notAsked() throws {
        var options = TLSPeer.Options()
        options.identity = "stranger"
        let link = try Link(nil, options)
        link.shakeHands()
        #expect(link.server.state == .open)
    }
}
