import Foundation
import Testing

@testable import Telemetry

@Suite("The process's figures")
struct ProcessFiguresTests {
    @Test("a name in parentheses may hold anything")
    func stat() throws {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 5 6 20 0 9 0 300 8192 2 18446744073709551615 1\n"
        let stat = try #require(ProcessFigures.Stat(Array(line.utf8)))
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        #expect(stat.cpuSeconds == 200 / ticks)
        #expect(stat.startSeconds == 300 / ticks)
        #expect(stat.virtualBytes == 8192)
        #expect(stat.residentBytes == 2 * Double(sysconf(Int32(_SC_PAGESIZE))))
    }

    @Test("what is no such line has no figures", arguments: ["", "7 a S 1", "7 (a) S 1 2", ")"])
    func broken(line: String) { #expect(ProcessFigures.Stat(Array(line.utf8)) == nil) }

    @Test("this process has all six, in plausible sizes")
    func now() {
        let found = Dictionary(
            uniqueKeysWithValues: ProcessFigures.snapshot().map { ($0.family.name, $0.samples[0].value) })
        func value(_ name: String) -> Double {
            if case .number(let value)? = found["process_" + name] { value } else { -1 }
        }
        #expect(found.count == 6)
        #expect(value("cpu_seconds_total") > 0)
        #expect(value("resident_memory_bytes") > 1_048_576)
        #expect(value("virtual_memory_bytes") >= value("resident_memory_bytes"))
        #expect(value("open_fds") >= 3 && value("max_fds") >= value("open_fds"))
        let now = Date().timeIntervalSince1970
        #expect(value("start_time_seconds") > now - 86_400 && value("start_time_seconds") <= now + 1)
    }
}
