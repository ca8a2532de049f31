import CompletionsAPI
import Engine
import Foundation
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Telemetry
import Tokenization

/// An engine that plays what a test wrote, and a service before it whose clock and randomness stand still.
final class ScriptedEngine: Sendable {
    /// The streams of the requests that came, which a test feeds and whose end it sees.
    let admitted: AsyncStream<Admission>
    /// Places of the requests whose streams ended before their engine finished them.
    let cancellations: AsyncStream<Int>

    struct Admission: Sendable {
        var place: Int
        var request: GenerationRequest
        var events: AsyncStream<GenerationEvent>.Continuation
    }

    private let admittedContinuation: AsyncStream<Admission>.Continuation
    private let cancellationsContinuation: AsyncStream<Int>.Continuation
    private let script: @Sendable (GenerationRequest, Int) throws(AdmissionError) -> [GenerationEvent]?
    private let counter = Counter()

    /// - Parameter script: the events of the request with this place; nil leaves the stream open for the test to feed.
    init(_ script: @escaping @Sendable (GenerationRequest, Int) throws(AdmissionError) -> [GenerationEvent]?) {
        (admitted, admittedContinuation) = AsyncStream.makeStream()
        (cancellations, cancellationsContinuation) = AsyncStream.makeStream()
        self.script = script
    }

    func generate(_ request: GenerationRequest) throws(AdmissionError) -> Generation {
        let place = counter.next()
        let script = try script(request, place)
        let (events, continuation) = AsyncStream.makeStream(of: GenerationEvent.self)
        let cancellations = cancellationsContinuation
        continuation.onTermination = { if case .cancelled = $0 { cancellations.yield(place) } }
        admittedContinuation.yield(Admission(place: place, request: request, events: continuation))
        if let script {
            for event in script { continuation.yield(event) }
            continuation.finish()
        }
        return Generation(
            events: events,
            cancel: {
                for choice in request.heardChoices { continuation.yield(finished(.cancelled, choice: choice)) }
                continuation.finish()
            })
    }

    /// The next `count` places whose streams were cancelled.
    func cancelled(_ count: Int) async -> Set<Int> {
        var places: Set<Int> = []
        for await place in cancellations {
            places.insert(place)
            if places.count == count { break }
        }
        return places
    }
}

final class Counter: Sendable {
    private let lock = NSLock()
    nonisolated(unsafe) private var value = 0

    func next() -> Int {
        lock.withLock {
            defer { value += 1 }
            return value
        }
    }
}

/// A service named `tiny` with the test's tokeniser, a context of 32 and room for 64 sequences together.
func service(
    _ engine: ScriptedEngine, unknownFields: ServiceConfiguration.UnknownFields = .ignore,
    tokenizer: Tokenizer = TestTokenizer.plain, contextCount: Int = 32, capacity: Int = 64,
    readiness: ServedModel.Readiness = .ready, statistics: EngineStatistics = EngineStatistics(),
    maxQueueTime: Duration? = .seconds(60), queueFullRetry: Int? = nil,
    pause: @escaping @Sendable (Duration) async throws -> Void = { _ in throw CancellationError() },
    metrics: MetricRegistry? = nil, uptime: @escaping @Sendable () -> Duration = { .zero },
    reportOther: @escaping @Sendable (RequestRecord) -> Void = { _ in },
    report: @escaping @Sendable (CompletionRecord) -> Void = { _ in }
) -> CompletionsService {
    let random = Counter()
    var environment = ServiceEnvironment(
        now: { 1_767_225_601 },
        random: { UInt64(random.next() + 1) << 12 },
        pause: pause, uptime: uptime, report: report)
    environment.reportOther = reportOther
    environment.metrics = metrics
    return CompletionsService(
        model: model(
            engine, tokenizer: tokenizer, contextCount: contextCount, capacity: capacity, readiness: readiness,
            statistics: statistics, maxQueueTime: maxQueueTime, queueFullRetry: queueFullRetry),
        configuration: ServiceConfiguration(build: "test", unknownFields: unknownFields),
        environment: environment)
}

