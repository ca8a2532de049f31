import Checkpoints
import Foundation
import InferenceTypes
import TestSupport
import Testing
import Tokenization

/// A tokeniser of the reference data and the vectors that its reference implementation made.
struct VectorFolder: Sendable, CustomTestStringConvertible {
    enum Source: Sendable { case json, sentencePiece, gguf }

    var source: Source
    /// Directory, or file, below `shared/data`.
    var path: String
    var vectors: [String]

    var testDescription: String { "\(path) (\(source))" }

    static func json(_ name: String) -> VectorFolder {
        VectorFolder(
            source: .json, path: "tokenizers/\(name)",
            vectors: ["tokenizers/\(name)/vectors.hf.jsonl", "tokenizers/\(name)/decode.hf.jsonl"])
    }

    static func model(_ path: String, _ vectors: String) -> VectorFolder {
        VectorFolder(source: .sentencePiece, path: path, vectors: [vectors])
    }

    static func gguf(_ path: String, _ vectors: String) -> VectorFolder {
        VectorFolder(source: .gguf, path: path, vectors: [vectors])
    }

    static func vocabulary(_ name: String) -> VectorFolder {
        gguf("tokenizers/gguf/ggml-vocab-\(name).gguf", "tokenizers/gguf-vectors/\(name).jsonl")
    }

    static let all: [VectorFolder] =
        ["gpt2", "llama2", "llama3", "qwen2", "mistral", "phi2", "phi3", "falcon", "gpt-neox", "t5-unigram"].map(json)
        + ["stories260K", "tinystories-656k"].map { name in
            VectorFolder(
                source: .json, path: "\(name)/hf",
                vectors: ["\(name)/ref/vectors.hf.jsonl", "\(name)/ref/decode.hf.jsonl"])
        }
        + [
            model("tokenizers/llama2/tokenizer.model", "tokenizers/llama2/vectors.spm.jsonl"),
            model("tokenizers/mistral/tokenizer.model", "tokenizers/mistral/vectors.spm.jsonl"),
            model("stories260K/hf/tokenizer.model", "stories260K/ref/vectors.spm.jsonl"),
            model(
                "tokenizers/sentencepiece-unigram-test/test_model.model",
                "tokenizers/sentencepiece-unigram-test/test_model.vectors.spm.jsonl"),
            model(
                "tokenizers/sentencepiece-unigram-test/test_ja_model.model",
                "tokenizers/sentencepiece-unigram-test/test_ja_model.vectors.spm.jsonl"),
        ]
        + ["deepseek-coder", "falcon", "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "starcoder"].map(vocabulary)
        + [
            gguf("stories260K/gguf/stories260K-f16.gguf", "stories260K/ref/vectors.llamacpp.jsonl"),
            gguf("tinystories-656k/gguf/TinyStories-656K-f16.gguf", "tinystories-656k/ref/vectors.llamacpp.jsonl"),
            gguf(
                "tinystories-656k/gguf/TinyStories-656K-Q8_0.gguf", "tinystories-656k/ref/vectors.llamacpp-q8_0.jsonl"),
        ]

    func tokenizer() throws -> Tokenizer {
        switch source {
        case .json:
            return try Tokenizer(
                .files(TokenizerFiles(tokenizerJSON: SharedData.bytes(SharedData.file(path + "/tokenizer.json")))))
        case .sentencePiece:
            return try Tokenizer(.files(TokenizerFiles(sentencePieceModel: SharedData.bytes(SharedData.file(path)))))
        case .gguf: return try Tokenizer(.gguf(GGUFFile(path: SharedData.file(path).path).metadata))
        }
    }
}

/// One line of a vector file.
struct Vector {
    var text: [UInt8]?
    var ids: [TokenID]
    /// With BOS and EOS; as without where the line does not say.
    var idsWithSpecial: [TokenID]
    /// With spellings of special tokens parsed, where that differs (llama.cpp).
    var idsParsed: [TokenID]?
    var decoded: [UInt8]
    var decodedSkippingSpecial: [UInt8]?

    init(_ line: ArraySlice<UInt8>) throws {
        let row = try JSONParser.parse(Array(line), limits: .modelFile)
        func list(_ key: StaticString) -> [TokenID]? {
            row[key]?.asArray?.compactMap { $0.asInteger.map { TokenID(truncatingIfNeeded: $0) } }
        }
        text = row["text"]?.asBytes
        ids = try #require(list("ids"))
        idsWithSpecial = list("ids_with_special") ?? list("ids_add_special") ?? ids
        idsParsed = list("ids_parse_special")
        decoded = try #require(row["decoded"]?.asBytes)
        decodedSkippingSpecial = row["decoded_skip_special"]?.asBytes
    }

    static func lines(_ path: String) throws -> [Vector] {
        try SharedData.bytes(SharedData.file(path)).split(separator: UInt8(ascii: "\n")).map { try Vector($0) }
    }
}

@Suite("Vectors of the reference implementations", .enabled(if: SharedData.isAvailable, "needs ../shared/data"))
struct VectorTests {
    @Test("Every vector, encoded and decoded", arguments: VectorFolder.all)
    func vectors(_ folder: VectorFolder) throws {
        let tokenizer = try folder.tokenizer()
        var failures: [String] = []
        var count = 0
        for vector in try folder.vectors.flatMap(Vector.lines) {
            count += 1
            if let failure = check(vector, tokenizer, folder.source) { failures.append(failure) }
        }
        #expect(count >= 130)
        #expect(failures.isEmpty, "\(failures.count) of \(count) differ: \(failures.prefix(3))")
    }

