import Checkpoints
import InferenceTypes

/// Reads the `tokenizer.ggml.*` keys of a GGUF file and makes of them what llama.cpp makes.
///
/// - Source: GGUF specification; llama.cpp `llama_vocab::impl::load`.
struct GGUFVocabulary {
    private let metadata: GGUFMetadata
    private var parts = SentencePieceParts(place: "tokenizer.ggml")

    static func parts(_ metadata: GGUFMetadata) throws(TokenizerError) -> TokenizerParts {
        guard let model = metadata["tokenizer.ggml.model"]?.asBytes else {
            throw TokenizerError("tokenizer.ggml.model: expected a string")
        }
        var vocabulary = GGUFVocabulary(metadata)
        try vocabulary.readTokens()
        switch String(decoding: model, as: UTF8.self) {
        case "llama": return try vocabulary.sentencePiece()
        case "gpt2": return try vocabulary.bytePair()
        case "t5": return try vocabulary.unigram()
        default:
            throw TokenizerError("tokenizer.ggml.model: expected llama, gpt2 or t5, found \(quoted(model))")
        }
    }

    private init(_ metadata: GGUFMetadata) { self.metadata = metadata }

    private mutating func readTokens() throws(TokenizerError) {
        guard let tokens = metadata["tokenizer.ggml.tokens"]?.asStrings else {
            throw parts.failure("tokens: expected an array of strings")
        }
        parts.pieces = tokens
        parts.scores = try scores(tokens.count)
        parts.kinds = try kinds(tokens.count)
        try parts.validateCounts()
        for id in tokens.indices {
            if tokens[id].isEmpty { parts.kinds[id] = .none }
            if GGUFTokenNames.isControl(tokens[id]), parts.kinds[id] != .none { parts.kinds[id] = .control }
        }
        try parts.validate()
    }

    private func scores(_ count: Int) throws(TokenizerError) -> [Float] {
        switch metadata["tokenizer.ggml.scores"] {
        case nil: return [Float](repeating: 0, count: count)
        case .floats(let scores)?: return scores
        case .integers(let scores)?: return scores.map { Float($0) }
        default: throw parts.failure("scores: expected an array of numbers")
        }
    }

    private func kinds(_ count: Int) throws(TokenizerError) -> [TokenKind] {
        guard let value = metadata["tokenizer.ggml.token_type"] else {
            return [TokenKind](repeating: .normal, count: count)
        }
        guard let numbers = value.asIntegers else { throw parts.failure("token_type: expected an array of numbers") }
        // What the specification does not know has no text, as in llama.cpp.
        return numbers.map { UInt8(exactly: $0).flatMap(TokenKind.init) ?? .unused }
    }

    // MARK: - Keys

    /// The id under a key, the fallback where the key is absent.
    private func id(_ key: String, default fallback: TokenID?) throws(TokenizerError) -> TokenID? {
        guard let value = metadata["tokenizer.ggml." + key] else {
            return fallback.flatMap { parts.pieces.indices.contains(Int($0)) ? $0 : nil }
        }
        guard let id = value.asInteger, 0 <= id, id < parts.count else {
            throw parts.failure("\(key): expected an id in 0..<\(parts.count)")
        }
        return TokenID(id)
    }

    private func flag(_ key: String, default fallback: Bool) throws(TokenizerError) -> Bool {
        guard let value = metadata["tokenizer.ggml." + key] else { return fallback }
        guard let flag = value.asBool else { throw parts.failure("\(key): expected true or false") }
        return flag
    }

    /// Tokens that are found in a text by their spelling: user-defined ones always, the others where spellings are
    /// parsed.
    private func added() throws(TokenizerError) -> [AddedToken] {
        let name = (metadata["general.name"]?.asBytes ?? []).map { byte in
            UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
        }
        let isPhi3 = GGUFTokenNames.phi3.contains { name.contains(subsequence: $0) }
        return parts.pieces.indices.compactMap { id in
            guard [.control, .unknown, .userDefined].contains(parts.kinds[id]) else { return nil }
            let piece = parts.pieces[id]
            return AddedToken(
                id: TokenID(id), content: piece, isSpecial: parts.kinds[id] != .userDefined,
                stripsRight: isPhi3 && !GGUFTokenNames.phi3Unstripped.contains(piece))
        }
    }

