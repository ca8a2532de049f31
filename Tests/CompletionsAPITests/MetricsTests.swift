import CompletionsAPI
import Engine
import Foundation
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Telemetry
import Testing

@Suite("Metrics", .timeLimit(.minutes(1)))
struct MetricsTests {
    /// The page's lines by what stands before the last blank.
    private func page(_ service: CompletionsService) async -> [String: Double] {
        let answer = await Answer(service.respond(to: request("GET", "/metrics")))
        #expect(answer.status == 200)
        #expect(answer.fields[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
        var found: [String: Double] = [:]
        for line in answer.text.split(separator: "\n") where !line.hasPrefix("#") {
            let blank = line.lastIndex(of: " ") ?? line.startIndex
            let name = line[..<blank].replacingOccurrences(of: "model_name=\"tiny\",", with: "")
            #expect(found[name] == nil, "twice: \(name)")
            found[name] = Double(line[blank...].dropFirst())
        }
        return found
    }

    private func ends(_ page: [String: Double]) -> [String: Double] {
        let prefix = "needletail_request_success_total{finished_reason=\""
        var found: [String: Double] = [:]
        for (name, value) in page where name.hasPrefix(prefix) && value > 0 {
            found[String(name.dropFirst(prefix.count).dropLast(2))] = value
        }
        return found
    }

    private func total(_ page: [String: Double], _ name: String) -> [Double?] {
        ["_count", "_sum"].map { page["needletail_\(name)\($0){model_name=\"tiny\"}"] }
    }

    @Test("what was counted is what the clients were told", arguments: [false, true])
    func equal(streamed: Bool) async {
        let service = service(saying("x"), metrics: MetricRegistry())
        for body in [
            #""prompt":["ab","c"]"#, #""prompt":"abc","n":3,"temperature":1"#, #""prompt":"a","max_tokens":5"#,
        ] {
            #expect(await service.answer("{\(body),\"stream\":\(streamed)}").status == 200)
        }
        let page = await page(service)
        #expect(ends(page) == ["length": 6])
        #expect(total(page, "request_prompt_tokens") == [3, 7])
        #expect(total(page, "request_generation_tokens") == [3, 12])
        #expect(total(page, "request_params_n") == [3, 5])
        #expect(total(page, "request_params_max_tokens") == [3, 16 + 16 + 5])
        #expect(total(page, "e2e_request_latency_seconds")[0] == 3)
        let key = #"needletail_http_requests_total{handler="/v1/completions",method="POST",status="200"}"#
        #expect(page[key] == 3)
    }

    @Test("of best_of only what is answered is counted")
    func ranked() async {
        let service = service(saying("x"), metrics: MetricRegistry())
        #expect(await service.answer(#"{"prompt":"a","n":2,"best_of":4,"temperature":1}"#).status == 200)
        #expect(ends(await page(service)) == ["length": 2])
    }

