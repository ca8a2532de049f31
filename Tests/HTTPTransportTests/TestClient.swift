import Glibc

/// A blocking client on a loopback socket, in clear text or through TLS. Every wait ends after five seconds, as a failure.
///
/// - Requires: called away from Swift's pool (`offPool`), whose few threads the server's handlers need.
struct TestClient: Sendable {
    struct Failure: Error { var what: String }

    struct Response: Sendable {
        var status: Int
        var head: String
        var body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    private let descriptor: Int32
    private let peer: TLSPeer?

    /// - Parameter receiveByteCount: how much the kernel takes for us while we do not read.
    init(port: Int, receiveByteCount: Int32? = nil, tls peer: TLSPeer? = nil) throws {
        self.peer = peer
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        if var count = receiveByteCount {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &count, socklen_t(MemoryLayout<Int32>.size))
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            close()
            throw Failure(what: "not connected")
        }
        if let peer { try shakeHands(peer) }
    }

    private func shakeHands(_ peer: TLSPeer) throws {
        peer.receive([])
        while true {
            sendRaw(peer.takeOutput())
            guard !peer.isOpen else { return }
            if let failure = peer.failure { throw Failure(what: failure) }
            let bytes = try receiveRaw(upTo: 65536)
            guard !bytes.isEmpty else { throw Failure(what: "ended within the handshake") }
            peer.receive(bytes)
        }
    }

    func close() { _ = Glibc.close(descriptor) }

    /// Closes with a reset instead of an orderly end.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func shutdownSending() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// - Returns: false when the server takes no more.
    @discardableResult
    func send(_ text: String) -> Bool { send([UInt8](text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool { sendRaw(peer.map { $0.send(bytes) } ?? bytes) }

    @discardableResult
    func sendRaw(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        return sendRaw(&rest)
    }

    /// - Returns: false when the server takes no more; what it has not taken stays.
    func sendRaw(_ rest: inout ArraySlice<UInt8>) -> Bool {
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// From now on the server has so long to take anything, and the kernel takes little in its stead.
    func limitSending(milliseconds: Int) {
        var count: Int32 = 16384
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &count, socklen_t(MemoryLayout<Int32>.size))
        var limit = timeval(tv_sec: 0, tv_usec: milliseconds * 1000)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// What comes next; empty at the end of the connection, which TLS has to announce.
    func receive(upTo count: Int = 65536) throws -> [UInt8] {
        guard let peer else { return try receiveRaw(upTo: count) }
        while true {
            if case let bytes = peer.takePlaintext(upTo: count), !bytes.isEmpty || peer.isClosed { return bytes }
            if let failure = peer.failure { throw Failure(what: failure) }
            let bytes = try receiveRaw(upTo: 65536)
            guard !bytes.isEmpty else { throw Failure(what: "cut") }
            peer.receive(bytes)
            sendRaw(peer.takeOutput())
        }
    }

    func receiveRaw(upTo count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let received = recv(descriptor, &bytes, count, 0)
        if received < 0, errno == ECONNRESET { throw Failure(what: "reset") }
        guard received >= 0 else { throw Failure(what: "nothing came within five seconds") }
        return [UInt8](bytes.prefix(received))
    }

    /// Exactly so many bytes.
    func receive(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive(upTo: count - bytes.count)
            guard !more.isEmpty else { throw Failure(what: "ended after \(bytes.count) of \(count) bytes") }
            bytes += more
        }
        return bytes
    }

    /// Everything up to the end of the connection.
    func receiveAll() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while case let more = try receive(), !more.isEmpty { bytes += more }
        return bytes
    }

    /// A line, without its end.
    func line() throws -> String {
        var bytes: [UInt8] = []
        while !bytes.suffix(2).elementsEqual([13, 10]) { bytes += try receive(exactly: 1) }
        return String(decoding: bytes.dropLast(2), as: UTF8.self)
    }

    /// The lines up to the empty one.
    func head() throws -> (status: Int, text: String) {
        var lines = [try line()]
        while case let next = try line(), !next.isEmpty { lines.append(next) }
        let status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
        return (status, lines.joined(separator: "\n"))
    }

    /// A response with a length.
    func response() throws -> Response {
        let (status, text) = try head()
        let length = text.split(separator: "\n").first { $0.hasPrefix("Content-Length: ") }
        let count = Int(length?.dropFirst(16) ?? "0") ?? 0
        return Response(status: status, head: text, body: try receive(exactly: count))
    }

    /// The data of the next chunk; empty for the last.
    func chunk() throws -> [UInt8] {
        let size = Int(try line(), radix: 16) ?? 0
        let data = try receive(exactly: size)
        _ = try line()
        return data
    }

    func get(_ path: String, _ fields: String = "") throws -> Response {
        send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n")
        return try response()
    }
}
