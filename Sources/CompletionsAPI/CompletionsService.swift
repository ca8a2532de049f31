import Engine
package import HTTPCodec
import HTTPTypes
import InferenceTypes
import Telemetry
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
    let metrics: ServiceMetrics?

    package init(
        model: ServedModel, configuration: ServiceConfiguration, environment: ServiceEnvironment,
        tenants: Tenants? = nil
    ) {
        self.tenants = tenants
        self.model = model
        self.configuration = configuration
        self.environment = environment
        metrics = environment.metrics.map { ServiceMetrics($0, model: model, build: configuration.build) }
        fingerprint = Identifiers.fingerprint(model: model.name, build: configuration.build)
    }

    /// Answers anything. Cancelling the calling task, or letting go of a streamed body, cancels what it generates.
    ///
    /// A HEAD is answered as its GET would be; the transport leaves the body away and keeps its length.
    package func respond(to request: ServerRequest) async -> ServerResponse {
        var context = RequestContext(request, environment)
        var route: Route?
        var isRecorded = false
        let response: ServerResponse
        do throws(APIError) {
            // Before the path is judged: without a key nobody learns what there is.
            context.key = try await holder(asking: request)
            let found = try Router.route(method: request.head.method.rawValue, path: request.path)
            route = found
            if found.isCounted, let key = context.key { try await count(key) }
            response = try await answer(request, found, context)
            isRecorded = found == .completions
        } catch {
            response = error.response
            isRecorded = error.isRecorded
        }
        let named = response.named(context)
        note(named, route, context, isRecorded: isRecorded)
        return named
    }

    /// Answers `GET /metrics` and nothing else: for a listener of its own.
    package func respondToScrape(_ request: ServerRequest) -> ServerResponse {
        let response: ServerResponse
        do throws(APIError) {
            let route = try Router.route(method: request.head.method.rawValue, path: request.path)
            guard route == .metrics, let metrics else { throw .pathNotFound(request.path) }
            response = metrics.page(model.statistics())
        } catch {
            response = error.response
        }
        return response.named(RequestContext(request, environment))
    }

    /// Counts what was answered, and reports it where no completion's record does.
    private func note(_ response: ServerResponse, _ route: Route?, _ context: RequestContext, isRecorded: Bool) {
        let status = Task.isCancelled ? CompletionRecord.clientClosed : response.head.status.code
        let handler = route?.pattern ?? "other"
        metrics?.countRequest(handler: handler, method: context.method, status: status)
        guard !isRecorded else { return }
        environment.reportOther(
            RequestRecord(
                requestID: response.head.headerFields[.requestID] ?? "", traceID: context.trace.traceID,
                method: context.method, handler: handler, status: status,
                elapsed: environment.uptime() - context.arrival))
    }

    private func answer(
        _ request: ServerRequest, _ route: Route, _ context: RequestContext
    ) async throws(APIError) -> ServerResponse {
        switch route {
        case .completions: return try await completions(request, context)
        case .cancel(let id): return try await cancelled(id, by: context.key)
        case .tokenize: return try tokenized(request)
        case .detokenize: return try detokenized(request)
        case .tokenizerInfo: return tokenizerInformation
        case .version: return version
        case .load: return load
        case .metrics:
            guard configuration.servesMetrics, let metrics else { throw .pathNotFound(request.path) }
            return metrics.page(model.statistics())
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

    /// With the request's own id from its header, or the one that the answer brings from the body, or a new one; and with
    /// its place in the trace.
    func named(_ context: RequestContext) -> ServerResponse {
        var response = self
        response.head.headerFields[.requestID] = context.requestID(inBody: head.headerFields[.requestID])
        response.head.headerFields[.traceParent] = context.trace.field
        return response
    }

    static func json(_ document: JSONValue) -> ServerResponse { json(JSONWriter.bytes(of: document)) }

    static func json(_ bytes: [UInt8]) -> ServerResponse {
        ServerResponse(
            head: HTTPResponse(status: .ok, headerFields: [.contentType: MediaType.json]), body: .bytes(bytes))
    }
}
