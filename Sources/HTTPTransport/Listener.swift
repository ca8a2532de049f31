import Dispatch
package import HTTPCodec
package import Logging
import ServiceLifecycle

/// Where and how to listen.
package struct ListenerConfiguration: Sendable {
    /// An IPv4 or IPv6 literal, or `localhost` for both loopback addresses.
    package var host = "127.0.0.1"
    /// 0 takes a free one, see `Listener.port`.
    package var port = 8080
    package var limits = HTTPLimits()
    /// With it clients speak TLS, without it clear text.
    package var tls: TLSContext?
    /// Serial queues over which connections are spread. Two keep a busy client's parsing from delaying all others; more
    /// would take cores from the engine.
    package var queueCount = 2

    package init() {}
}

/// The server's socket: accepts clients, spreads them over the queues, and knows when to stop.
///
/// It listens from its making, so that a taken port is told at once, and accepts from `run` on; who connects before
/// waits in the kernel's queue.
package actor Listener: Service {
    /// How long nothing is accepted when descriptors or memory have run out.
    private static let backOff = DispatchTimeInterval.milliseconds(100)
    /// Accepted at one go; then others on the queue have their turn.
    private static let acceptCount = 64
    /// Between two log lines about the same shortage: a flood of clients must not flood the log.
    private static let warningInterval: Duration = .seconds(10)
    /// From the order to give up until connections are cut: time for a last event to each stream.
    private static let lastWordTimeout: DispatchTimeInterval = .seconds(1)

    private let executor: QueueExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The port that was given or found.
    package nonisolated let port: Int

    private enum State {
        case listening, accepting, draining, stopped
    }

    private let limits: HTTPLimits
    /// For connections from now on; one that is open keeps what it began with.
    private var tls: TLSContext?
    private let logger: Logger
    private let onDrainTimeout: @Sendable () -> Void
    private var sockets: [Socket]
    private let shards: [ConnectionShard]
    private var sources: [SourceSwitch] = []
    private var state = State.listening
    private var openCount = 0
    private var acceptedCount = 0
    private var isMakingRoom = false
    private var warnedAt: Duration?
    private var stopWaiters: [CheckedContinuation<Void, Never>] = []

    /// Binds and listens.
    ///
    /// - Parameter onDrainTimeout: called when running requests have used up `limits.drainTimeout` after the order to
    ///   stop: end their streams with an error now. A second later their connections are cut.
    /// - Throws: `ListenerError`, one line for the operator.
    package init(
        _ configuration: ListenerConfiguration, logger: Logger,
        onDrainTimeout: @escaping @Sendable () -> Void = {}, handler: @escaping RequestHandler
    ) throws(ListenerError) {
        guard let port = UInt16(exactly: configuration.port) else { throw .invalidPort(configuration.port) }
        let sockets = try Socket.listening(host: configuration.host, port: port)
        let executor = QueueExecutor(label: "needletail.listener")
        self.port = sockets.first?.boundPort.map { Int($0) } ?? configuration.port
        self.sockets = sockets
        self.executor = executor
        self.logger = logger
        self.onDrainTimeout = onDrainTimeout
        limits = configuration.limits
        tls = configuration.tls
        shards = (0..<max(1, configuration.queueCount)).map { index in
            ConnectionShard(
                executor: QueueExecutor(label: "needletail.connections.\(index)"), limits: configuration.limits,
                logger: logger, handler: handler)
        }
        Self.warn(of: configuration.tls, logger)
    }

    deinit {
        if state == .listening { for socket in sockets { socket.close() } }
    }

    /// Serves until told to stop. Returns when the last connection is gone.
    ///
    /// Under a `ServiceGroup` a graceful shutdown drains; cancelling the task stops at once.
    package func run() async throws {
        startAccepting()
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await waitUntilStopped()
            } onGracefulShutdown: {
                Task { await self.drain() }
            }
        } onCancel: {
            Task { await self.stop() }
        }
    }

    /// Stops accepting, closes idle connections, lets running requests finish within `limits.drainTimeout`.
    package func drain() {
        guard state != .draining, state != .stopped else { return }
        state = .draining
        logger.info("draining", metadata: ["connections": "\(openCount)"])
        stopListening()
        for shard in shards { shard.perform { $0.drain() } }
        executor.queue.asyncAfter(deadline: .now() + limits.drainTimeout.dispatchInterval) { [weak self] in
            self?.assumeIsolated { $0.drainTimedOut() }
        }
        finishIfIdle()
    }

    /// Cuts all connections.
    package func stop() {
        guard state != .stopped else { return }
        if state != .draining { stopListening() }
        state = .draining
        for shard in shards { shard.perform { $0.closeAll() } }
        finishIfIdle()
    }

    private func drainTimedOut() {
        guard state == .draining else { return }
        logger.warning("requests cut off by the drain limit", metadata: ["connections": "\(openCount)"])
        onDrainTimeout()
        executor.queue.asyncAfter(deadline: .now() + Self.lastWordTimeout) { [weak self] in
            self?.assumeIsolated { $0.stop() }
        }
    }

    private func waitUntilStopped() async {
        guard state != .stopped else { return }
        await withCheckedContinuation { stopWaiters.append($0) }
    }

    private func finishIfIdle() {
        guard state == .draining, openCount == 0 else { return }
        state = .stopped
        for waiter in stopWaiters { waiter.resume() }
        stopWaiters = []
    }

    // MARK: The certificate

    /// Reads certificate and key anew, for connections from now on. Where they cannot be used, those from before stay,
    /// and a line says why.
    package func reloadCertificate() {
        guard let configuration = tls?.configuration else {
            return logger.info("no certificate to read anew: serving without TLS")
        }
        do throws(TLSError) {
            tls = try TLSContext(configuration)
            logger.info("certificate read anew", metadata: ["file": "\(configuration.certificatePath)"])
            Self.warn(of: tls, logger)
        } catch {
            logger.error("certificate not read anew, the old one stays", metadata: ["reason": "\(error)"])
        }
    }

    private static func warn(of tls: TLSContext?, _ logger: Logger) {
        for text in tls?.warnings ?? [] { logger.warning("TLS", metadata: ["warning": "\(text)"]) }
    }

    // MARK: Accepting

    private func startAccepting() {
        guard state == .listening else { return }
        state = .accepting
        for socket in sockets {
            let source = DispatchSource.makeReadSource(fileDescriptor: socket.descriptor, queue: executor.queue)
            source.setEventHandler { @Sendable [weak self] in self?.assumeIsolated { $0.acceptWaiting(on: socket) } }
            source.setCancelHandler { @Sendable in socket.close() }
            let accepting = SourceSwitch(source)
            accepting.set(on: true)
            sources.append(accepting)
        }
    }

    private func stopListening() {
        // At once: a source gives its descriptor back a little later, and until then clients would still get in.
        for socket in sockets { socket.shutdownBoth() }
        if sources.isEmpty { for socket in sockets { socket.close() } }
        for source in sources { source.cancel() }
        sources = []
        sockets = []
    }

    private func acceptWaiting(on listening: Socket) {
        guard state == .accepting else { return }
        for _ in 0..<Self.acceptCount {
            guard openCount < limits.connectionCount else { return makeRoom() }
            switch listening.accept() {
            case .socket(let socket): open(socket)
            case .none: return
            case .exhausted: return makeRoom()
            }
        }
    }

    private func open(_ socket: Socket) {
        openCount += 1
        acceptedCount += 1
        let executor = executor
        shards[acceptedCount % shards.count].adopt(socket, tls: tls) { [weak self] in
            executor.queue.async { [weak self] in self?.assumeIsolated { $0.connectionClosed() } }
        }
    }

    private func connectionClosed() {
        openCount -= 1
        finishIfIdle()
    }

    /// Closes the connection that is idle for longest, and accepts nothing for a moment: at the connection limit, and
    /// when the system has no descriptors left (without the pause the ready listener would spin).
    private func makeRoom() {
        guard !isMakingRoom else { return }
        isMakingRoom = true
        for source in sources { source.set(on: false) }
        Task {
            let hasClosed = await closeOldestIdle()
            if !hasClosed { warnOfNoRoom() }
            let pause: DispatchTimeInterval = hasClosed ? .milliseconds(1) : Self.backOff
            executor.queue.asyncAfter(deadline: .now() + pause) { [weak self] in
                self?.assumeIsolated { $0.resumeAccepting() }
            }
        }
    }

    private func warnOfNoRoom() {
        let now = MonotonicClock.now()
        if let last = warnedAt, now - last < Self.warningInterval { return }
        warnedAt = now
        logger.warning("no room for connections", metadata: ["connections": "\(openCount)"])
    }

    private func resumeAccepting() {
        isMakingRoom = false
        for source in sources { source.set(on: true) }
    }

    private func closeOldestIdle() async -> Bool {
        var oldest: (shard: ConnectionShard, since: Duration)?
        for shard in shards {
            guard let since = await shard.oldestIdle(), since < oldest?.since ?? .seconds(Int64.max) else { continue }
            oldest = (shard, since)
        }
        await oldest?.shard.closeOldestIdle()
        return oldest != nil
    }
}

extension Duration {
    /// - Units: whole nanoseconds; longer than a day counts as a day.
    fileprivate var dispatchInterval: DispatchTimeInterval {
        let bounded = min(max(self, .zero), .seconds(86400))
        let (seconds, attoseconds) = bounded.components
        return .nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
    }
}
