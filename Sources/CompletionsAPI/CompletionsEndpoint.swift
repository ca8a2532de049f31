import Engine
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Tenancy

/// `POST /v1/completions`.
extension CompletionsService {
    func completions(_ request: ServerRequest, _ context: RequestContext) async throws(APIError) -> ServerResponse {
        if let outage = model.outage { throw outage }
        // Said before a long prompt is read in vain.
        if let retryAfter = model.queueFullRetry() { throw .queueFull(retryAfter: retryAfter) }
        let ticket = try await ticket(for: context.key)
        do throws(APIError) { return try await completions(request, context, ticket) } catch {
            // An error costs no tokens; who hangs up pays for what he reserved.
            await ticket?.end(used: Task.isCancelled ? nil : 0)
            throw error
        }
    }

    private func completions(
        _ request: ServerRequest, _ context: RequestContext, _ ticket: Ticket?
    ) async throws(APIError) -> ServerResponse {
        var call = try CompletionCall(
            try CompletionRequest.members(of: jsonBody(of: request)), model: model,
            unknownFields: configuration.unknownFields, random: environment.random)
        let name = call.requestID.map { String(decoding: $0, as: UTF8.self) }
        do throws(APIError) {
            if let ticket { try await hold(&call, to: ticket) }
            var response = try await answer(call, context, ticket)
            response.head.headerFields[.ignoredParameters] = ignoredParametersField(call.unknownFields)
            response.head.headerFields[.requestID] = name
            return response
        } catch {
            var error = error
            error.fields[.requestID] = name
            throw error
        }
    }

    /// The body, inflated, of a request that says that it is JSON.
    func jsonBody(of request: ServerRequest) throws(APIError) -> [UInt8] {
        // Asked for even where it could be guessed: a page of another origin cannot send it without being allowed to.
        guard MediaType.isJSON(request.head.headerFields[.contentType] ?? "") else {
            throw .unsupportedMediaType("Send 'Content-Type: application/json'.")
        }
        var request = request
        do throws(HTTPError) { try request.inflate(limits: configuration.limits) } catch { throw APIError(error) }
        return request.body
    }

    private func answer(
        _ call: CompletionCall, _ context: RequestContext, _ ticket: Ticket?
    ) async throws(APIError) -> ServerResponse {
        let document = CompletionDocument(
            id: Identifiers.completion(sent: call.requestID, environment.random), created: environment.now(),
            model: model.name, fingerprint: fingerprint)
        guard let entry = await live.reserve(Array(document.id.utf8), owner: ticket?.key.name) else {
            throw .invalid(
                "'request_id' must not be that of a completion that is running.", parameter: "request_id")
        }
        do throws(APIError) {
            let generations = try admit(call)
            await entry.attach(generations.map(\.cancel))
            let start = RecordKeeper.Start(
                record: CompletionRecord(id: document.id, call, model: model.name, context), call: call,
                environment: environment, metrics: metrics, ticket: ticket, arrival: context.arrival,
                admission: environment.uptime())
            return try await deliver(generations, document, start, entry)
        } catch {
            await entry.end()
            throw error
        }
    }

    private func deliver(
        _ generations: [Generation], _ document: CompletionDocument, _ start: RecordKeeper.Start,
        _ entry: LiveCompletions.Entry
    ) async throws(APIError) -> ServerResponse {
        let call = start.call
        do throws(APIError) {
            switch call.delivery {
            case .stream(let report):
                return try await streamed(
                    generations, CompletionStream(call, report: report, document: document), start, entry)
            case .whole:
                let response = try await whole(generations, CompletionAnswer(call, document: document), start)
                await entry.end()
                return response
            }
        } catch {
            var error = error
            error.isRecorded = true
            throw error
        }
    }

    /// Hands every run to the engine. When one is refused the others are let go of, which cancels them.
    private func admit(_ call: CompletionCall) throws(APIError) -> [Generation] {
        var generations: [Generation] = []
        for run in call.runs { generations.append(try call.start(run, by: model)) }
        return generations
    }

    private func whole(
        _ generations: [Generation], _ answer: CompletionAnswer, _ start: RecordKeeper.Start
    ) async throws(APIError) -> ServerResponse {
        var answer = answer
        let keeper = RecordKeeper(start)
        let merger = EventMerger(generations.map(\.events), uptime: environment.uptime)
        defer { merger.stop() }
        while !answer.isFinished {
            guard let item = await merger.next() else {
                // Only a client that hung up ends the merger; nobody reads this.
                throw .endedEarly
            }
            keeper.hear(item)
            do throws(APIError) { try answer.receive(item) } catch {
                keeper.fail(error)
                throw error
            }
            keeper.take(answer.progress, isFinished: answer.isFinished)
        }
        keeper.take(answer.usage, isFinished: true)
        keeper.take(answer.reasons)
        await start.ticket?.end(used: answer.progress.tokenCount)
        return .json(answer.encoded)
    }

    /// The head waits until the request starts, so that one which ends in the queue has its own status.
    private func streamed(
        _ generations: [Generation], _ stream: CompletionStream, _ start: RecordKeeper.Start,
        _ entry: LiveCompletions.Entry
    ) async throws(APIError) -> ServerResponse {
        let pause = environment.pause
        let interval = configuration.pingInterval
        let merger = EventMerger(generations.map(\.events), uptime: environment.uptime) { try await pause(interval) }
        let pull = CompletionPull(merger, stream, start, entry)
        try await pull.open(opensWaiting: model.maxQueueTime == nil)
        var response = ServerSentEvents.response(
            AsyncStream(unfolding: { await pull.next() }, onCancel: { merger.stop() }))
        response.head.headerFields[.accelBuffering] = "no"
        return response
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
