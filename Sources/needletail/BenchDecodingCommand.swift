import ArgumentParser
import Engine
import InferenceTypes
import Logging
import Tokenization

/// `needletail bench decoding`: the time of a step for each way of decoding, beside so many independent greedy
/// sequences. The ways take turns, so that a busy neighbour slows all of them.
struct BenchDecodingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decoding", abstract: "The time of a step for each way of decoding.")

    @OptionGroup var modelOptions: ModelOptions

    @Option(help: "Sequences, choices or beams.")
    var width = 4

    @Option(help: "Tokens of each prompt.")
    var promptTokens = 32

    @Option(help: "Tokens that each sequence generates.")
    var maxTokens = 128

    @Option(help: "Rounds; medians of them are printed.")
    var rounds = 9

    func validate() throws {
        guard (1...16).contains(width), (1...4096).contains(promptTokens), (2...4096).contains(maxTokens),
            (1...1000).contains(rounds)
        else {
            throw ValidationError("--width 1…16, --prompt-tokens 1…4096, --max-tokens 2…4096, --rounds 1…1000")
        }
    }

    func run() async throws {
        let model = try LoadedModel(modelOptions)
        guard promptTokens + maxTokens <= model.contextCount else {
            throw StartError("--prompt-tokens and --max-tokens are more than the context of \(model.contextCount)")
        }
        let engine = try await model.startEngine(logger: Logger(label: "needletail"))
        let ways = ways(vocabularyCount: model.tokenizer.vocabularyCount)
        var times: [[Duration]] = ways.map { _ in [] }
        for _ in 0..<rounds {
            for (index, way) in ways.enumerated() { times[index].append(try await stepTime(of: way, engine)) }
        }
        await engine.drain()
        Console.put(Array(table(ways.map(\.name), times.map { $0.sorted()[rounds / 2] }).utf8))
    }

    private struct Way {
        var name: String
        var requests: [GenerationRequest]
    }

    private func ways(vocabularyCount: Int) -> [Way] {
        func request(_ number: Int, _ mode: DecodingMode) -> GenerationRequest {
            // Nothing ends early: no end is named.
            GenerationRequest(
                promptTokens: (0..<promptTokens).map { TokenID((number * 31 + $0 * 7 + 3) % vocabularyCount) },
                mode: mode, stop: StopConditions(maxTokens: maxTokens))
        }
        func independent(_ sampling: SamplingParameters) -> [GenerationRequest] {
            (0..<width).map { request($0, .sampling(sampling, choices: 0..<1)) }
        }
        let greedy = SamplingParameters(temperature: 0)
        let nucleus = SamplingParameters(temperature: 0.8, topK: 50, topP: 0.95, seed: 1)
        let beams = BeamParameters(width: width, earlyStopping: .never)
        return [
            Way(name: "\(width) greedy sequences", requests: independent(greedy)),
            Way(name: "\(width) sampled sequences (top_k 50, top_p 0.95)", requests: independent(nucleus)),
            Way(
                name: "\(width) sampled choices of one prompt",
                requests: [request(0, .sampling(nucleus, choices: 0..<width))]),
            Way(name: "beam search of width \(width)", requests: [request(0, .beam(beams, sampling: nil))]),
            Way(name: "beam sample of width \(width)", requests: [request(0, .beam(beams, sampling: nucleus))]),
        ]
    }

    /// The mean time of the steps after those that compute the prompts: what one token takes alone is taken off.
    private func stepTime(of way: Way, _ engine: GenerationEngine) async throws -> Duration {
        let first = try await run(way.requests, maxTokens: 1, engine)
        let all = try await run(way.requests, maxTokens: maxTokens, engine)
        return (all.time - first.time) / (all.stepCount - first.stepCount)
    }

    /// From the requests to their ends.
    private func run(
        _ requests: [GenerationRequest], maxTokens: Int, _ engine: GenerationEngine
    ) async throws -> (time: Duration, stepCount: Int) {
        let steps = engine.statistics.stepCount
        let started = ContinuousClock.now
        let generations = try requests.map { request in
            var request = request
            request.stop.maxTokens = maxTokens
            return try engine.generate(request)
        }
        for generation in generations {
            for await event in generation.events {
                if case .finished(let choice) = event, case .failed(let message) = choice.reason {
                    throw StartError(message)
                }
            }
        }
        return (ContinuousClock.now - started, engine.statistics.stepCount - steps)
    }

    private func table(_ names: [String], _ medians: [Duration]) -> String {
        var lines = ["| step, median of \(rounds) | ms | × greedy |", "| --- | ---: | ---: |"]
        for (name, median) in zip(names, medians) {
            let milliseconds = (median / .milliseconds(1) * 1000).rounded() / 1000
            let ratio = (median / medians[0] * 1000).rounded() / 1000
            lines.append("| \(name) | \(milliseconds) | \(ratio) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
