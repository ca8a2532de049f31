import ArgumentParser
import CompletionsAPI
import Engine
import HTTPCodec
import HTTPTypes
import Telemetry
import Testing

@testable import needletail

@Suite("Metrics of the program", .timeLimit(.minutes(1)))
struct MetricsOptionsTests {
    private func parse(_ arguments: String) throws -> MetricsOptions {
        try MetricsOptions.parse(arguments.split(separator: " ").map(String.init))
    }

    @Test("They are counted unless that is turned off")
    func options() throws {
        #expect(try parse("").registry != nil)
        #expect(try parse("--metrics-port 0").metricsPort == 0)
        #expect(try parse("--no-metrics").registry == nil)
    }

    @Test("What contradicts itself is refused", arguments: ["--metrics-port 65536", "--no-metrics --metrics-port 1"])
    func refused(_ arguments: String) { #expect(throws: (any Error).self) { try parse(arguments) } }

    private func page(_ server: StoryServer) async throws -> [Substring] {
        let head = HTTPRequest(method: .get, scheme: nil, authority: "localhost", path: "/metrics")
        let response = await server.service.respond(to: ServerRequest(head: head, path: Array("/metrics".utf8)))
        guard case .bytes(let bytes) = response.body else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }

    @Test("Who hangs up leaves gauges at zero and each of his choices aborted")
    func hangUps() async throws {
        let server = try await StoryServer([], metrics: MetricRegistry())
        for _ in 0..<6 {
            let fields: [String: Any] = [
                "prompt": "Once upon a time", "max_tokens": 150, "n": 2, "ignore_eos": true, "stream": true,
            ]
            guard case .stream(let pieces) = try await server.respond(fields).body else { continue }
            for await piece in pieces where !piece.isEmpty { break }
        }
        while !server.engine.statistics.isIdle { try await Task.sleep(for: .milliseconds(5)) }
        let lines = try await page(server)
        for name in ["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "num_tokens_waiting"] {
            #expect(lines.contains { $0.hasPrefix("needletail_\(name){") && $0.hasSuffix(" 0") }, "\(name)")
        }
        let aborted = "needletail_request_success_total{model_name=\"story\",finished_reason=\"abort\"} 12"
        #expect(lines.contains { $0 == aborted })
        #expect(lines.contains { $0.hasPrefix("needletail_cache_config_info{") && $0.contains("block_size=\"16\"") })
    }
}
