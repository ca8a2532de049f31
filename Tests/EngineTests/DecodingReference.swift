import Engine
import Foundation
import InferenceTypes
import TestSupport

/// A request and what transformers makes of it.
struct ReferenceCase {
    struct Sequence: Equatable {
        var tokens: [TokenID]
        /// Nil where no beams ran.
        var score: Double?
    }

    /// Where it stands, for people.
    var name: String
    var request: GenerationRequest
    /// Best first.
    var sequences: [Sequence]

    /// - Parameter fields: as transformers names its parameters.
    init(
        name: String, prompt: [TokenID], _ fields: ReferenceFields, sequences: [[String: Any]]
    ) {
        self.name = name
        self.sequences = sequences.map {
            Sequence(tokens: ReferenceFields(values: $0).tokens("ids"), score: ($0["score"] as? NSNumber)?.doubleValue)
        }
        request = GenerationRequest(
            promptTokens: prompt, mode: fields.mode,
            stop: StopConditions(
                maxTokens: fields.int("max_new_tokens") ?? 0, endOfSequence: Set(fields.tokens("eos_token_id"))),
            processing: fields.processing)
    }

    /// What of an answer is not as in transformers; nil where all is.
    func difference(_ answers: Answers) -> String? {
        guard answers.choices.count == sequences.count else { return "\(name): \(answers.choices.count) choices" }
        for (rank, expected) in sequences.enumerated() {
            let answer = answers.choices[rank] ?? Answer()
            guard answer.tokens == expected.tokens else {
                let common = zip(answer.tokens, expected.tokens).prefix { $0 == $1 }.count
                return
                    "\(name), choice \(rank): \(common) equal tokens, then \(answer.tokens.dropFirst(common).prefix(4))"
                    + " is not \(expected.tokens.dropFirst(common).prefix(4))"
            }
            if let score = expected.score, !isNear(answer.beamScore, score, tokenCount: expected.tokens.count) {
                return "\(name), choice \(rank): score \(String(describing: answer.beamScore)) is not \(score)"
            }
        }
        return nil
    }

    /// Within 1e-4, or that much of the sum of log-probabilities where the penalty multiplies it.
    private func isNear(_ found: Float?, _ score: Double, tokenCount: Int) -> Bool {
        guard let found, case .beam(let parameters, _) = request.mode else { return false }
        let scale = max(1, pow(Double(tokenCount), -parameters.lengthPenalty))
        return abs(Double(found) - score) < 1e-4 * scale
    }
}

/// Parameters by transformers' names, and what they are in ours. As Foundation reads JSON: good enough for files that a
/// script wrote.
struct ReferenceFields {
    var values: [String: Any]

    func int(_ name: String) -> Int? { (values[name] as? NSNumber)?.intValue }

    func float(_ name: String) -> Float? { (values[name] as? NSNumber)?.floatValue }

    func tokens(_ name: String) -> [TokenID] {
        if let one = values[name] as? NSNumber { return [one.int32Value] }
        return (values[name] as? [NSNumber] ?? []).map(\.int32Value)
    }

    func pairs(_ name: String) -> [[NSNumber]] { values[name] as? [[NSNumber]] ?? [] }

    var mode: DecodingMode {
        if let width = int("num_beams") {
            return .beam(
                BeamParameters(
                    width: width, returnCount: int("num_return_sequences") ?? 1,
                    lengthPenalty: (values["length_penalty"] as? NSNumber)?.doubleValue ?? 1,
                    earlyStopping: earlyStopping), sampling: nil)
        }
        if let alpha = float("penalty_alpha") { return .contrastive(topK: int("top_k") ?? 1, penaltyAlpha: alpha) }
        return .sampling(SamplingParameters(temperature: 0), choices: 0..<1)
    }

    private var earlyStopping: BeamParameters.EarlyStopping {
        if values["early_stopping"] is String { return .never }
        return (values["early_stopping"] as? NSNumber)?.boolValue == true ? .always : .heuristic
    }

    var processing: LogitsProcessing {
        var processing = LogitsProcessing()
        processing.bias = pairs("logit_bias").map { .init(token: $0[0].int32Value, value: $0[1].floatValue) }
        processing.repetitionPenalty = float("repetition_penalty") ?? 1
        processing.noRepeatNgramSize = int("no_repeat_ngram_size") ?? 0
        processing.badWords = pairs("bad_words_ids").map { $0.map(\.int32Value) }
        processing.minTokens = int("min_new_tokens") ?? 0
        processing.allowedTokens = values["allowed_token_ids"] == nil ? nil : tokens("allowed_token_ids")
        if let decay = values["exponential_decay_length_penalty"] as? [NSNumber] {
            processing.exponentialDecay = .init(start: decay[0].intValue, factor: decay[1].doubleValue)
        }
        processing.suppressedTokens = tokens("suppress_tokens")
        processing.presencePenalty = float("presence_penalty") ?? 0
        processing.frequencyPenalty = float("frequency_penalty") ?? 0
        return processing
    }
}
