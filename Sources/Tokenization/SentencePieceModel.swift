import Checkpoints
import InferenceTypes

/// Reads `tokenizer.model`: SentencePiece's `ModelProto`.
///
/// - Source: google/sentencepiece `sentencepiece_model.proto`.
struct SentencePieceModel {
    enum Algorithm: UInt64 {
        case unigram = 1
        case bytePair = 2
    }

    private(set) var parts = SentencePieceParts(place: "tokenizer.model")
    private(set) var algorithm = Algorithm.unigram
    private var hasByteFallback = false
    private var beginID: Int64 = 1
    private var endID: Int64 = 2
    private var paddingID: Int64 = -1
    private var unknownText = Array(" \u{2047} ".utf8)
    private(set) var normalizer = SentencePieceNormalizer()
    /// The normaliser's map as the file has it.
    private(set) var characterMap: [UInt8] = []

    static func parts(_ bytes: [UInt8], _ files: TokenizerFiles) throws(TokenizerError) -> TokenizerParts {
        let model = try SentencePieceModel(bytes)
        return try model.tokenizerParts(files)
    }

    init(_ bytes: [UInt8]) throws(TokenizerError) {
        var reader = ProtobufReader(bytes)
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch field {
            case 1: try readPiece(bytes, range)
            case 2: try readTrainer(bytes, range)
            case 3: try readNormalizer(bytes, range)
            default: continue
            }
        }
        try parts.validate()
    }

    private mutating func readPiece(_ bytes: [UInt8], _ range: Range<Int>) throws(TokenizerError) {
        var reader = ProtobufReader(bytes, range)
        var piece: [UInt8] = []
        var score: Float = 0
        var kind = TokenKind.normal
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let range)): piece = reader.bytes(range)
            case (2, .fixed32(let word)): score = Float(bitPattern: word)
            case (3, .varint(let number)):
                guard let known = UInt8(exactly: number).flatMap(TokenKind.init), known != .none else {
                    throw parts.failure("piece \(parts.count) has the unknown type \(number)")
                }
                kind = known
            default: continue
            }
        }
        guard !piece.isEmpty, piece.isValidUTF8 else {
            throw parts.failure("piece \(parts.count): expected UTF-8 text that is not empty")
        }
        parts.pieces.append(piece)
        parts.scores.append(score)
        parts.kinds.append(kind)
    }

    private mutating func readTrainer(_ bytes: [UInt8], _ range: Range<Int>) throws(TokenizerError) {
        var reader = ProtobufReader(bytes, range)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (3, .varint(let number)):
                guard let known = Algorithm(rawValue: number) else {
                    throw parts.failure("model type \(number): expected 1 (unigram) or 2 (BPE)")
                }
                algorithm = known
            case (24, .varint(let number)): normalizer.putsSpaceBehind = number != 0
            case (35, .varint(let number)): hasByteFallback = number != 0
            case (41, .varint(let number)): beginID = Int64(truncatingIfNeeded: number)
            case (42, .varint(let number)): endID = Int64(truncatingIfNeeded: number)
            case (43, .varint(let number)): paddingID = Int64(truncatingIfNeeded: number)
            case (44, .bytes(let range)): unknownText = reader.bytes(range)
            default: continue
            }
        }
    }

    private mutating func readNormalizer(_ bytes: [UInt8], _ range: Range<Int>) throws(TokenizerError) {
        var reader = ProtobufReader(bytes, range)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (2, .bytes(let range)) where !range.isEmpty:
                characterMap = reader.bytes(range)
                normalizer.map = try CharacterMap(characterMap)
            case (3, .varint(let number)): normalizer.addsDummyPrefix = number != 0
            case (4, .varint(let number)): normalizer.removesExtraSpaces = number != 0
            case (5, .varint(let number)): normalizer.escapesSpaces = number != 0
            default: continue
            }
        }
    }

    private func tokenizerParts(_ files: TokenizerFiles) throws(TokenizerError) -> TokenizerParts {
        let unknowns = parts.ids(.unknown)
        guard unknowns.count == 1, let unknown = unknowns.first else {
            throw parts.failure("expected one unknown piece, found \(unknowns.count)")
        }
        var normalizer = normalizer
        normalizer.verbatim = parts.userDefinedTrie()
        let kinds = parts.kinds
        let pieces = PieceTable(
            parts.pieces, isFindable: { [.normal, .userDefined, .unused].contains(kinds[$0]) })
        let fallback = TokenizerModel.Unknowns(
            byteTokens: hasByteFallback ? parts.byteTokens() : nil, unknown: unknown)
        var result = TokenizerParts(
            name: name, pieces: pieces, normalizer: Normalizer(steps: [.sentencePiece(normalizer)]),
            model: try model(pieces, fallback, normalizer.verbatim), decoder: parts.decoder(unknownText: unknownText))
        result.preTokenizer.cutsAtMarks = WordBoundaries.areSafe(parts.pieces, pieces)
        if normalizer.addsDummyPrefix || normalizer.removesExtraSpaces {
            result.decoder.start = .dropsLeadingMarks(removesAll: normalizer.removesExtraSpaces)
        }
        result.decoder.illFormed = .repaired(.perByte)
        try setMarks(files, &result)
        return result
    }

    private var name: String {
        (algorithm == .bytePair ? "SentencePiece BPE" : "SentencePiece unigram")
            + (hasByteFallback ? " with byte fallback" : "")
    }

    private func model(
        _ pieces: PieceTable, _ fallback: TokenizerModel.Unknowns, _ frozen: ByteTrie
    ) throws(TokenizerError) -> TokenizerModel {
        switch algorithm {
        case .unigram: return try .unigram(parts.unigram(unknown: fallback.unknown), fallback)
        case .bytePair:
            return .sentencePiece(
                SentencePieceMerger(
                    pieces: pieces, scores: parts.scores, unused: Set(parts.ids(.unused)), frozen: frozen), fallback)
        }
    }

    /// BOS and EOS of the configuration files, else of the model. A BPE model alone adds BOS, as transformers does for
    /// Llama's class; `add_bos_token` and `add_eos_token` decide where they are given.
    private func setMarks(_ files: TokenizerFiles, _ result: inout TokenizerParts) throws(TokenizerError) {
        let table = Dictionary(parts.pieces.enumerated().map { ($0.element, TokenID($0.offset)) }) { first, _ in first }
        let marks = try SequenceMarks(files, count: parts.count) { table[$0] }
        result.beginOfSequence = marks.beginOfSequence ?? control(beginID)
        result.endOfSequence = marks.endOfSequence
        let end = control(endID)
        result.named = marks.named
        result.named.end = marks.named.end ?? end
        result.named.padding = marks.named.padding ?? control(paddingID)
        result.named.unknown = marks.named.unknown ?? parts.ids(.unknown).first
        if result.endOfSequence.isEmpty, let end { result.endOfSequence = [end] }
        let addsBegin = files.configuration?["add_bos_token"]?.asBool ?? (algorithm == .bytePair)
        if addsBegin, let begin = result.beginOfSequence { result.prefix = [begin] }
        if files.configuration?["add_eos_token"]?.asBool == true, let end { result.suffix = [end] }
    }

    private func control(_ id: Int64) -> TokenID? {
        guard let index = Int(exactly: id), parts.kinds.indices.contains(index), parts.kinds[index] == .control else {
            return nil
        }
        return TokenID(index)
    }
}
