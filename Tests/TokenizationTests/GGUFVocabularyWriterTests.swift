import Foundation
import InferenceTypes
import TestSupport
import Testing

@testable import Checkpoints
@testable import Tokenization

/// The tokenisers of `shared/data` through `tokenizer.ggml.*` keys and back.
@Suite("Writing vocabularies", .enabled(if: SharedData.isAvailable))
struct GGUFVocabularyWriterTests {
    private func files(_ path: String) throws -> TokenizerFiles {
        func bytes(_ name: String) throws -> [UInt8]? {
            let url = SharedData.file("\(path)/\(name)")
            return FileManager.default.fileExists(atPath: url.path) ? try SharedData.bytes(url) : nil
        }
        var files = TokenizerFiles(
            tokenizerJSON: try bytes("tokenizer.json"), sentencePieceModel: try bytes("tokenizer.model"))
        if path.hasSuffix("llama3") { files.sentencePieceModel = nil }
        if let configuration = try bytes("tokenizer_config.json") {
            files.configuration = try JSONParser.parse(configuration, limits: .modelFile)
        }
        return files
    }

    /// As a GGUF file brings it.
    private func reread(_ entries: [GGUFEntry]) throws -> Tokenizer {
        let header = GGUFEncoder.header(entries, [])
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: header.count, alignment: 64)
        copy.copyBytes(from: header)
        let file = try GGUFFile(FileMapping(embedded: UnsafeRawBufferPointer(copy), name: "vocabulary.gguf"))
        return try Tokenizer(.gguf(file.metadata))
    }

    private func shown(_ texts: [[UInt8]]) -> String {
        texts.prefix(9).map { String(decoding: $0, as: UTF8.self).debugDescription }.joined(separator: ", ")
    }

    /// Texts of the vectors whose tokens have to be the same. Left out are what a GGUF file has no word for, a text that
    /// Unicode normalisation changes, and where implementations differ: spaces around a `<s>` that a text spells.
    private func texts(_ path: String) throws -> [[UInt8]] {
        let lines = try SharedData.bytes(SharedData.file(path)).split(separator: 0x0A)
        return try lines.compactMap { line in
            guard let text = try JSONParser.parse(Array(line), limits: .modelFile)["text"]?.asBytes else { return nil }
            let string = String(decoding: text, as: UTF8.self)
            let isNormal = string.precomposedStringWithCanonicalMapping.utf8.elementsEqual(text)
            let spells = ["<s>", "</s>", "<unk>", "_story|>"].contains { string.contains($0) }
            return isNormal && !spells ? text : nil
        }
    }

    @Test(
        "a text has the tokens that it had",
        arguments: ["gpt2", "llama2", "llama3", "mistral", "phi2", "falcon", "qwen2", "gpt-neox"])
    func roundTrip(name: String) throws {
        let files = try files("tokenizers/\(name)")
        let before = try Tokenizer(.files(files))
        let writer = try GGUFVocabularyWriter(files, count: before.vocabularyCount + 3)
        let after = try reread(writer.entries)
        #expect(after.vocabularyCount == before.vocabularyCount + 3)
        #expect(after.beginOfSequence == before.beginOfSequence)
        #expect(after.endToken == before.endToken)
        #expect(before.endOfSequence.isSubset(of: after.endOfSequence))
        let texts = try texts("tokenizers/\(name)/vectors.hf.jsonl")
        #expect(texts.count > 250)
        let differing = texts.filter { text in
            before.encode(text, addSpecialTokens: .add) != after.encode(text, addSpecialTokens: .add)
        }
        #expect(differing.isEmpty, "\(differing.count) of \(texts.count): \(shown(differing))")
    }

    @Test(
        "merges without a tokenizer.model become scores that merge as they do",
        arguments: [
            ("tokenizers/llama2", "tokenizers/llama2"), ("tokenizers/mistral", "tokenizers/mistral"),
            ("stories260K/hf", "stories260K/ref"), ("tinystories-656k/hf", "tinystories-656k/ref"),
        ])
    func mergesAsScores(path: String, vectors: String) throws {
        var files = try files(path)
        files.sentencePieceModel = nil
        let before = try Tokenizer(.files(files))
        let after = try reread(GGUFVocabularyWriter(files, count: before.vocabularyCount).entries)
        let texts = try texts("\(vectors)/vectors.hf.jsonl")
        let differing = texts.filter {
            before.encode($0, addSpecialTokens: .add) != after.encode($0, addSpecialTokens: .add)
        }
        #expect(differing.isEmpty, "\(differing.count) of \(texts.count): \(shown(differing))")
    }

    @Test("unigram models of tokenizer.model", arguments: ["test_model", "test_ja_model"])
    func unigram(name: String) throws {
        let folder = "tokenizers/sentencepiece-unigram-test"
        let files = TokenizerFiles(
            sentencePieceModel: try SharedData.bytes(SharedData.file("\(folder)/\(name).model")))
        let before = try Tokenizer(.files(files))
        let after = try reread(GGUFVocabularyWriter(files, count: before.vocabularyCount).entries)
        let texts = try texts("\(folder)/\(name).vectors.spm.jsonl")
        let differing = texts.filter {
            before.encode($0, addSpecialTokens: .omit) != after.encode($0, addSpecialTokens: .omit)
        }
        #expect(differing.isEmpty, "\(differing.count) of \(texts.count): \(shown(differing))")
    }

    @Test("what a GGUF file cannot say is refused, and more tokens than rows are")
    func refuses() throws {
        #expect(throws: TokenizerError.self) {
            try GGUFVocabularyWriter(files("tokenizers/t5-unigram"), count: 40_000)
        }
        #expect(throws: TokenizerError.self) { try GGUFVocabularyWriter(files("tokenizers/gpt2"), count: 100) }
    }

    @Test("a chat template comes along: the file's, else the configuration's, of several the default")
    func chatTemplate() throws {
        var files = try files("tokenizers/gpt2")
        func template() throws -> String? {
            let entry = try GGUFVocabularyWriter(files, count: 60_000).entries.first {
                $0.hasKey("tokenizer.chat_template")
            }
            return entry.map { String(decoding: $0.encodedValue.dropFirst(12), as: UTF8.self) }
        }
        #expect(try template() == nil)
        files.configuration = try JSONParser.parse(
            Array(
                #"{"chat_template": [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]}"#.utf8),
            limits: .modelFile)
        #expect(try template() == "D")
        files.chatTemplate = Array("J".utf8)
        #expect(try template() == "J")
    }
}
