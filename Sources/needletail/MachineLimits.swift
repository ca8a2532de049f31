import Foundation
import Glibc

/// What this program may use of the machine.
enum MachineLimits {
    /// Physical cores that this program may use.
    static var processorCount: Int { ProcessorCount.current(read: text) }

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
