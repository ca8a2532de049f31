import CKernels
import InferenceTypes

/// Runs work again and again, with the roofline before and after.
struct BenchKernels {
    let workers: OpaquePointer
    /// Of each row of the table.
    let seconds: Double
    let probe: RooflineProbe
    /// Bytes of copies that are read in turn.
    let coldByteCount: Int
    private(set) var results: [BenchKernelsReport.Result] = []
    private var last: Roofline?

    init(
        workers: OpaquePointer, seconds: Double, probe: RooflineProbe,
        coldByteCount: Int = BenchMemory.coldByteCount
    ) {
        (self.workers, self.seconds, self.probe) = (workers, seconds, probe)
        self.coldByteCount = coldByteCount
    }

    /// Nil where threads, memory or these features are not to be had. Whoever starts them ends them.
    static func startWorkers(threadCount: Int, scratchFloatCount: Int, features: String?) -> OpaquePointer? {
        nt_workers_create(Int32(clamping: threadCount), scratchFloatCount, features)
    }

    static func endWorkers(_ workers: OpaquePointer) { nt_workers_destroy(workers) }

    private var operations: BenchKernelOperations {
        BenchKernelOperations(workers: workers, coldByteCount: coldByteCount)
    }

    mutating func products(_ shapes: [BenchMatrixShape], rowCounts: [Int]) throws(StartError) {
        for shape in shapes {
            let matrix = try BenchPackedMatrix(shape, workers, coldByteCount: coldByteCount)
            for rowCount in rowCounts { measure(try operations.product(matrix, rowCount: rowCount)) }
        }
    }

    mutating func norms(_ widths: [Int], rowCounts: [Int]) throws(StartError) {
        for width in widths {
            for rowCount in rowCounts {
                measure(try operations.norm(columnCount: width, rowCount: rowCount, kind: NT_ROWS_Q8))
            }
        }
    }

    /// Sequences that decode, and a prompt as long as each context of up to `maxPromptCount` tokens.
    mutating func attention(
        _ shapes: [BenchAttentionShape], _ type: ElementType, contexts: [Int], rowCounts: [Int]
    ) throws(StartError) {
        for shape in shapes {
            for context in contexts {
                for rowCount in rowCounts where rowCount <= Self.maxDecodingCount {
                    try attention(shape, type, context, rowCount: rowCount, promptCount: nil)
                }
                if context <= Self.maxPromptCount {
                    try attention(shape, type, context, rowCount: 1, promptCount: context)
                }
            }
        }
    }

    private static let maxPromptCount = 2048
    private static let maxDecodingCount = 64

    private mutating func attention(
        _ shape: BenchAttentionShape, _ type: ElementType, _ context: Int, rowCount: Int, promptCount: Int?
    ) throws(StartError) {
        let attention = try BenchAttention(
            shape, type: type, contextCount: context, rowCount: rowCount, promptCount: promptCount,
            workers: workers, coldByteCount: coldByteCount)
        measure(attention.work)
    }

    mutating func draws(_ vocabularies: [Int], rowCounts: [Int]) throws(StartError) {
        for vocabulary in vocabularies {
            for draw in BenchKernelOperations.Draw.allCases {
                for rowCount in rowCounts where rowCount <= Self.maxDecodingCount {
                    measure(try operations.draw(draw, vocabularyCount: vocabulary, rowCount: rowCount))
                }
            }
        }
    }

    /// Samples of each row, however short its time.
    private static let leastCount = 3
    private static let mostCount = 100_000

    private mutating func measure(_ work: BenchKernelWork) {
        // The first one wakes the threads.
        work.run(0)
        let before = last ?? probe.measure()
        work.run(1)
        var times: [Double] = []
        let end = ContinuousClock.now + .seconds(seconds)
        while times.count < Self.leastCount || (ContinuousClock.now < end && times.count < Self.mostCount) {
            let started = ContinuousClock.now
            work.run(times.count + 2)
            times.append((ContinuousClock.now - started) / .seconds(1))
        }
        let after = probe.measure()
        last = after
        results.append(.init(work, times: Distribution(times), before: before, after: after))
    }
}

