import Checkpoints
import InferenceTypes

/// Reads `tokenizer.json` of Hugging Face tokenizers. What it does not know it refuses, with the text it found.
enum TokenizerJSON {
    static func parts(_ bytes: [UInt8], _ files: TokenizerFiles) throws(TokenizerError) -> TokenizerParts {
        let root = try parse(bytes)
        guard let model = root["model"], model.asObject != nil else { throw failure("model: expected an object") }
        var vocabulary = try Vocabulary(model)
        let added = try addedTokens(root["added_tokens"], &vocabulary)
        let normalizer = try TokenizerJSONSteps.normalizer(root["normalizer"])
        let preTokenizer = try TokenizerJSONSteps.preTokenizer(root["pre_tokenizer"])
        let inVocabulary = vocabulary.kinds
        let pieces = PieceTable(vocabulary.pieces, isFindable: { inVocabulary[$0] == .normal })
        let (name, tokenizerModel) = try TokenizerJSONModel.model(model, pieces, vocabulary, preTokenizer)
        var words = preTokenizer
        words.cutsAtMarks = WordBoundaries.areSafe(vocabulary.pieces, pieces)
        for token in added { vocabulary.kinds[Int(token.id)] = token.isSpecial ? .control : .userDefined }
        var parts = TokenizerParts(
            name: name, pieces: pieces, added: added, normalizer: normalizer, preTokenizer: words,
            model: tokenizerModel,
            decoder: try TokenizerJSONSteps.decoder(root["decoder"], shown(vocabulary, added, normalizer)))
        parts.decoder.special = special(added, unknown: model["unk_token"]?.asBytes, normalizer)
        (parts.prefix, parts.suffix) = try TokenizerJSONSteps.postProcessor(
            root["post_processor"], count: vocabulary.pieces.count)
        try setMarks(files, &parts)
        parts.named.unknown = parts.named.unknown ?? model["unk_token"]?.asBytes.flatMap(pieces.find)
        return parts
    }

    static func failure(_ message: String) -> TokenizerError { TokenizerError("tokenizer.json: " + message) }

    private static func parse(_ bytes: [UInt8]) throws(TokenizerError) -> JSONValue {
        do throws(JSONParser.Failure) {
            return try JSONParser.parse(bytes, limits: .modelFile)
        } catch {
            throw failure("\(error.message) at byte \(error.offset)")
        }
    }

    /// The pieces by id.
    struct Vocabulary {
        var pieces: [[UInt8]] = []
        /// `.none` for a hole, `.normal` for what the model's vocabulary has, and what is added.
        var kinds: [TokenKind] = []
        /// Unigram: by id.
        var scores: [Double] = []

        /// Most ids that may stay unused between those of a vocabulary: files of real models have a few hundred.
        static let holeCount = 65_536

        init(_ model: JSONValue) throws(TokenizerError) {
            switch model["vocab"] {
            case .object(let members)?: try read(members)
            case .array(let items)?: try read(items)
            default: throw failure("model.vocab: expected an object of ids or a list of pieces with scores")
            }
            guard pieces.contains(where: { !$0.isEmpty }) else {
                throw failure("model.vocab: expected pieces, found none")
            }
        }

        private mutating func read(_ members: [JSONMember]) throws(TokenizerError) {
            for member in members {
                guard let id = member.value.asInteger else {
                    throw failure("model.vocab: \(quoted(member.key)): expected an id, a whole number")
                }
                try set(member.key, id: id, .normal, limit: members.count + Self.holeCount)
            }
        }

        private mutating func read(_ items: [JSONValue]) throws(TokenizerError) {
            for (id, item) in items.enumerated() {
                guard let pair = item.asArray, pair.count == 2, let piece = pair[0].asBytes,
                    let score = pair[1].asDouble
                else { throw failure("model.vocab[\(id)]: expected a piece and its score") }
                try set(piece, id: Int64(id), .normal, limit: items.count)
                scores.append(UnigramScore.asReferenceReads(score))
            }
        }

