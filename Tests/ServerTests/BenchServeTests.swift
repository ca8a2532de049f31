import ArgumentParser
import CompletionsAPI
import Engine
import Foundation
import HTTPCodec
import HTTPTransport
import InferenceTypes
import Logging
import Testing

@testable import needletail

struct BenchServeTests {
    // MARK: - Arithmetic

    private func outcome(
        _ started: UInt64, first: UInt64, ended: UInt64, gaps: [UInt64], tokens: Int
    ) -> BenchOutcome {
        var outcome = BenchOutcome(started: started * 1_000_000)
        outcome.first = first * 1_000_000
        outcome.ended = ended * 1_000_000
        outcome.gaps = gaps.map { $0 * 1_000_000 }
        outcome.outputTokenCount = tokens
        outcome.promptTokenCount = 10
        return outcome
    }

    @Test("rates are by the whole time, percentiles by answered requests alone")
    func arithmetic() {
        var refused = outcome(0, first: 0, ended: 1, gaps: [], tokens: 1000)
        refused.failure = .status(429)
        refused.message = "busy"
        let result = BenchServeResult(
            name: "2 clients",
            outcomes: [
                outcome(0, first: 100, ended: 400, gaps: [10, 20], tokens: 3),
                outcome(50, first: 250, ended: 500, gaps: [30], tokens: 2), refused,
            ], duration: 500_000_000, unsentCount: 1)
        #expect(result.answeredCount == 2 && result.outputTokensPerSecond == 10 && result.promptTokensPerSecond == 40)
        #expect(result.requestsPerSecond == 4)
        #expect(result.firstTokenTimes == Distribution([0.1, 0.2]) && result.gaps == Distribution([0.01, 0.02, 0.03]))
        #expect(result.answerTimes == Distribution([0.4, 0.45]))
        #expect(result.document["failures"]?["status 429"]?.asInteger == 1)
        #expect(result.document["itl_ms"]?["p50"]?.asDouble == 20)
        var report = BenchServeReport(
            machine: BenchMachine(cpuinfo: "", threadCount: nil, processorCount: 1, secondsSince1970: 0),
            target: "http://t/v1", model: "m", work: "w", results: [result])
        let text = report.text
        #expect(text.contains("| 2 clients |         10.0 |        40.0 |       4.00 |   2 of 3 |         150 |"))
        #expect(text.contains("\n2 clients: 1 × status 429: busy\n2 clients: 1 not sent in time\n"))
        report.showsPlots = true
        #expect(report.text.contains("2 clients: time to first token, ms"))
    }

