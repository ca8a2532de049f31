import ArgumentParser
import Checkpoints
import CompletionsAPI
import InferenceTypes
import Testing

@testable import needletail

/// Structure, not speed: the story model, tiny counts.
struct BenchEngineTests {
    private func report(_ line: String) async throws -> BenchEngineReport {
        try await BenchEngineCommand.parse(line.split(separator: " ").map(String.init)).report()
    }

    @Test("prompts and streams, each with its roofline before and after")
    func table() async throws {
        let report = try await report(
            "-p 8,16 -n 3 -b 1,3 --context-fill 10 --repeat 2 --threads 1 --roofline-mib 1 --max-batch-tokens 32")
        #expect(
            report.results.map(\.row.name) == ["prompt of 8", "prompt of 16", "1 stream at 10", "3 streams at 10"])
        for result in report.results {
            #expect(
                result.samples.count == 2 && result.samples.allSatisfy { $0.seconds > 0 && $0.before.bandwidth > 0 })
        }
        let lines = report.text.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("| ") }.count == 6 && report.text.contains("story.gguf"))
        let document = report.document
        #expect(document["results"]?.asArray?.count == 4 && document["unit"]?.asBytes == Array("int8".utf8))
        #expect(document["machine"]?["threads"]?.asInteger == 1)
        let streams = document["results"]?.asArray?[3]
        #expect(streams?["streams"]?.asInteger == 3 && streams?["samples"]?.asArray?.count == 2)
        #expect(streams?["tokens_per_second"]?["p50"]?.asDouble.map { $0 > 0 } == true)
    }

    @Test("clients instead of tests")
    func clients() async throws {
        let report = try await report(
            "-b 2 --clients 5,4 --requests-per-client 2 --repeat 1 --threads 1 --roofline-mib 1")
        #expect(report.results.map(\.row) == [.clients(count: 2, requestCount: 4, promptCount: 5, maxTokens: 4)])
        #expect(report.results[0].row.tokenCount == 16 && report.results[0].samples.count == 1)
    }

    @Test(
        "what makes no sense is refused",
        arguments: ["-p 0 -b 0", "-n 0", "--clients 5", "--repeat 0", "-b -1", "-p x", "--context-fill 0"])
    func refused(line: String) {
        #expect(throws: (any Error).self) {
            try BenchEngineCommand.parse(line.split(separator: " ").map(String.init))
        }
    }

    @Test("sequences longer than the model's context are refused before anything runs")
    func tooLong() async throws {
        await #expect(throws: StartError.self) { try await report("-p 100000 -b 0") }
    }

    @Test("only steps in which every stream has one token count, and only where the next one's start is known")
    func stepTimes() {
        func step(_ started: UInt64, _ rowCount: Int, _ tokenCount: Int) -> BenchStep {
            BenchStep(started: started, rowCount: rowCount, tokenCount: tokenCount)
        }
        let steps = [
            step(0, 1, 8), step(100, 2, 9), step(250, 2, 2), step(260, 2, 2), step(290, 2, 2), step(500, 1, 1),
        ]
        #expect(BenchStep.meanTime(steps, streamCount: 2, count: 2) == 20)
        #expect(BenchStep.meanTime(steps, streamCount: 2, count: 3) == 250.0 / 3)
        #expect(BenchStep.meanTime(steps, streamCount: 2, count: 4) == nil)
        #expect(BenchStep.meanTime(Array(steps.dropLast()), streamCount: 2, count: 3) == nil)
        #expect(BenchStep.meanTime(steps, streamCount: 1, count: 1) == nil)
        #expect(BenchStep.meanTime([], streamCount: 1, count: 1) == nil)
    }

    @Test("the cost of a step is counted from the tensors")
    func cost() throws {
        let model = try LoadedModel(try ModelOptions.parse([]))
        let cost = BenchModelCost(model.checkpoint)
        let shape = model.checkpoint.configuration
        let perLayer =
            shape.hiddenSize * (2 * shape.querySize + 2 * shape.keyValueSize) + 3 * shape.hiddenSize
            * shape.feedForwardSize
        #expect(cost.layerParameterCount == shape.layerCount * perLayer)
        #expect(cost.headParameterCount == shape.vocabularyCount * shape.hiddenSize)
        // Q8_0: 34 bytes for 32 weights.
        #expect(cost.stepByteCount == (cost.layerParameterCount + cost.headParameterCount) / 32 * 34)
        #expect(cost.unit == .int8 && cost.types.map(\.type) == [.q8_0])
        let row = BenchEngineReport.Row.decode(streamCount: 3, contextCount: 10, stepCount: 4)
        #expect(row.operationCount(cost) == 6 * (cost.layerParameterCount + cost.headParameterCount))
        #expect(row.byteCount(cost, keyValueByteCount: 100) == cost.stepByteCount + 3 * 12 * 100)
        #expect(BenchEngineReport.Row.prompt(tokenCount: 7).operationCount(cost) == 14 * cost.layerParameterCount)
    }

    @Test("a roofline is the slower of reading and multiplying, between its two measurements")
    func roofline() {
        let before = Roofline(bandwidth: 10, peaks: [.int8: 100, .fp32: 20])
        let after = Roofline(bandwidth: 30, peaks: [.int8: 300, .fp32: 20])
        let middle = Roofline.between(before, after)
        #expect(middle.bandwidth == 20 && middle.peak(.int8) == 200)
        // Without the unit, floats do it.
        #expect(middle.peak(.bf16) == 20)
        #expect(middle.seconds(byteCount: 100, operationCount: 100, .int8) == 5)
        #expect(middle.seconds(byteCount: 100, operationCount: 2000, .int8) == 10)
    }

    @Test("this machine reads and multiplies", arguments: [1, 2])
    func probe(threadCount: Int) {
        let roofline = RooflineProbe(mebibytes: 1, threadCount: threadCount).measure()
        #expect(roofline.bandwidth > 0)
        for unit in Roofline.Unit.allCases {
            #expect((roofline.peaks[unit] ?? 0 > 0) == (unit.instruction != nil), "\(unit)")
        }
        let table = BenchMachineCommand.table([roofline, roofline])
        #expect(table.split(separator: "\n").count == 3 + Roofline.Unit.allCases.filter { $0.instruction != nil }.count)
    }
}