    private func finish(
        _ result: inout TokenizerParts, addsBegin: Bool, addsEnd: Bool, begin: TokenID?, end: TokenID?
    ) throws(TokenizerError) {
        result.beginOfSequence = try id("bos_token_id", default: begin)
        let eos = try id("eos_token_id", default: end)
        // Only shown to clients: no reason to refuse a model whose padding is out of range.
        result.named = NamedTokens(
            end: eos, padding: try? id("padding_token_id", default: nil),
            unknown: try id("unknown_token_id", default: parts.ids(.unknown).first))
        result.fillInMiddle = try fillInMiddleNames()
        let others = try [id("eot_token_id", default: nil), id("eom_token_id", default: nil)]
        result.endOfSequence = Set(([eos] + others).compactMap(\.self))
        for id in parts.pieces.indices where GGUFTokenNames.endsText(parts.pieces[id]) {
            result.endOfSequence.insert(TokenID(id))
        }
        if try flag("add_bos_token", default: addsBegin) {
            guard let begin = result.beginOfSequence else {
                throw parts.failure("add_bos_token: expected a bos_token_id")
            }
            result.prefix = [begin]
        }
        if try flag("add_eos_token", default: addsEnd) {
            guard let eos else { throw parts.failure("add_eos_token: expected an eos_token_id") }
            result.suffix = [eos]
        }
        result.decoder.special.formUnion(parts.ids(.unknown))
    }

    /// The second key of each pair is how files of before 2024-10 name it.
    private func fillInMiddleNames() throws(TokenizerError) -> FillInMiddleTokens.Names {
        FillInMiddleTokens.Names(
            prefix: try id("fim_pre_token_id", default: id("prefix_token_id", default: nil)),
            suffix: try id("fim_suf_token_id", default: id("suffix_token_id", default: nil)),
            middle: try id("fim_mid_token_id", default: id("middle_token_id", default: nil)))
    }

    // MARK: - Models

    /// Model `llama`: SentencePiece's byte-pair encoding, by scores.
    private func sentencePiece() throws(TokenizerError) -> TokenizerParts {
        let unknown = try id("unknown_token_id", default: 0)
        let pieces = PieceTable(parts.pieces)
        let merger = SentencePieceMerger(pieces: pieces, scores: parts.scores, unused: [], frozen: ByteTrie())
        let byteTokens = byteFallback(pieces)
        let addsSpace = try flag("add_space_prefix", default: true)
        var steps: [Normalizer.Step] = [.replace([0x20], with: Decoder.mark)]
        if addsSpace { steps.insert(.prepend([0x20]), at: 0) }
        var result = TokenizerParts(
            name: "SentencePiece BPE" + (byteTokens == nil ? "" : " with byte fallback"), pieces: pieces,
            added: try added(), normalizer: Normalizer(steps: steps),
            model: .sentencePiece(merger, TokenizerModel.Unknowns(byteTokens: byteTokens, unknown: unknown)),
            decoder: parts.decoder(unknownText: nil))
        result.preTokenizer.cutsAtMarks = WordBoundaries.areSafe(parts.pieces, pieces)
        if addsSpace { result.decoder.start = .dropsSpaces(1) }
        try finish(&result, addsBegin: true, addsEnd: false, begin: 1, end: 2)
        return result
    }

    /// Byte tokens by their spelling, else single bytes that are tokens.
    private func byteFallback(_ pieces: PieceTable) -> [TokenID]? {
        guard let tokens = TokenizerJSONModel.byteTokens(pieces) else { return nil }
        return tokens.indices.map { tokens[$0] >= 0 ? tokens[$0] : pieces.find([UInt8($0)]) ?? -1 }
    }

