import ArgumentParser
import Checkpoints
import Glibc
import InferenceTypes
import Quantization
import Tokenization

/// `needletail quantize IN OUT.gguf --type TYPE`: a model in fewer bits, as one GGUF file.
struct QuantizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quantize", abstract: "Writes a model as a GGUF file of another element type.")

    @Argument(help: "A Hugging Face directory, a .gguf file, or a directory that holds one .gguf.")
    var input: String

    @Argument(help: "The .gguf file to write.")
    var output: String

    @Option(help: "The element type of matrices: \(Self.typeNames).")
    var type: String

    @Flag(help: "Write the head in the wanted type too; it has at least Q6_K otherwise.")
    var pure = false

    @Flag(help: "Replace the file that is there.")
    var force = false

    @Option(help: "Threads; the physical cores that this program may use when absent.")
    var threads: Int?

    @OptionGroup(title: "Pruning and what it costs") var pruning: PruneOptions

    private static var typeNames: String { ElementType.allCases.map(\.optionName).joined(separator: ", ") }

    func validate() throws {
        try check("--threads", threads, 1...512)
        guard elementType != nil else {
            throw ValidationError("--type has to be one of \(Self.typeNames), not '\(type)'")
        }
    }

    private var elementType: ElementType? { ElementType.allCases.first { $0.optionName == type.lowercased() } }

    func run() throws {
        do {
            guard let elementType else { return }
            try requireOther()
            try GGUFWriter.requireFree(output, existing)
            let threadCount = threads ?? MachineLimits.processorCount
            let study = try QuantizationStudy(pruning, input: input, threadCount: threadCount)
            try QuantizationRun(
                input: input, output: output, rule: QuantizationRule(elementType, head: pure ? .same : .finer),
                existing: existing, threadCount: threadCount, transform: study.transform
            ).run()
            for line in try study.lines(output: output, type: elementType) { Console.put(Array((line + "\n").utf8)) }
        } catch let error as CheckpointError {
            throw StartError("cannot quantise: \(error)")
        } catch let error as QuantizationError {
            throw StartError("cannot quantise: \(error)")
        } catch let error as PruningError {
            throw StartError("cannot prune: \(error)")
        } catch let error as TokenizerError {
            throw StartError("cannot write the tokeniser: \(error)")
        }
    }

    private var existing: GGUFWriter.Existing { force ? .replaced : .refused }

    /// The input is read while the output is written.
    private func requireOther() throws {
        var (read, written) = (stat(), stat())
        guard stat(input, &read) == 0, stat(output, &written) == 0 else { return }
        guard read.st_dev != written.st_dev || read.st_ino != written.st_ino else {
            throw StartError("\(output) is the model itself; write to another file")
        }
    }
}
