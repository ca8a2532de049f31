import Testing

@testable import Engine

/// Traces of requests: what is read, what is refused, and what prompts are made of.
@Suite("Traces")
struct SimulationWorkloadTests {
    private typealias Entry = SimulationWorkload.Entry

    private func read(_ text: String) throws(SimulationWorkloadError) -> [SimulationWorkload.Entry] {
        try SimulationWorkloadReader.read(Array(text.utf8)).entries
    }

    @Test("Mooncake's JSON lines")
    func mooncake() throws {
        let text = """
            {"timestamp": 1000, "input_length": 600, "output_length": 5, "hash_ids": [0, 7]}
            {"timestamp": 1027.5, "input_length": 3, "output_length": 0, "hash_ids": [8]}\r

            """
        #expect(
            try read(text) == [
                Entry(arrival: 0, promptTokenCount: 600, generatedTokenCount: 5, prefixes: [0, 7]),
                Entry(arrival: 27_500_000, promptTokenCount: 3, generatedTokenCount: 0, prefixes: [8]),
            ])
    }

    @Test("JSON lines in seconds, and in any order")
    func seconds() throws {
        let text = """
            {"t": 4.315, "prompt_tokens": 396, "max_tokens": 109, "prompt_tokens_div16": 24}
            {"t": 0.0, "prompt_tokens": 374, "max_tokens": 44}
            """
        #expect(
            try read(text) == [
                Entry(arrival: 0, promptTokenCount: 374, generatedTokenCount: 44),
                Entry(arrival: 4_315_000_000, promptTokenCount: 396, generatedTokenCount: 109),
            ])
    }

    @Test("Azure's CSV, over midnight of a leap day")
    func azure() throws {
        let text =
            "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2024-02-29 23:59:59.5000000,374,44\r\n"
            + "2024-03-01 00:00:00,1,2\r\n"
        #expect(
            try read(text) == [
                Entry(arrival: 0, promptTokenCount: 374, generatedTokenCount: 44),
                Entry(arrival: 500_000_000, promptTokenCount: 1, generatedTokenCount: 2),
            ])
    }

    @Test(
        "a bad line is refused by its number",
        arguments: [
            ("", 1, "no request"), ("{\"t\": 0, \"prompt_tokens\": 1, \"max_tokens\": 1}\n{\"t\":", 2, ""),
            ("{}", 1, "t has to be a time within a year, not below 0"),
            (
                "{\"t\": -1, \"prompt_tokens\": 1, \"max_tokens\": 1}", 1,
                "t has to be a time within a year, not below 0"
            ),
            (
                "{\"t\": 1e300, \"prompt_tokens\": 1, \"max_tokens\": 1}", 1,
                "t has to be a time within a year, not below 0"
            ),
            (
                "{\"t\": 1, \"prompt_tokens\": 1.5, \"max_tokens\": 1}", 1,
                "prompt_tokens has to be an integer of 0…16777216"
            ),
            (
                "{\"timestamp\": 1, \"input_length\": 99999999, \"output_length\": 1}", 1,
                "input_length has to be an integer of 0…16777216"
            ),
            (
                "{\"timestamp\": 1, \"input_length\": 9, \"output_length\": 1, \"hash_ids\": [true]}", 1,
                "hash_ids has to be an array of integers"
            ),
            ("a,b", 1, "expected three fields or a JSON object"),
            ("2023-13-01 00:00:00,1,1", 1, "expected a time as 2023-11-16 18:15:46.6805900"),
            ("2023-11-16 18:15:46.0123456789,1,1", 1, "expected a time as 2023-11-16 18:15:46.6805900"),
            ("2023-11-16 18:15:46,+1,1", 1, "expected two counts of 0…16777216"),
            ("2023-11-16 18:15:46,1,1\n2023-11-16 18:15:46,,1", 2, "expected two counts of 0…16777216"),
        ] as [(String, Int, String)])
    func refusals(text: String, line: Int, message: String) {
        let error = #expect(throws: SimulationWorkloadError.self) { try read(text) }
        #expect(error?.line == line)
        #expect(message.isEmpty || error?.message == message)
    }

    @Test("no bytes trap")
    func bytes() throws {
        var random = SplitMix(1)
        let line = "{\"timestamp\": 27, \"input_length\": 6758, \"output_length\": 500, \"hash_ids\": [0, 1]}\n"
        let row = "2023-11-16 18:15:46.6805900,374,44\n"
        var readCount = 0
        for _ in 0..<4000 {
            var text = Array((random.below(2) == 0 ? line + line : row + row).utf8)
            for _ in 0..<1 + random.below(3) {
                let place = random.below(text.count)
                switch random.below(3) {
                case 0: text[place] = UInt8(random.below(256))
                case 1: text.remove(at: place)
                default: text.insert(Array("0123456789-.,:{}[]\"e ".utf8)[random.below(21)], at: place)
                }
            }
            if (try? SimulationWorkloadReader.read(text)) != nil { readCount += 1 }
        }
        #expect((100..<3900).contains(readCount))
    }

    @Test("prompts begin alike where the trace says so, at every scale", arguments: SimulationWorkload.prefixScales)
    func prompts(scale: Int) {
        let workload = SimulationWorkload(entries: [
            Entry(arrival: 0, promptTokenCount: 1100, generatedTokenCount: 64, prefixes: [1, 2, 3]),
            Entry(arrival: 10, promptTokenCount: 1500, generatedTokenCount: 64, prefixes: [1, 2, 4]),
            Entry(arrival: 20, promptTokenCount: 1500, generatedTokenCount: 64),
            Entry(arrival: 30, promptTokenCount: 1500, generatedTokenCount: 64),
        ]).scaled(by: scale, speed: 2)
        let prompts = workload.entries.indices.map { workload.prompt($0) }
        #expect(prompts.map(\.count) == [1100, 1500, 1500, 1500].map { ($0 + scale - 1) / scale })
        #expect(workload.entries.map(\.generatedTokenCount) == Array(repeating: 64 / scale, count: 4))
        #expect(workload.entries.map(\.arrival) == [0, 5, 10, 15])
        let shared = 1024 / scale
        #expect(prompts[0][..<shared] == prompts[1][..<shared])
        #expect(zip(prompts[0], prompts[1]).prefix { $0 == $1 }.count < shared + 16)
        #expect(zip(prompts[2], prompts[3]).prefix { $0 == $1 }.count < 16)
    }

    @Test("hits of a cache without bound: whole blocks, never the last token")
    func unbounded() {
        let prefixes: [Int64] = [1, 2]
        let workload = SimulationWorkload(entries: [
            Entry(arrival: 0, promptTokenCount: 1000, generatedTokenCount: 1, prefixes: prefixes),
            Entry(arrival: 1, promptTokenCount: 1024, generatedTokenCount: 1, prefixes: prefixes),
            Entry(arrival: 2, promptTokenCount: 1024, generatedTokenCount: 1, prefixes: prefixes),
            Entry(arrival: 3, promptTokenCount: 100, generatedTokenCount: 1, prefixes: [9]),
        ])
        let all = workload.unboundedHits(blockSize: 16) { _ in true }
        #expect(all.cachedTokenCount == 992 + 1023)
        #expect(all.promptTokenCount == 3148)
        let some = workload.unboundedHits(blockSize: 16) { $0 != 1 }
        #expect(some.cachedTokenCount == 992 && some.promptTokenCount == 2124)
    }
}
