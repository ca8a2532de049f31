import Engine
import InferenceTypes

/// Events to one whole answer, as a value.
///
/// - Source: api.md B.1.
struct CompletionAnswer: Sendable {
    private let call: CompletionCall
    private let document: CompletionDocument
    private var feed: ChoiceFeed
    private var choices: [ChoicePart]

    init(_ call: CompletionCall, document: CompletionDocument) {
        self.call = call
        self.document = document
        feed = ChoiceFeed(call)
        choices = (0..<call.prompts.count * call.generatedChoiceCount).map { ChoicePart(index: $0) }
    }

    var isFinished: Bool { feed.isFinished }

    /// - Throws: 500 when a choice failed or its events ended early; the others are not worth their half.
    mutating func receive(_ item: EventMerger.Item) throws(APIError) {
        switch item {
        case .event(let event, let run, _):
            for part in try feed.receive(event, run: run) { choices[part.index].append(part) }
        case .ended(let run): try feed.receiveEnd(run: run)
        case .tick: break
        }
    }

    /// Of everything so far.
    var progress: Usage { feed.usage }

    /// Of the choices that are answered, once they are finished.
    var usage: Usage {
        var usage = feed.usage
        if call.isRanked { usage.completionCount = answered.reduce(0) { $0 + $1.tokens.count } }
        return usage
    }

    /// Why the answered choices ended.
    var reasons: [FinishReason] { answered.compactMap { $0.ending?.reason } }

    private var answered: [ChoicePart] {
        guard call.isRanked else { return choices }
        return (0..<call.prompts.count).flatMap { prompt in
            let first = prompt * call.generatedChoiceCount
            return ChoicePart.best(
                call.choiceCount, of: choices[first..<first + call.generatedChoiceCount],
                firstIndex: prompt * call.choiceCount)
        }
    }

    var encoded: [UInt8] {
        let documents = answered.map { call.format.document($0, of: call.prompts[$0.index / call.choiceCount]) }
        return document.encoded(choices: documents, usage: usage.document)
    }
}
