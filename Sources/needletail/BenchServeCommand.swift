import ArgumentParser
import CompletionsAPI
import Engine
import Foundation
import InferenceTypes

/// `needletail bench serve URL`: load on any OpenAI-style server, ours or another, and what its clients hear.
struct BenchServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Puts load on a server of completions, and measures what its clients hear.",
        discussion: """
            Closed loop: --clients that each send the next request when the last is answered. Open loop: --rate requests a \
            second at random times, or a --trace. TTFT: from the request, or from when it should have been sent, to the \
            first text; ITL: between two pieces of text. Prompts differ from each other and between seeds.
            """)

    @Argument(help: "http://HOST:PORT, of this machine.")
    var url: String

    @Option(help: "Clients of the closed loop, one level after the other.")
    var clients = CountList([1, 4, 16])

    @Option(help: "Requests of each level; four times its clients, or 64 of the open loop, when absent.")
    var requests: Int?

    @Option(help: "Seconds of each level, instead of a number of requests.")
    var seconds: Double?

    @Option(help: "Open loop: requests a second.")
    var rate: Double?

    @Option(
        help:
            "Open loop: requests as in a trace: JSON lines as Mooncake's, with t, prompt_tokens, max_tokens, or Azure's CSV."
    )
    var trace: String?

    @Option(help: "Divides the lengths of a trace; 1, 2, 4, 8, 16 or 32 where it tells prefixes.")
    var scale = 1

    @Option(help: "A trace runs so many times faster.")
    var speed = 1.0

    @Option(help: "Words of each prompt.")
    var promptWords = 128

    @Option(help: "Token ids of each prompt, instead of words.")
    var promptTokens: Int?

    @Option(help: "Tokens that each answer has; the end of the text is ignored.")
    var maxTokens = 48

    @Option(help: "The model to ask for; the first that the server lists when absent.")
    var model: String?

    @Flag(inversion: .prefixedNo, help: "Stream the answers.")
    var stream = true

    @Option(help: "A JSON object whose members each request has besides.")
    var extra: String?

    @Option(help: "Prompts and arrivals follow from it.")
    var seed: UInt64 = 1

    @Option(help: "Requests under way at once, of the open loop.")
    var connections = 1024

    @Option(help: "Seconds after which a request counts as failed.")
    var timeout = 300.0

    @Option(help: "Seconds after which a level ends, whatever is under way.")
    var maxSeconds = 3600.0

    @Flag(help: "Allow a server that is not this machine.")
    var allowRemote = false

    @Flag(help: "Draw how times are spread.")
    var plot = false

    @Flag(help: "A document instead of a table.")
    var json = false

    func validate() throws {
        try clients.check("--clients", 1...4096)
        try check("--requests", requests, 1...Self.maxRequestCount)
        try check("--seconds", seconds, 0.1...86_400)
        try check("--rate", rate, 0.001...100_000)
        try check("--scale", scale, 1...65_536)
        try check("--speed", speed, 0.001...1_000_000)
        try check("--prompt-words", promptWords, 1...1_048_576)
        try check("--prompt-tokens", promptTokens, 1...1_048_576)
        try check("--max-tokens", maxTokens, 1...1_048_576)
        try check("--connections", connections, 1...16_384)
        try check("--timeout", timeout, 0.1...86_400)
        try check("--max-seconds", maxSeconds, 0.1...86_400)
        guard rate == nil || trace == nil else { throw ValidationError("--rate and --trace contradict each other") }
        guard requests == nil || seconds == nil else {
            throw ValidationError("--requests and --seconds contradict each other")
        }
        guard trace != nil || scale == 1 && speed == 1 else {
            throw ValidationError("--scale and --speed are for a --trace")
        }
    }

    /// Of one level.
    private static let maxRequestCount = 1_000_000

    func run() async throws {
        let report = try await report()
        Console.put(json ? JSONWriter.bytes(of: report.document) + [0x0A] : Array(report.text.utf8))
        if report.results.contains(where: { $0.answeredCount == 0 }) { throw ExitCode(1) }
    }

    /// Measures.
    func report() async throws -> BenchServeReport {
        let plan = try makePlan()
        // The loop waits for sockets and would hold one of the pool's few threads.
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try plan.run() }) }
        }
    }

    private func makePlan() throws -> BenchServePlan {
        let target = try BenchTarget(url)
        let trace = try self.trace.map { try readTrace($0) }
        let prompts: BenchWorkload.Prompts =
            trace.map { .trace($0, scale: scale) } ?? promptTokens.map { .tokens(count: $0) }
            ?? .words(count: promptWords)
        return BenchServePlan(
            target: target, addresses: try BenchAddress.resolve(target, allowsRemote: allowRemote),
            workload: BenchWorkload(
                prompts: prompts, maxTokens: maxTokens, model: model, isStream: stream, extra: try extraMembers(),
                seed: seed),
            levels: levels(trace), limits: limits, work: work(trace), showsPlots: plot)
    }

    private func extraMembers() throws(StartError) -> [JSONMember] {
        guard let extra else { return [] }
        guard let members = (try? JSONParser.parse(Array(extra.utf8), limits: .request))?.asObject else {
            throw StartError("--extra has to be a JSON object, got \(extra)")
        }
        return members
    }

    private func readTrace(_ path: String) throws(StartError) -> SimulationWorkload {
        guard let data = FileManager.default.contents(atPath: path) else { throw StartError("cannot read \(path)") }
        let workload: SimulationWorkload
        do throws(SimulationWorkloadError) { workload = try SimulationWorkloadReader.read([UInt8](data)) } catch {
            throw StartError("\(path), \(error)")
        }
        guard !workload.tellsPrefixes || SimulationWorkload.prefixScales.contains(scale) else {
            throw StartError(
                "--scale has to be one of \(SimulationWorkload.prefixScales) for a trace that tells prefixes")
        }
        return workload.scaled(by: scale, speed: speed)
    }
}

