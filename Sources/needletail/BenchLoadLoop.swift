import Engine
import Glibc

/// Puts requests on a server and records what came of each: one thread that waits for all sockets at once, so that the
/// load generator takes as little as it can of the processors that it measures.
///
/// Closed loop: so many clients, each with its next request when the last has ended. Open loop: requests at their times,
/// however many are under way.
struct BenchLoadLoop {
    private let address: BenchAddress
    private let requests: BenchRequestSource
    /// The next one, made.
    private var waiting: BenchRequest?
    private let limits: BenchLimits
    private let report: (BenchProgress) -> Void
    private var next = 0
    private var connections: [Connection] = []
    /// Sockets that wait for another request.
    private var idle: [Int32] = []
    private(set) var outcomes: [BenchOutcome] = []
    /// Body of the last answer that was no stream.
    private(set) var lastBody: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)

    private struct Connection {
        var descriptor: Int32
        var request: BenchRequest
        var sentCount = 0
        var exchange: BenchExchange
        /// Whether it carried a request before: then the server may have closed it meanwhile.
        var isReused: Bool
        var isOver = false
    }

    init(
        _ address: BenchAddress, _ requests: BenchRequestSource, _ limits: BenchLimits,
        report: @escaping (BenchProgress) -> Void = { _ in }
    ) {
        self.address = address
        self.requests = requests
        self.limits = limits
        self.report = report
    }

    /// Returns when every request has ended, or the time is over.
    ///
    /// - Returns: nanoseconds from the first request to the last end.
    mutating func run() -> UInt64 {
        let start = EngineStatistics.monotonicNanoseconds()
        while true {
            let now = EngineStatistics.monotonicNanoseconds()
            launch(since: start, now)
            expire(since: start, now)
            report(progress(now - start))
            guard !connections.isEmpty || hasMore(now - start) else { break }
            wait(since: start, now)
        }
        for descriptor in idle { _ = close(descriptor) }
        idle = []
        return max(1, (outcomes.map(\.ended).max() ?? start) - start)
    }

    private func progress(_ elapsed: UInt64) -> BenchProgress {
        BenchProgress(
            endedCount: outcomes.count, totalCount: requests.count, runningCount: connections.count, elapsed: elapsed,
            elapsedLimit: limits.sending)
    }

    private func hasMore(_ elapsed: UInt64) -> Bool { next < requests.count && elapsed < limits.sending }

    private mutating func launch(since start: UInt64, _ now: UInt64) {
        while hasMore(now - start), connections.count < limits.connectionCount {
            let request = waiting ?? requests.make(next)
            waiting = request
            if let arrival = request.arrival, start + arrival > now { return }
            // Who should have come earlier has waited since then.
            begin(request, at: request.arrival.map { start + $0 } ?? now, reusing: idle.popLast())
            waiting = nil
            next += 1
        }
    }

    private mutating func begin(_ request: BenchRequest, at time: UInt64, reusing old: Int32?) {
        var exchange = BenchExchange(isStream: request.isStream, started: time)
        guard let descriptor = old ?? address.connect() else {
            exchange.fail(.connection("cannot connect"), at: time)
            return outcomes.append(exchange.outcome)
        }
        connections.append(
            Connection(descriptor: descriptor, request: request, exchange: exchange, isReused: old != nil))
    }

    /// Ends what takes too long.
    private mutating func expire(since start: UInt64, _ now: UInt64) {
        for index in connections.indices where now > connections[index].exchange.outcome.started {
            let age = now - connections[index].exchange.outcome.started
            if age > limits.request || now - start > limits.total { fail(index, .timeout, now) }
        }
        removeOver()
    }

    private mutating func fail(_ index: Int, _ failure: BenchOutcome.Failure, _ now: UInt64) {
        connections[index].exchange.fail(failure, at: now)
        end(index, keepsOpen: false)
    }

    private mutating func end(_ index: Int, keepsOpen: Bool) {
        outcomes.append(connections[index].exchange.outcome)
        lastBody = connections[index].exchange.body
        if keepsOpen { idle.append(connections[index].descriptor) } else { _ = close(connections[index].descriptor) }
        connections[index].isOver = true
    }

    private mutating func removeOver() { connections.removeAll(where: \.isOver) }
}

