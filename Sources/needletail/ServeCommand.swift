import ArgumentParser
import CompletionsAPI
import Engine
import HTTPCodec
import HTTPTransport
import Logging
import ServiceLifecycle
import Telemetry
import Tokenization
import UnixSignals

/// `needletail serve`: the model over HTTP.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "serve", abstract: "Serves a model over HTTP.")

    enum LogFormat: String, ExpressibleByArgument, CaseIterable {
        case plain, json
    }

    @OptionGroup var modelOptions: ModelOptions

    @Option(help: "Address to listen on: an IPv4 or IPv6 literal, or localhost.")
    var host = "127.0.0.1"

    @Option(help: "Port to listen on; 0 takes a free one.")
    var port = 8080

    @Flag(help: "Refuse fields of a request that nobody knows, instead of naming them in x-ignored-params.")
    var strictParams = false

    @Option(help: "Log lines for people (plain) or for collectors (json).")
    var logFormat = LogFormat.plain

    func validate() throws {
        guard (0...65_535).contains(port) else { throw ValidationError("--port must be in 0…65535, got \(port)") }
    }

    func run() async throws {
        let started = ContinuousClock.now
        let logger = makeLogger()
        Console.say("opening \(modelOptions.model ?? "the story model")")
        let model = try LoadedModel(modelOptions)
        Console.say(model.summary)
        let engine = try await model.startEngine(logger: logger)
        let listener = try makeListener(for: model, engine, logger)
        Console.say(
            "ready in \(Readable.seconds(ContinuousClock.now - started)); try: "
                + curl(prompt: "Once upon a time", port: listener.port))
        // Shut down in reverse: clients first, then the engine that answers them.
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: EngineService(engine: engine)), .init(service: listener)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    private func makeLogger() -> Logger {
        let format: LineLogHandler.Format = logFormat == .json ? .json : .plain
        return Logger(label: "needletail") { LineLogHandler(label: $0, format: format) }
    }

    private func makeListener(
        for model: LoadedModel, _ engine: GenerationEngine, _ logger: Logger
    ) throws(StartError) -> Listener {
        var settings = ServiceConfiguration(build: Build.version)
        settings.unknownFields = strictParams ? .refuse : .ignore
        let service = CompletionsService(
            model: ServedModel(model, engine), configuration: settings,
            environment: .system { logger.info("completion", metadata: $0.metadata) })
        var configuration = ListenerConfiguration()
        configuration.host = host
        configuration.port = port
        configuration.limits = settings.limits
        let handler: RequestHandler = { await service.respond(to: $0) }
        do throws(ListenerError) {
            return try Listener(
                configuration, logger: logger, onDrainTimeout: { engine.stop() }, handler: handler)
        } catch {
            throw StartError("\(error)")
        }
    }

    private func curl(prompt: String, port: Int) -> String {
        let address = host.contains(":") ? "[\(host)]" : host
        return "curl -N http://\(address):\(port)/v1/completions -H 'content-type: application/json' "
            + "-d '{\"prompt\":\"\(prompt)\",\"max_tokens\":150,\"temperature\":0.8,\"stream\":true}'"
    }
}

/// The engine's place in the shutdown: it ends after the clients have been served.
private struct EngineService: Service {
    let engine: GenerationEngine

    func run() async throws {
        try? await gracefulShutdown()
        await engine.drain()
    }
}

extension CompletionRecord {
    /// For the one line of a request. What a client sent is escaped by the log handler.
    fileprivate var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = [
            "id": "\(id)", "outcome": "\(outcome.rawValue)", "streamed": "\(isStreamed)", "choices": "\(choiceCount)",
            "prompt_tokens": "\(promptTokenCount)", "completion_tokens": "\(completionTokenCount)",
            "seconds": "\(elapsed / .seconds(1))",
        ]
        if let user { metadata["user"] = "\(String(decoding: user.prefix(Self.userByteLimit), as: UTF8.self))" }
        return metadata
    }

    /// Of `user`, what a log line shows: names are short, and a line must stay one.
    private static let userByteLimit = 128
}

extension ServedModel {
    /// How long the engine may be silent while it has work before it counts as broken: far above the longest step of a
    /// large model on a small machine.
    private static let stallNanoseconds: UInt64 = 60_000_000_000

    init(_ model: LoadedModel, _ engine: GenerationEngine) {
        self.init(
            name: model.name, created: Int64(Clock.secondsSince1970()), contextCount: model.contextCount,
            vocabularyCount: model.tokenizer.vocabularyCount,
            tokenize: { [tokenizer = model.tokenizer] in tokenizer.encode($0, addSpecialTokens: .add) },
            generate: { request throws(AdmissionError) in try engine.generate(request) },
            readiness: {
                let statistics = engine.statistics
                if statistics.isDraining { return .draining }
                if statistics.isEnded { return .broken }
                let now = EngineStatistics.monotonicNanoseconds()
                let isStalled = !statistics.isIdle && now &- statistics.lastProgressNanoseconds > Self.stallNanoseconds
                return isStalled ? .broken : .ready
            })
    }
}
