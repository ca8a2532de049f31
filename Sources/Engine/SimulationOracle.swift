import InferenceTypes
import Sampling

/// What a request hears when nothing else exists: no batch, no blocks, no chunks.
struct SimulationOracle {
    private var sampler = Sampler()
    private var scores = Array(repeating: Float(0), count: SimulationVocabulary.count)

    /// One choice as far as it is generated.
    struct Choice {
        let number: Int
        /// Prompt and generated.
        private(set) var tokens: [TokenID]
        private(set) var hash: UInt64
        let promptCount: Int

        init(_ number: Int, prompt: [TokenID]) {
            self.number = number
            tokens = prompt
            promptCount = prompt.count
            hash = prompt.reduce(SimulationModel.root) { SimulationModel.hash($0, then: $1) }
        }

        var generated: ArraySlice<TokenID> { tokens[promptCount...] }

        mutating func append(_ token: TokenID) {
            tokens.append(token)
            hash = SimulationModel.hash(hash, then: token)
        }
    }

    /// The token that comes next, and what the model thinks of it.
    mutating func next(
        _ choice: Choice, of request: GenerationRequest, _ parameters: SamplingParameters
    ) -> (SampledToken, TokenLogprobs?) {
        fill(after: choice.hash, beginningWith: choice.tokens[0])
        let ends = request.stop.endOfSequence.union(request.stop.stopTokens).sorted()
        let context = DecodingContext(tokens: choice.tokens, promptCount: choice.promptCount, ends: ends)
        return scores.withUnsafeBufferPointer { row in
            let drawn = sampler.sample(ScoreRow(row), parameters, request.processing, context, choice: choice.number)
            guard case .token(let token) = drawn, let count = request.report.logprobCount else { return (drawn, nil) }
            return (drawn, Logprobs.of(token, in: ScoreRow(row), topCount: count))
        }
    }

    /// What the model thinks of a prompt's tokens but the first; nil where its scores are unusable.
    mutating func promptLogprobs(_ prompt: [TokenID], topCount: Int) -> [TokenLogprobs]? {
        var logprobs: [TokenLogprobs] = []
        var hash = SimulationModel.root
        for (token, next) in zip(prompt, prompt.dropFirst()) {
            hash = SimulationModel.hash(hash, then: token)
            fill(after: hash, beginningWith: prompt[0])
            let found = scores.withUnsafeBufferPointer { Logprobs.of(next, in: ScoreRow($0), topCount: topCount) }
            guard let found else { return nil }
            logprobs.append(found)
        }
        return logprobs
    }

    private mutating func fill(after hash: UInt64, beginningWith first: TokenID) {
        scores.withUnsafeMutableBufferPointer { SimulationModel.score(after: hash, beginningWith: first, into: $0) }
    }
}
