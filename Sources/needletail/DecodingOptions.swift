import ArgumentParser
import InferenceTypes

/// The fields of a completion call as flags: names, meaning and checks are the call's own.
struct SamplingOptions: ParsableArguments {
    @Option(
        help: "0 is greedy; above, the scores are divided by it. At most 2. 0.8 unless beams or a search are asked for."
    )
    var temperature: Double?

    @Option(parsing: .unconditional, help: "Only the most probable tokens, so many of them (and ties); 0 takes all.")
    var topK: Int64?

    @Option(help: "Only the most probable tokens that reach this mass together.")
    var topP: Double?

    @Option(help: "Only tokens at least this fraction as probable as the most probable one.")
    var minP: Double?

    @Option(help: "Only tokens whose surprise is nearest to the expected one, up to this mass.")
    var typicalP: Double?

    @Option(help: "Only the most probable tokens within this share of the entropy of the 100 most probable.")
    var topH: Double?

    @Option(help: "Only tokens at least this probable.")
    var epsilonCutoff: Double?

    @Option(help: "Only tokens above a bound that falls with the entropy.")
    var etaCutoff: Double?

    @Option(parsing: .unconditional, help: "The same seed gives the same text; one is drawn and reported when absent.")
    var seed: Int64?

    @Flag(inversion: .prefixedNo, help: "Draw, or take the best, whatever the temperature says.")
    var doSample: Bool?

    @Option(help: "Contrastive search with --top-k: how much likeness to what is there counts against a token, 0 to 1.")
    var penaltyAlpha: Double?

    @Option(name: .customShort("n"), help: "How many texts.")
    var n: Int64?

    @Option(help: "Generate so many and show the best -n of them.")
    var bestOf: Int64?

    func add(to fields: inout RequestFields) {
        fields.add("temperature", temperature)
        fields.add("top_k", topK)
        fields.add("top_p", topP)
        fields.add("min_p", minP)
        fields.add("typical_p", typicalP)
        fields.add("top_h", topH)
        fields.add("epsilon_cutoff", epsilonCutoff)
        fields.add("eta_cutoff", etaCutoff)
        fields.add("seed", seed)
        fields.add("do_sample", doSample)
        fields.add("penalty_alpha", penaltyAlpha)
        fields.add("n", n)
        fields.add("best_of", bestOf)
    }
}

struct BeamOptions: ParsableArguments {
    @Option(help: "Beam search of this width.")
    var numBeams: Int64?

    @Flag(help: "Beam search whose width is --best-of or -n.")
    var useBeamSearch = false

    @Option(help: "Another name of --num-beams.")
    var beamWidth: Int64?

    @Option(help: "Another name of -n.")
    var numReturnSequences: Int64?

    @Option(
        parsing: .unconditional,
        help: "Exponent of the length that a beam's score is divided by; above 0 favours long texts.")
    var lengthPenalty: Double?

    @Option(help: "true, false or never: when a search ends that has as many finished texts as beams.")
    var earlyStopping: String?

    @Option(help: "Groups of beams that avoid each other's tokens; divides the width.")
    var numBeamGroups: Int64?

    @Option(help: "How much a token loses for each beam of an earlier group that took it.")
    var diversityPenalty: Double?

    func add(to fields: inout RequestFields) {
        fields.add("num_beams", numBeams)
        if useBeamSearch { fields.add("use_beam_search", true) }
        fields.add("beam_width", beamWidth)
        fields.add("num_return_sequences", numReturnSequences)
        fields.add("length_penalty", lengthPenalty)
        switch earlyStopping {
        case "true": fields.add("early_stopping", true)
        case "false": fields.add("early_stopping", false)
        default: fields.add("early_stopping", earlyStopping)
        }
        fields.add("num_beam_groups", numBeamGroups)
        fields.add("diversity_penalty", diversityPenalty)
    }
}

struct ProcessingOptions: ParsableArguments {
    @Option(help: "Scores of tokens that are there are divided by it (multiplied where negative); 1 is off.")
    var repetitionPenalty: Double?

    @Option(parsing: .unconditional, help: "Taken off the score of every generated token. −2 to 2.")
    var presencePenalty: Double?

    @Option(
        parsing: .unconditional, help: "Taken off the score of every generated token, once for each time. −2 to 2.")
    var frequencyPenalty: Double?

    @Option(help: "No run of so many tokens comes twice.")
    var noRepeatNgramSize: Int64?

    @Option(name: .customLong("logit-bias"), help: "ID=VALUE, added to the token's score; may be given more than once.")
    var logitBias: [TokenBias] = []

    @Option(
        name: .customLong("bad-word"), parsing: .unconditionalSingleValue,
        help: "A text that never comes; may be given more than once.")
    var badWords: [String] = []

    @Option(name: .customLong("allowed-token-id"), help: "Nothing but these; may be given more than once.")
    var allowedTokens: [Int64] = []

    @Option(name: .customLong("suppress-token"), help: "Never this token; may be given more than once.")
    var suppressedTokens: [Int64] = []

    @Option(help: "START,FACTOR: from START tokens on the end gains, more with each token.")
    var exponentialDecayLengthPenalty: DecayPair?

    func add(to fields: inout RequestFields) {
        fields.add("repetition_penalty", repetitionPenalty)
        fields.add("presence_penalty", presencePenalty)
        fields.add("frequency_penalty", frequencyPenalty)
        fields.add("no_repeat_ngram_size", noRepeatNgramSize)
        if !logitBias.isEmpty {
            let members = logitBias.map { JSONMember(key: Array($0.token.utf8), value: .double($0.value)) }
            fields.add("logit_bias", .object(members))
        }
        fields.add("bad_words", badWords)
        fields.add("allowed_token_ids", allowedTokens)
        fields.add("suppress_tokens", suppressedTokens)
        if let pair = exponentialDecayLengthPenalty {
            fields.add("exponential_decay_length_penalty", .array([.integer(pair.start), .double(pair.factor)]))
        }
    }
}

/// `15=-2.5`.
struct TokenBias: ExpressibleByArgument {
    var token: String
    var value: Double

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let value = Double(parts[1]) else { return nil }
        token = String(parts[0])
        self.value = value
    }
}

/// `40,1.05`.
struct DecayPair: ExpressibleByArgument {
    var start: Int64
    var factor: Double

    init?(argument: String) {
        let parts = argument.split(separator: ",")
        guard parts.count == 2, let start = Int64(parts[0]), let factor = Double(parts[1]) else { return nil }
        self.start = start
        self.factor = factor
    }
}
