import Foundation
import Glibc

/// What this program may use of the machine.
enum MachineLimits {
    /// Processors in the affinity mask, which containers and taskset narrow.
    static var processorCount: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }

    /// Bytes of memory: the machine's, or the control group's where that is less.
    static var memoryByteCount: Int {
        let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
        return min(machine, controlGroupMemory ?? machine)
    }

    /// `memory.max` of control groups v2; "max" and a missing file mean no limit.
    private static var controlGroupMemory: Int? {
        guard let text = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8) else { return nil }
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}

/// The wall clock, for what clients read.
enum Clock {
    static func secondsSince1970() -> Int { time(nil) }
}
