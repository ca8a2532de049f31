package import InferenceTypes

/// Picks tokens from rows of logits. Holds only memory to reuse: its answers depend on its arguments alone.
///
/// - Source: transformers 5.23, the order of its warpers: temperature, top-k, top-p, min-p.
package struct Sampler {
    private var candidates = Candidates()

    package init() {}

    /// The next token, or nil where the row cannot be decoded: NaN, +∞, or nothing finite in it.
    ///
    /// - Parameter choice: index among the choices of a request, 0 where there is one.
    /// - Parameter position: where the token will stand in its sequence.
    package mutating func sample(
        _ logits: UnsafeBufferPointer<Float>, _ parameters: SamplingParameters, choice: Int, position: Int
    ) -> TokenID? {
        guard let maximum = LogitsRow.maximum(logits) else { return nil }
        guard !parameters.isGreedy else { return logits.firstIndex(of: maximum).map { TokenID($0) } }
        filter(logits, maximum: maximum, parameters)
        return candidates.draw(CounterRandom.uniform(seed: parameters.seed, choice: choice, position: position))
    }

    /// What `sample` would draw from, nil where it would return nil. Not for greedy parameters.
    package mutating func distribution(
        _ logits: UnsafeBufferPointer<Float>, _ parameters: SamplingParameters
    ) -> Candidates? {
        guard let maximum = LogitsRow.maximum(logits) else { return nil }
        filter(logits, maximum: maximum, parameters)
        return candidates
    }

    private mutating func filter(
        _ logits: UnsafeBufferPointer<Float>, maximum: Float, _ parameters: SamplingParameters
    ) {
        candidates.load(logits, maximum: maximum, temperature: parameters.temperature, topK: parameters.topK)
        if parameters.topP < 1 { candidates.keepTopP(parameters.topP) }
        if parameters.minP > 0 { candidates.keepMinP(parameters.minP) }
    }
}
