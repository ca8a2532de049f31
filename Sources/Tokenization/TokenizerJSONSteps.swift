import InferenceTypes

/// Reads the steps around the model of `tokenizer.json`: normaliser, pre-tokeniser, post-processor, decoder.
enum TokenizerJSONSteps {
    /// Steps by name, those of a `Sequence` in order. The nesting is bounded by the JSON parser's depth.
    static func flattened(_ value: JSONValue?, _ key: String, _ list: StaticString) throws(TokenizerError) -> [Step] {
        guard let value, !value.isNull else { return [] }
        guard let type = value["type"]?.asBytes else {
            throw TokenizerJSON.failure("\(key): expected an object with a type")
        }
        guard type.elementsEqual("Sequence".utf8) else {
            return [Step(key: key, type: String(decoding: type, as: UTF8.self), value: value)]
        }
        guard let items = value[list]?.asArray else {
            throw TokenizerJSON.failure("\(key): expected a list of \(list)")
        }
        var steps: [Step] = []
        for item in items {
            steps += try flattened(item, key, list)
            guard steps.count <= TokenizerLimits.stepCount else {
                throw TokenizerJSON.failure("\(key): more than \(TokenizerLimits.stepCount) steps")
            }
        }
        return steps
    }

    /// One step of a list.
    struct Step {
        var key: String
        var type: String
        var value: JSONValue

        func flag(_ name: StaticString, default fallback: Bool) -> Bool { value[name]?.asBool ?? fallback }

        var unknown: TokenizerError {
            TokenizerJSON.failure("\(key): unknown type \(quoted(type.utf8))")
        }

        func wrong(_ expected: String) -> TokenizerError {
            TokenizerJSON.failure("\(key): \(quoted(type.utf8)): expected \(expected)")
        }
    }

    static func preTokenizer(_ value: JSONValue?) throws(TokenizerError) -> PreTokenizer {
        var result = PreTokenizer()
        for step in try flattened(value, "pre_tokenizer", "pretokenizers") { result.stages.append(try stage(step)) }
        return result
    }

    private static func stage(_ step: Step) throws(TokenizerError) -> PreTokenizer.Stage {
        switch step.type {
        case "ByteLevel":
            return .byteLevel(
                addsPrefixSpace: step.flag("add_prefix_space", default: true),
                splits: step.flag("use_regex", default: true))
        case "Split":
            return .split(
                try pattern(step), try behavior(step), isInverted: step.flag("invert", default: false))
        case "Punctuation": return .punctuation(try behavior(step))
        case "Digits": return .digits(step.flag("individual_digits", default: false) ? .isolated : .contiguous)
        case "WhitespaceSplit": return .whitespaceSplit
        case "Whitespace": return .words
        case "Metaspace": return .metaspace(try metaspace(step))
        default: throw step.unknown
        }
    }

    private static func pattern(_ step: Step) throws(TokenizerError) -> SplitPattern {
        if let text = step.value["pattern"]?["String"]?.asBytes {
            guard !text.isEmpty, text.count <= TokenizerLimits.addedTokenByteCount else {
                throw step.wrong("a short text")
            }
            return .literal(ScalarText(text).scalars)
        }
        guard let text = step.value["pattern"]?["Regex"]?.asBytes else { throw step.wrong("a pattern") }
        guard let known = KnownPatterns.pattern(text) else {
            throw step.wrong("the pattern of a published tokeniser, found \(quoted(text))")
        }
        return known
    }

    private static func behavior(_ step: Step) throws(TokenizerError) -> PreTokenizer.Behavior {
        guard let name = step.value["behavior"]?.asBytes else { return .isolated }
        switch String(decoding: name, as: UTF8.self) {
        case "Isolated": return .isolated
        case "Removed": return .removed
        case "Contiguous": return .contiguous
        case "MergedWithPrevious": return .mergedWithPrevious
        case "MergedWithNext": return .mergedWithNext
        default: throw step.wrong("a known behavior, found \(quoted(name))")
        }
    }

    private static func metaspace(_ step: Step) throws(TokenizerError) -> PreTokenizer.Metaspace {
        var metaspace = PreTokenizer.Metaspace()
        if let mark = step.value["replacement"]?.asBytes { metaspace.mark = mark }
        guard ScalarText(metaspace.mark).count == 1 else { throw step.wrong("a replacement of one character") }
        metaspace.splits = step.flag("split", default: true)
        switch step.value["prepend_scheme"]?.asBytes.map({ String(decoding: $0, as: UTF8.self) }) {
        case "always"?: metaspace.prefix = .always
        case "first"?: metaspace.prefix = .first
        case "never"?: metaspace.prefix = .never
        // Files older than `prepend_scheme`.
        case nil: metaspace.prefix = step.flag("add_prefix_space", default: true) ? .always : .never
        default: throw step.wrong("a known prepend_scheme")
        }
        return metaspace
    }

