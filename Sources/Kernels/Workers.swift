import CKernels
import InferenceTypes

/// Which instructions the kernels use.
package enum InstructionSet: String, Sendable, CaseIterable {
    case avx512, avx2, portable
}

package struct WorkersError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// The threads that share each operation, and the operations themselves: the shape-checked face of `CKernels`.
///
/// Confined to the engine thread, which is one of the workers. Each method returns when its result is there. How the work
/// is split never shows in the result.
package final class Workers {
    let handle: OpaquePointer
    package let threadCount: Int
    private let scratchFloatCount: Int

    /// - Parameters:
    ///   - scratchFloatCount: Floats of scratch for each thread: the largest of `matmulScratch` and `attentionScratch`.
    ///   - instructionSet: Nil for the best that this processor has.
    /// - Throws: when the processor lacks the instructions, or memory or threads are not to be had.
    package init(threadCount: Int, scratchFloatCount: Int, instructionSet: InstructionSet? = nil) throws(WorkersError) {
        guard let created = nt_workers_create(Int32(clamping: threadCount), scratchFloatCount, instructionSet?.rawValue)
        else {
            let wanted = instructionSet.map { " with \($0.rawValue)" } ?? ""
            throw WorkersError(description: "cannot start \(threadCount) kernel threads\(wanted)")
        }
        handle = created
        self.threadCount = threadCount
        self.scratchFloatCount = scratchFloatCount
    }

    deinit { nt_workers_destroy(handle) }

    package static func matmulScratch(columnCount: Int) -> Int { nt_matmul_scratch(Int64(columnCount)) }

    package static func attentionScratch(contextCount: Int, headsPerKeyValueHead: Int) -> Int {
        nt_attention_scratch(Int64(contextCount), Int64(headsPerKeyValueHead))
    }

    /// The instructions in use.
    package var instructionSet: String { String(cString: nt_workers_features(handle)) }

    func requireScratch(_ count: Int) {
        precondition(count <= scratchFloatCount, "kernel scratch too small")
    }
}

/// What becomes of a product.
package enum StoreMode {
    case replace
    /// Added to what is there: a residual.
    case add

    var raw: nt_store { self == .replace ? NT_STORE : NT_ADD }
}
