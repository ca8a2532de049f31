import InferenceTypes

/// What came of one level of load.
struct BenchServeResult: Sendable {
    /// `4 clients`, `2.5 a second`.
    var name: String
    var outcomes: [BenchOutcome]
    /// Nanoseconds from the first request to the last end.
    var duration: UInt64
    /// Requests that the time left no room for.
    var unsentCount: Int

    private var answered: [BenchOutcome] { outcomes.filter { $0.failure == nil } }
    var answeredCount: Int { answered.count }
    private var seconds: Double { Double(duration) / 1e9 }

    /// Seconds from a request, or from when it should have been sent, to its first text.
    var firstTokenTimes: Distribution {
        Distribution(
            answered.compactMap { outcome in
                outcome.first.map { Double($0 - min($0, outcome.started)) / 1e9 }
            })
    }
    /// Seconds between two pieces of text.
    var gaps: Distribution { Distribution(answered.flatMap { $0.gaps.map { Double($0) / 1e9 } }) }
    /// Seconds from a request to its end.
    var answerTimes: Distribution { Distribution(answered.map { Double($0.ended - min($0.ended, $0.started)) / 1e9 }) }

    var outputTokenCount: Int { answered.reduce(0) { $0 + $1.outputTokenCount } }
    var promptTokenCount: Int { answered.reduce(0) { $0 + $1.promptTokenCount } }
    var outputTokensPerSecond: Double { Double(outputTokenCount) / seconds }
    var promptTokensPerSecond: Double { Double(promptTokenCount) / seconds }
    var requestsPerSecond: Double { Double(answeredCount) / seconds }

    /// How often each failure came, the most frequent first, and what the server said to the first.
    var failures: [(name: String, count: Int, message: String?)] {
        var found: [String: (count: Int, message: String?)] = [:]
        for outcome in outcomes {
            guard let failure = outcome.failure else { continue }
            found["\(failure)", default: (0, outcome.message)].count += 1
        }
        return found.map { ($0.key, $0.value.count, $0.value.message) }
            .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
    }

    var document: JSONValue {
        .document([
            "name": .words(name), "requests": .number(outcomes.count), "answered": .number(answeredCount),
            "unsent": .number(unsentCount),
            "failures": .object(
                failures.map { JSONMember(key: Array($0.name.utf8), value: .number($0.count)) }),
            "seconds": .number(seconds), "output_tokens": .number(outputTokenCount),
            "prompt_tokens": .number(promptTokenCount), "output_tokens_per_second": .number(outputTokensPerSecond),
            "prompt_tokens_per_second": .number(promptTokensPerSecond),
            "requests_per_second": .number(requestsPerSecond),
            "ttft_ms": firstTokenTimes.document(Self.percents, factor: 1000),
            "itl_ms": gaps.document(Self.percents, factor: 1000),
            "e2e_ms": answerTimes.document(Self.percents, factor: 1000),
        ])
    }

    private static let percents = [50, 90, 99]
}

/// What `bench serve` measured, as a table or a document.
struct BenchServeReport: Sendable {
    var machine: BenchMachine
    var target: String
    var model: String?
    var work: String
    var results: [BenchServeResult] = []
    /// Whether times are also drawn.
    var showsPlots = false

    var text: String {
        var table = MarkdownTable([
            "", "out tokens/s", "in tokens/s", "requests/s", "answered", "TTFT ms p50", "p90", "p99", "ITL ms p50",
            "p90",
            "p99", "answer ms p50",
        ])
        for result in results { table.add(cells(result)) }
        var text =
            machine.line + "\n\(target), model \(model ?? "not named")"
            + "; \(work)\n\n" + table.text
        for result in results {
            for failure in result.failures {
                text +=
                    "\n\(result.name): \(failure.count) × \(failure.name)" + (failure.message.map { ": \($0)" } ?? "")
            }
            if result.unsentCount > 0 { text += "\n\(result.name): \(result.unsentCount) not sent in time" }
        }
        guard showsPlots else { return text.hasSuffix("|\n") ? text : text + "\n" }
        return text + results.map(plots).joined()
    }

    private func cells(_ result: BenchServeResult) -> [String] {
        func times(_ distribution: Distribution) -> [String] {
            [50, 90, 99].map { percent in Readable.figure(distribution.percentile(percent).map { $0 * 1000 }) }
        }
        return [
            result.name, Readable.figure(result.outputTokensPerSecond),
            result.promptTokenCount > 0 ? Readable.figure(result.promptTokensPerSecond) : "–",
            Readable.figure(result.requestsPerSecond), "\(result.answeredCount) of \(result.outcomes.count)",
        ] + times(result.firstTokenTimes) + times(result.gaps) + [times(result.answerTimes)[0]]
    }

    private func plots(_ result: BenchServeResult) -> String {
        TextHistogram(title: "\(result.name): time to first token, ms", result.firstTokenTimes, factor: 1000).text
            + TextHistogram(title: "\(result.name): between two pieces of text, ms", result.gaps, factor: 1000).text
    }

    var document: JSONValue {
        .document([
            "kind": .words("serve"), "machine": machine.document, "target": .words(target),
            "model": model.map { .words($0) } ?? .null, "work": .words(work),
            "results": .array(results.map(\.document)),
        ])
    }
}
