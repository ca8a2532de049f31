import Engine
package import HTTPCodec
import HTTPTypes
import InferenceTypes

/// The OpenAI dialect over one model: a request in, a response out, no socket in sight.
package struct CompletionsService: Sendable {
    private let model: ServedModel
    private let configuration: ServiceConfiguration
    private let environment: ServiceEnvironment
    private let fingerprint: String

    package init(model: ServedModel, configuration: ServiceConfiguration, environment: ServiceEnvironment) {
        self.model = model
        self.configuration = configuration
        self.environment = environment
        fingerprint = Identifiers.fingerprint(model: model.name, build: configuration.build)
    }

    /// Answers anything. Cancelling the calling task, or letting go of a streamed body, cancels what it generates.
    ///
    /// A HEAD is answered as its GET would be; the transport leaves the body away and keeps its length.
    package func respond(to request: ServerRequest) async -> ServerResponse {
        let response: ServerResponse
        do throws(APIError) { response = try await answer(request) } catch { response = error.response }
        return response.named(for: request, environment)
    }

    private func answer(_ request: ServerRequest) async throws(APIError) -> ServerResponse {
        switch try Router.route(method: request.head.method.rawValue, path: request.path) {
        case .completions: return try await completions(request)
        case .models: return .json(model.list)
        case .model(let name):
            guard model.isNamed(name) else { throw .modelNotFound(name) }
            return .json(model.document)
        case .live: return .healthy
        case .ready:
            if let outage = model.outage { throw outage }
            return .healthy
        }
    }
}

// MARK: - POST /v1/completions

extension CompletionsService {
    private func completions(_ request: ServerRequest) async throws(APIError) -> ServerResponse {
        if let outage = model.outage { throw outage }
        let sent = try CompletionRequest.decode(
            try jsonBody(of: request), for: model, unknownFields: configuration.unknownFields)
        let parameters = try CompletionParameters(sent, model: model, random: environment.random)
        let streams = try admit(parameters)
        let document = CompletionDocument(
            id: Identifiers.completion(environment.random), created: environment.now(), model: model.name,
            fingerprint: fingerprint)
        let record = CompletionRecord(id: document.id, user: sent.user, parameters)
        var response: ServerResponse
        switch parameters.delivery {
        case .whole:
            response = try await whole(streams, CompletionAnswer(parameters, document: document), record)
        case .stream(let report):
            response = streamed(streams, CompletionStream(parameters, report: report, document: document), record)
        }
        response.head.headerFields[.ignoredParameters] = ignoredParametersField(sent.unknownFields)
        return response
    }

    private func jsonBody(of request: ServerRequest) throws(APIError) -> [UInt8] {
        // Asked for even where it could be guessed: a page of another origin cannot send it without being allowed to.
        guard MediaType.isJSON(request.head.headerFields[.contentType] ?? "") else {
            throw .unsupportedMediaType("Send 'Content-Type: application/json'.")
        }
        var request = request
        do throws(HTTPError) { try request.inflate(limits: configuration.limits) } catch { throw APIError(error) }
        return request.body
    }

    /// Hands every prompt to the engine. When one is refused the others are let go of, which cancels them.
    private func admit(_ parameters: CompletionParameters) throws(APIError) -> [AsyncStream<GenerationEvent>] {
        var streams: [AsyncStream<GenerationEvent>] = []
        for generation in parameters.generations {
            do throws(AdmissionError) { streams.append(try model.generate(generation)) } catch {
                throw refusal(error, of: generation)
            }
        }
        return streams
    }

    private func refusal(_ error: AdmissionError, of generation: GenerationRequest) -> APIError {
        switch error {
        case .queueFull: .queueFull
        case .draining: .draining
        case .tooLong(let limit):
            .contextExceeded(
                contextCount: limit, promptCount: generation.promptTokens.count, maxTokens: generation.maxTokens)
        }
    }

    private func whole(
        _ streams: [AsyncStream<GenerationEvent>], _ answer: CompletionAnswer, _ record: CompletionRecord
    ) async throws(APIError) -> ServerResponse {
        var answer = answer
        let keeper = RecordKeeper(record, environment)
        let merger = EventMerger(streams)
        defer { merger.stop() }
        while !answer.isFinished {
            guard let item = await merger.next() else {
                // Only a client that hung up ends the merger; nobody reads this.
                throw .endedEarly
            }
            do throws(APIError) { try answer.receive(item) } catch {
                keeper.fail()
                throw error
            }
            keeper.take(answer.usage, isFinished: answer.isFinished)
        }
        return .json(answer.encoded)
    }

    private func streamed(
        _ streams: [AsyncStream<GenerationEvent>], _ stream: CompletionStream, _ record: CompletionRecord
    ) -> ServerResponse {
        let pause = environment.pause
        let interval = configuration.pingInterval
        let merger = EventMerger(streams) { try await pause(interval) }
        let pull = CompletionPull(merger, stream, record, environment)
        var response = ServerSentEvents.response(
            AsyncStream(unfolding: { await pull.next() }, onCancel: { merger.stop() }))
        response.head.headerFields[.accelBuffering] = "no"
        return response
    }
}

// MARK: - Documents

extension ServedModel {
    /// - Source: OpenAI `Model`; `max_model_len` is vLLM's.
    fileprivate var document: JSONValue {
        .members([
            "id": .text(name), "object": .text("model"), "created": .integer(created),
            "owned_by": .text("needletail"), "max_model_len": .count(contextCount),
        ])
    }

    fileprivate var list: JSONValue { .members(["object": .text("list"), "data": .array([document])]) }
}

extension ServerResponse {
    static var healthy: ServerResponse { json(.members(["status": .text("ok")])) }

    /// With the request's own id, or a new one.
    func named(for request: ServerRequest, _ environment: ServiceEnvironment) -> ServerResponse {
        var response = self
        response.head.headerFields[.requestID] = Identifiers.request(
            sent: request.head.headerFields[.requestID], environment.random)
        return response
    }

    fileprivate static func json(_ document: JSONValue) -> ServerResponse { json(JSONWriter.bytes(of: document)) }

    fileprivate static func json(_ bytes: [UInt8]) -> ServerResponse {
        ServerResponse(
            head: HTTPResponse(status: .ok, headerFields: [.contentType: MediaType.json]), body: .bytes(bytes))
    }
}

/// Names of the fields that were ignored, for a header: token characters only, and no more than fits one line; nil when
/// there is none.
func ignoredParametersField(_ names: [[UInt8]]) -> String? {
    guard !names.isEmpty else { return nil }
    // Enough to find a typing error by; a header is no place for more.
    let nameLimit = 16
    let byteLimit = 64
    let shown = names.prefix(nameLimit).map { name in
        let safe = name.prefix(byteLimit).map { isTokenCharacter($0) ? $0 : UInt8(ascii: "_") }
        return String(decoding: safe.isEmpty ? [UInt8(ascii: "_")] : safe, as: UTF8.self)
    }
    return (shown + (names.count > nameLimit ? ["..."] : [])).joined(separator: ", ")
}

/// - Source: RFC 9110 section 5.6.2, `tchar`.
private func isTokenCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"):
        true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}
