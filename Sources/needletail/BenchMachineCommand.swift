import ArgumentParser
import CompletionsAPI
import InferenceTypes

/// `needletail bench machine`: the roofline alone, to stand beside the figures of other programs.
struct BenchMachineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "machine", abstract: "Memory bandwidth, and how much this processor multiplies.")

    @Option(help: "Threads; the processors that this program may use when absent.")
    var threads: Int?

    @Option(help: "Measurements.")
    var `repeat` = 3

    @Option(help: "Memory that is read, in MiB.")
    var rooflineMib = RooflineProbe.standardMebibytes

    @Flag(help: "A document instead of a table.")
    var json = false

    func validate() throws {
        try check("--threads", threads, 1...512)
        try check("--repeat", `repeat`, 1...100_000)
        try check("--roofline-mib", rooflineMib, 1...65_536)
    }

    func run() throws {
        let threadCount = threads ?? MachineLimits.processorCount
        let probe = RooflineProbe(mebibytes: rooflineMib, threadCount: threadCount)
        let samples = (0..<`repeat`).map { _ in probe.measure() }
        let machine = BenchMachine.current(threadCount: threadCount)
        guard !json else {
            let document = JSONValue.document([
                "kind": .words("machine"), "machine": machine.document, "samples": .array(samples.map(\.document)),
            ])
            Console.put(JSONWriter.bytes(of: document) + [0x0A])
            return
        }
        Console.put(Array((machine.line + "\n\n" + Self.table(samples)).utf8))
    }

    static func table(_ samples: [Roofline]) -> String {
        var table = MarkdownTable(["", "median", "lowest", "highest"])
        func add(_ name: String, _ figure: (Roofline) -> Double) {
            let values = Distribution(samples.map { figure($0) / 1e9 })
            table.add([name] + [50, 0, 100].map { Readable.fixed(values.percentile($0)) })
        }
        add("reading memory, GB/s") { $0.bandwidth }
        for unit in Roofline.Unit.allCases {
            guard let instruction = unit.instruction else { continue }
            add("\(unit), \(instruction), GOP/s") { $0.peaks[unit] ?? 0 }
        }
        return table.text
    }
}
