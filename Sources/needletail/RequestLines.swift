import CompletionsAPI
import Logging

/// The one line of a request. What a client sent is escaped by the log handler; nothing of a prompt or of a text is in it.
extension CompletionRecord {
    var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = [
            "id": "\(id)", "request_id": "\(requestID)", "trace_id": "\(traceID)", "model": "\(model)",
            "outcome": "\(outcome.rawValue)", "status": "\(status)", "finish": "\(finishes.text)",
            "streamed": "\(isStreamed)", "choices": "\(choiceCount)", "prompt_tokens": "\(promptTokenCount)",
            "cached_tokens": "\(cachedTokenCount)", "completion_tokens": "\(completionTokenCount)",
            "seconds": "\(elapsed / .seconds(1))",
        ]
        metadata["queue_ms"] = queueTime.map { "\(Self.milliseconds($0))" }
        metadata["prompt_ms"] = promptTime.map { "\(Self.milliseconds($0))" }
        metadata["decode_ms"] = decodeTime.map { "\(Self.milliseconds($0))" }
        if let key { metadata["key"] = "\(key)" }
        if let user { metadata["user"] = "\(String(decoding: user.prefix(Self.userByteLimit), as: UTF8.self))" }
        return metadata
    }

    /// To the microsecond.
    private static func milliseconds(_ time: Duration) -> Double { (time / .microseconds(1)).rounded() / 1000 }

    /// Of `user`, what a log line shows: names are short, and a line must stay one.
    private static let userByteLimit = 128
}

extension RequestRecord {
    /// A completion that was refused is of interest. Probes and scrapes come by the minute, and what a stranger asks for
    /// must not fill the disk: they are written for who debugs.
    var level: Logger.Level { handler == "/v1/completions" ? .info : .debug }

    var metadata: Logger.Metadata {
        [
            "request_id": "\(requestID)", "trace_id": "\(traceID)", "method": "\(method)", "handler": "\(handler)",
            "status": "\(status)", "seconds": "\(elapsed / .seconds(1))",
        ]
    }
}