    static func normalizer(_ value: JSONValue?) throws(TokenizerError) -> Normalizer {
        var result = Normalizer()
        var growth = 1
        for step in try flattened(value, "normalizer", "normalizers") {
            let action = try normalizerStep(step)
            if case .replace(let pattern, let content) = action {
                growth *= max(1, (content.count + pattern.count - 1) / pattern.count)
            }
            guard growth <= TokenizerLimits.replacementGrowth else {
                throw step.wrong(
                    "replacements that make a text at most \(TokenizerLimits.replacementGrowth) times as long")
            }
            result.steps.append(action)
        }
        return result
    }

    private static func normalizerStep(_ step: Step) throws(TokenizerError) -> Normalizer.Step {
        switch step.type {
        case "NFC": return .canonicalComposition
        case "NFD": return .canonicalDecomposition
        case "NFKC": return .compatibilityComposition
        case "NFKD": return .compatibilityDecomposition
        case "Lowercase": return .lowercase
        case "Strip":
            return .strip(
                left: step.flag("strip_left", default: true), right: step.flag("strip_right", default: true))
        case "Prepend":
            guard let prefix = step.value["prepend"]?.asBytes, prefix.count <= TokenizerLimits.prefixByteCount else {
                throw step.wrong("a text of at most \(TokenizerLimits.prefixByteCount) bytes")
            }
            return .prepend(prefix)
        case "Replace": return try replacement(step)
        case "Precompiled":
            guard let text = step.value["precompiled_charsmap"]?.asBytes, let blob = Base64.decode(text) else {
                throw step.wrong("a precompiled_charsmap in Base64")
            }
            return .charsmapByGrapheme(try CharacterMap(blob))
        default: throw step.unknown
        }
    }

    private static func replacement(_ step: Step) throws(TokenizerError) -> Normalizer.Step {
        guard let content = step.value["content"]?.asBytes, content.count <= TokenizerLimits.addedTokenByteCount else {
            throw step.wrong("a short content")
        }
        if let text = step.value["pattern"]?["String"]?.asBytes {
            guard 1...TokenizerLimits.addedTokenByteCount ~= text.count else {
                throw step.wrong("a short pattern that is not empty")
            }
            return .replace(text, with: content)
        }
        guard let text = step.value["pattern"]?["Regex"]?.asBytes else { throw step.wrong("a pattern") }
        guard case .spaces(let count)? = KnownPatterns.pattern(text),
            content.count <= count * TokenizerLimits.replacementGrowth
        else { throw step.wrong("the pattern of a published tokeniser, found \(quoted(text))") }
        return .replaceSpaces(atLeast: count, with: content)
    }

    /// Ids before and after a single text.
    static func postProcessor(_ value: JSONValue?, count: Int) throws(TokenizerError) -> (
        prefix: [TokenID], suffix: [TokenID]
    ) {
        var prefix: [TokenID] = []
        var suffix: [TokenID] = []
        for step in try flattened(value, "post_processor", "processors") {
            switch step.type {
            case "ByteLevel": continue
            case "TemplateProcessing":
                let (before, after) = try template(step, count)
                prefix = before + prefix
                suffix += after
            case "BertProcessing", "RobertaProcessing":
                prefix = try [pairID(step, "cls", count)] + prefix
                suffix += try [pairID(step, "sep", count)]
            default: throw step.unknown
            }
        }
        return (prefix, suffix)
    }

    private static func template(_ step: Step, _ count: Int) throws(TokenizerError) -> ([TokenID], [TokenID]) {
        guard let items = step.value["single"]?.asArray else { throw step.wrong("a list 'single'") }
        var prefix: [TokenID] = []
        var suffix: [TokenID] = []
        var isBehind = false
        for item in items {
            if item["Sequence"] != nil {
                isBehind = true
                continue
            }
            guard let name = item["SpecialToken"]?["id"]?.asBytes,
                let token = step.value["special_tokens"]?.asObject?.first(where: { $0.key == name }),
                let ids = token.value["ids"]?.asArray
            else { throw step.wrong("special tokens with ids") }
            for id in ids {
                guard let id = id.asInteger, 0 <= id, id < count else { throw step.wrong("ids below \(count)") }
                if isBehind { suffix.append(TokenID(id)) } else { prefix.append(TokenID(id)) }
            }
        }
        return (prefix, suffix)
    }

    private static func pairID(_ step: Step, _ name: StaticString, _ count: Int) throws(TokenizerError) -> TokenID {
        guard let pair = step.value[name]?.asArray, pair.count == 2, let id = pair[1].asInteger, 0 <= id, id < count
        else { throw step.wrong("a token and its id below \(count)") }
        return TokenID(id)
    }
}
