import ArgumentParser
import Checkpoints
import CompletionsAPI
import InferenceTypes
import Kernels
import Tokenization
import Transformer

/// `needletail bench perplexity FILE`: how well a model foresees a text.
struct BenchPerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity", abstract: "How well a model foresees a text.",
        discussion: """
            The text, begin of sequence and all that the tokeniser puts around it, goes through the model in windows of \
            --context tokens (512, or the model's context where that is less). --scored all: each token but the first \
            counts once, and windows start --stride tokens apart, half a window when absent, as transformers' \
            documentation has it. --scored second-half: what llama.cpp's tool does: windows side by side, the begin of \
            sequence in place of the first token of each, only second halves count, and what fills no window does not; \
            that tool also reads with --special-as-text. Flags about requests and clients change nothing here.
            """)

    @Argument(help: "A text in UTF-8.")
    var file: String

    @OptionGroup var modelOptions: ModelOptions

    @Option(help: "Tokens from the start of a window to that of the next one.")
    var stride: Int?

    @Option(help: "Which tokens count: all or second-half.")
    var scored = PerplexityScored.all

    @Option(help: "Windows at most; all of the text's when absent.")
    var windows: Int?

    @Flag(help: "Spellings of special tokens in the text are text and not these tokens.")
    var specialAsText = false

    @Flag(help: "A document instead of a table.")
    var json = false

    func validate() throws {
        try check("--stride", stride, 1...1_048_576)
        try check("--windows", windows, 1...1_000_000_000)
    }

    func run() throws {
        let report = try report()
        Console.put(json ? JSONWriter.bytes(of: report.document) + [0x0A] : Array(report.page.utf8))
    }

    /// Measures.
    func report() throws -> BenchPerplexityReport {
        let model = try LoadedModel(modelOptions)
        let settings = try PerplexityWindows(
            contextCount: modelOptions.context
                ?? min(model.checkpoint.configuration.contextCount, PerplexityWindows.standardContextCount),
            stride: stride, scored: scored)
        let text = try PerplexityText(path: file, model.tokenizer, spellings: specialAsText ? .asText : .parse)
        let some = try settings.windows(tokenCount: text.tokens.count, limit: windows ?? .max)
        let meter = try PerplexityMeter(model, settings)
        let score = try PerplexityProgress("perplexity", windowCount: some.count).follow { report throws(StartError) in
            try meter.score(text.tokens, some, report: report)
        }
        return BenchPerplexityReport(
            machine: .current(threadCount: model.threadCount),
            model: BenchModel(model, BenchModelCost(model.checkpoint)),
            compute: model.precision.summary, text: text, windows: settings, windowCount: some.count, score: score,
            scoredByteCount: text.byteCount(of: some, model.tokenizer))
    }
}

/// A bar on the terminal while windows are scored.
struct PerplexityProgress {
    private let name: String
    private let windowCount: Int
    private let line = ProgressLine()

    init(_ name: String, windowCount: Int) {
        self.name = name
        self.windowCount = windowCount
    }

    func follow<Result>(
        _ body: ((Int) -> Void) throws(StartError) -> Result
    ) throws(StartError) -> Result {
        let started = ContinuousClock.now
        defer { line.clear() }
        return try body { done in
            let seconds = (ContinuousClock.now - started) / .seconds(1)
            line.show(elapsed: seconds) {
                "\(name) [\(ProgressLine.bar(Double(done) / Double(windowCount)))] \(done) of \(windowCount) windows, "
                    + "\(Readable.fixed(seconds, 0)) s"
            }
        }
    }
}

extension ModelPrecision {
    /// What it is computed with, in words.
    var summary: String { "--compute \(compute.rawValue) --kv-cache-type \(cache.rawValue)" }
}
