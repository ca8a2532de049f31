import InferenceTypes

extension TokenizerJSONSteps {
    /// Makes the decoder that a list of decoders amounts to. Lists that no published file has are refused.
    static func decoder(_ value: JSONValue?, _ vocabulary: TokenizerJSON.Vocabulary) throws(TokenizerError) -> Decoder {
        var texts = ByteStrings(capacity: vocabulary.pieces.count)
        var decoder = Decoder(texts: texts, kinds: vocabulary.kinds, special: [])
        let steps = try flattened(value, "decoder", "decoders")
        var plan = DecodingPlan()
        for step in steps { try plan.add(step) }
        if steps.isEmpty { decoder.separator = [0x20] }
        for (id, piece) in vocabulary.pieces.enumerated() {
            let (text, isByte) = plan.text(of: piece)
            texts.append(text)
            if isByte { decoder.kinds[id] = .byte }
        }
        decoder.texts = texts
        decoder.start = plan.start
        if plan.hasByteTokens { decoder.illFormed = .wholeRuns }
        return decoder
    }
}

/// What decoders do to each piece and to the beginning of the text.
private struct DecodingPlan {
    private var replacements: [(pattern: [UInt8], content: [UInt8])] = []
    private var isByteLevel = false
    private(set) var hasByteTokens = false
    private(set) var start = Decoder.Start.kept
    private var isFused = false

    mutating func add(_ step: TokenizerJSONSteps.Step) throws(TokenizerError) {
        switch step.type {
        case "ByteLevel": isByteLevel = true
        case "ByteFallback": hasByteTokens = true
        case "Fuse": isFused = true
        case "Replace":
            guard !isFused, let pattern = step.value["pattern"]?["String"]?.asBytes, !pattern.isEmpty,
                pattern.count <= TokenizerLimits.addedTokenByteCount, let content = step.value["content"]?.asBytes,
                content.count <= TokenizerLimits.addedTokenByteCount
            else { throw step.wrong("a short text and its replacement, before Fuse") }
            replacements.append((pattern, content))
        case "Metaspace":
            let mark = step.value["replacement"]?.asBytes ?? Decoder.mark
            guard !mark.isEmpty else { throw step.wrong("a replacement") }
            replacements.append((mark, [0x20]))
            let isNever =
                step.value["prepend_scheme"]?.asBytes?.elementsEqual("never".utf8)
                ?? !step.flag("add_prefix_space", default: true)
            if !isNever { start = .dropsMarksOfFirstToken }
        case "Strip":
            guard isFused, let content = step.value["content"]?.asBytes, content == [0x20],
                let count = step.value["start"]?.asInteger, 0...1024 ~= count, step.value["stop"]?.asInteger ?? 0 == 0
            else { throw step.wrong("spaces to take from the start, after Fuse") }
            start = .dropsSpaces(Int(count))
        default: throw step.unknown
        }
    }

    /// What a piece stands for, and whether it is the token of one byte.
    func text(of piece: [UInt8]) -> (text: [UInt8], isByte: Bool) {
        if isByteLevel, let bytes = ByteLevelAlphabet.decode(piece) { return (bytes, false) }
        var text = piece
        for (pattern, content) in replacements { text = Normalizer.replacing(pattern, with: content, in: text) }
        if hasByteTokens, let byte = ByteToken.value(text) { return ([byte], true) }
        return (text, false)
    }
}

/// Tokens that are spelled `<0x00>` … `<0xFF>` and stand for a byte.
enum ByteToken {
    static func value(_ piece: some RandomAccessCollection<UInt8>) -> UInt8? {
        guard piece.count == 6, piece.starts(with: "<0x".utf8), piece.last == UInt8(ascii: ">") else { return nil }
        var value: UInt8 = 0
        for character in piece.dropFirst(3).dropLast() {
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | (character - UInt8(ascii: "0"))
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | (character - UInt8(ascii: "A") + 10)
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | (character - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}