func model(
    _ engine: ScriptedEngine, tokenizer: Tokenizer = TestTokenizer.plain, contextCount: Int = 32, capacity: Int = 64,
    readiness: ServedModel.Readiness = .ready, statistics: EngineStatistics = EngineStatistics(),
    maxQueueTime: Duration? = .seconds(60), queueFullRetry: Int? = nil
) -> ServedModel {
    ServedModel(
        name: "tiny", created: 1_767_225_600, contextCount: contextCount,
        vocabularyCount: TestTokenizer.vocabularyCount, tokenizer: tokenizer,
        generate: { request throws(AdmissionError) in try engine.generate(request) },
        sequenceCapacity: { _ in capacity }, readiness: { readiness }, statistics: { statistics },
        maxQueueTime: maxQueueTime, queueFullRetry: { queueFullRetry })
}

/// An engine that says `text` in one step, for each choice, and stops at its end.
func saying(_ text: String, tokens: [TokenID] = [7, 8]) -> ScriptedEngine {
    ScriptedEngine { request, _ in
        request.heardChoices.flatMap { choice in
            (request.stop.maxTokens == 0 ? [] : [delta(text, tokens, choice: choice)])
                + [finished(.length, choice: choice)]
        }
    }
}

func delta(_ text: String, _ tokens: [TokenID], choice: Int = 0) -> GenerationEvent {
    .delta(
        TextDelta(
            choice: choice, text: Array(text.utf8), tokens: tokens.map { GeneratedToken(id: $0, textOffset: 0) }))
}

func finished(
    _ reason: FinishReason, choice: Int = 0, score: Float? = nil, generated: Int = 0, cached: Int = 0
) -> GenerationEvent {
    .finished(
        FinishedChoice(
            choice: choice, reason: reason, beamScore: score, generatedTokenCount: generated,
            cachedTokenCount: cached))
}

extension GenerationRequest {
    /// The choices that the engine speaks of.
    var heardChoices: Range<Int> {
        switch mode {
        case .sampling(_, let choices): choices
        case .beam(let parameters, _): 0..<parameters.returnCount
        case .contrastive: 0..<1
        }
    }

    /// Where choices draw, or would.
    var sampling: SamplingParameters? {
        switch mode {
        case .sampling(let parameters, _): parameters
        case .beam(_, let parameters): parameters
        case .contrastive: nil
        }
    }
}

// MARK: - Asking

func post(_ body: String, type: String? = "application/json") -> ServerRequest { post(Array(body.utf8), type: type) }

func post(_ body: [UInt8], type: String? = "application/json") -> ServerRequest {
    var request = request("POST", "/v1/completions")
    if let type { request.head.headerFields[.contentType] = type }
    request.body = body
    return request
}

func request(_ method: String, _ path: String) -> ServerRequest {
    let method = HTTPRequest.Method(method) ?? .get
    let head = HTTPRequest(method: method, scheme: "http", authority: "localhost", path: path)
    return ServerRequest(head: head, path: Array(path.utf8))
}

// MARK: - Reading answers

/// An answer with its whole body.
struct Answer {
    var status: Int
    var fields: HTTPFields
    var bytes: [UInt8]

    init(_ response: ServerResponse) async {
        status = response.head.status.code
        fields = response.head.headerFields
        switch response.body {
        case .bytes(let body): bytes = body
        case .stream(let pieces):
            bytes = []
            for await piece in pieces { bytes += piece }
        }
    }

    var json: JSONValue? { try? JSONParser.parse(bytes, limits: .request) }
    var text: String { String(decoding: bytes, as: UTF8.self) }

    var parameter: String? { json?["error"]?["param"]?.asBytes.map { String(decoding: $0, as: UTF8.self) } }
    var code: String? { json?["error"]?["code"]?.asBytes.map { String(decoding: $0, as: UTF8.self) } }
    var message: String? { json?["error"]?["message"]?.asBytes.map { String(decoding: $0, as: UTF8.self) } }

    var ignoredParameters: String? { HTTPField.Name("x-ignored-params").flatMap { fields[$0] } }

    /// The data of each event, without the end mark; nil when a frame is not as it should be or the mark is missing.
    var events: [JSONValue]? {
        var frames = text.components(separatedBy: "\n\n")
        guard frames.popLast() == "", frames.popLast() == "data: [DONE]" else { return nil }
        var events: [JSONValue] = []
        for frame in frames where !frame.hasPrefix(":") {
            guard frame.hasPrefix("data: "),
                let value = try? JSONParser.parse(Array(frame.utf8.dropFirst(6)), limits: .request)
            else { return nil }
            events.append(value)
        }
        return events
    }
}

extension CompletionsService {
    func answer(_ body: String) async -> Answer { await Answer(respond(to: post(body))) }
}
