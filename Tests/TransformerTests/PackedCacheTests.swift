import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing
import Transformer

/// A second start maps what the first one packed, and computes the same bits.
@Suite("The cache of packed weights")
struct PackedCacheTests {
    static let models = [
        "llama-gqa/model-f32.gguf", "llama-gqa/model-f16.gguf", "llama-gqa/model-bf16.gguf",
        "llama-gqa/model-q8_0.gguf", "gpt2/hf", "mistral/hf", "qwen3/model-f32.gguf",
    ]
    static let precisions = [ModelPrecision(compute: .native, cache: .f32), .exact]

    @Test("logits are those without it, to the bit", arguments: models, precisions)
    func logits(model: String, precision: ModelPrecision) throws {
        let cached = try PackedCacheCase(model, precision)
        let plain = try cached.plain()
        let first = try cached.start()
        #expect(first.isWritten && !first.isMapped && first.unused == nil && first.logits == plain.logits)
        let second = try cached.start()
        #expect(second.isMapped && !second.isWritten && second.logits == plain.logits)
        #expect(second.progress(.packing).isEmpty)
    }

    @Test(
        "what is quantised while it is packed: each type has its own file", arguments: [ElementType.q8_0, .q4_0, .q5_1])
    func quantized(type: ElementType) throws {
        let precision = ModelPrecision(compute: .native, cache: .f32, quantize: type)
        let cached = try PackedCacheCase("llama-gqa/model-f32.gguf", precision)
        let plain = try cached.plain()
        #expect(try cached.start().logits == plain.logits)
        let second = try cached.start()
        #expect(second.isMapped && second.logits == plain.logits)
        let other = try cached.start(
            cached.location, precision: ModelPrecision(compute: .native, cache: .f32, quantize: .q4_1))
        #expect(other.unused == "its weights are packed in another way" && other.logits != plain.logits)
    }

    @Test("a file of one set and number of threads is every other's")
    func machines() throws {
        let cached = try PackedCacheCase()
        let first = try cached.start(cached.location, threadCount: 1, instructionSet: .portable)
        for set in InstructionSet.allCases where set.isAvailable {
            let start = try cached.start(cached.location, threadCount: 3, instructionSet: set)
            #expect(start.isMapped && start.logits == first.logits)
        }
    }

    @Test("panels begin at 2 MiB and end the file; only the owner may write it")
    func file() throws {
        let cached = try PackedCacheCase()
        let start = try cached.start()
        let bytes = try cached.bytes()
        #expect(bytes.count == 2 << 20 + start.progress(.packing)[0].total)
        #expect(bytes[64..<2 << 20].allSatisfy { $0 == 0 })
        #expect(try cached.names() == [cached.model.lastPathComponent, cached.fileName])
        let mode = try FileManager.default.attributesOfItem(atPath: cached.file.path)[.posixPermissions] as? Int
        #expect(try #require(mode) & 0o022 == 0)
    }

    @Test("what others may not read of the model, they may not read of its panels")
    func privacy() throws {
        let cached = try PackedCacheCase()
        #expect(chmod(cached.model.path, 0o600) == 0)
        _ = try cached.start()
        let mode = try FileManager.default.attributesOfItem(atPath: cached.file.path)[.posixPermissions] as? Int
        #expect(try #require(mode) & 0o077 == 0)
    }

    @Test("progress ascends and ends at the total, in each phase")
    func progress() throws {
        let cached = try PackedCacheCase("llama-gqa/model-f16.gguf")
        let (first, second) = (try cached.start(), try cached.start())
        for (start, phase) in [
            (first, .packing), (first, .writing), (second, .checking),
        ] as [(PackedCacheCase.Start, WeightLoading.Phase)] {
            let progress = start.progress(phase)
            let last = try #require(progress.last)
            #expect(last.done == last.total && last.total > 0)
            #expect(progress.allSatisfy { $0.total == last.total })
            #expect(zip(progress, progress.dropFirst()).allSatisfy { $0.done < $1.done })
        }
        // A matrix is a step.
        #expect(first.progress(.packing).count > 10)
        #expect(try cached.plain().progress(.packing).count == first.progress(.packing).count)
    }

    @Test("in a folder for many models, a file for each way to pack one and for each place where it lies")
    func folder() throws {
        let native = try PackedCacheCase()
        let folder = native.folder.appending(path: "cache")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        let exact = try PackedCacheCase("llama-gqa/model-q8_0.gguf", .exact)
        let location = PackedCacheLocation.folder(folder.path, model: native.model.path)
        let elsewhere = PackedCacheLocation.folder(folder.path, model: "/elsewhere/model-q8_0.gguf")
        for start in [try native.start(location), try exact.start(location), try native.start(elsewhere)] {
            #expect(start.isWritten && start.unused == nil)
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.count == 3 && Set(names).count == 3)
        #expect(names.allSatisfy { $0.hasPrefix("model-q8_0.gguf-") && $0.hasSuffix(".needletail-packed") })
        #expect(try native.start(location).isMapped)
        #expect(try native.start(elsewhere).isMapped)
        // The exact one's model is another file, though with the same name: the file is not its.
        #expect(try exact.start(location).isMapped)
    }
}
