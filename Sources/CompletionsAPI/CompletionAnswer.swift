import Engine
import InferenceTypes

/// Events to one whole answer, as a value.
///
/// - Source: api.md B.1.
struct CompletionAnswer: Sendable {
    private let document: CompletionDocument
    private let tokenIDs: CompletionParameters.TokenIDs
    private(set) var usage: Usage
    private var choices: [ChoicePart]
    private var openCount: Int

    init(_ parameters: CompletionParameters, document: CompletionDocument) {
        self.document = document
        tokenIDs = parameters.tokenIDs
        usage = Usage(promptCount: parameters.generations.reduce(0) { $0 + $1.promptTokens.count })
        choices = parameters.generations.enumerated().map { index, generation in
            ChoicePart(
                index: index, tokens: parameters.tokenIDs == .shown ? [] : nil,
                opening: .init(generation, tokenIDs: parameters.tokenIDs))
        }
        openCount = choices.count
    }

    var isFinished: Bool { openCount == 0 }

    /// - Throws: 500 when a choice failed or its engine stream ended early; the others are not worth their half.
    mutating func receive(_ item: EventMerger.Item) throws(APIError) {
        switch item {
        case .event(let event, let prompt): try receive(event, prompt: prompt)
        case .ended(let prompt): if choices[prompt].reason == nil { throw .endedEarly }
        case .tick: break
        }
    }

    private mutating func receive(_ event: GenerationEvent, prompt: Int) throws(APIError) {
        guard choices[prompt].reason == nil else { return }
        switch event {
        case .delta(let delta):
            usage.completionCount += delta.tokens.count
            choices[prompt].text += delta.text
            choices[prompt].tokens?.append(contentsOf: delta.tokens)
        case .finished(_, let reason):
            if let error = reason.error { throw error }
            choices[prompt].reason = reason
            openCount -= 1
        }
    }

    var encoded: [UInt8] { document.encoded(choices: choices.map(\.document), usage: usage.document) }
}