    /// What differs first, nil when nothing does.
    private func check(_ vector: Vector, _ tokenizer: Tokenizer, _ source: VectorFolder.Source) -> String? {
        // llama.cpp made its vectors with spellings left as text, and again with spellings parsed.
        let spellings: SpecialSpellings = source == .gguf ? .asText : .parse
        if let text = vector.text {
            let name = String(decoding: text, as: UTF8.self).debugDescription
            let ids = tokenizer.encode(text, addSpecialTokens: .omit, spellings: spellings)
            if ids != vector.ids { return "\(name): \(ids), expected \(vector.ids)" }
            let added = tokenizer.encode(text, addSpecialTokens: .add, spellings: spellings)
            // SentencePiece itself adds nothing; what is added is the model's class's doing.
            if source != .sentencePiece, added != vector.idsWithSpecial {
                return "\(name) with special tokens: \(added), expected \(vector.idsWithSpecial)"
            }
            let parsed = tokenizer.encode(text, addSpecialTokens: .omit)
            if source == .gguf, parsed != vector.idsParsed ?? vector.ids {
                return "\(name) parsed: \(parsed), expected \(vector.idsParsed ?? vector.ids)"
            }
        }
        let decoded = tokenizer.decode(vector.ids, specialTokens: .keep, spaces: .asReference)
        if decoded != vector.decoded { return "\(vector.ids) decoded: \(String(decoding: decoded, as: UTF8.self))" }
        guard let expected = vector.decodedSkippingSpecial else { return nil }
        let skipped = tokenizer.decode(vector.ids, specialTokens: .skip)
        return skipped == expected ? nil : "\(vector.ids) skipping: \(String(decoding: skipped, as: UTF8.self))"
    }

    @Test(
        "llama.cpp's own pairs of texts and tokens",
        arguments: ["deepseek-coder", "falcon", "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "starcoder"])
    func pairs(_ name: String) throws {
        let tokenizer = try VectorFolder.vocabulary(name).tokenizer()
        let path = "tokenizers/gguf/ggml-vocab-\(name).gguf"
        let texts = String(decoding: try SharedData.bytes(SharedData.file(path + ".inp")), as: UTF8.self)
            .components(separatedBy: "\n__ggml_vocab_test__\n")
        let lines = String(decoding: try SharedData.bytes(SharedData.file(path + ".out")), as: UTF8.self)
            .components(separatedBy: "\n")
        #expect(texts.count == 47)
        for (text, line) in zip(texts, lines) {
            let ids = tokenizer.encode(Array(text.utf8), addSpecialTokens: .omit, spellings: .asText)
            #expect(ids == line.split(separator: " ").compactMap { TokenID($0) }, "\(text.debugDescription)")
        }
    }

    @Test(
        "Streamed tokens join to the decoded text",
        arguments: VectorFolder.all.filter { $0.path != "tokenizers/llama3" && $0.path != "tokenizers/qwen2" })
    func streaming(_ folder: VectorFolder) throws {
        let tokenizer = try folder.tokenizer()
        for vector in try folder.vectors.flatMap(Vector.lines) {
            var stream = StreamingDetokenizer(tokenizer, after: [])
            var text: [UInt8] = []
            for id in vector.ids {
                let part = stream.append(id)
                #expect(part.isValidUTF8)
                text += part
            }
            text += stream.finish()
            let decoded = tokenizer.decode(vector.ids, specialTokens: .skip)
            // A run of byte tokens that is no text becomes U+FFFD as a whole where it is decoded at once.
            if folder.source == .json, decoded.hasReplacement, text.hasReplacement { continue }
            #expect(text == decoded, "\(vector.ids)")
        }
    }

    @Test("Two marks for a combining text: NFC where tokenizer.json asks, none in GGUF")
    func normalization() throws {
        let json = try VectorFolder.json("qwen2").tokenizer()
        let gguf = try VectorFolder.vocabulary("qwen2").tokenizer()
        let text = Array("e\u{301}".utf8)
        #expect(json.decode(json.encode(text, addSpecialTokens: .omit), specialTokens: .skip) == Array("\u{E9}".utf8))
        #expect(gguf.decode(gguf.encode(text, addSpecialTokens: .omit), specialTokens: .skip) == text)
    }

    @Test("BOS and EOS as the files say")
    func sequenceMarks() throws {
        let stories = try VectorFolder.gguf("stories260K/gguf/stories260K-f16.gguf", "").tokenizer()
        #expect(stories.beginOfSequence == 1)
        #expect(stories.endOfSequence == [2])
        #expect(stories.addsBeginOfSequence)
        #expect(stories.vocabularyCount == 512)
        #expect(stories.summary == "SentencePiece BPE with byte fallback, 512 tokens, BOS 1, EOS 2")
        let llama3 = try VectorFolder.vocabulary("llama-bpe").tokenizer()
        #expect(llama3.endOfSequence == [128_001, 128_009])
        #expect(llama3.isSpecial(128_000))
        #expect(!llama3.isSpecial(100))
    }
}

extension [UInt8] {
    /// Whether U+FFFD is in this text.
    fileprivate var hasReplacement: Bool {
        indices.dropLast(2).contains { self[$0] == 0xEF && self[$0 + 1] == 0xBF && self[$0 + 2] == 0xBD }
    }
}
