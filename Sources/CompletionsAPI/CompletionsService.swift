import Engine
package import HTTPCodec
import HTTPTypes
import InferenceTypes
package import Tenancy

/// The OpenAI dialect over one model: a request in, a response out, no socket in sight.
package struct CompletionsService: Sendable {
    let model: ServedModel
    let configuration: ServiceConfiguration
    let environment: ServiceEnvironment
    let fingerprint: String
    /// Who may ask, and how much; nil lets everybody in.
    let tenants: Tenants?
    /// The completions that run.
    let live = LiveCompletions()

    package init(
        model: ServedModel, configuration: ServiceConfiguration, environment: ServiceEnvironment,
        tenants: Tenants? = nil
    ) {
        self.tenants = tenants
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
        // Before the path is judged: without a key nobody learns what there is.
        let key = try await holder(asking: request)
        let route = try Router.route(method: request.head.method.rawValue, path: request.path)
        if route.isCounted, let key { try await count(key) }
        switch route {
        case .completions: return try await completions(request, key)
        case .cancel(let id): return try await cancelled(id, by: key)
        case .tokenize: return try tokenized(request)
        case .detokenize: return try detokenized(request)
        case .tokenizerInfo: return tokenizerInformation
        case .version: return version
        case .load: return load
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

    /// With the request's own id from its header, or the one that the answer brings from the body, or a new one.
    func named(for request: ServerRequest, _ environment: ServiceEnvironment) -> ServerResponse {
        var response = self
        let sent = [request.head.headerFields[.requestID], head.headerFields[.requestID]]
        response.head.headerFields[.requestID] = Identifiers.request(sent: sent, environment.random)
        return response
    }

    static func json(_ document: JSONValue) -> ServerResponse { json(JSONWriter.bytes(of: document)) }

    static func json(_ bytes: [UInt8]) -> ServerResponse {
        ServerResponse(
            head: HTTPResponse(status: .ok, headerFields: [.contentType: MediaType.json]), body: .bytes(bytes))
    }
}
