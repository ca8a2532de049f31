import ArgumentParser
import InferenceTypes
import Testing

@testable import needletail

/// Structure, not speed: tiny shapes, three runs each.
struct BenchKernelTests {
    @Test("the shapes of a model are its matrices, each once, gate and up together")
    func shapes() throws {
        let shapes = BenchModelShapes.standard([.q8_0, .q4_K])
        // 896 columns are no whole blocks of 256; 4864 and 2048 are.
        #expect(shapes.matrices.filter { $0.type == .q8_0 }.count == 10)
        #expect(shapes.matrices.filter { $0.type == .q4_K }.map(\.columnCount) == [4864, 2048, 2048, 2048, 8192, 2048])
        #expect(shapes.matrices.filter(\.isGated).allSatisfy { $0.rowCount % 64 == 0 })
        #expect(shapes.matrices[0].label == "q, k, v 1152 × 896")
    }

    @Test(
        "what makes no sense is refused",
        arguments: [
            "--rows 0", "--types Q3_0", "--seconds -1", "--ops nothing", "--threads 0", "--kv-type x", "--contexts 0",
        ])
    func refused(line: String) {
        #expect(throws: (any Error).self) {
            try BenchKernelsCommand.parse(line.split(separator: " ").map(String.init))
        }
    }

    @Test("a set of kernels that is none is refused")
    func features() throws {
        let command = try BenchKernelsCommand.parse(["--cpu-features", "abacus", "--ops", "norm"])
        #expect(throws: StartError.self) { try command.report() }
    }

    @Test("every type, packed, and what is around a product", arguments: ElementType.allCases)
    func products(type: ElementType) throws {
        let shapes = [
            BenchMatrixShape(name: "plain", type: type, rowCount: 40, columnCount: 256),
            BenchMatrixShape(name: "gate, up", type: type, rowCount: 128, columnCount: 256, isGated: true),
        ]
        let results = try measure { bench throws(StartError) in try bench.products(shapes, rowCounts: [1, 3]) }
        #expect(results.map(\.rowCount) == [1, 3, 1, 3] && results.allSatisfy { $0.times.count >= 3 })
        #expect(results[1].operationCount == 2 * 3 * 40 * 256 && results[0].byteCount > 0)
        #expect(results.allSatisfy { $0.type == type.name && $0.unit != nil && $0.share(50) != nil })
    }

    @Test("norm, attention and drawing, in one table")
    func others() throws {
        let results = try measure { bench throws(StartError) in
            try bench.norms([64], rowCounts: [2])
            let shape = BenchAttentionShape(headCount: 4, keyValueHeadCount: 2, headDimension: 32)
            try bench.attention([shape], .bf16, contexts: [40], rowCounts: [1, 2])
            try bench.draws([300], rowCounts: [2])
        }
        #expect(
            results.map(\.name) == [
                "norm of 64", "attention at 40, 4/2 heads of 32", "attention at 40, 4/2 heads of 32",
                "attention, prompt of 40, 4/2 heads of 32", "greedy of 300", "top-k 40, top-p 0.95 of 300",
            ])
        // A prompt's tokens see 1 + 2 + … + 40 positions; four heads of 32, two products.
        #expect(results[3].operationCount == 4 * 820 * 4 * 32 && results[3].rowCount == 40)
        let report = BenchKernelsReport(
            machine: BenchMachine(cpuinfo: "", threadCount: 1, processorCount: 1, secondsSince1970: 0),
            kernels: "k", shapes: "s", results: results)
        #expect(report.text.split(separator: "\n").filter { $0.hasPrefix("| ") }.count == 8)
        #expect(report.document["results"]?.asArray?.count == 6)
    }

    @Test("of the roofline, the longer of reading and multiplying counts")
    func share() {
        let work = BenchKernelWork(
            name: "n", type: "t", rowCount: 1, byteCount: 100, operationCount: 1000, unit: .int8, run: { _ in })
        let roofline = Roofline(bandwidth: 50, peaks: [.int8: 250])
        let result = BenchKernelsReport.Result(
            work, times: Distribution([8, 5, 5]), before: roofline, after: roofline)
        #expect(result.share(50) == 0.8 && result.limit == "int8" && result.bytesPerSecond == 20)
    }

    private func measure(
        _ body: (inout BenchKernels) throws(StartError) -> Void
    ) throws -> [BenchKernelsReport.Result] {
        let workers = try #require(BenchKernels.startWorkers(threadCount: 1, scratchFloatCount: 1 << 16, features: nil))
        defer { BenchKernels.endWorkers(workers) }
        var bench = BenchKernels(
            workers: workers, seconds: 0, probe: RooflineProbe(mebibytes: 1, threadCount: 1),
            coldByteCount: 1 << 16)
        try body(&bench)
        return bench.results
    }
}
