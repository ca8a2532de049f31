import Checkpoints
import Foundation
import InferenceTypes
import TestSupport
import Testing
import Tokenization

/// The tokenisers of Tests/Fixtures: the same vocabulary as `tokenizer.json`, `tokenizer.model` and GGUF.
@Suite("Tokenisers of the fixture models")
struct FixtureTests {
    static let texts = [
        "", " ", "  two  spaces ", "Once upon a time, there was a little girl.", "tabs\tand\n\nlines\r\n", "12345 6.7",
        "na\u{EF}ve caf\u{E9} \u{1F600} \u{65E5}\u{672C}\u{8A9E}", "I've, you're; HE'LL!", "\u{0} \u{7F}",
    ]

    private func tokenizers(_ name: String) throws -> [Tokenizer] {
        let directory = "models/\(name)/hf/"
        var sources = [
            TokenizerSource.files(
                TokenizerFiles(tokenizerJSON: try SharedData.bytes(SharedData.fixture(directory + "tokenizer.json")))),
            .gguf(try GGUFFile(path: SharedData.fixture("models/\(name)/model-f32.gguf").path).metadata),
        ]
        let model = SharedData.fixture(directory + "tokenizer.model")
        if FileManager.default.fileExists(atPath: model.path) {
            sources.append(.files(TokenizerFiles(sentencePieceModel: try SharedData.bytes(model))))
        }
        return try sources.map { try Tokenizer($0) }
    }

    @Test(
        "Each file gives the same tokens, and they give the text back",
        arguments: ["gpt2", "llama-bias", "llama-gqa", "llama3-scaled", "mistral", "qwen2", "qwen3"])
    func sameTokens(_ name: String) throws {
        let tokenizers = try tokenizers(name)
        for text in Self.texts {
            let bytes = Array(text.utf8)
            let ids = tokenizers[0].encode(bytes, addSpecialTokens: .omit)
            for tokenizer in tokenizers {
                #expect(tokenizer.encode(bytes, addSpecialTokens: .omit) == ids, "\(text.debugDescription)")
                #expect(tokenizer.decode(ids, specialTokens: .skip) == bytes, "\(text.debugDescription)")
            }
        }
    }

    @Test("Text in one piece or around an added BOS", arguments: ["llama-gqa", "mistral"])
    func beginOfSequence(_ name: String) throws {
        for tokenizer in try tokenizers(name) {
            let text = Array("Once".utf8)
            let plain = tokenizer.encode(text, addSpecialTokens: .omit)
            let begin = try #require(tokenizer.beginOfSequence)
            let prefix = tokenizer.addsBeginOfSequence ? [begin] : []
            #expect(tokenizer.encode(text, addSpecialTokens: .add) == prefix + plain)
            #expect(tokenizer.isSpecial(begin))
        }
    }
}
