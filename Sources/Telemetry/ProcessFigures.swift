import Glibc

/// What the kernel knows of this process, under the names that all Prometheus clients give it.
///
/// - Source: Prometheus, "Writing client libraries", process metrics; proc(5).
package enum ProcessFigures {
    /// Now. What cannot be read is left out.
    package static func snapshot() -> [MetricSnapshot] {
        let stat = contents("/proc/self/stat").flatMap(Stat.init)
        let figures: [(String, String, MetricFamily.Kind, Double?)] = [
            ("cpu_seconds_total", "User and system CPU time spent.", .counter, stat?.cpuSeconds),
            ("virtual_memory_bytes", "Virtual memory size.", .gauge, stat?.virtualBytes),
            ("resident_memory_bytes", "Resident memory size.", .gauge, stat?.residentBytes),
            ("start_time_seconds", "Start time since the unix epoch.", .gauge, startTime),
            ("open_fds", "Open file descriptors.", .gauge, openDescriptorCount()),
            ("max_fds", "The most file descriptors that may be open.", .gauge, maxDescriptorCount()),
        ]
        return figures.compactMap { name, help, kind, value in
            value.map { MetricSnapshot(MetricFamily("process_" + name, help, kind), $0) }
        }
    }

    /// The first fields of `/proc/PID/stat`. The name in parentheses may hold anything, parentheses and spaces too.
    struct Stat: Equatable {
        var cpuSeconds: Double
        var virtualBytes: Double
        var residentBytes: Double
        /// After the machine's start.
        var startSeconds: Double

        init?(_ bytes: [UInt8]) {
            guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
            let fields = String(decoding: bytes[(end + 1)...], as: UTF8.self).split { $0 == " " || $0 == "\n" }
            let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
            // The first field after the name is the third of the line.
            func field(_ number: Int) -> Double? { number - 3 < fields.count ? Double(fields[number - 3]) : nil }
            guard let user = field(14), let system = field(15), let start = field(22), let virtual = field(23),
                let pages = field(24), ticks > 0
            else { return nil }
            cpuSeconds = (user + system) / ticks
            startSeconds = start / ticks
            virtualBytes = virtual
            residentBytes = pages * Double(sysconf(Int32(_SC_PAGESIZE)))
        }
    }

    /// Asked once: the clock may be set later, which is no new start.
    private static let startTime: Double? = contents("/proc/self/stat").flatMap(Stat.init).map {
        seconds(CLOCK_REALTIME) - (seconds(CLOCK_BOOTTIME) - $0.startSeconds)
    }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func maxDescriptorCount() -> Double? {
        guard let limits = contents("/proc/self/limits") else { return nil }
        let name = "Max open files"
        let line = limits.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: name.utf8) }
        let fields = line.map { String(decoding: $0.dropFirst(name.utf8.count), as: UTF8.self).split(separator: " ") }
        return fields?.first.flatMap { Double($0) }
    }

    private static func openDescriptorCount() -> Double? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Without "." and "..", and the descriptor that reads the folder.
        return Double(count - 3)
    }

    /// Files of `/proc` tell their length as 0; those that are asked for are short.
    private static func contents(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return count > 0 ? Array(bytes[..<count]) : nil
    }
}
