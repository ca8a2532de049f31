import Engine
import Foundation
import HTTPCodec
import TestSupport
import Testing

@testable import needletail

@Suite("One row, one answer, through the whole program")
struct RowTests {
    @Test("40 requests alone, and all at once in another order, streamed and plain, with 1 thread and with 2")
    func crowd() async throws {
        var maker = RequestMaker(seed: 3)
        let requests = (0..<40).map { _ in Request(fields: maker.next()) }
        let alone = try await StoryServer(["--threads", "1"])
        var expected: [StoryServer.Answer] = []
        for request in requests { expected.append(try await alone.plain(request.fields)) }
        #expect(Set(expected.map(\.text)).count > 30)

        for threads in ["1", "2"] {
            let crowded = try await StoryServer(["--threads", threads, "--max-batch-tokens", "64"])
            let answers = try await withThrowingTaskGroup(of: (Int, StoryServer.Answer).self) { group in
                for (index, request) in requests.enumerated().reversed() {
                    group.addTask {
                        let answer =
                            index.isMultiple(of: 2)
                            ? try await crowded.plain(request.fields) : try await crowded.streamed(request.fields)
                        return (index, answer)
                    }
                }
                return try await group.reduce(into: [Int: StoryServer.Answer]()) { $0[$1.0] = $1.1 }
            }
            for (index, answer) in expected.enumerated() { #expect(answers[index] == answer) }
        }
    }

    @Test(
        "the stream, put together, is the plain text for 200 requests to models that write whole words, bytes, and both"
    )
    func streams() async throws {
        let fixtures = ["llama-gqa/hf", "qwen2/model-f32.gguf"].map { SharedData.fixture("models/\($0)").path }
        var servers = [try await StoryServer()]
        for path in fixtures { servers.append(try await StoryServer(["--model", path])) }
        var maker = RequestMaker(seed: 9)
        var multibyteCount = 0
        var stoppedCount = 0
        for number in 0..<200 {
            let server = servers[number % servers.count]
            let fields = maker.next()
            let plain = try await server.plain(fields)
            #expect(try await server.streamed(fields) == plain)
            if plain.text.utf8.count > plain.text.unicodeScalars.count { multibyteCount += 1 }
            if let stop = plain.stopReason {
                stoppedCount += 1
                #expect(!plain.text.contains(stop))
            }
        }
        #expect(multibyteCount > 50 && stoppedCount > 30, "\(multibyteCount) multi-byte, \(stoppedCount) stopped")
    }

    @Test("a client that hangs up frees its blocks, streamed or not")
    func hangUp() async throws {
        let server = try await StoryServer()
        let long = Request(fields: ["prompt": "Once upon a time", "max_tokens": 400, "temperature": 2, "seed": 5])
        for _ in 0..<8 {
            var fields = long.fields
            fields["stream"] = true
            guard case .stream(let pieces) = try await server.respond(fields).body else { continue }
            var iterator: AsyncStream<[UInt8]>.Iterator? = pieces.makeAsyncIterator()
            _ = await iterator?.next()
            iterator = nil
        }
        let plain = Task { try await server.plain(long.fields) }
        plain.cancel()
        _ = try? await plain.value
        // The next request is answered after the cancellations: commands are taken in order.
        _ = try await server.plain(["prompt": "Once", "max_tokens": 1])
        await server.engine.drain()
        let statistics = server.engine.statistics
        #expect(statistics.runningCount == 0 && statistics.waitingCount == 0)
        #expect(statistics.freeBlockCount == statistics.totalBlockCount)
        #expect(statistics.generatedTokenCount < 9 * 400)
    }

    /// Fields may cross into a task: they are built once and only read.
    private struct Request: @unchecked Sendable { var fields: [String: Any] }
}
