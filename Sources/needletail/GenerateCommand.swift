import ArgumentParser
import CompletionsAPI
import Engine
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Logging
import Tokenization

/// `needletail generate "…"`: the engine without the server. Each flag is a field of a completion call, so that what it
/// means, and what is refused, is what the server would do.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continues a prompt in the terminal.")

    @Argument(help: "The text to continue.")
    var prompt: String

    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingOptions
    @OptionGroup(title: "Beams") var beams: BeamOptions
    @OptionGroup(title: "What changes scores") var processing: ProcessingOptions
    @OptionGroup(title: "Ends") var stopping: StopOptions
    @OptionGroup(title: "Prompt") var promptOptions: PromptOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let model = try LoadedModel(modelOptions)
        let engine = try await model.startEngine(logger: Logger(label: "needletail"))
        let served = ServedModel(model, engine)
        let fields = requestFields(for: model)
        if output.json {
            try await writeDocument(fields, served)
        } else {
            try await writeTexts(fields, served)
        }
        await engine.drain()
    }

    /// The body that a client of the server would send.
    func requestFields(for model: LoadedModel) -> RequestFields {
        var fields = RequestFields()
        fields.add("prompt", prompt)
        promptOptions.add(to: &fields)
        sampling.add(to: &fields)
        beams.add(to: &fields)
        processing.add(to: &fields)
        stopping.add(to: &fields)
        output.add(to: &fields)
        if !fields.has("max_tokens") { fields.add("max_tokens", defaultMaxTokens(for: model)) }
        let chooses = ["temperature", "num_beams", "use_beam_search", "beam_width", "penalty_alpha"]
        if !chooses.contains(where: fields.has) { fields.add("temperature", Self.defaultTemperature) }
        return fields
    }

    private static let defaultTemperature = 0.8
    private static let defaultMaxTokens = 256
    /// A prefix, a suffix and a middle token.
    private static let fillInMiddleCount = 3

    private func defaultMaxTokens(for model: LoadedModel) -> Int64 {
        func count(_ text: String) -> Int { model.tokenizer.encode(Array(text.utf8), addSpecialTokens: .add).count }
        let used = count(prompt) + (promptOptions.suffix.map { count($0) + Self.fillInMiddleCount } ?? 0)
        return Int64(max(1, min(Self.defaultMaxTokens, model.contextCount - used)))
    }

    private func writeDocument(_ fields: RequestFields, _ served: ServedModel) async throws {
        let service = CompletionsService(
            model: served, configuration: ServiceConfiguration(build: Build.version),
            environment: .system(report: { _ in }))
        let head = HTTPRequest(
            method: .post, scheme: nil, authority: nil, path: "/v1/completions",
            headerFields: [.contentType: "application/json"])
        let request = ServerRequest(
            head: head, path: Array("/v1/completions".utf8), body: JSONWriter.bytes(of: .object(fields.members)))
        let response = await service.respond(to: request)
        guard case .bytes(let body) = response.body else { return }
        Console.put(body + [0x0A])
        if response.head.status != .ok { throw ExitCode(StartError.status) }
    }

    private func writeTexts(_ fields: RequestFields, _ served: ServedModel) async throws {
        do throws(APIError) {
            var call = try CompletionCall(
                fields.members, model: served, unknownFields: .refuse, random: { .random(in: .min ... .max) })
            for index in call.runs.indices { call.runs[index].request.report.explains = output.explain }
            Console.say("\(served.name), seed \(call.prompts[0].seed)")
            try await write(call, served)
        } catch {
            throw StartError(error.message)
        }
    }

    private func write(_ call: CompletionCall, _ served: ServedModel) async throws(APIError) {
        let started = ContinuousClock.now
        var writer = TextWriter(
            call, prompt: prompt, explanation: output.explain ? ExplanationText(served.tokenizer) : nil)
        for (index, run) in call.runs.enumerated() {
            for await event in try call.start(run, by: served).events {
                guard try writer.take(event, run: index) else { return }
            }
        }
        writer.end()
        let elapsed = ContinuousClock.now - started
        let rate = Double(writer.tokenCount) / (elapsed / .seconds(1))
        Console.say(
            "\(writer.tokenCount) tokens in \(Readable.seconds(elapsed)), \((rate * 10).rounded() / 10) a second")
    }
}
