import InferenceTypes
import Testing

@testable import needletail

struct BenchFigureTests {
    @Test(
        "percentiles lie between samples in proportion",
        arguments: [
            ([4, 1, 3, 2], 50, 2.5), ([4, 1, 3, 2], 0, 1), ([4, 1, 3, 2], 100, 4), ([10, 20, 30], 50, 20),
            ([10, 20, 30], 90, 28), ([7], 99, 7), ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 90, 10), ([5, 5, 5], 10, 5),
        ] as [([Double], Double, Double)])
    func percentiles(samples: [Double], percent: Double, expected: Double) {
        let value = Distribution(samples).percentile(percent)
        #expect(value.map { abs($0 - expected) < 1e-12 } == true)
    }

    @Test("nothing has no percentile")
    func nothing() {
        #expect(Distribution([]).median == nil && Distribution([]).mean == nil)
        #expect(Distribution([]).document([50]) == .object([]))
    }

    @Test("what is added is as if it had been there from the start")
    func adding() {
        var distribution = Distribution([])
        for sample in [3, 1, 2, 2, 9, 0] as [Double] { distribution.add(sample) }
        #expect(distribution == Distribution([0, 1, 2, 2, 3, 9]))
        #expect(distribution.count(in: 1..<3) == 3 && distribution.mean == 17.0 / 6)
    }

    @Test(
        "numbers as people read them",
        arguments: [
            (0, 1, "0.0"), (1.25, 1, "1.3"), (0.05, 1, "0.1"), (12, 0, "12"), (-0.04, 1, "0.0"), (-3.456, 2, "-3.46"),
            (1234.5678, 3, "1234.568"), (0.004, 2, "0.00"), (.infinity, 1, "inf"),
        ] as [(Double, Int, String)])
    func fixed(value: Double, digits: Int, text: String) { #expect(Readable.fixed(value, digits) == text) }

    @Test(
        "three digits that say something",
        arguments: [(0.123, "0.12"), (9.876, "9.88"), (98.76, "98.8"), (987.6, "988")])
    func figure(value: Double, text: String) { #expect(Readable.figure(value) == text) }

    @Test("what is not there is a dash")
    func absent() {
        #expect(Readable.figure(nil) == "–" && Readable.percent(nil) == "–" && Readable.percent(0.756) == "76 %")
    }

    @Test("a table is Markdown, its numbers to the right, and no cell ends early")
    func table() {
        var table = MarkdownTable(["what", "tokens/s", "×"])
        table.add(["one stream", "60.1", "1.2"])
        table.add(["a | b", "1234", "–"])
        #expect(
            table.text == """
                | what       | tokens/s |   × |
                | ---------- | -------: | --: |
                | one stream |     60.1 | 1.2 |
                | a \\| b     |     1234 |   – |

                """)
    }

    @Test(
        "a list of counts",
        arguments: [
            ("1,2,4", [1, 2, 4]), ("7", [7]), ("", nil), ("1,,2", nil), ("1,x", nil), ("1, 2", nil),
            (String(repeating: "1,", count: 64) + "1", nil),
        ] as [(String, [Int]?)])
    func counts(text: String, expected: [Int]?) { #expect(CountList(argument: text)?.counts == expected) }

    @Test("the machine's line tells processor, features and the minute")
    func machine() {
        let cpuinfo = """
            processor\t: 0
            model name\t: Some Processor 9000
            flags\t\t: fpu avx2 fma avx512f avx512_vnni sse2

            processor\t: 1
            model name\t: Another
            """
        let machine = BenchMachine(
            cpuinfo: cpuinfo, threadCount: 2, processorCount: 4, secondsSince1970: 1_764_032_100)
        #expect(machine.processor == "Some Processor 9000" && machine.date == "2025-11-25 00:55 UTC")
        #expect(machine.features == ["avx2", "fma", "avx512f", "avx512_vnni"])
        #expect(
            machine.line.hasSuffix(
                "Some Processor 9000 (4 processors: avx2 fma avx512f avx512_vnni), 2 threads"))
        let unknown = BenchMachine(cpuinfo: "", threadCount: nil, processorCount: 1, secondsSince1970: 0)
        #expect(unknown.line.hasSuffix("1970-01-01 00:00 UTC, unknown processor (1 processors)"))
    }

    @Test("resident memory is a line of the process's status")
    func resident() {
        #expect(ProcessMemory.residentByteCount(status: "Name:\tx\nVmRSS:\t  2048 kB\n") == 2_097_152)
        #expect(ProcessMemory.residentByteCount(status: "Name:\tx\n") == nil)
    }

    @Test("a histogram counts every value once, the highest too")
    func histogram() {
        let values = (0..<100).map { 0.001 * Double($0 + 1) }
        let lines = TextHistogram(title: "t", Distribution(values), factor: 1000).lines
        #expect(lines.count == 12 && lines.map(\.count).reduce(0, +) == 100)
        #expect(zip(lines, lines.dropFirst()).allSatisfy { $0.bounds.upperBound == $1.bounds.lowerBound })
        let one = TextHistogram(title: "t", Distribution([0.5, 0.5]), factor: 1000)
        #expect(one.lines.map(\.count) == [2])
        #expect(one.text == "\nt\n\n    500 … " + String(repeating: "█", count: 50) + " 2\n")
        #expect(TextHistogram(title: "t", Distribution([]), factor: 1).text == "\nt: none\n")
        // Zero has no logarithm.
        #expect(TextHistogram(title: "t", Distribution([0, 0.1]), factor: 1).lines.map(\.count).reduce(0, +) == 2)
    }

    @Test("a progress bar goes by requests or by time, whichever is further")
    func progress() {
        var progress = BenchProgress(
            endedCount: 3, totalCount: 6, runningCount: 2, elapsed: 4_000_000_000, elapsedLimit: 40_000_000_000)
        #expect(
            ProgressLine.line("4 clients", progress)
                == "4 clients [###############...............] 3 answered, 2 under way, 4 s")
        progress.elapsed = 40_000_000_000
        #expect(ProgressLine.line("x", progress).hasPrefix("x [##############################] 3 "))
    }
}
