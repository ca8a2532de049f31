import Foundation
import Glibc

/// The server that is measured, from its URL. Plain HTTP: the load generator is no place for certificates.
struct BenchTarget: Sendable, Equatable {
    var host: String
    var port: UInt16
    /// Before `/completions` and `/models`.
    var base: String

    /// `http://127.0.0.1:8080`, with or without `/v1` or `/v1/completions`.
    ///
    /// - Throws: `StartError` for anything else.
    init(_ url: String) throws(StartError) {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme, let name = parts.host, !name.isEmpty
        else { throw StartError("\(url) is no URL; expected http://HOST:PORT") }
        guard scheme == "http" else { throw StartError("\(url): expected http, found \(scheme)") }
        guard parts.user == nil, parts.query == nil, parts.fragment == nil, let port = UInt16(exactly: parts.port ?? 80)
        else { throw StartError("\(url): expected http://HOST:PORT and perhaps a path") }
        host = name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : name
        self.port = port
        var path = parts.percentEncodedPath[...]
        for suffix in ["/completions", "/"] where path.hasSuffix(suffix) { path = path.dropLast(suffix.count) }
        base = path.isEmpty ? "/v1" : String(path)
    }

    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// An address as the system takes it.
struct BenchAddress: Sendable, Equatable {
    private let bytes: [UInt8]
    private let family: Int32

    /// The addresses of a host, in the system's order.
    ///
    /// - Throws: `StartError` for a host that is not there, or, unless `allowsRemote`, is not this machine: a load generator
    ///   with a wrong address is an attack.
    static func resolve(_ target: BenchTarget, allowsRemote: Bool) throws(StartError) -> [BenchAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        let isNamed = target.host == "localhost" || allowsRemote
        hints.ai_flags = AI_NUMERICSERV | (isNamed ? 0 : AI_NUMERICHOST)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(target.host, "\(target.port)", &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard code == 0 else {
            throw StartError(
                isNamed
                    ? "\(target.host): \(String(cString: gai_strerror(code)))"
                    : "\(target.host) is not this machine; --allow-remote puts load on others")
        }
        var addresses: [BenchAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let name = entry.ai_addr {
                let bytes = UnsafeRawBufferPointer(start: name, count: Int(entry.ai_addrlen))
                addresses.append(BenchAddress(bytes: Array(bytes), family: entry.ai_family))
            }
            next = entry.ai_next
        }
        guard allowsRemote || addresses.allSatisfy(\.isLoopback) else {
            throw StartError("\(target.host) is not this machine; --allow-remote puts load on others")
        }
        return addresses
    }

    /// 127.0.0.0/8 or ::1.
    var isLoopback: Bool {
        if family == AF_INET { return bytes.count >= 8 && bytes[4] == 127 }
        guard family == AF_INET6, bytes.count >= 24 else { return false }
        return bytes[8..<23].allSatisfy { $0 == 0 } && bytes[23] == 1
    }

    /// Begins to connect; nil where that fails at once.
    func connect() -> Int32? {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { return nil }
        // A request is one write; what is small should not wait for more.
        var yes: Int32 = 1
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        let result = bytes.withUnsafeBytes { raw -> Int32 in
            guard let base = raw.baseAddress else { return -1 }
            return Glibc.connect(descriptor, base.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
        guard result == 0 || errno == EINPROGRESS else {
            _ = close(descriptor)
            return nil
        }
        return descriptor
    }
}