        mutating func set(_ piece: [UInt8], id: Int64, _ kind: TokenKind, limit: Int) throws(TokenizerError) {
            guard 0 <= id, id < min(limit, TokenizerLimits.tokenID + 1) else {
                throw failure("the id \(id) of \(quoted(piece)) is out of range, expected 0..<\(limit)")
            }
            guard piece.count <= TokenizerLimits.pieceByteCount else {
                throw failure(
                    "the piece of id \(id) has \(piece.count) bytes, the limit is \(TokenizerLimits.pieceByteCount)")
            }
            while pieces.count <= id {
                pieces.append([])
                kinds.append(.none)
            }
            guard kinds[Int(id)] == .none else {
                throw failure("the id \(id) belongs to \(quoted(pieces[Int(id)])) and to \(quoted(piece))")
            }
            pieces[Int(id)] = piece
            kinds[Int(id)] = kind
        }
    }

    private static func addedTokens(
        _ value: JSONValue?, _ vocabulary: inout Vocabulary
    ) throws(TokenizerError) -> [AddedToken] {
        guard let value, !value.isNull else { return [] }
        guard let items = value.asArray else { throw failure("added_tokens: expected a list") }
        let limit = vocabulary.pieces.count + items.count + Vocabulary.holeCount
        var tokens: [AddedToken] = []
        for (index, item) in items.enumerated() {
            guard let content = item["content"]?.asBytes, let id = item["id"]?.asInteger else {
                throw failure("added_tokens[\(index)]: expected an id and a content")
            }
            guard 1...TokenizerLimits.addedTokenByteCount ~= content.count else {
                throw failure(
                    "added_tokens[\(index)]: the content has \(content.count) bytes, "
                        + "expected 1 to \(TokenizerLimits.addedTokenByteCount)")
            }
            let isKnown = 0 <= id && id < vocabulary.pieces.count && vocabulary.pieces[Int(id)] == content
            if !isKnown { try vocabulary.set(content, id: id, .userDefined, limit: limit) }
            func flag(_ key: StaticString) -> Bool { item[key]?.asBool ?? false }
            tokens.append(
                AddedToken(
                    id: TokenID(id), content: content, isSpecial: flag("special"), isSingleWord: flag("single_word"),
                    stripsLeft: flag("lstrip"), stripsRight: flag("rstrip"), isNormalized: flag("normalized")))
        }
        return tokens
    }

    /// The vocabulary as decoding sees it: tokens that are matched after normalising show as normalised.
    private static func shown(
        _ vocabulary: Vocabulary, _ added: [AddedToken], _ normalizer: Normalizer
    ) -> Vocabulary {
        var vocabulary = vocabulary
        for token in added where token.isNormalized { vocabulary.pieces[Int(token.id)] = normalizer(token.content) }
        return vocabulary
    }

    /// Tokens that `skip` leaves out. The unknown token stays where it is matched after normalising: the reference does
    /// not know it again by its normalised spelling (nor other special tokens, but those are no text that was read).
    private static func special(_ added: [AddedToken], unknown: [UInt8]?, _ normalizer: Normalizer) -> Set<TokenID> {
        let skipped = added.filter { token in
            guard token.isSpecial, token.isNormalized, token.content == unknown else { return token.isSpecial }
            return normalizer(token.content) == token.content
        }
        return Set(skipped.map(\.id))
    }

    private static func setMarks(_ files: TokenizerFiles, _ parts: inout TokenizerParts) throws(TokenizerError) {
        let added = Dictionary(parts.added.map { ($0.content, $0.id) }) { first, _ in first }
        let pieces = parts.pieces
        let marks = try SequenceMarks(files, count: parts.decoder.kinds.count) { pieces.find($0) ?? added[$0] }
        parts.beginOfSequence = marks.beginOfSequence ?? parts.prefix.first
        parts.endOfSequence = marks.endOfSequence
        parts.named = marks.named
    }
}
