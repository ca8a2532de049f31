import InferenceTypes

/// Reads the `model` of `tokenizer.json`: merges of a byte-pair encoding, or a unigram model.
enum TokenizerJSONModel {
    static func model(
        _ value: JSONValue, _ pieces: PieceTable, _ vocabulary: TokenizerJSON.Vocabulary, _ preTokenizer: PreTokenizer
    ) throws(TokenizerError) -> (name: String, TokenizerModel) {
        switch value["type"]?.asBytes.map({ String(decoding: $0, as: UTF8.self) }) {
        case "BPE"?: return try bytePair(value, pieces, preTokenizer)
        case "Unigram"?: return try unigram(value, pieces, vocabulary)
        // Old files have no type.
        case nil where value["type"] == nil && value["merges"] != nil: return try bytePair(value, pieces, preTokenizer)
        case nil where value["type"] == nil && value["unk_id"] != nil: return try unigram(value, pieces, vocabulary)
        default:
            let found = value["type"]?.asBytes.map { quoted($0) } ?? "none"
            throw TokenizerJSON.failure("model.type: expected BPE or Unigram, found \(found)")
        }
    }

    private static func bytePair(
        _ value: JSONValue, _ pieces: PieceTable, _ preTokenizer: PreTokenizer
    ) throws(TokenizerError) -> (String, TokenizerModel) {
        for key: StaticString in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let affix = value[key]?.asBytes, !affix.isEmpty {
                throw TokenizerJSON.failure("model.\(key): expected none, found \(quoted(affix))")
            }
        }
        if let dropout = value["dropout"]?.asDouble, dropout != 0 {
            throw TokenizerJSON.failure("model.dropout: expected none: it makes tokens random")
        }
        guard let merges = value["merges"]?.asArray else {
            throw TokenizerJSON.failure("model.merges: expected a list")
        }
        let isByteLevel = preTokenizer.standsInForBytes
        var model = BytePairModel(
            units: isByteLevel ? .bytes(byteUnits(pieces)) : .scalars, merges: try mergeTable(merges, pieces))
        if value["byte_fallback"]?.asBool == true { model.byteFallback = byteTokens(pieces) }
        model.unknown = try unknown(value["unk_token"], pieces, isNeeded: !isByteLevel)
        model.fusesUnknown = value["fuse_unk"]?.asBool ?? false
        model.takesWholeWords = value["ignore_merges"]?.asBool ?? false
        let fallback = model.byteFallback == nil ? "" : " with byte fallback"
        return (isByteLevel ? "byte-level BPE" : "SentencePiece BPE" + fallback, .bytePair(model))
    }

    private static func unknown(
        _ value: JSONValue?, _ pieces: PieceTable, isNeeded: Bool
    ) throws(TokenizerError) -> TokenID? {
        guard let spelling = value?.asBytes else { return nil }
        if let id = pieces.find(spelling) { return id }
        guard isNeeded else { return nil }
        throw TokenizerJSON.failure("model.unk_token: \(quoted(spelling)) is not in the vocabulary")
    }

    /// The id of each byte's stand-in, -1 for none.
    static func byteUnits(_ pieces: PieceTable) -> [TokenID] {
        (0...255).map { pieces.find(ByteLevelAlphabet.spelling(of: $0)) ?? -1 }
    }

    /// The id of `<0x00>` … `<0xFF>`, -1 for none; nil when there is not a single one.
    static func byteTokens(_ pieces: PieceTable) -> [TokenID]? {
        let digits = Array("0123456789ABCDEF".utf8)
        let ids = (0...255).map { byte in
            pieces.find(Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15], UInt8(ascii: ">")]) ?? -1
        }
        return ids.contains { $0 >= 0 } ? ids : nil
    }

    private static func mergeTable(_ merges: [JSONValue], _ pieces: PieceTable) throws(TokenizerError) -> MergeTable {
        var table = MergeTable(minimumCapacity: merges.count)
        for (rank, merge) in merges.enumerated() {
            if let pair = merge.asArray, pair.count == 2, let left = pair[0].asBytes, let right = pair[1].asBytes {
                try MergeReader.add(left[...], right[...], rank, pieces, "tokenizer.json: model.merges", &table)
            } else if let text = merge.asBytes {
                try MergeReader.add(text, rank, pieces, "tokenizer.json: model.merges", &table)
            } else {
                throw TokenizerJSON.failure("model.merges[\(rank)]: expected two pieces")
            }
        }
        return table
    }

    private static func unigram(
        _ value: JSONValue, _ pieces: PieceTable, _ vocabulary: TokenizerJSON.Vocabulary
    ) throws(TokenizerError) -> (String, TokenizerModel) {
        guard vocabulary.scores.count == vocabulary.pieces.count || !vocabulary.scores.isEmpty else {
            throw TokenizerJSON.failure("model.vocab: expected a list of pieces with scores")
        }
        let scored = 0..<vocabulary.scores.count
        var trie = ByteTrie()
        for id in scored {
            guard vocabulary.pieces[id].count <= TokenizerLimits.addedTokenByteCount else {
                throw TokenizerJSON.failure(
                    "model.vocab[\(id)]: the piece has \(vocabulary.pieces[id].count) bytes, "
                        + "the limit is \(TokenizerLimits.addedTokenByteCount)")
            }
            trie.insert(vocabulary.pieces[id], value: Int32(id))
        }
        var unknown: TokenID?
        if let id = value["unk_id"]?.asInteger {
            guard 0 <= id, id < scored.count else {
                throw TokenizerJSON.failure("model.unk_id: expected an id below \(scored.count), found \(id)")
            }
            unknown = TokenID(id)
        }
        let model = UnigramModel(
            trie: trie, scores: vocabulary.scores, normal: scored.map { TokenID($0) }, userDefined: [],
            unknown: unknown, precision: .double)
        let byteTokens = value["byte_fallback"]?.asBool == true ? byteTokens(pieces) : nil
        return ("unigram", .unigram(model, TokenizerModel.Unknowns(byteTokens: byteTokens, unknown: unknown)))
    }
}

/// Puts merges of a file into a table.
enum MergeReader {
    /// A merge as one text, its two pieces parted by a space.
    static func add(
        _ text: [UInt8], _ rank: Int, _ pieces: PieceTable, _ place: String, _ table: inout MergeTable
    ) throws(TokenizerError) {
        guard let space = text.dropFirst().firstIndex(of: 0x20) else {
            throw TokenizerError("\(place)[\(rank)]: expected two pieces with a space between, found \(quoted(text))")
        }
        try add(text[..<space], text[(space + 1)...], rank, pieces, place, &table)
    }

    static func add(
        _ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>, _ rank: Int, _ pieces: PieceTable, _ place: String,
        _ table: inout MergeTable
    ) throws(TokenizerError) {
        let whole = left + right
        func find(_ piece: ArraySlice<UInt8>) -> TokenID? { piece.withUnsafeBufferPointer { pieces.find($0) } }
        guard let leftID = find(left), let rightID = find(right), let merged = find(whole),
            let rank32 = UInt32(exactly: rank)
        else { throw TokenizerError("\(place)[\(rank)]: \(quoted(whole)) or a part of it is not in the vocabulary") }
        table.insert(leftID, rightID, rank: rank32, merged: merged)
    }
}
