import CKernels
import InferenceTypes

/// Which instructions the kernels use, the best first: AVX-512 with products of bytes and of bfloats, of bytes, with
/// neither; 256-bit registers with products of bytes; AVX2; ARM's products of bytes; whatever the compiler makes of vectors.
package enum InstructionSet: String, Sendable, CaseIterable {
    case avx512bf16, avx512vnni, avx512, avxvnni, avx2, neondot, portable

    /// This processor has the instructions.
    package var isAvailable: Bool { nt_has_features(rawValue) != 0 }

    /// The best that this processor has.
    package static var best: InstructionSet { allCases.first(where: \.isAvailable) ?? .portable }
}

/// What the machine does not give: threads, instructions, memory.
package struct WorkersError: Error, Sendable, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
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
    ///   - scratchFloatCount: Floats of scratch for each thread: the largest of `normScratch` and `attentionScratch`.
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

    /// Of a norm whose output is converted.
    package static func normScratch(columnCount: Int) -> Int { nt_norm_scratch(Int64(columnCount)) }

    func requireScratch(_ count: Int) {
        precondition(count <= scratchFloatCount, "kernel scratch too small")
    }

    /// Calls `body` for each number below `count`, on all threads at once. For work that is done once and is no kernel.
    ///
    /// - Requires: calls for different numbers do not touch the same memory, unless they read it. The compiler does not
    ///   check it: what is shared are buffers.
    package func forEach(_ count: Int, _ body: (Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            withExtendedLifetime(Task(body)) { task in
                nt_split(
                    handle, Int64(count),
                    { context, first, last in
                        guard let context else { return }
                        let task = Unmanaged<Task>.fromOpaque(context).takeUnretainedValue()
                        for index in first..<last { task.body(Int(index)) }
                    }, Unmanaged.passUnretained(task).toOpaque())
            }
        }
    }

    private final class Task {
        let body: (Int) -> Void
        init(_ body: @escaping (Int) -> Void) { self.body = body }
    }

    /// The instructions in use.
    package var instructionSet: String { String(cString: nt_workers_features(handle)) }
}

/// What becomes of a product.
package enum StoreMode {
    case replace
    /// Added to what is there: a residual.
    case add

    var raw: nt_store { self == .replace ? NT_STORE : NT_ADD }
}