// MARK: - Sockets

extension BenchLoadLoop {
    /// Waits for a socket, the next arrival, or a tenth of a second, in which deadlines are looked at.
    private mutating func wait(since start: UInt64, _ now: UInt64) {
        var timeout: UInt64 = 100_000_000
        if connections.count < limits.connectionCount, let arrival = waiting?.arrival {
            timeout = min(timeout, start + arrival > now ? start + arrival - now : 0)
        }
        var queries = connections.map { connection in
            let isSending = connection.sentCount < connection.request.bytes.count
            return pollfd(
                fd: connection.descriptor, events: Int16(isSending ? POLLOUT : POLLIN), revents: 0)
        }
        // Rounded down: the last millisecond before an arrival is spent looking, not waiting.
        let count = poll(&queries, nfds_t(queries.count), Int32(clamping: timeout / 1_000_000))
        guard count > 0 else { return }
        let arrival = EngineStatistics.monotonicNanoseconds()
        for index in queries.indices where queries[index].revents != 0 { serve(index, arrival) }
        removeOver()
    }

    private mutating func serve(_ index: Int, _ now: UInt64) {
        if connections[index].sentCount < connections[index].request.bytes.count {
            send(index, now)
        } else {
            receive(index, now)
        }
    }

    private mutating func send(_ index: Int, _ now: UInt64) {
        let connection = connections[index]
        let sent = connection.request.bytes[connection.sentCount...].withUnsafeBytes {
            Glibc.send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if sent >= 0 {
            connections[index].sentCount += sent
        } else if errno != EAGAIN && errno != EINTR {
            lose(index, String(cString: strerror(errno)), now)
        }
    }

    /// What has come, at most a buffer's worth: others have their turn.
    private mutating func receive(_ index: Int, _ now: UInt64) {
        let descriptor = connections[index].descriptor
        let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count < 0 {
            if errno != EAGAIN && errno != EINTR { lose(index, String(cString: strerror(errno)), now) }
            return
        }
        do throws(BenchResponseError) {
            if count > 0 {
                try connections[index].exchange.receive(Array(buffer[..<count]), at: now)
            } else {
                try connections[index].exchange.receiveEnd(at: now)
            }
        } catch {
            return lose(index, error.description, now)
        }
        if connections[index].exchange.isComplete {
            end(index, keepsOpen: count > 0 && connections[index].exchange.keepsAlive)
        }
    }

    /// The connection is gone. One that waited for this request gets a new one: its server had closed it before.
    private mutating func lose(_ index: Int, _ message: String, _ now: UInt64) {
        let connection = connections[index]
        guard connection.isReused, !connection.exchange.hasBegun, let descriptor = address.connect() else {
            return fail(index, .connection(message), now)
        }
        _ = close(connection.descriptor)
        connections[index].descriptor = descriptor
        connections[index].isReused = false
        connections[index].sentCount = 0
    }
}

/// One request as it is sent.
struct BenchRequest: Sendable, Equatable {
    /// Head and body.
    var bytes: [UInt8]
    var isStream: Bool
    /// Nanoseconds after the start; nil for as soon as a client is free.
    var arrival: UInt64?
}

/// How long a load generator goes on.
///
/// - Units: nanoseconds.
struct BenchLimits: Sendable, Equatable {
    /// Requests under way at once.
    var connectionCount: Int
    /// No request begins after this.
    var sending: UInt64
    /// Of one request.
    var request: UInt64
    /// Everything ends after this.
    var total: UInt64
}

/// How far a load generator is.
struct BenchProgress: Sendable, Equatable {
    var endedCount: Int
    var totalCount: Int
    var runningCount: Int
    /// - Units: nanoseconds.
    var elapsed: UInt64
    var elapsedLimit: UInt64
}
