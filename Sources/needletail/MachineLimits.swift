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

    private static var controlGroupMemory: Int? {
        guard let membership = text(of: "/proc/self/cgroup") else { return nil }
        return ControlGroups.memoryLimit(membership: membership, read: text)
    }

    private static func text(of path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}

/// The wall clock, for what clients read.
enum Clock {
    static func secondsSince1970() -> Int { time(nil) }
}
