import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing
import Transformer

/// Matrices that are quantised while they are packed are what a file of that type holds.
@Suite("Quantising at load")
struct QuantizedLoadingTests {
    private static let prompt: [TokenID] = (0..<37).map { TokenID($0 * 37 % 290 + 3) }

    private func logits(
        _ url: URL, quantize: ElementType?, compute: ComputeType = .native, threadCount: Int = 1
    ) throws -> [[Float]] {
        let checkpoint = try Checkpoint.open(path: url.path)
        let precision = ModelPrecision(compute: compute, cache: .f32, quantize: quantize)
        return try SequenceDriver(checkpoint, threadCount: threadCount, precision: precision).logits(
            Self.prompt, everyPosition: true)
    }

    private func logits(
        _ fixture: String, quantize: ElementType?, compute: ComputeType = .native, threadCount: Int = 1
    ) throws -> [[Float]] {
        try logits(
            SharedData.fixture("models/\(fixture)"), quantize: quantize, compute: compute, threadCount: threadCount)
    }

    @Test(
        "Q8_0 at load gives the bits of a file that llama.cpp's converter made",
        .enabled(if: SharedData.isAvailable, "needs ../shared/data"))
    func sameAsFile() throws {
        func file(_ type: String) -> URL { SharedData.file("tinystories-656k/gguf/TinyStories-656K-\(type).gguf") }
        #expect(try logits(file("f32"), quantize: .q8_0) == logits(file("Q8_0"), quantize: nil))
    }

    /// The square of a difference beside that of what differs.
    private func error(_ found: [[Float]], _ expected: [[Float]]) -> Float {
        let difference = zip(found.joined(), expected.joined()).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return difference / expected.joined().reduce(0) { $0 + $1 * $1 }
    }

    @Test("is as near to the floats as a file of Q8_0, whose embedding is rounded, too")
    func accuracy() throws {
        let exact = try logits("llama-gqa/hf", quantize: nil, compute: .f32)
        let file = error(try logits("llama-gqa/model-q8_0.gguf", quantize: nil), exact)
        let found = error(try logits("llama-gqa/hf", quantize: .q8_0), exact)
        #expect(found > 0 && found < 1.1 * file)
    }

    @Test(
        "the same on any number of threads, from F32 and from transposed weights",
        arguments: ["llama-gqa/hf", "gpt2/hf"])
    func threads(name: String) throws {
        #expect(
            try logits(name, quantize: .q8_0, threadCount: 3) == logits(name, quantize: .q8_0))
    }

    @Test("what is quantised stays as it is")
    func quantizedStays() throws {
        let file = "llama-gqa/model-q8_0.gguf"
        #expect(try logits(file, quantize: .q4_0) == logits(file, quantize: nil))
        let checkpoint = try Checkpoint.open(path: SharedData.fixture("models/\(file)").path)
        let precision = ModelPrecision(compute: .native, cache: .f32, quantize: .q4_0)
        let estimate = try MemoryEstimate(checkpoint, contextCount: 16, blockSize: 16, precision: precision)
        #expect(estimate.quantizedMatrixCount == 0)
    }

    @Test("less memory is planned for, by type")
    func memory() throws {
        let checkpoint = try Checkpoint.open(path: SharedData.fixture("models/llama-gqa/model-f32.gguf").path)
        let bytes = try [nil, .q8_0, .q4_0].map { (type: ElementType?) in
            let precision = ModelPrecision(compute: .native, cache: .f32, quantize: type)
            return try MemoryEstimate(checkpoint, contextCount: 16, blockSize: 16, precision: precision).weightByteCount
        }
        #expect(Double(bytes[1]) / Double(bytes[0]) == 34.0 / 128)
        #expect(Double(bytes[2]) / Double(bytes[0]) == 18.0 / 128)
    }
}
