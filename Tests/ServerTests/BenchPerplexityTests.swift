import ArgumentParser
import CompletionsAPI
import Foundation
import InferenceTypes
import TestSupport
import Testing
import Tokenization

@testable import needletail

@Suite("bench perplexity")
struct BenchPerplexityTests {
    private static let exact = "--compute f32 --kv-cache-type f32 --threads 1"

    private func report(_ path: String, _ line: String) throws -> BenchPerplexityReport {
        try BenchPerplexityCommand.parse([path] + line.split(separator: " ").map(String.init)).report()
    }

    /// A file that goes away when the body is done.
    private func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
        let url = FileManager.default.temporaryDirectory.appending(path: "perplexity-\(UUID().uuidString).txt")
        try Data(bytes).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        return try body(url.path)
    }

    @Test("transformers' sliding windows and llama.cpp's second halves, within 1e-4 nats a token")
    func likelihoods() throws {
        let data = try Data(contentsOf: SharedData.fixture("perplexity.json"))
        let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let text = try #require(document["text"] as? String)
        let cases = try #require(document["cases"] as? [[String: Any]])
        #expect(cases.count == 20)
        try withFile(Array(text.utf8)) { path in
            for reference in cases {
                func number(_ name: String) -> Int { (reference[name] as? NSNumber)?.intValue ?? -1 }
                func value(_ name: String) -> Double { (reference[name] as? NSNumber)?.doubleValue ?? .nan }
                let model = try #require(reference["model"] as? String)
                let folder = SharedData.fixture("models/\(model)/hf").path
                let scored = try #require(reference["scored"] as? String)
                let report = try report(
                    path,
                    "--model \(folder) \(Self.exact) --context \(number("context")) --stride \(number("stride")) "
                        + "--scored \(scored) --max-batch-tokens 150")
                #expect(report.text.tokens.count == number("tokens"))
                #expect(report.score.tokenCount == number("scored_tokens"))
                #expect(abs(report.score.natsPerToken - value("nats_per_token")) < 1e-4, "\(reference)")
                #expect(abs((report.score.standardError ?? 0) - value("standard_error")) < 1e-4)
            }
        }
    }

    @Test(
        "40 stories as transformers found them, within 1e-4 nats a token",
        .enabled(if: SharedData.isAvailable, "needs ../shared/data"),
        arguments: [
            ("stories260K", "hf"), ("stories260K", "gguf/stories260K-f32.gguf"), ("tinystories-656k", "hf"),
        ])
    func stories(model: String, file: String) throws {
        let options = "--model \(SharedData.file("\(model)/\(file)").path) --context 512 " + Self.exact
        let loaded = try LoadedModel(try ModelOptions.parse(options.split(separator: " ").map(String.init)))
        let windows = try PerplexityWindows(contextCount: 512, scored: .all)
        let meter = try PerplexityMeter(loaded, windows)
        let corpus = try String(contentsOf: SharedData.file("corpus/tinystories-subset.txt"), encoding: .utf8)
        let stories = corpus.components(separatedBy: "<|endoftext|>").map {
            $0.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let data = try Data(contentsOf: SharedData.file("\(model)/ref/nll.json"))
        let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let rows = try #require(document["rows"] as? [[Double]])
        #expect(rows.count == 40)
        for (story, row) in zip(stories[1200..<1240], rows) {
            let tokens = Array(loaded.tokenizer.encode(Array(story.utf8), addSpecialTokens: .add).prefix(512))
            #expect(tokens.count == Int(exactly: row[0]))
            let score = try meter.score(tokens, try windows.windows(tokenCount: tokens.count))
            #expect(abs(score.nats - row[1]) < 1e-4 * Double(score.tokenCount), "\(score.nats) for \(row[1])")
        }
    }

    @Test("however many windows share a step, and however many steps a window takes, the answer is the same")
    func batches() throws {
        let text = Array("Once upon a time there was a fox who lived in the woods. One day it met a hen. ".utf8)
        try withFile(text + text + text) { path in
            let scores = try [7, 16, 64, 300].map {
                try report(path, "--context 20 --stride 10 --threads 1 --max-batch-tokens \($0)").score
            }
            for score in scores {
                #expect(score.nats == scores[0].nats && score.computedTokenCount == scores[0].computedTokenCount)
            }
        }
    }

    @Test("windows of the two conventions")
    func cuts() throws {
        func cut(_ context: Int, _ stride: Int?, _ scored: PerplexityScored, _ count: Int) throws -> [[Range<Int>]] {
            try PerplexityWindows(contextCount: context, stride: stride, scored: scored).windows(tokenCount: count)
                .map { [$0.tokens, $0.scored] }
        }
        #expect(try cut(4, 2, .all, 7) == [[0..<4, 1..<4], [2..<6, 4..<6], [4..<7, 6..<7]])
        #expect(try cut(4, nil, .all, 4) == [[0..<4, 1..<4]])
        // Side by side, each first token is lost, and so is a last one that stands alone.
        #expect(try cut(4, 4, .all, 9) == [[0..<4, 1..<4], [4..<8, 5..<8]])
        #expect(try cut(8, nil, .secondHalf, 23) == [[0..<8, 5..<8], [8..<16, 13..<16]])
    }

    @Test("what cannot be measured is refused in one line")
    func refused() throws {
        func message(_ bytes: [UInt8], _ line: String = "") throws -> String {
            try withFile(bytes) { path in
                do {
                    _ = try report(path, line)
                    return "no error"
                } catch { return "\(error)".replacingOccurrences(of: path, with: "FILE") }
            }
        }
        #expect(try message([]) == "FILE is empty")
        #expect(try message([0x61, 0xFF]) == "FILE is no text in UTF-8")
        let long = Array("Once upon a time there was a fox.".utf8)
        #expect(
            try message(long, "--scored second-half --context 512").hasPrefix("the text is too short: ") == true)
        #expect(try message(long, "--context 3") == "--context of at least 4 tokens, got 3")
        #expect(
            try message(long, "--context 8 --stride 9")
                == "--stride has to be in 1…8, the tokens of a window, got 9")
        #expect(
            try message(long, "--context 8 --stride 4 --scored second-half")
                == "--scored second-half has windows that do not overlap; leave --stride out")
        #expect(
            try message(long, "--context 512 --kv-cache-mib 1 --compute f32")
                == "the KV cache has room for 256 tokens, and a window has 512: lower --context or raise --kv-cache-mib"
        )
        #expect(throws: StartError.self) { try report("/nowhere/at/all", "") }
        #expect(throws: StartError.self) { try report("/", "") }
        #expect(throws: (any Error).self) { try BenchPerplexityCommand.parse(["x", "--scored", "some"]) }
        #expect(throws: (any Error).self) { try BenchPerplexityCommand.parse(["x", "--windows", "0"]) }
        try withFile(long) { path in
            #expect(throws: StartError.self) { try PerplexityText.read(path, maxByteCount: long.count - 1) }
            let read = try PerplexityText.read(path, maxByteCount: long.count)
            #expect(read == long)
        }
    }

    @Test("table and document say the same")
    func document() throws {
        let text = Array("Once upon a time there was a fox who lived in the woods. It liked grapes and red hens.".utf8)
        let report: BenchPerplexityReport = try withFile(text) {
            try self.report($0, "--context 8 --windows 3 --threads 1")
        }
        #expect(report.windowCount == 3 && report.score.tokenCount == 15)
        let document = report.document
        #expect(document["perplexity"]?.asDouble == exp(report.score.nats / 15))
        #expect(document["scored_tokens"]?.asInteger == 15 && document["stride"]?.asInteger == 4)
        #expect(document["text_bytes"]?.asInteger == Int64(text.count))
        let bits = try #require(document["bits_per_byte"]?.asDouble)
        let bytes = try #require(document["scored_bytes"]?.asDouble)
        #expect(abs(bits * bytes - report.score.nats / log(2)) < 1e-9 && bytes < Double(text.count))
        #expect(report.page.contains(Readable.fixed(report.score.perplexity, 4)))
        #expect(report.page.split(separator: "\n").last?.hasPrefix("| perplexity-") == true)
    }
}