    @Test("arrivals of the open loop are a Poisson process of the seed")
    func arrivals() throws {
        let times = BenchWorkload.arrivals(count: 20_000, rate: 50, seed: 3)
        #expect(times == BenchWorkload.arrivals(count: 20_000, rate: 50, seed: 3))
        #expect(times != BenchWorkload.arrivals(count: 20_000, rate: 50, seed: 4))
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 <= $1 })
        let gaps = zip(times, times.dropFirst()).map { Double($1 - $0) / 1e9 }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        // Of an exponential distribution, both are 1/50; the mean of 20,000 is off by 0.7 % on average.
        #expect(abs(mean * 50 - 1) < 0.03 && abs(variance.squareRoot() * 50 - 1) < 0.05)
    }

    @Test("prompts are of the length asked for, and no two alike")
    func prompts() throws {
        var work = BenchWorkload(
            prompts: .words(count: 20), maxTokens: 7, model: "m", isStream: true,
            extra: [JSONMember(key: Array("temperature".utf8), value: .double(0.5))], seed: 1)
        let body = work.body(0)
        #expect(body["prompt"]?.asBytes?.split(separator: 0x20).count == 20)
        #expect(body["max_tokens"]?.asInteger == 7 && body["temperature"]?.asDouble == 0.5)
        #expect(body["stream_options"]?["include_usage"]?.asBool == true && body["model"]?.asBytes == Array("m".utf8))
        #expect(body.asObject?.filter { $0.key == Array("temperature".utf8) }.count == 1)
        #expect(Set((0..<100).map { work.body($0)["prompt"]?.asBytes }).count == 100)
        work.prompts = .tokens(count: 30)
        #expect(work.body(1)["prompt"]?.asArray?.compactMap(\.asInteger).allSatisfy { (32..<224).contains($0) } == true)
        work.isStream = false
        #expect(work.body(1)["stream"] == nil)
    }

    @Test("what a trace says begins alike, begins alike")
    func trace() throws {
        let entries = [[7, 8], [7, 9], [6, 8]].map {
            SimulationWorkload.Entry(
                arrival: 5, promptTokenCount: 40, generatedTokenCount: 3, prefixes: $0.map { Int64($0) })
        }
        let work = BenchWorkload(
            prompts: .trace(SimulationWorkload(entries: entries), scale: 16), maxTokens: 99, model: nil, isStream: true,
            extra: [], seed: 1)
        let words = (0..<3).map { work.body($0)["prompt"]?.asBytes?.split(separator: 0x20) ?? [] }
        #expect(words.map(\.count) == [40, 40, 40] && work.body(0)["max_tokens"]?.asInteger == 3)
        // A prefix stands for 512 / 16 tokens.
        #expect(words[0].prefix(32) == words[1].prefix(32) && words[0] != words[1])
        #expect(words[0].prefix(32) != words[2].prefix(32))
    }

    // MARK: - Targets

    @Test(
        "a URL with or without its path",
        arguments: [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, "/v1"), ("http://localhost:80/v1/", "localhost", 80, "/v1"),
            ("http://[::1]:9/v1/completions", "::1", 9, "/v1"), ("http://127.0.0.2/api/v3", "127.0.0.2", 80, "/api/v3"),
        ] as [(String, String, UInt16, String)])
    func targets(url: String, host: String, port: UInt16, base: String) throws {
        let target = try BenchTarget(url)
        #expect(target.host == host && target.port == port && target.base == base)
        #expect(try BenchAddress.resolve(target, allowsRemote: false).allSatisfy(\.isLoopback))
    }

    @Test(
        "no URL, no plain HTTP, or no machine of ours",
        arguments: [
            "127.0.0.1:8080", "https://127.0.0.1", "ftp://127.0.0.1", "http://127.0.0.1:99999", "http://",
            "http://u@127.0.0.1",
            "http://127.0.0.1/?q=1", "http://192.0.2.1", "http://[2001:db8::1]", "http://example.invalid",
            "http://0.0.0.0",
        ])
    func refused(url: String) {
        #expect(throws: StartError.self) { try BenchAddress.resolve(try BenchTarget(url), allowsRemote: false) }
    }

    @Test("who allows others may name them")
    func allowed() throws {
        #expect(try BenchAddress.resolve(try BenchTarget("http://192.0.2.1"), allowsRemote: true).count == 1)
    }

    @Test(
        "what contradicts itself is refused",
        arguments: [
            "--rate 1 --trace x", "--requests 1 --seconds 1", "--scale 2", "--speed 2", "--clients 0", "--rate 0",
            "--max-tokens 0", "--timeout 0",
        ])
    func options(line: String) {
        #expect(throws: (any Error).self) {
            try BenchServeCommand.parse(["http://127.0.0.1"] + line.split(separator: " ").map(String.init))
        }
    }

    // MARK: - A server

    /// Measures the story model's own server.
    private func measure(_ line: String) async throws -> BenchServeReport {
        let story = try await StoryServer(["--max-running", "4"])
        var configuration = ListenerConfiguration()
        configuration.port = 0
        let listener = try Listener(
            configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onDrainTimeout: {},
            handler: { await story.service.respond(to: $0) })
        let running = Task { try await listener.run() }
        let arguments = ["http://127.0.0.1:\(listener.port)"] + line.split(separator: " ").map(String.init)
        let result: Result<BenchServeReport, any Error>
        do { result = .success(try await BenchServeCommand.parse(arguments).report()) } catch {
            result = .failure(error)
        }
        await listener.stop()
        try await running.value
        await story.engine.drain()
        return try result.get()
    }

    @Test("closed loop: every client's requests are answered with all their tokens")
    func closedLoop() async throws {
        let report = try await measure("--clients 1,3 --requests 6 --prompt-words 5 --max-tokens 4")
        #expect(report.model == "story" && report.results.map(\.name) == ["1 client", "3 clients"])
        for result in report.results {
            #expect(result.answeredCount == 6 && result.outputTokenCount == 24 && result.failures.isEmpty)
            #expect(result.promptTokenCount >= 30 && result.firstTokenTimes.count == 6 && result.unsentCount == 0)
        }
        #expect(report.document["results"]?.asArray?.count == 2)
    }

    @Test("open loop, not streamed, ids for prompts")
    func openLoop() async throws {
        let report = try await measure(
            "--rate 200 --requests 8 --prompt-tokens 6 --max-tokens 3 --no-stream --model story")
        let result = try #require(report.results.first)
        #expect(report.results.count == 1 && result.answeredCount == 8 && result.outputTokenCount == 24)
        #expect(result.promptTokenCount == 48 && result.gaps.count == 0 && result.answerTimes.count == 8)
    }

    @Test("what the server refuses is counted with what it said")
    func failing() async throws {
        let report = try await measure("--clients 2 --requests 4 --model other --max-tokens 2")
        let result = try #require(report.results.first)
        #expect(result.answeredCount == 0 && result.failures.map(\.count) == [4])
        #expect(
            result.failures.first?.name == "status 404" && result.failures.first?.message?.contains("other") == true)
    }

    @Test("a level that ends by time ends")
    func timed() async throws {
        let report = try await measure("--clients 2 --seconds 0.1 --prompt-words 3 --max-tokens 2")
        let result = try #require(report.results.first)
        #expect(result.answeredCount > 0 && result.answeredCount == result.outcomes.count && result.unsentCount == 0)
    }

    @Test("nobody there is an error at once")
    func nobody() async throws {
        // Bound, and not listening.
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        #expect(bound)
        let command = try BenchServeCommand.parse(["http://127.0.0.1:\(UInt16(bigEndian: name.sin_port))"])
        await #expect(throws: StartError.self) { try await command.report() }
    }
}
