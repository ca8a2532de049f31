import Checkpoints
import Glibc
import InferenceTypes
import Quantization
import Tokenization

/// One model on its way into a GGUF file, with what people hear of it.
struct QuantizationRun {
    let input: String
    let output: String
    let rule: QuantizationRule
    let existing: GGUFWriter.Existing
    let threadCount: Int
    /// Changes each matrix before it is encoded.
    var transform: WeightTransform?

    func run() throws {
        try GGUFWriter.requireFree(output, existing)
        let checkpoint = try Checkpoint.open(path: input)
        var export = try checkpoint.ggufExport()
        if case .files(let files) = checkpoint.tokenizer {
            let vocabulary = try GGUFVocabularyWriter(files, count: checkpoint.configuration.vocabularyCount)
            export.entries += vocabulary.entries
            export.notes += vocabulary.notes
        }
        let job = try QuantizationJob(
            export.tensors, rule: rule, isTied: checkpoint.configuration.tiedEmbeddings, threadCount: threadCount,
            transform: transform)
        say(checkpoint, job, export.notes)
        let start = ContinuousClock.now
        let (outcomes, byteCount) = try write(job, export.entries + job.entries, like: checkpoint.configuration)
        for line in QuantizationReport(outcomes).lines { Console.put(Array((line + "\n").utf8)) }
        let before = checkpoint.weights.totalByteCount
        let ratio = (Double(before) / Double(max(byteCount, 1)) * 100).rounded() / 100
        Console.say(
            "\(output): \(Readable.bytes(byteCount)), was \(Readable.bytes(before)) of weights, \(ratio) to 1, in "
                + Readable.seconds(ContinuousClock.now - start))
    }

    private func write(
        _ job: QuantizationJob, _ entries: [GGUFEntry], like configuration: ModelConfiguration
    ) throws -> ([QuantizationJob.Outcome], Int) {
        let writer = try GGUFWriter(
            path: output, existing: existing, entries: entries, tensors: job.steps.map(\.entry))
        let cleanUp = TemporaryFileGuard(path: writer.temporaryPath)
        defer { cleanUp.end() }
        var progress = QuantizationProgress(job)
        let outcomes = try job.write(into: writer) { progress.take($0) }
        try writer.finish { path in try requireReadable(path, like: configuration) }
        return (outcomes, writer.byteCount)
    }

    /// Reads the new file as `serve` would, before it gets its name.
    private func requireReadable(_ path: String, like configuration: ModelConfiguration) throws {
        let written = try Checkpoint.open(path: path)
        _ = try Tokenizer(written.tokenizer)
        guard written.configuration.describesSameModel(as: configuration) else {
            throw QuantizationError("the file would describe another model than \(input); this is a defect")
        }
    }

    private func say(_ checkpoint: Checkpoint, _ job: QuantizationJob, _ notes: [String]) {
        Console.say(
            "\(checkpoint.fileName): \(checkpoint.configuration.family.rawValue), \(checkpoint.format), "
                + "\(Readable.bytes(checkpoint.weights.totalByteCount)) of weights, to \(rule.type.name) on "
                + "\(threadCount) threads")
        for note in notes { Console.say("note: \(note)") }
        let quantized = Set(job.steps.map(\.tensor.elementType).filter { $0.blockElementCount > 1 })
        if !quantized.isEmpty {
            let names = quantized.map(\.name).sorted().joined(separator: ", ")
            Console.say("note: the model is quantised already (\(names)): what that lost stays lost")
        }
        let fallen = job.steps.filter(\.fellBack)
        for type in Set(fallen.map(\.entry.elementType)).sorted(by: { $0.rawValue < $1.rawValue }) {
            let steps = fallen.filter { $0.entry.elementType == type }
            let lengths = Set(steps.compactMap(\.tensor.shape.last)).sorted().map(String.init).joined(separator: ", ")
            Console.say(
                "note: \(steps.count) tensors become \(type.name): rows of \(lengths) are no multiple of "
                    + "\(rule.type.blockElementCount)")
        }
    }
}

extension ModelConfiguration {
    /// Whether a GGUF file that says `self` is the model of `source`: how its rows are ordered and how its frequencies are
    /// scaled is said in other words, numbers are in single precision.
    fileprivate func describesSameModel(as source: ModelConfiguration) -> Bool {
        var (written, read) = (self, source)
        if case .rotary(var rotary) = written.positions, case .rotary(let other) = read.positions {
            guard Float(rotary.base) == Float(other.base), rotary.dimension == other.dimension else { return false }
            let isScaled = rotary.scaling != .none
            guard isScaled == (other.scaling != .none) else { return false }
            rotary = other
            written.positions = .rotary(rotary)
        }
        (written.name, read.name) = ("", "")
        return written == read
    }
}
