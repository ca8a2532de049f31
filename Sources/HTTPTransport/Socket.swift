import Glibc

/// A non-blocking stream socket, or one that listens. Whoever holds it closes it, once.
struct Socket: Sendable {
    let descriptor: Int32

    enum Received {
        case bytes([UInt8])
        case wouldBlock
        /// The peer has shut down its sending side.
        case end
        case failed
    }

    func receive(upTo byteCount: Int) -> Received {
        // Copied to its own size: what waits in a connection should not occupy a whole read buffer.
        withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 16) { buffer in
            var result = 0
            repeat { result = recv(descriptor, buffer.baseAddress, byteCount, 0) } while result < 0 && errno == EINTR
            if result > 0 { return .bytes([UInt8](buffer[..<result])) }
            if result == 0 { return .end }
            return errno == EAGAIN || errno == EWOULDBLOCK ? .wouldBlock : .failed
        }
    }

    enum Sent {
        case count(Int)
        case wouldBlock
        case failed
    }

    func send(_ bytes: UnsafeRawBufferPointer) -> Sent {
        var result = 0
        // MSG_NOSIGNAL: a client that is gone must not end the process.
        repeat {
            result = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        } while result < 0 && errno == EINTR
        if result >= 0 { return .count(result) }
        return errno == EAGAIN || errno == EWOULDBLOCK ? .wouldBlock : .failed
    }

    /// The peer is gone although nothing was read: for the time when reading is paused.
    var isHungUp: Bool {
        let peerHungUp: Int16 = 0x2000  // POLLRDHUP, which Glibc's module leaves out.
        var query = pollfd(fd: descriptor, events: peerHungUp, revents: 0)
        return poll(&query, 1, 0) > 0
    }

    func shutdownSending() {
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    /// On a listening socket: no connection is taken from now on.
    func shutdownBoth() {
        _ = shutdown(descriptor, Int32(SHUT_RDWR))
    }

    func close() {
        _ = Glibc.close(descriptor)
    }

    func setOption(_ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    enum Accepted {
        case socket(Socket)
        case none
        /// No descriptors or memory left.
        case exhausted
    }

    /// The next connection that waits. Connections that died in the queue are passed over.
    func accept() -> Accepted {
        while true {
            let accepted = Glibc.accept(descriptor, nil, nil)
            if accepted >= 0 {
                _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
                _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
                return .socket(Socket(descriptor: accepted))
            }
            switch errno {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
            case EINTR, ECONNABORTED, EPROTO: continue
            default: return .none
            }
        }
    }
}
