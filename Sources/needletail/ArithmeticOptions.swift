import ArgumentParser
import Checkpoints
import InferenceTypes
import Kernels
import Transformer

/// What a model is computed with.
struct ArithmeticOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "native: weights as they are stored, with the processor's fastest products; f32: everything in floats, exact, "
                + "larger and slower.", valueName: "native|f32"))
    var compute = ComputeType.native

    @Option(
        help: ArgumentHelp(
            "How keys and values are kept: bf16, or f32 where the block size is no multiple of 16, when absent.",
            valueName: "f32|bf16|q8_0"))
    var kvCacheType: CacheType?

    @Option(
        help: ArgumentHelp(
            "Instructions of the kernels; the best that this processor has when absent. list: shows which there are, and ends.",
            valueName: "NAME|list"))
    var cpuFeatures: CPUFeatures?

    @Option(
        help: ArgumentHelp(
            "Quantise matrices of floats while they are loaded; those that are quantised stay. Rows of no whole blocks "
                + "become q8_0.", valueName: "TYPE"))
    var quantize: QuantizedType?

    /// Nil for the best.
    var instructionSet: InstructionSet? {
        if case .set(let set) = cpuFeatures { set } else { nil }
    }

    /// - Throws: where the cache cannot have such blocks.
    func precision(_ configuration: ModelConfiguration, blockSize: Int) throws(StartError) -> ModelPrecision {
        func fits(_ type: CacheType) -> Bool {
            type.blockByteCount(
                blockSize: blockSize, keyValueHeadCount: configuration.keyValueHeadCount,
                headDimension: configuration.headDimension) != nil
        }
        if let kvCacheType, !fits(kvCacheType) {
            throw StartError(
                "--kv-cache-type \(kvCacheType.rawValue) needs a --block-size that is a multiple of 16, got \(blockSize)"
            )
        }
        let standard = compute == .native && fits(.bf16) ? CacheType.bf16 : .f32
        return ModelPrecision(compute: compute, cache: kvCacheType ?? standard, quantize: quantize?.elementType)
    }

    func validate() throws {
        if quantize != nil, compute == .f32 {
            throw ValidationError("--quantize and --compute f32 contradict each other: floats would be computed with")
        }
        switch cpuFeatures {
        case .list: throw CleanExit.message(Self.listing)
        case .set(let set) where !set.isAvailable:
            throw ValidationError(
                "--cpu-features \(set.rawValue) is not to be had on this processor, which has "
                    + InstructionSet.allCases.filter(\.isAvailable).map(\.rawValue).joined(separator: ", "))
        case .set, nil: return
        }
    }

    /// Each set, whether it is there, and which one is taken.
    private static var listing: String {
        InstructionSet.allCases.map { set in
            let note = set == .best ? "best here" : set.isAvailable ? "there" : "not on this processor"
            return set.rawValue.padded(to: 12) + note
        }.joined(separator: "\n")
    }
}

/// What matrices are quantised to at load.
enum QuantizedType: String, ExpressibleByArgument, CaseIterable {
    // The cases are spelt as the field spells them.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k

    var elementType: ElementType {
        switch self {
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .q4_1: .q4_1
        case .q5_0: .q5_0
        case .q5_1: .q5_1
        case .q4_k: .q4_K
        case .q5_k: .q5_K
        case .q6_k: .q6_K
        }
    }
}

/// A set of instructions by name, or the wish to see them.
enum CPUFeatures: ExpressibleByArgument {
    case list
    case set(InstructionSet)

    init?(argument: String) {
        if argument == "list" {
            self = .list
        } else if let set = InstructionSet(rawValue: argument) {
            self = .set(set)
        } else {
            return nil
        }
    }

    static var allValueStrings: [String] { InstructionSet.allCases.map(\.rawValue) + ["list"] }
}

extension ComputeType: ExpressibleByArgument {}
extension CacheType: ExpressibleByArgument {}

extension String {
    fileprivate func padded(to count: Int) -> String {
        self + String(repeating: " ", count: max(1, count - self.count))
    }
}
