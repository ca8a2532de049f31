import Dispatch
import HTTPCodec
import Logging

/// The connections of one network queue, and the timer they share.
actor ConnectionShard {
    /// How exactly deadlines are kept. The shortest of them is 2 s.
    private static let tickInterval = DispatchTimeInterval.milliseconds(250)
    /// Between two log lines about connections that failed in TLS: scanners make many.
    private static let warningInterval: Duration = .seconds(10)

    nonisolated let executor: QueueExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let limits: HTTPLimits
    private let handler: RequestHandler
    private let logger: Logger
    private var failureNotedAt: Duration?
    private var unnotedFailureCount = 0
    private var connections: [ObjectIdentifier: Connection] = [:]
    private var dates = DateCache()
    private var timer: SourceSwitch?

    init(executor: QueueExecutor, limits: HTTPLimits, logger: Logger, handler: @escaping RequestHandler) {
        self.executor = executor
        self.limits = limits
        self.handler = handler
        self.logger = logger
    }

    /// The current `Date`, for connections of this queue.
    nonisolated var date: HTTPDate { assumeIsolated { $0.dates.current() } }

    /// Runs on the queue, after all that was asked before. Called from any queue.
    nonisolated func perform(_ action: @escaping @Sendable (isolated ConnectionShard) -> Void) {
        executor.queue.async { self.assumeIsolated { action($0) } }
    }

    /// Takes over a socket just accepted. Called from any queue.
    nonisolated func adopt(_ socket: Socket, tls: TLSContext?, onClose: @escaping @Sendable () -> Void) {
        perform { $0.open(socket, tls: tls, onClose: onClose) }
    }

    private func open(_ socket: Socket, tls: TLSContext?, onClose: @escaping @Sendable () -> Void) {
        let opened = Connection(
            socket: socket, tls: tls, shard: self, limits: limits, handler: handler, onClose: onClose)
        guard let connection = opened else {
            socket.close()
            return onClose()
        }
        connections[ObjectIdentifier(connection)] = connection
        connection.assumeIsolated { $0.start() }
        startTimer()
    }

    func connectionClosed(_ connection: Connection) {
        connections[ObjectIdentifier(connection)] = nil
        if connections.isEmpty { timer?.set(on: false) }
    }

    /// A line now and then for clients that TLS has refused, or that broke off.
    func noteTLSFailure(_ reason: String) {
        let now = MonotonicClock.now()
        if let last = failureNotedAt, now - last < Self.warningInterval {
            unnotedFailureCount += 1
            return
        }
        logger.info(
            "a TLS connection failed", metadata: ["reason": "\(reason)", "others_before": "\(unnotedFailureCount)"])
        (failureNotedAt, unnotedFailureCount) = (now, 0)
    }

    /// Since when the connection that is idle for longest is; nil when all are busy.
    func oldestIdle() -> Duration? {
        idleConnections().min { $0.since < $1.since }?.since
    }

    func closeOldestIdle() {
        guard let oldest = idleConnections().min(by: { $0.since < $1.since }) else { return }
        oldest.connection.assumeIsolated { $0.close() }
    }

    private func idleConnections() -> [(connection: Connection, since: Duration)] {
        connections.values.compactMap { connection in
            connection.assumeIsolated { $0.idleSince }.map { (connection, $0) }
        }
    }

    func drain() { forEach { $0.drain() } }
    func closeAll() { forEach { $0.close() } }

    /// Over a copy: an action may close its connection.
    private func forEach(_ action: @Sendable (isolated Connection) -> Void) {
        for connection in Array(connections.values) {
            connection.assumeIsolated { action($0) }
        }
    }

    private func startTimer() {
        if timer == nil {
            let source = DispatchSource.makeTimerSource(queue: executor.queue)
            source.schedule(deadline: .now() + Self.tickInterval, repeating: Self.tickInterval)
            source.setEventHandler { @Sendable [weak self] in self?.assumeIsolated { $0.tick() } }
            timer = SourceSwitch(source)
        }
        timer?.set(on: true)
    }

    private func tick() {
        let now = MonotonicClock.now()
        forEach { $0.tick(now: now) }
    }
}
