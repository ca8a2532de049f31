import CompletionsAPI
import Engine
import Tokenization

/// What `generate` shows: one text as it comes, several one after the other at their end, best first.
struct TextWriter {
    private let prompt: [UInt8]
    private let call: CompletionCall
    private var feed: ChoiceFeed
    private var choices: [ChoicePart]
    private var explanation: ExplanationText?

    /// - Requires: the call has one prompt.
    init(_ call: CompletionCall, prompt: String, explanation: ExplanationText?) {
        self.prompt = Array(prompt.utf8)
        self.call = call
        self.explanation = explanation
        feed = ChoiceFeed(call)
        choices = (0..<call.generatedChoiceCount).map { ChoicePart(index: $0) }
        if showsAtOnce { Console.put(self.prompt) }
    }

    private var showsAtOnce: Bool { choices.count == 1 && explanation == nil }

    var tokenCount: Int { feed.usage.generatedCount }

    /// - Returns: whether somebody still reads.
    mutating func take(_ event: GenerationEvent, run: Int) throws(APIError) -> Bool {
        if case .explained(let step) = event, let lines = explanation?.lines(of: step) {
            return Console.put(Array(lines.utf8))
        }
        for part in try feed.receive(event, run: run) {
            choices[part.index].append(part)
            if showsAtOnce, !Console.put(part.text) { return false }
        }
        return true
    }

    func end() {
        guard !showsAtOnce else {
            Console.put([0x0A])
            return
        }
        let shown = call.isRanked ? ChoicePart.best(call.choiceCount, of: choices, firstIndex: 0) : choices
        for choice in shown {
            let score = choice.ending?.beamScore.map { ", score \($0)" } ?? ""
            Console.put(Array("── \(choice.index)\(score)\n".utf8) + prompt + choice.text + [0x0A])
        }
    }
}
