import Kernels

/// One of the sets that this machine has, alone or with other threads.
struct KernelMachine: CustomStringConvertible {
    static let all = InstructionSet.allCases.filter(\.isAvailable).flatMap { set in
        [1, 2, 3].map { KernelMachine(instructionSet: set, threadCount: $0) }
    }

    var instructionSet: InstructionSet
    var threadCount: Int

    var description: String { "\(instructionSet.rawValue), \(threadCount) threads" }

    func workers(scratch: Int) throws -> Workers {
        try Workers(threadCount: threadCount, scratchFloatCount: scratch, instructionSet: instructionSet)
    }
}
