import Glibc

/// How many threads compute: one for each physical core that this program may use, since two threads of a core share the
/// unit that multiplies.
enum ProcessorCount {
    /// Of this machine and process.
    ///
    /// - Parameter read: the text of a file, nil where it cannot be read.
    static func current(read: (String) -> String?) -> Int {
        let usable = read("/proc/self/status").flatMap(allowed) ?? Array(0..<sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let cores = coreCount(of: usable, read: read)
        let quota = read("/proc/self/cgroup").flatMap { ControlGroups.processorQuota(membership: $0, read: read) }
        return max(1, min(cores, quota ?? cores))
    }

    /// Processors that the kernel lets a process run on, which containers and taskset narrow; nil where the text does
    /// not say.
    ///
    /// - Parameter status: the text of `/proc/self/status`, with a line like `Cpus_allowed_list: 0-3,8`.
    static func allowed(status: String) -> [Int]? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        let ranges = line.dropFirst(name.count).split(separator: ",").map { range in
            range.split(separator: "-").compactMap { Int($0.filter { !$0.isWhitespace }) }
        }
        let processors = ranges.flatMap { range -> [Int] in
            guard let first = range.first, let last = range.last, (0...last).contains(first), last < mostProcessors
            else {
                return []
            }
            return Array(first...last)
        }
        return processors.isEmpty ? nil : processors
    }

    /// - Source: the largest `NR_CPUS` that Linux can be built with.
    private static let mostProcessors = 8192

    /// Physical cores among `processors`: those with the same list of siblings are one.
    ///
    /// - Source: kernel documentation, admin-guide/cputopology.
    static func coreCount(of processors: [Int], read: (String) -> String?) -> Int {
        Set(
            processors.map {
                read("/sys/devices/system/cpu/cpu\($0)/topology/thread_siblings_list") ?? "cpu\($0)"
            }
        ).count
    }
}

extension ControlGroups {
    /// Whole processors of time that a process's group may take, rounded to the nearest and at least one; nil without a
    /// limit.
    ///
    /// - Source: kernel documentation, admin-guide/cgroup-v2 (`cpu.max`: quota and period, or `max`) and
    ///   scheduler/sched-bwc (`cpu.cfs_quota_us`, −1 for none).
    static func processorQuota(membership: String, read: (String) -> String?) -> Int? {
        let quotas = levels(of: membership, controller: "cpu").compactMap { folder, isUnified -> Double? in
            let texts =
                isUnified
                ? read("\(folder)/cpu.max")?.split { $0.isWhitespace }.map(String.init)
                : [read("\(folder)/cpu.cfs_quota_us"), read("\(folder)/cpu.cfs_period_us")].compactMap { $0 }
            let numbers = (texts ?? []).compactMap { Double($0.filter { !$0.isWhitespace }) }
            guard numbers.count == 2, numbers[0] > 0, numbers[1] > 0 else { return nil }
            return numbers[0] / numbers[1]
        }
        return quotas.min().map { max(1, Int(exactly: min($0, 4096).rounded()) ?? 1) }
    }
}
