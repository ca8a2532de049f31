import InferenceTypes

/// Fields that say how scores become tokens.
///
/// - Source: api.md A.2; edge semantics in D.3.
extension RequestField {
    static let sampling: [RequestField] = [
        kept("top_k", \.topK) { value, _ throws(APIError) in try value.integer(in: -1 ... .max) },
        number("min_p", \.minP, in: 0...1),
        positive("typical_p", \.typicalP, upTo: 1),
        number("epsilon_cutoff", \.epsilonCutoff, in: 0...1),
        number("eta_cutoff", \.etaCutoff, in: 0...1),
        positive("top_h", \.topH, upTo: 1),
        flag("do_sample", \.doSample),
        number("penalty_alpha", \.penaltyAlpha, in: 0...1),
    ]

    static let processing: [RequestField] = [
        number("repetition_penalty", \.repetitionPenalty, in: RequestLimits.repetitionPenalty),
        number("repeat_penalty", \.repeatPenalty, in: RequestLimits.repetitionPenalty),
        kept("repeat_last_n", \.repeatLastCount) { value, _ throws(APIError) in
            let count = try value.integer(in: -1 ... .max)
            // The penalty looks at everything; a window of it is not done.
            guard count <= 0 else { throw .unsupported("repeat_last_n") }
            return count
        },
        count("no_repeat_ngram_size", \.noRepeatNgramSize, in: RequestLimits.tokenCount),
        kept("bad_words", \.badWords) { value, _ throws(APIError) in
            try value.texts(atMost: RequestLimits.badWordCount, byteLimit: RequestLimits.badWordByteCount)
        },
        kept("allowed_token_ids", \.allowedTokens) { value, model throws(APIError) in
            try value.someTokens(vocabularyCount: model.vocabularyCount)
        },
        tokens("suppress_tokens", \.suppressedTokens),
        kept("exponential_decay_length_penalty", \.exponentialDecay) { value, _ throws(APIError) in
            try value.exponentialDecay()
        },
    ]

    /// - Source: api.md A.3.
    static let beams: [RequestField] = [
        kept("num_beams", \.beamCount) { value, model throws(APIError) in
            try value.count(in: 1...model.maxBeamCount)
        },
        kept("beam_width", \.beamWidth) { value, model throws(APIError) in
            try value.count(in: 1...model.maxBeamCount)
        },
        flag("use_beam_search", \.useBeamSearch),
        count("num_return_sequences", \.returnSequenceCount, in: RequestLimits.choiceCount),
        number("length_penalty", \.lengthPenalty, in: RequestLimits.lengthPenalty),
        kept("early_stopping", \.earlyStopping) { value, _ throws(APIError) in try value.earlyStopping() },
        kept("num_beam_groups", \.beamGroupCount) { value, model throws(APIError) in
            try value.count(in: 1...model.maxBeamCount)
        },
        number("diversity_penalty", \.diversityPenalty, in: RequestLimits.diversityPenalty),
    ]
}

extension RequestValue {
    /// `[start, factor]`, as transformers has it.
    fileprivate func exponentialDecay() throws(APIError) -> LogitsProcessing.ExponentialDecay {
        let parts = Array(try items())
        guard parts.count == 2 else { throw failure("a list of a start and a factor") }
        return LogitsProcessing.ExponentialDecay(
            start: try parts[0].count(in: RequestLimits.tokenCount),
            factor: try parts[1].positiveNumber(upTo: RequestLimits.decayFactor))
    }

    /// true, false, or "never".
    fileprivate func earlyStopping() throws(APIError) -> BeamParameters.EarlyStopping {
        if value == .text("never") { return .never }
        guard let flag = value.asBool else { throw failure("true, false or \"never\"") }
        return flag ? .always : .heuristic
    }
}
