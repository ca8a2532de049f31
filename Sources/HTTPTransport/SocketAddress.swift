import Glibc

/// Why the server cannot listen. Each is one line for the operator.
package enum ListenerError: Error, Equatable, CustomStringConvertible {
    case unknownHost(String)
    case invalidPort(Int)
    case portTaken(host: String, port: Int)
    case refused(host: String, port: Int, reason: String)

    package var description: String {
        switch self {
        case .unknownHost(let host):
            "cannot listen on \"\(host)\": expected an IPv4 or IPv6 address, or localhost"
        case .invalidPort(let port):
            "cannot listen on port \(port): expected 0 to 65535"
        case .portTaken(let host, let port):
            "cannot listen on \(host) port \(port): another process listens there"
        case .refused(let host, let port, let reason):
            "cannot listen on \(host) port \(port): \(reason)"
        }
    }
}

/// An address to listen on.
enum SocketAddress {
    case ipv4(in_addr)
    case ipv6(in6_addr)

    /// Reads a literal, the IPv6 one with or without brackets.
    init?(_ literal: String) {
        var (v4, v6) = (in_addr(), in6_addr())
        let isBracketed = literal.hasPrefix("[") && literal.hasSuffix("]")
        let bare = isBracketed ? String(literal.dropFirst().dropLast()) : literal
        if !isBracketed, inet_pton(AF_INET, bare, &v4) == 1 {
            self = .ipv4(v4)
        } else if inet_pton(AF_INET6, bare, &v6) == 1 {
            self = .ipv6(v6)
        } else {
            return nil
        }
    }

    /// Nobody but this machine reaches it.
    fileprivate var isLoopback: Bool {
        switch self {
        case .ipv4(let address): return UInt32(bigEndian: address.s_addr) >> 24 == 127
        case .ipv6(let address):
            let bytes = withUnsafeBytes(of: address) { Array($0) }
            let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            return bytes == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
                || bytes.starts(with: mapped) && bytes[12] == 127
        }
    }

    private var family: Int32 {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        }
    }

    /// Makes a listening socket.
    func listen(host: String, port: UInt16, options: ListenOptions) throws(ListenerError) -> Socket {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = Socket(descriptor: Glibc.socket(family, type, 0))
        guard socket.descriptor >= 0 else { throw .system(host, port) }
        socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
        if options.isIPv6Only { socket.setOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        guard bind(socket, port: port) == 0, Glibc.listen(socket.descriptor, options.backlogCount) == 0 else {
            defer { socket.close() }
            throw .system(host, port)
        }
        return socket
    }

    private func bind(_ socket: Socket, port: UInt16) -> Int32 {
        switch self {
        case .ipv4(let address):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr = address
            return Self.bind(socket, &name)
        case .ipv6(let address):
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            name.sin6_addr = address
            return Self.bind(socket, &name)
        }
    }

    private static func bind<Name>(_ socket: Socket, _ name: inout Name) -> Int32 {
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket.descriptor, $0, socklen_t(MemoryLayout<Name>.size))
            }
        }
    }
}

extension ListenerConfiguration {
    /// Whether only this machine reaches what listens there. An address that cannot be read is taken for a remote one.
    package var isLoopback: Bool { host == "localhost" || SocketAddress(host)?.isLoopback == true }
}

struct ListenOptions {
    /// Linux cuts it to `net.core.somaxconn` (4096).
    var backlogCount: Int32 = 1024
    var isIPv6Only = false
}

extension ListenerError {
    /// From `errno`.
    fileprivate static func system(_ host: String, _ port: UInt16) -> ListenerError {
        if errno == EADDRINUSE { return .portTaken(host: host, port: Int(port)) }
        return .refused(host: host, port: Int(port), reason: String(cString: strerror(errno)))
    }
}

extension Socket {
    /// The port a listening socket got.
    var boundPort: UInt16? {
        var name = sockaddr_in6()  // As large as both; the port is at the same place in both.
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let status = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return status == 0 ? UInt16(bigEndian: name.sin6_port) : nil
    }

    /// Listens on an address literal, or for `localhost` on both loopback addresses at one port.
    static func listening(host: String, port: UInt16) throws(ListenerError) -> [Socket] {
        if host != "localhost" {
            guard let address = SocketAddress(host) else { throw .unknownHost(host) }
            return [try address.listen(host: host, port: port, options: ListenOptions())]
        }
        let v4 = SocketAddress.ipv4(in_addr(s_addr: UInt32(0x7F00_0001).bigEndian))
        let first = try v4.listen(host: host, port: port, options: ListenOptions())
        do {
            let v6 = SocketAddress.ipv6(in6addr_loopback)
            let second = try v6.listen(
                host: host, port: first.boundPort ?? port, options: ListenOptions(isIPv6Only: true))
            return [first, second]
        } catch .portTaken(let host, let taken) where port != 0 {
            first.close()
            throw .portTaken(host: host, port: taken)
        } catch {
            return [first]  // A machine without IPv6, or a port chosen at random that is taken there.
        }
    }
}
