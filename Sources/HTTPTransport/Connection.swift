import Dispatch
import Glibc
package import HTTPCodec
import HTTPTypes

/// What the transport calls for each request, on Swift's pool. Its task is cancelled when the client goes away.
package typealias RequestHandler = @Sendable (ServerRequest) async -> ServerResponse

/// One client: moves bytes between its socket, its codec and its `HTTPConnectionMachine`, and runs the handler.
///
/// Lives on its shard's queue. Decisions are the machine's; here is only what must be done to a socket.
actor Connection {
    /// One read; large enough for a head and most bodies, small enough that thousands of clients can be read at once.
    private static let readByteCount = 64 << 10

    private let executor: QueueExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let socket: Socket
    private let limits: HTTPLimits
    private let handler: RequestHandler
    private let onClose: @Sendable () -> Void
    private let shard: ConnectionShard
    private let openedAt = MonotonicClock.now()
    private var codec: ConnectionCodec
    private var machine: HTTPConnectionMachine
    /// What the machine says; `flush` moves all of it to `output`.
    private var answers: [UInt8] = []
    /// For the socket.
    private var output = SendBuffer()
    private var reader: SourceSwitch?
    private var writer: SourceSwitch?
    /// Sources that may still touch the descriptor; the last one's end closes it.
    private var sourceCount = 0
    private var isOpen = true
    /// The client sends no more, but its last answer is still on its way out.
    private var hasEnded = false
    private var handling: Task<Void, Never>?
    private var roomWaiter: CheckedContinuation<Void, Never>?

    /// Nil when there is no memory for a session of TLS; the socket is then still the caller's.
    init?(
        socket: Socket, tls: TLSContext?, shard: ConnectionShard, limits: HTTPLimits,
        handler: @escaping RequestHandler, onClose: @escaping @Sendable () -> Void
    ) {
        guard let codec = ConnectionCodec(tls, handshakeByteLimit: limits.tlsHandshakeByteCount) else { return nil }
        self.codec = codec
        self.socket = socket
        self.shard = shard
        self.limits = limits
        self.handler = handler
        self.onClose = onClose
        executor = shard.executor
        machine = HTTPConnectionMachine(limits: limits, now: openedAt)
    }

    /// Since when the connection could be closed without loss; nil while it is in use.
    var idleSince: Duration? { machine.isIdle && output.isEmpty ? machine.idleSince : nil }

    /// Bytes that wait for the client: those of TLS count.
    private var waitingByteCount: Int { output.count + answers.count }

    func start() {
        socket.setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        socket.setOption(SOL_SOCKET, SO_SNDBUF, Int32(clamping: limits.socketSendBufferByteCount))
        let source = DispatchSource.makeReadSource(fileDescriptor: socket.descriptor, queue: executor.queue)
        source.setEventHandler { @Sendable [weak self] in self?.assumeIsolated { $0.readable() } }
        reader = adopt(source)
        reader?.set(on: true)
    }

    private func adopt(_ source: any DispatchSourceProtocol) -> SourceSwitch {
        sourceCount += 1
        source.setCancelHandler { @Sendable in self.assumeIsolated { $0.sourceEnded() } }
        return SourceSwitch(source)
    }

    private func sourceEnded() {
        sourceCount -= 1
        if sourceCount == 0 { socket.close() }
    }

    // MARK: In

    private func readable() {
        guard isOpen else { return }
        switch socket.receive(upTo: Self.readByteCount) {
        case .bytes(let received):
            let (bytes, end) = codec.receive(received, replies: &output.bytes)
            process(bytes.isEmpty ? .needMore : machine.receive(bytes, now: MonotonicClock.now()))
            if let end { ended(end) }
        case .wouldBlock:
            break
        case .end:
            ended()
        case .failed:
            close()
        }
    }

    /// The client sends no more: it has gone, unless only its last answer is still on its way.
    private func ended() {
        guard isOpen else { return }
        guard machine.isClosing, !output.isEmpty else { return close() }
        hasEnded = true
        updateReading()
    }

    private func ended(_ end: ConnectionCodec.End) {
        guard isOpen else { return }
        switch end {
        case .closed:
            codec.end(&output.bytes)
            flush()
            ended()
        case .notTLS:
            codec = .plain
            process(machine.reject(HTTPError(.badRequest, "This port speaks TLS: use https.")))
        case .failed(let reason):
            shard.assumeIsolated { $0.noteTLSFailure(reason) }
            flush()  // An alert that says why.
            close()
        }
    }

    private func updateReading() {
        guard isOpen else { return }
        // TLS answers some of what it reads by itself, so that a client that does not read must not be read either.
        let hasRoom = machine.isClosing || waitingByteCount < limits.sendBufferByteCount
        reader?.set(on: machine.wantsInput && hasRoom && !hasEnded)
    }

    /// Does what the machine asks for until it waits for something.
    private func process(_ first: HTTPConnectionEvent) {
        var event = first
        while isOpen {
            switch event {
            case .needMore:
                return flush()
            case .sendContinue:
                answers += HTTPConnectionMachine.continueHead
                event = machine.advance(now: MonotonicClock.now())
            case .reject(let error):
                let now = MonotonicClock.now()
                _ = machine.send(error.response, now: now, date: shard.date, to: &answers)
                event = machine.advance(now: now)
            case .deliver(let request):
                handling = Task { await serve(request) }
                event = .needMore
            case .close:
                close()
            }
        }
    }

    // MARK: The handler

    private func serve(_ request: ServerRequest) async {
        let response = await handler(request)
        if isOpen {
            let progress = machine.send(
                response, now: MonotonicClock.now(), date: shard.date, to: &answers)
            if case .stream(let pieces) = response.body, progress == .bodyFollows {
                await pump(pieces)
                guard isOpen else { return }
                machine.sendEnd(to: &answers)
            }
            // A client that does not read its answers gets no further ones.
            await waitForRoom()
            handling = nil
            if isOpen { process(machine.advance(now: MonotonicClock.now())) }
        } else if case .stream(let pieces) = response.body {
            await pump(pieces)
        }
    }

    /// Sends a stream as fast as the client takes it. After a hang-up the stream is still asked, in the cancelled task,
    /// until it ends: that is how its producer hears of it.
    private func pump(_ pieces: AsyncStream<[UInt8]>) async {
        flush()  // The head, before the first piece is made.
        for await piece in pieces {
            guard isOpen else { continue }
            machine.sendPiece(piece, to: &answers)
            flush()
            await waitForRoom()
        }
    }

    private func waitForRoom() async {
        guard isOpen, waitingByteCount >= limits.sendBufferByteCount else { return }
        flush()
        guard isOpen, waitingByteCount >= limits.sendBufferByteCount else { return }
        await withCheckedContinuation { roomWaiter = $0 }
    }

    private func wakeRoomWaiter() {
        roomWaiter?.resume()
        roomWaiter = nil
    }

    // MARK: Out

    private func flush() {
        guard isOpen else { return }
        let now = MonotonicClock.now()
        guard codec.send(&answers, to: &output.bytes) else { return close() }
        if machine.isClosing { codec.end(&output.bytes) }
        while !output.isEmpty {
            switch output.withPending(socket.send) {
            case .count(let count):
                output.didSend(count, now: now)
            case .wouldBlock:
                output.didStall(now: now)
                return waitUntilWritable()
            case .failed:
                return close()
            }
        }
        writer?.set(on: false)
        wakeRoomWaiter()
        if machine.isClosing {
            socket.shutdownSending()
            guard !hasEnded else { return close() }
            machine.beginLingering(now: now)
        }
        updateReading()
    }

    private func waitUntilWritable() {
        if waitingByteCount < limits.sendBufferByteCount { wakeRoomWaiter() }
        updateReading()
        if writer == nil {
            let source = DispatchSource.makeWriteSource(fileDescriptor: socket.descriptor, queue: executor.queue)
            source.setEventHandler { @Sendable [weak self] in self?.assumeIsolated { $0.flush() } }
            writer = adopt(source)
        }
        writer?.set(on: true)
    }

    // MARK: Time and the end

    /// Called a few times a second.
    func tick(now: Duration) {
        if codec.isHandshaking, now - openedAt >= limits.tlsHandshakeTimeout {
            return ended(.failed(reason: "the handshake took too long"))
        }
        if let since = output.waitingSince, now - since >= limits.writeStallTimeout { return close() }
        if reader?.isOn == false, !hasEnded, socket.isHungUp { return close() }
        if let deadline = machine.deadline, now >= deadline { process(machine.expire(now: now)) }
    }

    func drain() {
        guard idleSince == nil else { return close() }
        machine.drain()
        process(.needMore)
    }

    /// Ends everything at once: the handler's task is cancelled, its stream ends, the descriptor is given back.
    func close() {
        guard isOpen else { return }
        sayGoodbye()
        isOpen = false
        handling?.cancel()
        wakeRoomWaiter()
        reader?.cancel()
        writer?.cancel()
        shard.assumeIsolated { $0.connectionClosed(self) }
        onClose()
    }

    /// Between two requests an end can be told apart from a cut; within an answer it must look like one.
    private func sayGoodbye() {
        guard idleSince != nil else { return }
        codec.end(&output.bytes)
        if !output.isEmpty { _ = output.withPending(socket.send) }
    }
}
