import ArgumentParser
import Checkpoints
import Engine
import InferenceTypes
import Tokenization
import Transformer

/// `needletail inspect PATH`: what a checkpoint is, and what serving it would take. Reads no weight.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Shows what a model is and what serving it takes.")

    @Argument(
        help:
            "A .gguf file, a Hugging Face directory, or a directory that holds one .gguf; the story model when absent.")
    var path: String?

    func run() throws {
        let model = try LoadedModel(try ModelOptions.parse(path.map { ["--model=\($0)"] } ?? []))
        let rows = description(of: model.checkpoint) + types(model.checkpoint) + memory(model)
        let width = rows.map(\.0.count).max() ?? 0
        for (name, value) in rows {
            let padded = name + String(repeating: " ", count: width - name.count)
            Console.put(Array("\(padded)  \(value)\n".utf8))
        }
    }

    private func description(of checkpoint: Checkpoint) -> [(String, String)] {
        let it = checkpoint.configuration
        return [
            ("file", "\(checkpoint.fileName), \(checkpoint.format)"),
            ("name", it.name),
            ("family", it.family.rawValue),
            ("layers", "\(it.layerCount) of \(it.hiddenSize), feed-forward \(it.feedForwardSize)"),
            (
                "heads",
                "\(it.queryHeadCount) for queries, \(it.keyValueHeadCount) for keys and values, of \(it.headDimension)"
            ),
            ("positions", positions(it.positions)),
            ("context", "\(it.contextCount)" + (it.attentionWindow.map { ", attention window \($0)" } ?? "")),
            ("vocabulary", "\(it.vocabularyCount)" + (it.tiedEmbeddings ? ", embedding and head are one" : "")),
        ]
    }

    private func positions(_ encoding: PositionEncoding) -> String {
        guard case .rotary(let rotary) = encoding else { return "learned" }
        let scaling =
            switch rotary.scaling {
            case .none: ""
            case .linear(let factor): ", linear scaling \(factor)"
            case .llama3(let factor, _, _, let original): ", Llama 3 scaling \(factor) of \(original)"
            case .frequencyFactors: ", scaled by factors of the file"
            }
        return "rotary, base \(rotary.base)\(scaling)"
    }

    /// Parameters and bytes by element type, largest first.
    private func types(_ checkpoint: Checkpoint) -> [(String, String)] {
        var totals: [ElementType: (elements: Int, bytes: Int)] = [:]
        for tensor in checkpoint.weights.tensorNames.compactMap({ checkpoint.weights.tensor($0) }) {
            totals[tensor.elementType, default: (0, 0)].elements += tensor.elementCount
            totals[tensor.elementType, default: (0, 0)].bytes += tensor.byteCount
        }
        let parameters = totals.values.map(\.elements).reduce(0, +)
        let rows = totals.sorted { $0.value.bytes > $1.value.bytes }.map { type, total in
            ("  \(type.name)", "\(Readable.count(total.elements)), \(Readable.bytes(total.bytes))")
        }
        return [("parameters", Readable.count(parameters))] + rows
    }

    private func memory(_ model: LoadedModel) -> [(String, String)] {
        let sizes = model.engineConfiguration
        let estimate = model.memoryEstimate
        let cache = estimate.blockByteCount * sizes.blockCount
        return [
            ("tokeniser", model.tokenizer.summary),
            ("weights", "\(Readable.bytes(estimate.weightByteCount)) packed"),
            ("KV cache", "\(Readable.bytes(estimate.contextByteCount)) for one context"),
            (
                "serving",
                "\(Readable.bytes(cache)) of KV cache by default, \(sizes.blockCount * sizes.blockSize) tokens"
            ),
        ]
    }
}
