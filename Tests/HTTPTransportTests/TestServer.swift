import Dispatch
import HTTPCodec
import HTTPTransport
import HTTPTypes
import Logging

/// A listener on a free port for the time of `body`, stopped after it.
func withServer(
    _ limits: HTTPLimits = HTTPLimits(), tls: TLSContext? = nil,
    onDrainTimeout: @escaping @Sendable () -> Void = {},
    handler: @escaping RequestHandler = { answer(String(decoding: $0.path, as: UTF8.self)) },
    _ body: (Listener) async throws -> Void
) async throws {
    var configuration = ListenerConfiguration()
    configuration.port = 0
    configuration.limits = limits
    configuration.tls = tls
    let listener = try Listener(
        configuration, logger: quietLogger, onDrainTimeout: onDrainTimeout, handler: handler)
    let running = Task { try await listener.run() }
    let result = await Result { try await body(listener) }
    await listener.stop()
    try await running.value
    try result.get()
}

extension Result where Failure == any Error {
    /// What an asynchronous step gave or threw.
    init(_ step: () async throws -> Success) async {
        do { self = .success(try await step()) } catch { self = .failure(error) }
    }
}

let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Runs blocking work on a thread of its own.
func offPool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "test.client").async { continuation.resume(with: Result { try work() }) }
    }
}

func answer(_ text: String, _ status: HTTPResponse.Status = .ok) -> ServerResponse {
    ServerResponse(head: HTTPResponse(status: status), body: .bytes([UInt8](text.utf8)))
}

func stream(_ pieces: AsyncStream<[UInt8]>) -> ServerResponse {
    ServerResponse(head: HTTPResponse(status: .ok), body: .stream(pieces))
}

/// Something that happens once and can be waited for.
struct Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func fire() { continuation.finish() }
    func wait() async { for await _ in stream {} }
}

/// Waits until the task is cancelled.
func untilCancelled() async {
    for await _ in AsyncStream<Never>.makeStream().stream {}
}

/// A number counted up from anywhere.
actor Counter {
    private(set) var value = 0
    func add(_ amount: Int) { value += amount }
}

/// Answers with far more than any buffer holds, 16 KiB at a time.
func streamOf256MiB(counting made: Counter, cancelled: Signal) -> RequestHandler {
    { _ in
        stream(
            AsyncStream {
                await made.add(16384)
                return await made.value < 256 << 20 ? [UInt8](repeating: 65, count: 16384) : nil
            } onCancel: {
                cancelled.fire()
            })
    }
}
