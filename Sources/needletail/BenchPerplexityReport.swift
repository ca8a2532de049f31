import InferenceTypes

/// What `bench perplexity` measured, as a table or a document.
struct BenchPerplexityReport: Sendable {
    var machine: BenchMachine
    var model: BenchModel
    var compute: String
    var text: PerplexityText
    var windows: PerplexityWindows
    /// Windows that were scored.
    var windowCount: Int
    var score: PerplexityScore
    /// What the scored tokens stand for.
    var scoredByteCount: Double?

    var bitsPerByte: Double? { scoredByteCount.map { score.bitsPerToken * Double(score.tokenCount) / $0 } }

    var page: String {
        var table = MarkdownTable([
            "", "perplexity", "±", "nats/token", "±", "bits/token", "bits/byte", "scored tokens", "computed",
            "tokens/s",
        ])
        table.add([
            text.name, Readable.fixed(score.perplexity, 4), Readable.fixed(score.perplexityError, 4),
            Readable.fixed(score.natsPerToken, 5), Readable.fixed(score.standardError, 5),
            Readable.fixed(score.bitsPerToken, 4), Readable.fixed(bitsPerByte, 4), "\(score.tokenCount)",
            "\(score.computedTokenCount)", Readable.figure(score.tokensPerSecond),
        ])
        return """
            \(machine.line)
            \(model.line), \(compute)
            \(text.byteCount) bytes, \(text.tokens.count) tokens; \(windowCount) window\(windowCount == 1 ? "" : "s") \(windows.summary)

            \(table.text)
            """
    }

    var document: JSONValue {
        .document([
            "kind": .words("perplexity"), "machine": machine.document, "model": model.document,
            "compute": .words(compute), "file": .words(text.name), "text_bytes": .number(text.byteCount),
            "text_tokens": .number(text.tokens.count), "context": .number(windows.contextCount),
            "stride": .number(windows.stride), "scored": .words(windows.scored.rawValue),
            "windows": .number(windowCount), "scored_tokens": .number(score.tokenCount),
            "scored_bytes": .number(scoredByteCount), "computed_tokens": .number(score.computedTokenCount),
            "perplexity": .finite(score.perplexity), "perplexity_standard_error": .finite(score.perplexityError),
            "nats_per_token": .finite(score.natsPerToken),
            "nats_per_token_standard_error": .finite(score.standardError),
            "bits_per_token": .finite(score.bitsPerToken), "bits_per_byte": .finite(bitsPerByte),
            "seconds": .number(score.seconds), "tokens_per_second": .finite(score.tokensPerSecond),
        ])
    }
}

extension JSONValue {
    /// Null where JSON has no number.
    fileprivate static func finite(_ value: Double?) -> JSONValue { .number(value.flatMap { $0.isFinite ? $0 : nil }) }
}
