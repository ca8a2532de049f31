package import Engine
import InferenceTypes

/// Events of the engine to parts of the answer's choices, as a value: the plain answer appends the parts, the stream
/// sends them, so that the two are the same.
package struct ChoiceFeed: Sendable {
    private let call: CompletionCall
    /// By place in the answer.
    private var choices: [ChoiceState]
    /// By run.
    private var runs: [RunState]
    package private(set) var usage: Usage

    private struct ChoiceState {
        var isOpen = true
        /// Its first part was given.
        var isBegun = false
    }

    private struct RunState {
        var promptLogprobs: [TokenLogprobs]?
        var heardCount = 0
        var reportedCount = 0
        /// It is the first of its prompt, whose cached tokens are counted once.
        var opensPrompt: Bool
    }

    package init(_ call: CompletionCall) {
        self.call = call
        choices = Array(repeating: ChoiceState(), count: call.prompts.count * call.generatedChoiceCount)
        runs = call.runs.indices.map {
            RunState(opensPrompt: $0 == 0 || call.runs[$0 - 1].prompt != call.runs[$0].prompt)
        }
        usage = Usage(promptCount: call.prompts.reduce(0) { $0 + $1.tokens.count })
    }

    package var isFinished: Bool { choices.allSatisfy { !$0.isOpen } }

    /// - Returns: what to show of it, perhaps nothing.
    /// - Throws: what the client hears of a choice that failed.
    package mutating func receive(_ event: GenerationEvent, run: Int) throws(APIError) -> [ChoicePart] {
        switch event {
        case .prompt(let logprobs):
            runs[run].promptLogprobs = logprobs
            return openChoices(run, call.runs[run].choices).map { part($0, run) }
        case .delta(let delta):
            runs[run].heardCount += delta.tokens.count
            updateGeneratedCount()
            return openChoices(run, call.runs[run].choices(hearing: delta.choice)).compactMap { show(delta, $0, run) }
        case .finished(let finished):
            if let error = call.error(of: finished.reason) { throw error }
            runs[run].reportedCount = max(runs[run].reportedCount, finished.generatedTokenCount)
            updateGeneratedCount()
            countCachedTokens(finished.cachedTokenCount, run)
            return openChoices(run, call.runs[run].choices(hearing: finished.choice)).map { index in
                var part = part(index, run)
                part.ending = ChoicePart.Ending(reason: finished.reason, beamScore: finished.beamScore)
                choices[index].isOpen = false
                return part
            }
        case .started, .explained: return []
        }
    }

    /// A run's events ended.
    ///
    /// - Throws: where a choice of it did not.
    package func receiveEnd(run: Int) throws(APIError) {
        guard openChoices(run, call.runs[run].choices).isEmpty else { throw .endedEarly }
    }

    private func openChoices(_ run: Int, _ range: Range<Int>) -> [Int] {
        let first = call.runs[run].prompt * call.generatedChoiceCount
        let known = range.clamped(to: 0..<call.generatedChoiceCount)
        return known.map { first + $0 }.filter { choices[$0].isOpen }
    }

    /// Tokens whose text is held back have nothing to show, unless they themselves are to be.
    private mutating func show(_ delta: TextDelta, _ index: Int, _ run: Int) -> ChoicePart? {
        usage.completionCount += delta.tokens.count
        if delta.text.isEmpty, delta.tokens.isEmpty || !call.showsTokens { return nil }
        var part = part(index, run)
        part.text = delta.text
        part.tokens = call.keepsTokens ? delta.tokens : []
        return part
    }

    private mutating func part(_ index: Int, _ run: Int) -> ChoicePart {
        var part = ChoicePart(index: index)
        guard !choices[index].isBegun else { return part }
        choices[index].isBegun = true
        let prompt = call.prompts[call.runs[run].prompt]
        let seed = prompt.seed &+ UInt64(call.seedOffset(of: index % call.generatedChoiceCount, run: run))
        part.opening = ChoicePart.Opening(
            seed: Int64(bitPattern: seed), prompt: prompt, promptLogprobs: runs[run].promptLogprobs)
        return part
    }

    private mutating func countCachedTokens(_ count: Int, _ run: Int) {
        guard runs[run].opensPrompt else { return }
        runs[run].opensPrompt = false
        usage.cachedCount += count
    }

    private mutating func updateGeneratedCount() {
        usage.generatedCount = runs.reduce(0) { $0 + max($1.heardCount, $1.reportedCount) }
    }
}

/// Tokens counted for one request.
package struct Usage: Sendable, Equatable {
    /// Each prompt once, whatever `n` is.
    package var promptCount: Int
    /// Of these, what came from the prefix cache. Known when a choice of each prompt has ended.
    package var cachedCount = 0
    /// Of the choices that are answered, EOS included.
    package var completionCount = 0
    /// Everything that the engine generated: of choices that `best_of` drops and of beams that lost, too, and equal
    /// choices once.
    package var generatedCount = 0

    /// What it counts as against a limit: `generatedCount` is known of choices that ended.
    var tokenCount: Int { promptCount + max(generatedCount, completionCount) }
}

extension CompletionCall {
    /// Ids or logprobs are told with the text.
    var showsTokens: Bool { format.showsTokenIDs || format.logprobCount != nil }

    /// Tokens are of use after their text was told: to show them, or to rank their choice.
    fileprivate var keepsTokens: Bool { showsTokens || isRanked }

    /// What the client hears when a choice ended without being answered, nil when it was.
    fileprivate func error(of reason: FinishReason) -> APIError? {
        switch reason {
        case .failed(let message): .internalError(message)
        case .queueTimeout: queueTimeout()
        default: nil
        }
    }

    /// Choices that draw alone can be repeated alone; beams are one search with one seed.
    fileprivate func seedOffset(of choice: Int, run: Int) -> Int {
        if case .sampling = runs[run].request.mode { choice } else { 0 }
    }
}

extension CompletionCall.Run {
    /// The prompt's choices that are heard of.
    package var choices: Range<Int> { copyCount > 1 ? 0..<copyCount : request.choices }
}

extension APIError {
    /// An engine stream that ends before its choice did: our bug, and still an answer.
    static let endedEarly = internalError("The generation ended too early.")
}