/// What `bench kernels` measured, as a table or a document.
struct BenchKernelsReport: Sendable {
    var machine: BenchMachine
    /// The set of kernels.
    var kernels: String
    var shapes: String
    var results: [Result] = []

    struct Result: Sendable {
        var name: String
        var type: String
        var rowCount: Int
        var byteCount: Double
        var operationCount: Double
        var unit: Roofline.Unit?
        /// Seconds.
        var times: Distribution
        var before: Roofline
        var after: Roofline

        init(_ work: BenchKernelWork, times: Distribution, before: Roofline, after: Roofline) {
            (name, type, rowCount) = (work.name, work.type, work.rowCount)
            (byteCount, operationCount, unit) = (work.byteCount, work.operationCount, work.unit)
            (self.times, self.before, self.after) = (times, before, after)
        }

        private var roofline: Roofline { .between(before, after) }

        /// Of the time that the roofline allows; nil where nothing multiplies and the caches hold it all.
        func share(_ percent: Double) -> Double? {
            guard let unit, let time = times.percentile(percent), time > 0 else { return nil }
            return roofline.seconds(byteCount: byteCount, operationCount: operationCount, unit) / time
        }

        /// Which side of the roofline is the lower one.
        var limit: String {
            guard let unit else { return "" }
            let reading = byteCount / max(roofline.bandwidth, 1)
            return operationCount / max(roofline.peak(unit), 1) > reading ? unit.rawValue : "memory"
        }

        var bytesPerSecond: Double? { times.median.map { byteCount / $0 } }
        var operationsPerSecond: Double? { operationCount > 0 ? times.median.map { operationCount / $0 } : nil }
    }

    var text: String {
        var table = MarkdownTable([
            "", "type", "rows", "µs", "p10", "GB/s", "GOP/s", "limit", "of roofline", "p10", "GB/s before, after",
        ])
        for result in results {
            table.add([
                result.name, result.type, "\(result.rowCount)", microseconds(result, 50), microseconds(result, 10),
                Readable.figure(result.bytesPerSecond.map { $0 / 1e9 }),
                Readable.fixed(result.operationsPerSecond.map { $0 / 1e9 }, 0), result.limit,
                Readable.percent(result.share(50)), Readable.percent(result.share(10)),
                "\(Readable.fixed(result.before.bandwidth / 1e9)), \(Readable.fixed(result.after.bandwidth / 1e9))",
            ])
        }
        return machine.line + ", kernels \(kernels); \(shapes)\n" + peaks + "\n\n" + table.text
    }

    private func microseconds(_ result: Result, _ percent: Double) -> String {
        Readable.figure(result.times.percentile(percent).map { $0 * 1e6 })
    }

    private var peaks: String {
        Roofline.Unit.allCases.compactMap { unit in
            unit.instruction.map { instruction in
                let values = Distribution(results.map { $0.after.peak(unit) / 1e9 })
                return "\(unit) peak \(Readable.fixed(values.median, 0)) GOP/s (\(instruction))"
            }
        }.joined(separator: ", ")
    }

    var document: JSONValue {
        .document([
            "kind": .words("kernels"), "machine": machine.document, "kernels": .words(kernels),
            "shapes": .words(shapes),
            "results": .array(results.map(document)),
        ])
    }

    private func document(_ result: Result) -> JSONValue {
        .document([
            "name": .words(result.name), "type": .words(result.type), "rows": .number(result.rowCount),
            "microseconds": result.times.document([10, 50, 90], factor: 1e6), "bytes": .number(result.byteCount),
            "operations": .number(result.operationCount), "limit": .words(result.limit),
            "of_roofline": .number(result.share(50)), "before": result.before.document, "after": result.after.document,
        ])
    }
}
