import Checkpoints
import InferenceTypes
import Testing
import Tokenization

/// Files that are refused: with a message that names the place, never with a trap.
@Suite("Damaged tokeniser files")
struct DamagedTokenizerTests {
    struct JSONCase: Sendable, CustomTestStringConvertible {
        var name: String
        var old: String
        var new: String
        /// What the message has.
        var message: String

        init(_ name: String, _ old: String, _ new: String, _ message: String) {
            (self.name, self.old, self.new, self.message) = (name, old, new, message)
        }

        var testDescription: String { name }
    }

    static let jsonCases = [
        JSONCase("no model", "\"model\": {", "\"madel\": {", "model: expected an object"),
        JSONCase("unknown model", "\"type\": \"BPE\"", "\"type\": \"Nope\"", "found 'Nope'"),
        JSONCase("no merges", "\"merges\": [", "\"marges\": [", "model.merges"),
        JSONCase("an id twice", "\"he\": 256", "\"he\": 255", "the id 255"),
        JSONCase("a negative id", "\"he\": 256", "\"he\": -1", "the id -1"),
        JSONCase("a huge id", "\"he\": 256", "\"he\": 1000000000", "out of range"),
        JSONCase("a broken id", "\"he\": 256", "\"he\": 1.5", "expected an id"),
        JSONCase("a merge of what is not there", "\"h e\"", "\"h q7\"", "model.merges[0]"),
        JSONCase("a merge of one", "\"h e\"", "\"he\"", "model.merges[0]"),
        JSONCase("a merge that is no text", "\"h e\"", "7", "model.merges[0]"),
        JSONCase("an empty added token", "\"<|end|>\"", "\"\"", "added_tokens[0]"),
        JSONCase("an added token with a huge id", "\"id\": 262", "\"id\": 1000000000", "out of range"),
        JSONCase("an added token in another's place", "\"id\": 262", "\"id\": 5", "the id 5"),
        JSONCase(
            "a post-processor's id", "\"ids\": [263]", "\"ids\": [264]", "post_processor"),
        JSONCase("an unknown post-processor", "TemplateProcessing", "Nope", "post_processor: unknown type 'Nope'"),
        JSONCase(
            "an unknown pre-tokeniser", "{\"type\": \"ByteLevel\", \"add", "{\"type\": \"Nope\", \"add",
            "pre_tokenizer: unknown type 'Nope'"),
        JSONCase(
            "an unknown pattern", "{\"type\": \"ByteLevel\", \"add",
            "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a+)+$\"}, \"behavior\": \"Isolated\", \"add", "'(a+)+$'"),
        JSONCase(
            "an unknown normaliser", "\"normalizer\": null", "\"normalizer\": {\"type\": \"Nope\"}",
            "normalizer: unknown type 'Nope'"),
        JSONCase(
            "a replacement of nothing", "\"normalizer\": null",
            "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"x\"}", "normalizer"
        ),
        JSONCase(
            "a replacement that grows", "\"normalizer\": null",
            "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": \"aaaaaaaaa\"}",
            "at most 8 times"),
        JSONCase(
            "a charsmap that is none", "\"normalizer\": null",
            "\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAAAA\"}", "charsmap"),
        JSONCase(
            "an unknown decoder", "\"decoder\": {\"type\": \"ByteLevel\"}", "\"decoder\": {\"type\": \"Nope\"}",
            "decoder: unknown type 'Nope'"),
        JSONCase("text after the end", "\"hell o\"", "\"hell o\"]]]", "at byte"),
    ]

    private func message(_ source: TokenizerSource) -> String {
        do throws(TokenizerError) {
            _ = try Tokenizer(source)
            return ""
        } catch { return error.message }
    }

    @Test("tokenizer.json", arguments: jsonCases)
    func json(_ damage: JSONCase) {
        let bytes = TinyTokenizers.byteLevelJSON([(damage.old, damage.new)])
        #expect(bytes != TinyTokenizers.byteLevelJSON(), "the case changes nothing")
        let message = message(.files(TokenizerFiles(tokenizerJSON: bytes)))
        #expect(message.hasPrefix("tokenizer.json: ") || message.contains("charsmap"), "\(message)")
        #expect(message.contains(damage.message), "\(message)")
    }

    @Test("tokenizer.json, cut at every 37th byte: refused, and never a trap")
    func cutJSON() {
        let bytes = TinyTokenizers.byteLevelJSON()
        for count in stride(from: 0, to: bytes.count, by: 37) {
            #expect(message(.files(TokenizerFiles(tokenizerJSON: Array(bytes[..<count])))) != "")
        }
    }

