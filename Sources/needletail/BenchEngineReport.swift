import Checkpoints
import Engine
import Foundation
import InferenceTypes

/// Which model was measured.
struct BenchModel: Sendable {
    var name: String
    var file: String
    var family: String
    var byteCount: Int
    var types: String

    init(_ model: LoadedModel, _ cost: BenchModelCost) {
        name = model.name
        file = model.checkpoint.fileName
        family = model.checkpoint.configuration.family.rawValue
        byteCount = model.checkpoint.weights.totalByteCount
        types = cost.summary
    }

    var line: String { "\(name) (\(file), \(family), \(Readable.bytes(byteCount)): \(types))" }

    var document: JSONValue {
        .document([
            "name": .words(name), "file": .words(file), "family": .words(family), "bytes": .number(byteCount),
            "types": .words(types),
        ])
    }
}

/// What `bench engine` measured, as a table or a document.
struct BenchEngineReport: Sendable {
    var machine: BenchMachine
    var model: BenchModel
    var cost: BenchModelCost
    /// From the start of opening the file to the first possible step.
    var readySeconds: Double
    var residentByteCount: Int?
    var cacheByteCount: Int
    /// Bytes of K and V that each token of a context takes.
    var keyValueByteCount: Int
    var explanation: String
    var results: [Result] = []

    struct Sample: Sendable {
        /// Of a prompt, of a step, or of all requests.
        var seconds: Double
        var before: Roofline
        var after: Roofline

        var roofline: Roofline { .between(before, after) }
    }

    struct Result: Sendable {
        var row: Row
        var samples: [Sample] = []

        var tokensPerSecond: Distribution { Distribution(samples.map { Double(row.tokenCount) / $0.seconds }) }

        /// Median over the samples of what each is of its own roofline.
        func median(_ figure: (Sample) -> Double) -> Double? { Distribution(samples.map(figure)).median }
    }
}

extension BenchEngineReport {
    private var unitName: String { "\(cost.unit)" }

    var text: String {
        var table = MarkdownTable([
            "", "tokens/s", "p10–p90", "ms", "GB/s", "of bandwidth", "GB/s before, after", "GOP/s",
            "of \(unitName) peak",
        ])
        for result in results { table.add(cells(result)) }
        let peak = results.flatMap(\.samples).map { $0.roofline.peak(cost.unit) / 1e9 }
        let resident = residentByteCount.map { ", \(Readable.bytes($0)) resident" } ?? ""
        return machine.line + "\n" + model.line + "\n"
            + "ready after \(Readable.fixed(readySeconds, 2)) s\(resident), KV cache \(Readable.bytes(cacheByteCount)); "
            + "\(unitName) peak \(Readable.fixed(Distribution(peak).median, 0)) GOP/s"
            + (cost.unit.instruction.map { " (\($0))" } ?? "") + "\n\n" + table.text + "\n" + explanation + ".\n"
    }

    private func cells(_ result: Result) -> [String] {
        let rates = result.tokensPerSecond
        let row = result.row
        let spread = "\(Readable.figure(rates.percentile(10)))–\(Readable.figure(rates.percentile(90)))"
        let around =
            Readable.fixed(result.median { $0.before.bandwidth / 1e9 }) + ", "
            + Readable.fixed(result.median { $0.after.bandwidth / 1e9 })
        return [
            row.name, Readable.figure(rates.median), spread, Readable.figure(result.median { $0.seconds * 1000 }),
            Readable.fixed(result.median { bandwidth(row, $0) / 1e9 }),
            Readable.percent(result.median { bandwidth(row, $0) / $0.roofline.bandwidth }), around,
            Readable.fixed(result.median { rate(row, $0) / 1e9 }, 0),
            Readable.percent(result.median { rate(row, $0) / $0.roofline.peak(cost.unit) }),
        ]
    }

    /// Bytes of weights, and of keys and values, that are read in a second.
    private func bandwidth(_ row: Row, _ sample: Sample) -> Double {
        Double(row.byteCount(cost, keyValueByteCount: keyValueByteCount)) / sample.seconds
    }

    private func rate(_ row: Row, _ sample: Sample) -> Double {
        Double(row.operationCount(cost)) / sample.seconds
    }
}

// MARK: - A document

extension BenchEngineReport {
    var document: JSONValue {
        .document([
            "kind": .words("engine"), "machine": machine.document, "model": model.document,
            "weight_bytes_per_step": .number(cost.stepByteCount),
            "layer_parameters": .number(cost.layerParameterCount), "head_parameters": .number(cost.headParameterCount),
            "kv_bytes_per_token": .number(keyValueByteCount), "kv_cache_bytes": .number(cacheByteCount),
            "ready_seconds": .number(readySeconds),
            "resident_bytes": residentByteCount.map { .number($0) } ?? .null, "unit": .words(unitName),
            "explanation": .words(explanation), "results": .array(results.map(document)),
        ])
    }

    private func document(_ result: Result) -> JSONValue {
        let row = result.row
        return .document([
            "name": .words(row.name), "test": .words(row.test), "streams": .number(row.sequenceCount),
            "tokens_per_second": result.tokensPerSecond.document([10, 50, 90]),
            "milliseconds": Distribution(result.samples.map { $0.seconds * 1000 }).document([10, 50, 90]),
            "bytes_per_second": .number(result.median { bandwidth(row, $0) }),
            "of_bandwidth": .number(result.median { bandwidth(row, $0) / $0.roofline.bandwidth }),
            "operations_per_second": .number(result.median { rate(row, $0) }),
            "of_peak": .number(result.median { rate(row, $0) / $0.roofline.peak(cost.unit) }),
            "samples": .array(
                result.samples.map {
                    .document([
                        "seconds": .number($0.seconds), "before": $0.before.document, "after": $0.after.document,
                    ])
                }),
        ])
    }
}

/// Memory of this process.
enum ProcessMemory {
    /// Bytes that are resident now; nil where the system does not say.
    ///
    /// - Source: proc(5), `VmRSS` in kB.
    static var residentByteCount: Int? { residentByteCount(status: text) }

    private static var text: String { (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? "" }

    static func residentByteCount(status: String) -> Int? {
        for line in status.split(separator: "\n") where line.hasPrefix("VmRSS:") {
            return line.split { !$0.isNumber }.first.flatMap { Int($0) }.map { $0 * 1024 }
        }
        return nil
    }
}
