import Checkpoints
import InferenceTypes

/// The tokens of a tokeniser with what the `tokenizer.ggml.*` keys tell of each, and of how text is cut.
struct GGUFTokenTable {
    /// `gpt2`: byte-level BPE; `llama`: SentencePiece BPE; `t5`: unigram.
    var model: String
    var pre = "default"
    var tokens: [[UInt8]] = []
    /// Empty where the model has none.
    var scores: [Float] = []
    var kinds: [TokenKind] = []
    /// Two pieces and a space between.
    var merges: [[UInt8]] = []
    var addsSpacePrefix: Bool?
    var removesExtraSpaces: Bool?
    var characterMap: [UInt8] = []
    var notes: [String] = []

    /// From `tokenizer.json`, as `TokenizerJSON` read it.
    init(json: [UInt8], _ files: TokenizerFiles, _ parts: TokenizerParts) throws(TokenizerError) {
        guard case .bytePair(let bytePair) = parts.model else {
            throw TokenizerJSON.failure("a unigram model is written from tokenizer.model alone")
        }
        let pairs = try Self.mergePairs(json)
        switch bytePair.units {
        case .bytes:
            model = "gpt2"
            pre = try Self.preTokenizerName(parts.preTokenizer, takesWholeWords: bytePair.takesWholeWords)
            merges = pairs.map { $0.left + [0x20] + $0.right }
        case .scalars:
            model = "llama"
            addsSpacePrefix = try Self.addsSpacePrefix(parts)
        }
        readTokens(parts)
        if model == "llama" {
            scores = try modelScores(files) ?? mergeScores(pairs, parts)
            if let unknown = bytePair.unknown { kinds[Int(unknown)] = .unknown }
        }
    }

    /// From `tokenizer.model`.
    init(model bytes: [UInt8], _ parts: TokenizerParts) throws(TokenizerError) {
        let source = try SentencePieceModel(bytes)
        guard !source.normalizer.putsSpaceBehind, source.normalizer.escapesSpaces else {
            throw TokenizerError(
                "tokenizer.model: a GGUF file can only say spaces that become marks before a word")
        }
        (tokens, scores, kinds) = (source.parts.pieces, source.parts.scores, source.parts.kinds)
        addsSpacePrefix = source.normalizer.addsDummyPrefix
        if source.algorithm == .unigram {
            model = "t5"
            removesExtraSpaces = source.normalizer.removesExtraSpaces
            characterMap = source.characterMap
            return
        }
        model = "llama"
        if source.normalizer.removesExtraSpaces || source.normalizer.map != nil {
            notes.append(
                "the model's normalisation (runs of spaces, compatibility characters) is lost: a GGUF file has no word"
                    + " for it")
        }
    }

    /// Pieces by id; holes get a name of their own and no use.
    private mutating func readTokens(_ parts: TokenizerParts) {
        let added = Dictionary(parts.added.map { ($0.id, $0.isSpecial) }) { first, _ in first }
        for id in parts.decoder.kinds.indices {
            let kind = parts.decoder.kinds[id]
            tokens.append(Array(parts.pieces[TokenID(id)]))
            kinds.append(added[TokenID(id)].map { $0 ? .control : .userDefined } ?? (kind == .none ? .unused : kind))
        }
        fillHoles()
    }

    /// With a token for each row of an embedding.
    func padded(to count: Int) -> GGUFTokenTable {
        var table = self
        let missing = max(count - tokens.count, 0)
        table.tokens += [[UInt8]](repeating: [], count: missing)
        table.kinds += [TokenKind](repeating: .unused, count: missing)
        if !scores.isEmpty { table.scores += [Float](repeating: -10_000, count: missing) }
        table.fillHoles()
        return table
    }

    private mutating func fillHoles() {
        let holes = tokens.indices.filter { tokens[$0].isEmpty }
        guard !holes.isEmpty else { return }
        let taken = Set(tokens)
        for id in holes {
            var name = Array("[PAD\(id)]".utf8)
            while taken.contains(name) { name.append(UInt8(ascii: "_")) }
            (tokens[id], kinds[id]) = (name, .unused)
        }
    }

    // MARK: - How text is cut

    private static func preTokenizerName(
        _ preTokenizer: PreTokenizer, takesWholeWords: Bool
    ) throws(TokenizerError) -> String {
        var patterns: [SplitPattern] = []
        for stage in preTokenizer.stages {
            switch stage {
            case .split(let pattern, .isolated, isInverted: false): patterns.append(pattern)
            // Every scalar of the pattern is in one match or the other: removing what is between is no different.
            case .split(let pattern, .removed, isInverted: true): patterns.append(pattern)
            case .byteLevel(addsPrefixSpace: false, let splits): if splits { patterns.append(.gpt2) }
            case .digits(.isolated): patterns.append(.numbers(atMost: 1))
            case .digits(.contiguous): patterns.append(.numbers(atMost: .max))
            case .punctuation(.contiguous): patterns.append(.punctuation(includesBacktick: true))
            default: throw noName
            }
        }
        // Falcon's list has a run of digits before its threes; the name that llama.cpp gives it leaves that out.
        if patterns.count == 4, case .punctuation = patterns[0] { patterns.remove(at: 2) }
        guard let name = GGUFPreTokenizer.name(of: patterns, takesWholeWords: takesWholeWords) else { throw noName }
        return name
    }

    private static var noName: TokenizerError {
        TokenizerJSON.failure("pre_tokenizer: no name in tokenizer.ggml.pre stands for these steps")
    }

    /// Whether a text gets a mark in front: the one thing about spaces that model `llama` leaves open.
    private static func addsSpacePrefix(_ parts: TokenizerParts) throws(TokenizerError) -> Bool {
        let replaced = Decoder.mark
        switch (parts.normalizer.steps.first, parts.normalizer.steps.dropFirst().first, parts.preTokenizer.stages.first)
        {
        case (.prepend(replaced), .replace([0x20], with: replaced), nil) where parts.normalizer.steps.count == 2:
            return true
        case (.replace([0x20], with: replaced), nil, nil): return false
        case (nil, nil, .metaspace(let metaspace)) where parts.preTokenizer.stages.count == 1 && !metaspace.splits:
            return metaspace.prefix != .never
        default:
            throw TokenizerJSON.failure(
                "normalizer and pre_tokenizer: a GGUF file can only say spaces that become marks, one in front or none")
        }
    }
}
