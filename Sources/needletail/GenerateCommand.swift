import ArgumentParser
import Engine
import InferenceTypes
import Logging
import Tokenization

/// `needletail generate "…"`: the engine without the server, text to the terminal as it comes.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continues a prompt in the terminal.")

    @Argument(help: "The text to continue.")
    var prompt: String

    @OptionGroup var modelOptions: ModelOptions

    @Option(help: "Tokens to generate at most; less where the context ends.")
    var maxTokens = 256

    @Option(help: "0 is greedy; above, the logits are divided by it. At most 2.")
    var temperature: Float = 0.8

    @Option(help: "Only the most probable tokens, so many of them (and ties); 0 takes all.")
    var topK = 0

    @Option(help: "Only the most probable tokens that reach this mass together.")
    var topP: Float = 1

    @Option(help: "Only tokens at least this fraction as probable as the most probable one.")
    var minP: Float = 0

    @Option(help: "The same seed gives the same text; one is drawn and reported when absent.")
    var seed: UInt64?

    @Option(help: "Ends the text where this would come; may be given more than once.")
    var stop: [String] = []

    func validate() throws {
        try check((0...1_048_576).contains(maxTokens), "--max-tokens must be in 0…1048576, got \(maxTokens)")
        try check((0...2).contains(temperature), "--temperature must be in 0…2, got \(temperature)")
        try check(topK >= 0, "--top-k must be at least 0, got \(topK)")
        try check(topP > 0 && topP <= 1, "--top-p must be above 0 and at most 1, got \(topP)")
        try check((0...1).contains(minP), "--min-p must be in 0…1, got \(minP)")
        try check(!stop.contains(""), "--stop must not be empty")
    }

    private func check(_ holds: Bool, _ message: String) throws {
        guard holds else { throw ValidationError(message) }
    }

    func run() async throws {
        let model = try LoadedModel(modelOptions)
        let request = try request(for: model)
        let engine = try await model.startEngine(logger: Logger(label: "needletail"))
        Console.say("\(model.name), seed \(request.sampling.seed)")
        let started = ContinuousClock.now
        let tokenCount = try await write(try engine.generate(request))
        let elapsed = ContinuousClock.now - started
        Console.put([0x0A])
        let rate = Double(tokenCount) / (elapsed / .seconds(1))
        Console.say("\(tokenCount) tokens in \(Readable.seconds(elapsed)), \((rate * 10).rounded() / 10) a second")
        await engine.drain()
    }

    private func request(for model: LoadedModel) throws(StartError) -> GenerationRequest {
        let tokens = model.tokenizer.encode(Array(prompt.utf8), addSpecialTokens: .add)
        guard !tokens.isEmpty else {
            throw StartError("the prompt is empty, and this model has no token to start with")
        }
        let room = model.contextCount - tokens.count
        guard room > 0 else {
            throw StartError(
                "the prompt has \(tokens.count) tokens; the context of \(model.contextCount) leaves no room")
        }
        return GenerationRequest(
            promptTokens: tokens, maxTokens: min(maxTokens, room),
            sampling: SamplingParameters(
                temperature: temperature, topK: topK == 0 ? nil : topK, topP: topP, minP: minP,
                seed: seed ?? .random(in: .min ... .max)),
            stopStrings: stop.map { Array($0.utf8) })
    }

    /// - Returns: how many tokens were generated.
    private func write(_ events: AsyncStream<GenerationEvent>) async throws(StartError) -> Int {
        Console.put(Array(prompt.utf8))
        var count = 0
        for await event in events {
            switch event {
            case .delta(let delta):
                count += delta.tokens.count
                guard Console.put(delta.text) else { return count }
            case .finished(_, .failed(let message)): throw StartError(message)
            case .finished: break
            }
        }
        return count
    }
}