// MARK: - Levels

extension BenchServeCommand {
    private func levels(_ trace: SimulationWorkload?) -> [BenchServePlan.Level] {
        if let trace {
            let count = min(requests ?? trace.entries.count, trace.entries.count)
            let arrivals = trace.entries.prefix(count).map(\.arrival)
            return [.init(name: "trace", requestCount: count, connectionCount: connections, arrivals: arrivals)]
        }
        if let rate {
            let bySeconds = seconds.flatMap { Int(exactly: ($0 * rate * 2 + 64).rounded()) }
            let count = min(requests ?? bySeconds ?? 64, Self.maxRequestCount)
            return [
                .init(
                    name: "\(Readable.number(rate)) a second", requestCount: count, connectionCount: connections,
                    arrivals: BenchWorkload.arrivals(count: count, rate: rate, seed: seed))
            ]
        }
        return clients.counts.map { count in
            .init(
                name: count == 1 ? "1 client" : "\(count) clients",
                requestCount: seconds == nil ? requests ?? count * 4 : Self.maxRequestCount, connectionCount: count,
                arrivals: nil)
        }
    }

    private var limits: BenchLimits {
        func nanoseconds(_ seconds: Double) -> UInt64 { UInt64(exactly: (seconds * 1e9).rounded()) ?? .max / 4 }
        let total = nanoseconds(maxSeconds)
        return BenchLimits(
            connectionCount: 0, sending: min(total, seconds.map(nanoseconds) ?? total), request: nanoseconds(timeout),
            total: total)
    }

    private func work(_ trace: SimulationWorkload?) -> String {
        if let trace {
            let scaled = scale == 1 ? "" : ", lengths ÷ \(scale)"
            return "trace of \(trace.entries.count) requests\(scaled), \(Readable.number(speed)) × as fast"
        }
        let prompt = promptTokens.map { "\($0) ids" } ?? "\(promptWords) words"
        return "\(prompt) in, \(maxTokens) tokens out, greedy, \(stream ? "streamed" : "not streamed"), seed \(seed)"
    }
}
