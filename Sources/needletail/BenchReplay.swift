import Engine
import Tokenization

/// Serves one trace with one or many sizes of the KV cache, and says how it went.
struct ReplayBench {
    var workload: SimulationWorkload
    var sizes: EngineConfiguration
    var cost: SimulationCost
    var tokenizer: Tokenizer
    var blockByteCount: Int

    private func serve(blockCount: Int) async -> SimulationReplayReport {
        var sizes = sizes
        sizes.blockCount = blockCount
        var replay = SimulationReplay(workload, sizes, cost, tokenizer: tokenizer)
        return await replay.run()
    }

    /// A table of what one size gives.
    func single() async -> String {
        let report = await serve(blockCount: sizes.blockCount)
        let seconds = Double(report.duration) / 1e9
        let rows: [(String, String)] = [
            ("KV cache", "\(sizes.blockCount) blocks, \(Readable.bytes(sizes.blockCount * blockByteCount))"),
            ("KV cache held at most", Readable.bytes(report.mostHeldBlocks * blockByteCount)),
            ("requests", "\(report.requestCount) in \(rounded(seconds)) s"),
            ("served", "\(report.servedCount), \(report.mostRunning) at once at most"),
            (
                "refused: too long (400), queue full (429), queue timeout (503)",
                "\(report.tooLongCount), \(report.refusedCount), \(report.timeoutCount)"
            ),
            ("queueing p50, p90, p99", times(report.queueTimes)),
            ("time to first token p50, p90, p99", times(report.firstTokenTimes)),
            ("inter-token latency p50, p90, p99", times(report.tokenGaps)),
            ("preemptions", "\(report.preemptionCount)"),
            ("prompt tokens from the prefix cache", percent(report.hitRate)),
            ("the same from a cache without bound", percent(report.unboundedHitRate)),
            ("ratio of the two", rounded(report.relativeHitRate)),
            ("prompt tokens a second", rounded(Double(report.promptTokenCount) / max(seconds, 1e-9))),
            ("generated tokens a second", rounded(Double(report.generatedTokenCount) / max(seconds, 1e-9))),
            ("steps, tokens computed", "\(report.stepCount), \(report.computedTokenCount)"),
        ]
        return "| trace, in virtual time | |\n| --- | ---: |\n"
            + rows.map { "| \($0.0) | \($0.1) |\n" }.joined()
    }

    /// Share of the hits without bound that a cache has to reach.
    private static let target = 0.9

    /// Doubles the cache until it hits enough, then halves the step between too little and enough.
    func sweep() async -> String {
        var reports: [Int: SimulationReplayReport] = [:]
        let most = ReplayOptions.unboundedBlockCount(workload, sizes)
        var enough = max(1, (sizes.contextCount + sizes.blockSize - 1) / sizes.blockSize)
        var tooFew = 0
        while true {
            let report = await serve(blockCount: enough)
            reports[enough] = report
            guard report.relativeHitRate < Self.target, enough < most else { break }
            tooFew = enough
            enough = min(enough * 2, most)
        }
        while enough - tooFew > max(1, enough / 16), tooFew > 0 {
            let middle = (enough + tooFew) / 2
            let report = await serve(blockCount: middle)
            reports[middle] = report
            if report.relativeHitRate < Self.target { tooFew = middle } else { enough = middle }
        }
        return table(reports) + verdict(reports[enough], blockCount: enough)
    }

    private func table(_ reports: [Int: SimulationReplayReport]) -> String {
        var text = "| blocks | KV cache | hit rate | of unbounded | preemptions | served | TTFT p50, p90, p99 |\n"
        text += "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        for (blockCount, report) in reports.sorted(by: { $0.key < $1.key }) {
            text += "| \(blockCount) | \(Readable.bytes(blockCount * blockByteCount)) | \(percent(report.hitRate)) | "
            text += "\(rounded(report.relativeHitRate)) | \(report.preemptionCount) | \(report.servedCount) | "
            text += "\(times(report.firstTokenTimes)) |\n"
        }
        return text
    }

    private func verdict(_ report: SimulationReplayReport?, blockCount: Int) -> String {
        guard let report, report.relativeHitRate >= Self.target else {
            return
                "\nNo size reaches \(Self.target) of the hits without bound: requests come before what they share is "
                + "computed.\n"
        }
        return "\n\(blockCount) blocks, \(Readable.bytes(blockCount * blockByteCount)), hit "
            + "\(rounded(report.relativeHitRate)) of what a cache without bound does.\n"
    }

    private func times(_ times: [UInt64]) -> String {
        SimulationReplayReport.percentiles(times, [50, 90, 99])
            .map { rounded(Double($0) / 1e6) }.joined(separator: ", ") + " ms"
    }

    private func percent(_ share: Double) -> String { "\(rounded(share * 100)) %" }

    private func rounded(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}