    @Test("No tokeniser at all")
    func nothing() { #expect(message(.files(TokenizerFiles())).contains("expected tokenizer.json or tokenizer.model")) }

    @Test("BOS and EOS ids of the configuration", arguments: ["264", "-1", "1.5", "\"x\"", "[2, 100000]"])
    func marks(_ value: String) throws {
        let configuration = try JSONParser.parse(Array("{\"eos_token_id\": \(value)}".utf8), limits: .modelFile)
        let files = TokenizerFiles(
            tokenizerJSON: TinyTokenizers.byteLevelJSON(), generationConfiguration: configuration)
        #expect(message(.files(files)).contains("generation_config.json: eos_token_id"))
    }

    struct GGUFCase: Sendable, CustomTestStringConvertible {
        var key: String
        var value: GGUFValue?
        var message: String

        init(_ key: String, _ value: GGUFValue?, _ message: String) {
            (self.key, self.value, self.message) = (key, value, message)
        }

        var testDescription: String { "\(key): \(message)" }
    }

    static let ggufCases = [
        GGUFCase("model", nil, "model: expected a string"),
        GGUFCase("model", .integer(1), "model: expected a string"),
        GGUFCase("model", .string(Array("nope".utf8)), "found 'nope'"),
        GGUFCase("tokens", nil, "tokens"),
        GGUFCase("tokens", .integers([1, 2]), "tokens"),
        GGUFCase("tokens", .strings([]), "expected tokens"),
        GGUFCase("tokens", .strings([[UInt8]](repeating: [], count: 265)), "expected tokens"),
        GGUFCase("tokens", .strings([[UInt8]](repeating: [120], count: 265)), "there twice"),
        GGUFCase("tokens", .strings((0..<264).map { Array("t\($0)".utf8) }), "264 tokens"),
        GGUFCase(
            "tokens",
            .strings((0..<265).map { $0 == 7 ? [UInt8](repeating: 65, count: 1_000_000) : Array("t\($0)".utf8) }),
            "token 7"),
        GGUFCase("scores", .floats([0]), "1 scores"),
        GGUFCase("scores", .floats([Float](repeating: .nan, count: 265)), "no finite number"),
        GGUFCase("scores", .bools([true]), "scores"),
        GGUFCase("token_type", .integers([1]), "1 types"),
        GGUFCase("token_type", .floats([1]), "token_type"),
        GGUFCase("bos_token_id", .integer(265), "bos_token_id"),
        GGUFCase("eos_token_id", .integer(-1), "eos_token_id"),
        GGUFCase("eos_token_id", .integer(1 << 40), "eos_token_id"),
        GGUFCase("unknown_token_id", .string([1]), "unknown_token_id"),
        GGUFCase("add_bos_token", .integer(1), "add_bos_token"),
    ]

    @Test("GGUF metadata", arguments: ggufCases)
    func gguf(_ damage: GGUFCase) {
        var keys = TinyTokenizers.sentencePieceKeys()
        keys[Array("tokenizer.ggml.\(damage.key)".utf8)] = damage.value
        let message = message(.gguf(GGUFMetadata(keys)))
        #expect(message.hasPrefix("tokenizer.ggml"), "\(message)")
        #expect(message.contains(damage.message), "\(message)")
    }

    @Test("GGUF tokens that are not UTF-8 are kept and used as they are")
    func oddTokens() throws {
        var keys = TinyTokenizers.sentencePieceKeys()
        if case .strings(var tokens)? = keys[Array("tokenizer.ggml.tokens".utf8)] {
            tokens[264] = [0xFF, 0xFE, 0x80]
            tokens[263] = [0x61, 0, 0x62]
            keys[Array("tokenizer.ggml.tokens".utf8)] = .strings(tokens)
        }
        let tokenizer = try Tokenizer(.gguf(GGUFMetadata(keys)))
        #expect(tokenizer.bytes(of: 264) == [0xFF, 0xFE, 0x80])
        #expect(tokenizer.decode([260, 264], specialTokens: .skip) == Array("a\u{FFFD}\u{FFFD}\u{FFFD}".utf8))
    }

    @Test("GGUF byte-level models need a known pre-tokeniser and whole merges")
    func byteLevelGGUF() {
        let keys: [[UInt8]: GGUFValue] = [
            Array("tokenizer.ggml.model".utf8): .string(Array("gpt2".utf8)),
            Array("tokenizer.ggml.tokens".utf8): .strings([[97], [98], [97, 98]]),
        ]
        func message(_ changes: [String: GGUFValue]) -> String {
            var keys = keys
            for (key, value) in changes { keys[Array("tokenizer.ggml.\(key)".utf8)] = value }
            return self.message(.gguf(GGUFMetadata(keys)))
        }
        #expect(message(["pre": .string(Array("nope".utf8))]).contains("unknown pre-tokeniser 'nope'"))
        #expect(message([:]).contains("merges"))
        #expect(message(["merges": .strings([Array("a c".utf8)])]).contains("merges[0]"))
        #expect(message(["merges": .strings([Array("a b".utf8)])]) == "")
    }
}