    /// Model `gpt2`: byte-level byte-pair encoding, by merges; `tokenizer.ggml.pre` names the pre-tokeniser.
    private func bytePair() throws(TokenizerError) -> TokenizerParts {
        let name = metadata["tokenizer.ggml.pre"]?.asBytes ?? Array("default".utf8)
        guard let kind = GGUFPreTokenizer(named: name) else {
            throw parts.failure("pre: unknown pre-tokeniser \(quoted(name))")
        }
        guard let merges = metadata["tokenizer.ggml.merges"]?.asStrings else {
            throw parts.failure("merges: expected an array of strings")
        }
        let pieces = PieceTable(parts.pieces)
        var table = MergeTable(minimumCapacity: merges.count)
        for (rank, merge) in merges.enumerated() {
            try MergeReader.add(merge, rank, pieces, "tokenizer.ggml.merges", &table)
        }
        var model = BytePairModel(units: .bytes(TokenizerJSONModel.byteUnits(pieces)), merges: table)
        model.takesWholeWords = kind.takesWholeWords
        var result = TokenizerParts(
            name: "byte-level BPE (\(String(decoding: name, as: UTF8.self)))", pieces: pieces, added: try added(),
            preTokenizer: kind.preTokenizer, model: .bytePair(model), decoder: byteLevelDecoder())
        result.cleansSpaces = kind.cleansSpaces
        try finish(&result, addsBegin: kind.addsBegin, addsEnd: false, begin: nil, end: nil)
        return result
    }

    private func byteLevelDecoder() -> Decoder {
        var texts = ByteStrings(capacity: parts.count)
        for (piece, kind) in zip(parts.pieces, parts.kinds) {
            switch kind {
            case .normal: texts.append(ByteLevelAlphabet.decode(piece) ?? piece)
            case .byte: texts.append(ByteToken.value(piece).map { [$0] } ?? [])
            case .control, .unknown, .userDefined: texts.append(piece)
            case .unused, .none: texts.append([])
            }
        }
        return Decoder(texts: texts, kinds: parts.kinds, special: Set(parts.ids(.control)))
    }

    /// Model `t5`: SentencePiece's unigram model.
    private func unigram() throws(TokenizerError) -> TokenizerParts {
        let unknown = try id("unknown_token_id", default: 2)
        var normalizer = SentencePieceNormalizer()
        normalizer.map = try characterMap()
        normalizer.verbatim = parts.userDefinedTrie()
        normalizer.addsDummyPrefix = try flag("add_space_prefix", default: true)
        normalizer.removesExtraSpaces = try flag("remove_extra_whitespaces", default: false)
        let fallback = TokenizerModel.Unknowns(byteTokens: parts.byteTokens(), unknown: unknown)
        var result = TokenizerParts(
            name: "SentencePiece unigram", pieces: PieceTable(parts.pieces), added: try added(),
            normalizer: Normalizer(steps: [.sentencePiece(normalizer)]),
            model: try .unigram(parts.unigram(unknown: unknown), fallback), decoder: parts.decoder(unknownText: nil))
        if normalizer.addsDummyPrefix { result.decoder.start = .dropsSpaces(1) }
        try finish(&result, addsBegin: false, addsEnd: true, begin: nil, end: 1)
        return result
    }

    private func characterMap() throws(TokenizerError) -> CharacterMap? {
        guard let value = metadata["tokenizer.ggml.precompiled_charsmap"] else { return nil }
        guard let numbers = value.asIntegers else {
            throw parts.failure("precompiled_charsmap: expected an array of bytes")
        }
        guard !numbers.isEmpty else { return nil }
        return try CharacterMap(numbers.map { UInt8(truncatingIfNeeded: $0) })
    }
}

extension [UInt8] {
    /// Whether a byte string is somewhere in these bytes; for short ones.
    fileprivate func contains(subsequence other: [UInt8]) -> Bool {
        guard count >= other.count else { return false }
        return (0...(count - other.count)).contains { self[$0..<$0 + other.count].elementsEqual(other) }
    }
}
