import InferenceTypes

/// Pieces with scores and kinds, as SentencePiece's model file and GGUF both list them, and the models made of them.
struct SentencePieceParts {
    /// What the file is called in messages.
    var place: String
    var pieces: [[UInt8]] = []
    var scores: [Float] = []
    var kinds: [TokenKind] = []

    var count: Int { pieces.count }

    func failure(_ message: String) -> TokenizerError { TokenizerError("\(place): \(message)") }

    /// Checks that there are as many scores and types as tokens.
    func validateCounts() throws(TokenizerError) {
        guard pieces.contains(where: { !$0.isEmpty }) else { throw failure("expected tokens, found none") }
        guard count <= TokenizerLimits.tokenID + 1 else {
            throw failure("\(count) tokens, the limit is \(TokenizerLimits.tokenID + 1)")
        }
        guard scores.count == count, kinds.count == count else {
            throw failure("\(count) tokens, \(scores.count) scores and \(kinds.count) types, expected as many of each")
        }
    }

    /// Checks what the models rely on.
    func validate() throws(TokenizerError) {
        try validateCounts()
        if let id = scores.firstIndex(where: { !$0.isFinite }) {
            throw failure("the score of token \(id) is no finite number")
        }
        if let id = pieces.firstIndex(where: { $0.count > TokenizerLimits.pieceByteCount }) {
            throw failure("token \(id) has \(pieces[id].count) bytes, the limit is \(TokenizerLimits.pieceByteCount)")
        }
        for id in pieces.indices where kinds[id] == .userDefined || kinds[id] == .control {
            guard pieces[id].count <= TokenizerLimits.addedTokenByteCount else {
                throw failure(
                    "the special token \(id) has \(pieces[id].count) bytes, the limit is \(TokenizerLimits.addedTokenByteCount)"
                )
            }
        }
        try refuseDuplicates()
    }

    private func refuseDuplicates() throws(TokenizerError) {
        var seen = Set<[UInt8]>(minimumCapacity: count)
        for (id, piece) in pieces.enumerated() where !piece.isEmpty && !seen.insert(piece).inserted {
            throw failure("token \(id), \(quoted(piece)), is there twice")
        }
    }

    /// Id of each byte's token, -1 for none; nil when there is not a single one.
    func byteTokens() -> [TokenID]? {
        var ids = [TokenID](repeating: -1, count: 256)
        for id in pieces.indices where kinds[id] == .byte {
            if let byte = ByteToken.value(pieces[id]) { ids[Int(byte)] = TokenID(id) }
        }
        return ids.contains { $0 >= 0 } ? ids : nil
    }

    func ids(_ kind: TokenKind) -> [TokenID] { pieces.indices.filter { kinds[$0] == kind }.map { TokenID($0) } }

    /// User-defined pieces, which are taken out of a text as they are.
    func userDefinedTrie() -> ByteTrie {
        var trie = ByteTrie()
        for id in ids(.userDefined) { trie.insert(pieces[Int(id)], value: id) }
        return trie
    }

    func unigram(unknown: TokenID?) throws(TokenizerError) -> UnigramModel {
        var trie = ByteTrie()
        let normal = ids(.normal)
        let userDefined = ids(.userDefined)
        if let id = normal.first(where: { pieces[Int($0)].count > TokenizerLimits.addedTokenByteCount }) {
            throw failure(
                "token \(id) has \(pieces[Int(id)].count) bytes, the limit is \(TokenizerLimits.addedTokenByteCount)")
        }
        for id in normal + userDefined { trie.insert(pieces[Int(id)], value: id) }
        return UnigramModel(
            trie: trie, scores: scores.map { Double($0) }, normal: normal, userDefined: Set(userDefined),
            unknown: unknown, precision: .single)
    }

    /// What tokens stand for: a mark is a space, a byte token its byte.
    func decoder(unknownText: [UInt8]?) -> Decoder {
        var texts = ByteStrings(capacity: count)
        for (piece, kind) in zip(pieces, kinds) {
            switch kind {
            case .byte: texts.append(ByteToken.value(piece).map { [$0] } ?? [])
            case .unknown: texts.append(unknownText ?? piece)
            case .normal: texts.append(Normalizer.replacing(Decoder.mark, with: [0x20], in: piece))
            case .control, .userDefined: texts.append(piece)
            case .unused, .none: texts.append([])
            }
        }
        return Decoder(texts: texts, kinds: kinds, special: Set(ids(.control)))
    }
}
