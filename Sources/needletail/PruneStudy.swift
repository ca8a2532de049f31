import Checkpoints
import InferenceTypes
import Kernels
import Quantization
import Tokenization
import Transformer

/// The texts around a model's pruning: what its inputs are heard on, and what it is judged by before and afterwards.
struct PruneStudy: Sendable {
    /// Nil where magnitude alone decides.
    private var calibration: [TokenID]?
    /// Nil where there is no text to judge by.
    private var evaluation: [TokenID]?
    private var evaluationName = ""

    /// - Source: Wanda's 128 samples of 2,048 tokens.
    private static let maxCalibrationTokens = 262_144
    /// Enough for a standard error of about one in a hundred, and minutes with a model of a billion parameters.
    private static let maxEvaluationWindows = 128

    /// No text at all.
    init() {}

    /// - Throws: `StartError` for a text that cannot be read or is too short.
    init(_ options: PruneOptions, _ tokenizer: Tokenizer) throws(StartError) {
        if let path = options.calibrate {
            let tokens = try PerplexityText(path: path, tokenizer).tokens
            let heldOut = options.evaluate == nil ? tokens.count / 10 : 0
            guard tokens.count - heldOut >= Self.minTokenCount, heldOut >= 2 || options.evaluate != nil else {
                throw StartError("\(path) is too short to calibrate with: \(tokens.count) tokens")
            }
            calibration = Array(tokens.dropLast(heldOut).prefix(Self.maxCalibrationTokens))
            evaluation = Array(tokens.suffix(heldOut))
            evaluationName = "the last tenth of \(path)"
        }
        if let path = options.evaluate {
            evaluation = try PerplexityText(path: path, tokenizer).tokens
            evaluationName = path
        }
    }

    /// Of a text to calibrate with: fewer say nothing about an input.
    private static let minTokenCount = 64

    /// What weights are compared by, in words.
    var measure: String {
        guard let calibration else { return "magnitude" }
        return "magnitude × norm of the input over \(calibration.count) tokens"
    }

    /// The norms of all inputs over the text, everything computed in floats; nil without a text.
    ///
    /// - Parameter options: the model, and the threads.
    func inputNorms(_ options: ModelOptions) throws(StartError) -> InputNorms? {
        guard let calibration else { return nil }
        var options = options
        (options.arithmetic.compute, options.arithmetic.kvCacheType) = (.f32, .f32)
        let norms = InputNorms()
        let (meter, windows) = try Self.open(options, stride: \.contextCount)
        meter.observe { norms.add($0) }
        let heard = try windows.windows(tokenCount: calibration.count).map {
            // Nothing is scored: the head would take as long as many layers.
            PerplexityWindow(tokens: $0.tokens, scored: $0.tokens.upperBound..<$0.tokens.upperBound)
        }
        _ = try PerplexityProgress("calibrating", windowCount: heard.count).follow { report throws(StartError) in
            try meter.score(calibration, heard, report: report)
        }
        return norms
    }

    /// How well a model foresees the text it is judged by; nil without one.
    func score(_ options: ModelOptions) throws(StartError) -> PerplexityScore? {
        guard let evaluation else { return nil }
        let (meter, windows) = try Self.open(options, stride: \.halfContext)
        let some = try windows.windows(tokenCount: evaluation.count, limit: Self.maxEvaluationWindows)
        return try PerplexityProgress("perplexity", windowCount: some.count).follow { report throws(StartError) in
            try meter.score(evaluation, some, report: report)
        }
    }

    /// `perplexity 13.35 ± 0.12 → 19.65 ± 0.20 …`, one line.
    func line(before: PerplexityScore, after: PerplexityScore) -> String {
        func figure(_ score: PerplexityScore) -> String {
            Readable.fixed(score.perplexity, 3) + " ± " + Readable.fixed(score.perplexityError, 3)
        }
        let change = (after.perplexity / before.perplexity - 1) * 100
        return
            "perplexity \(figure(before)) → \(figure(after)) (\(change < 0 ? "" : "+")\(Readable.fixed(change, 2)) %), "
            + "\(before.tokenCount) tokens of \(evaluationName)"
    }

    private static func open(
        _ options: ModelOptions, stride: KeyPath<PerplexityWindows, Int>
    ) throws(StartError) -> (PerplexityMeter, PerplexityWindows) {
        let model = try LoadedModel(options)
        let contextCount = min(model.checkpoint.configuration.contextCount, PerplexityWindows.standardContextCount)
        var windows = try PerplexityWindows(contextCount: contextCount, scored: .all)
        windows.stride = windows[keyPath: stride]
        return (try PerplexityMeter(model, windows), windows)
    }
}

extension PerplexityWindows {
    fileprivate var halfContext: Int { max(1, contextCount / 2) }
}
