import ArgumentParser
import Testing

@testable import needletail

struct SimulateOptionsTests {
    @Test(
        "seeds are a range or one",
        arguments: [
            ("0..<1000", 0..<1000), ("5...7", 5..<8), ("9", 9..<10), ("7..<7", nil), ("8...7", nil), ("a", nil),
            ("", nil),
            ("-1", nil), ("18446744073709551615", nil),
        ] as [(String, Range<UInt64>?)])
    func seeds(text: String, expected: Range<UInt64>?) { #expect(SeedRange(argument: text)?.bounds == expected) }

    @Test(
        "what would be ignored is refused",
        arguments: [
            "--sweep", "--blocks 3", "--unbounded", "--scale 2", "--speed 2", "--trace x --sweep --blocks 3",
            "--trace x --unbounded --sweep", "--trace x --trace-seed 1", "--trace x --stop-at-first",
            "--trace-seed 1 --verbose", "--steps 0", "--jobs 0", "--seeds 5..<5",
        ])
    func refused(line: String) {
        #expect(throws: (any Error).self) {
            try BenchSimulateCommand.parse(line.split(separator: " ").map(String.init))
        }
    }

    @Test("what fits together is taken", arguments: ["", "--trace x --sweep --scale 4", "--trace-seed 1", "--jobs 2"])
    func taken(line: String) throws {
        _ = try BenchSimulateCommand.parse(line.split(separator: " ").map(String.init))
    }
}
