import ArgumentParser
import Checkpoints
import InferenceTypes
import Quantization
import Tokenization
import Transformer

/// What happens around a model's way into a file: it is judged, heard, pruned, and judged again.
final class QuantizationStudy {
    private let options: PruneOptions
    private let threadCount: Int
    private let texts: PruneStudy
    private let before: PerplexityScore?
    private let pass: PruningPass?
    private var removed = (count: 0, of: 0, tensors: 0)

    /// Calibrates and scores the model as it is.
    ///
    /// - Throws: `StartError` for texts, `CheckpointError` and `TokenizerError` for the model.
    init(_ options: PruneOptions, input: String, threadCount: Int) throws {
        self.options = options
        self.threadCount = threadCount
        let checkpoint = try Checkpoint.open(path: input)
        guard options.prune != nil || options.evaluate != nil else {
            (texts, before, pass) = (PruneStudy(), nil, nil)
            return
        }
        texts = try PruneStudy(options, try Tokenizer(checkpoint.tokenizer))
        let model = try Self.model(input, threadCount)
        before = try texts.score(model)
        let norms = try texts.inputNorms(model)
        pass = try options.prune.map { pattern in
            try PruningPass(checkpoint, pattern, norms: norms.map { norms in { norms.norms(of: $0, layer: $1) } })
        }
    }

    private static func model(_ path: String, _ threadCount: Int) throws -> ModelOptions {
        try ModelOptions.parse(["--model=\(path)", "--threads=\(threadCount)"])
    }

    /// Nil where nothing is pruned.
    var transform: WeightTransform? {
        guard let pass else { return nil }
        return { [self] matrix, tensor in
            guard let name = tensor.checkpointName, let count = pass.prune(matrix.values, of: name) else { return }
            removed.count += count
            removed.of += matrix.values.count
            removed.tensors += 1
        }
    }

    /// - Parameter type: what the matrices were written as.
    /// - Returns: what was removed, and what all of it did to the perplexity.
    func lines(output: String, type: ElementType) throws -> [String] {
        var lines: [String] = []
        if let pass {
            let share = Double(removed.count) / Double(max(1, removed.of))
            lines.append(
                "pruned \(pass.pruner.pattern) by \(texts.measure): \(Readable.count(removed.count)) of "
                    + "\(Readable.count(removed.of)) weights (\(Readable.percent(share))) of \(removed.tensors) matrices set to 0"
            )
            if !type.keepsZeros { lines.append(Self.note(type)) }
        }
        if let before, let after = try texts.score(try Self.model(output, threadCount)) {
            lines.append(texts.line(before: before, after: after))
        }
        return lines
    }

    private static func note(_ type: ElementType) -> String {
        let names = ElementType.allCases.filter(\.keepsZeros).map(\.optionName).joined(separator: ", ")
        return
            "note: \(type.name) has no exact 0: most of what was removed comes back as small numbers; \(names) keep it at 0"
    }
}

extension GGUFExport.Tensor {
    /// What the tensor is called where it comes from.
    fileprivate var checkpointName: String? {
        switch source {
        case .rows(let view), .interleaved(let view, _), .transposed(let view): view.name
        case .values: nil
        }
    }
}
