import InferenceTypes
import TestSupport

/// A language model in a few lines: logits are a hash of the last two tokens.
struct BeamModel {
    let vocabularyCount: Int
    let seed: UInt64
    /// Distance of two neighbouring logits; large steps give equal scores.
    let step: Float
    /// One in so many logits is −∞.
    let maskedOneIn: UInt64?

    func logits(_ tokens: [TokenID]) -> [Float] {
        var state = seed
        for token in tokens.suffix(2) { state = state &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(token) &+ 1 }
        var generator = TestGenerator(seed: state)
        var logits = (0..<vocabularyCount).map { _ -> Float in
            if let maskedOneIn, generator.next() % maskedOneIn == 0 { return -.infinity }
            return Float(Int(generator.next() >> 40) % 4000 - 2000) * step
        }
        if logits.allSatisfy({ $0 == -.infinity }) { logits[0] = 0 }
        return logits
    }
}

extension BeamRun.Settings {
    /// Settings of every kind.
    static func random(_ generator: inout TestGenerator) -> (settings: BeamRun.Settings, model: BeamModel) {
        let vocabularyCount = [6, 7, 9, 12, 15, 16, 17, 21, 33, 50].randomElement(using: &generator) ?? 6
        let model = BeamModel(
            vocabularyCount: vocabularyCount, seed: generator.next(),
            step: [0.001, 0.0005, 1, 0.5].randomElement(using: &generator) ?? 1,
            maskedOneIn: [nil, nil, 2, 5].randomElement(using: &generator) ?? nil)
        let parameters = BeamParameters(
            width: [1, 2, 2, 3, 3, 4, 4, 5, 6, 8, 11, 16].randomElement(using: &generator) ?? 1,
            lengthPenalty: [-1, 0, 0.5, 1, 2].randomElement(using: &generator) ?? 1,
            earlyStopping: [.always, .heuristic, .never].randomElement(using: &generator) ?? .never)
        let tokens = (0..<TokenID(vocabularyCount)).shuffled(using: &generator)
        let settings = BeamRun.Settings(
            parameters: parameters, processing: .random(tokens, &generator),
            prompt: Array(tokens.suffix(Int.random(in: 1...3, using: &generator))),
            maxTokens: Int.random(in: 1...12, using: &generator),
            ends: Array(tokens.prefix(Int.random(in: 0...3, using: &generator))),
            stopPair: Bool.random(using: &generator) ? Array(tokens[3...4]) : nil)
        return (settings, model)
    }
}

extension LogitsProcessing {
    /// Mostly nothing; else one processor of those that change the search most.
    fileprivate static func random(_ tokens: [TokenID], _ generator: inout TestGenerator) -> LogitsProcessing {
        var processing = LogitsProcessing()
        switch Int.random(in: 0..<10, using: &generator) {
        case 0: processing.noRepeatNgramSize = Int.random(in: 1...2, using: &generator)
        case 1: processing.bias = tokens.prefix(4).map { Bias(token: $0, value: 4) }
        case 2: processing.repetitionPenalty = 1.7
        case 3: processing.minTokens = 3
        case 4: processing.exponentialDecay = ExponentialDecay(start: 1, factor: 1.5)
        default: break
        }
        return processing
    }
}