    @Test("who hangs up has aborted each choice that was open")
    func abandoned() async {
        let (records, sink) = AsyncStream.makeStream(of: CompletionRecord.self)
        let engine = ScriptedEngine { _, place in place == 0 ? nil : [finished(.length)] }
        let service = service(engine, metrics: MetricRegistry(), report: { sink.yield($0) })
        let feeding = Task {
            for await admission in engine.admitted {
                admission.events.yield(delta("x", [1]))
                break
            }
        }
        do { _ = await service.respond(to: post(#"{"prompt":["a","b"],"stream":true}"#)) }
        var found: CompletionRecord?
        for await record in records {
            found = record
            break
        }
        await feeding.value
        #expect(found?.status == 499)
        let ends = ends(await page(service))
        #expect(ends.values.reduce(0, +) == 2)
        #expect((ends["abort"] ?? 0) >= 1)
    }

    @Test("a failure is an error of each choice, plain and streamed", arguments: [false, true])
    func failed(streamed: Bool) async {
        let engine = ScriptedEngine { _, _ in [finished(.length), finished(.failed("no"), choice: 1)] }
        let service = service(engine, metrics: MetricRegistry())
        _ = await service.answer(#"{"prompt":"a","n":3,"temperature":1,"stream":\#(streamed)}"#)
        #expect(ends(await page(service)) == (streamed ? ["length": 1, "error": 2] : ["error": 3]))
    }

    @Test("the engine's figures are on the page, and a full cache is one")
    func engine() async {
        var statistics = EngineStatistics()
        statistics.runningCount = 3
        statistics.runningBeamCount = 1
        statistics.waitingCount = 4
        statistics.freeBlockCount = 32
        statistics.totalBlockCount = 128
        statistics.startedPromptTokenCount = 9000
        statistics.cachedPromptTokenCount = 4096
        statistics.generatedTokenCount = 77
        statistics.preemptionCount = 5
        let page = await page(service(saying("x"), statistics: statistics, metrics: MetricRegistry()))
        func value(_ name: String) -> Double? { page["needletail_\(name){model_name=\"tiny\"}"] }
        #expect(value("num_requests_running") == 3 && value("num_requests_waiting") == 4)
        #expect(value("beam_requests_running") == 1)
        #expect(value("kv_cache_usage_perc") == 0.75)
        #expect(value("prefix_cache_queries_total") == 9000 && value("prefix_cache_hits_total") == 4096)
        #expect(value("prompt_tokens_total") == 9000 && value("generation_tokens_total") == 77)
        #expect(value("num_preemptions_total") == 5)
        #expect(page["needletail_build_info{version=\"test\"}"] == 1)
        #expect((page["process_resident_memory_bytes"] ?? 0) > 0)
        #expect(ends(page) == [:])
        #expect(page.keys.filter { $0.hasPrefix("needletail_request_success_total") }.count == 5)
    }

    @Test("refusals and strange paths have labels of ours, and a record that tells nothing of the body")
    func refused() async {
        let (records, sink) = AsyncStream.makeStream(of: RequestRecord.self)
        let service = service(saying("x"), metrics: MetricRegistry(), reportOther: { sink.yield($0) })
        #expect(await service.answer(#"{"prompt":"secret","n":-1}"#).status == 400)
        for path in ["/secret", "/v1/models/secret", "/v1/completions/secret/cancel"] {
            _ = await service.respond(to: request("GET", path))
        }
        _ = await service.respond(to: request("SECRET", "/load"))
        sink.finish()
        let found = await records.reduce(into: []) { $0.append($1) }
        #expect(found.map(\.status) == [400, 404, 404, 405, 405])
        #expect(!"\(found)".lowercased().contains("secret"))
        let page = await page(service)
        let requests = page.filter { $0.key.hasPrefix("needletail_http_requests_total") && $0.value > 0 }
        #expect(requests.values.reduce(0, +) == 5)
        #expect(!page.keys.contains { $0.lowercased().contains("secret") })
        #expect(total(page, "request_prompt_tokens") == [0, 0])
    }

    @Test("there is no page where nothing is counted, and a listener of its own has nothing else")
    func places() async {
        let without = service(saying("x"))
        #expect(await Answer(without.respond(to: request("GET", "/metrics"))).status == 404)
        #expect(await Answer(without.respondToScrape(request("GET", "/metrics"))).status == 404)
        let with = service(saying("x"), metrics: MetricRegistry())
        #expect(await Answer(with.respondToScrape(request("GET", "/metrics"))).status == 200)
        #expect(await Answer(with.respondToScrape(request("GET", "/v1/models"))).status == 404)
        #expect(await Answer(with.respondToScrape(request("POST", "/metrics"))).status == 405)
    }
}

@Suite("What a request's record says", .timeLimit(.minutes(1)))
struct RequestTimeTests {
    private static let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("queue, prompt and decode are told apart by when the engine said something")
    func times() async {
        let engine = ScriptedEngine { _, _ in
            [
                .started(waited: .milliseconds(500)), delta("a", [1]), delta("b", [2]),
                finished(.endOfSequence(0), cached: 1),
            ]
        }
        let (clock, sink) = (Counter(), AsyncStream.makeStream(of: CompletionRecord.self))
        let service = service(
            engine, uptime: { .seconds(clock.next()) }, report: { sink.continuation.yield($0) })
        var request = post(#"{"prompt":"ab","request_id":"mine"}"#)
        request.head.headerFields[Self.traceParent] = Self.sent
        #expect(await Answer(service.respond(to: request)).status == 200)
        sink.continuation.finish()
        let found = await sink.stream.reduce(into: []) { $0.append($1) }
        #expect(found.count == 1)
        // Ticks: arrival, admission, start, two tokens, the end, the record.
        #expect(found.first?.queueTime == .milliseconds(500))
        #expect(found.first?.firstTokenTime == .seconds(3))
        #expect(found.first?.promptTime == .milliseconds(1500))
        #expect(found.first?.decodeTime == .seconds(1))
        #expect(found.first?.elapsed == .seconds(6))
        #expect(found.first?.cachedTokenCount == 1)
        #expect(found.first?.finishes.text == "stop:1")
        #expect(found.first?.status == 200)
        #expect(found.first?.requestID == "mine")
        #expect(found.first?.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(found.first?.model == "tiny")
    }

    private static let traceParent = HTTPField.Name("traceparent") ?? .date

    @Test(
        "every answer carries on the trace, or begins one",
        arguments: ["/v1/completions", "/health/live", "/nothing", "/metrics"])
    func trace(path: String) async throws {
        let service = service(saying("x"))
        var request = path == "/v1/completions" ? post(#"{"prompt":"a","stream":true}"#) : request("GET", path)
        var seen: Set<String> = []
        for sent in [Self.sent, "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "x", nil] {
            request.head.headerFields[Self.traceParent] = sent
            let field = try #require(await Answer(service.respond(to: request)).fields[Self.traceParent])
            let parts = field.split(separator: "-").map(String.init)
            #expect(parts.map(\.count) == [2, 32, 16, 2])
            #expect((parts[1] == "4bf92f3577b34da6a3ce929d0e0e4736") == (sent == Self.sent))
            #expect(parts[3] == (sent == Self.sent ? "01" : "00"))
            #expect(parts[2] != "00f067aa0ba902b7")
            seen.insert(parts[2])
        }
        #expect(seen.count == 4)
    }
}
