import Engine
import HTTPCodec
import InferenceTypes

/// Events to server-sent events, as a value: what to send next is a function of what was heard so far.
///
/// - Source: api.md B.3.
struct CompletionStream: Sendable {
    private let call: CompletionCall
    private let document: CompletionDocument
    private let report: CompletionCall.UsageReport
    private var feed: ChoiceFeed
    private(set) var isFinished = false
    /// Why it ended before its choices did.
    private(set) var failure: APIError?

    init(_ call: CompletionCall, report: CompletionCall.UsageReport, document: CompletionDocument) {
        self.call = call
        self.document = document
        self.report = report
        feed = ChoiceFeed(call)
    }

    var usage: Usage { feed.usage }

    /// Bytes to send, empty when there is nothing to say yet.
    mutating func receive(_ event: GenerationEvent, run: Int) -> [UInt8] {
        guard !isFinished else { return [] }
        do throws(APIError) {
            let parts = try feed.receive(event, run: run)
            return parts.flatMap(chunk) + ending()
        } catch {
            return fail(error)
        }
    }

    /// A run's events ended: an error unless its choices were finished.
    mutating func receiveEnd(run: Int) -> [UInt8] {
        guard !isFinished else { return [] }
        do throws(APIError) { try feed.receiveEnd(run: run) } catch { return fail(error) }
        return []
    }

    private func chunk(_ part: ChoicePart) -> [UInt8] {
        let usageMember: JSONValue? =
            switch report {
            case .never: nil
            case .atEnd: .null
            case .onEveryChunk: usage.document
            }
        let choice = call.format.document(part, of: call.prompts[part.index / call.choiceCount])
        return ServerSentEvents.event(document.encoded(choices: [choice], usage: usageMember))
    }

    private mutating func ending() -> [UInt8] {
        guard feed.isFinished else { return [] }
        isFinished = true
        let last = report == .never ? nil : document.encoded(choices: [], usage: usage.document)
        return (last.map(ServerSentEvents.event) ?? []) + ServerSentEvents.done
    }

    /// The status is sent already: the error is an event, and nothing follows it but the end.
    private mutating func fail(_ error: APIError) -> [UInt8] {
        isFinished = true
        failure = error
        return ServerSentEvents.event(error.eventBody) + ServerSentEvents.done
    }
}
