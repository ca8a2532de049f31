import ArgumentParser
import CompletionsAPI
import HTTPCodec
import HTTPTransport
import Logging
import ServiceLifecycle
import Telemetry
import UnixSignals

/// `needletail serve`: the model over HTTP.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "serve", abstract: "Serves a model over HTTP.")

    enum LogFormat: String, ExpressibleByArgument, CaseIterable {
        case plain, json
    }

    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var tlsOptions: TLSOptions
    @OptionGroup var metricsOptions: MetricsOptions
    @OptionGroup var keyOptions: KeyOptions

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
        try keyOptions.checkReach(of: listening, needsClientCertificates: tlsOptions.needsClientCertificates)
    }

    private var listening: ListenerConfiguration {
        var configuration = ListenerConfiguration()
        configuration.host = host
        configuration.port = port
        return configuration
    }

    func run() async throws {
        let started = ContinuousClock.now
        let logger = makeLogger()
        let keys = try keyOptions.source()
        for line in keyOptions.warnings(of: listening, keys, tlsOptions) { logger.warning("\(line)") }
        let reception = Reception(logger, metrics: metricsOptions.registry, tenants: keys?.tenants)
        // Before anything else: from here on the signal does not end the program.
        let hangUps = await UnixSignalsSequence(trapping: .sighup)
        // The port first: whether it is free is known at once, and probes hear that the model is loading.
        let listener = try makeListener(reception, logger)
        let scrapes = try metricsOptions.listener(reception, logger)
        if let scrapes { Console.say("metrics at http://127.0.0.1:\(scrapes.port)/metrics") }
        let loading = ModelService(reception: reception) {
            Console.say("opening \(modelOptions.model ?? "the story model")")
            let model = try LoadedModel(modelOptions)
            Console.say(model.summary)
            for line in model.sizes { Console.say(line) }
            let engine = try await model.startEngine(logger: logger)
            await reception.open(model, engine, settings)
            Console.say(
                "ready in \(Readable.seconds(ContinuousClock.now - started)); try: "
                    + curl(prompt: "Once upon a time", port: listener.port))
        }
        let reloading = FileReloading(
            listener: listener, keys: keys, servesTLS: tlsOptions.certificate != nil, logger: logger, signals: hangUps)
        // Shut down in reverse: clients first, then the engine that answers them.
        let services: [any Service] = [loading, listener, reloading]
        let group = ServiceGroup(
            configuration: .init(
                services: scrapes.map { services + [$0] } ?? services,
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    private var settings: ServiceConfiguration {
        var settings = ServiceConfiguration(build: Build.version)
        settings.servesMetrics = metricsOptions.metricsPort == nil
        settings.unknownFields = strictParams ? .refuse : .ignore
        return settings
    }

    private func makeLogger() -> Logger {
        let format: LineLogHandler.Format = logFormat == .json ? .json : .plain
        return Logger(label: "needletail") { LineLogHandler(label: $0, format: format) }
    }

    private func makeListener(_ reception: Reception, _ logger: Logger) throws(StartError) -> Listener {
        var configuration = listening
        configuration.limits = settings.limits
        configuration.tls = try tlsOptions.context()
        let handler: RequestHandler = { await reception.respond(to: $0) }
        do throws(ListenerError) {
            return try Listener(
                configuration, logger: logger, onDrainTimeout: { Task { await reception.stopEngine() } },
                handler: handler)
        } catch {
            throw StartError("\(error)")
        }
    }

    private func curl(prompt: String, port: Int) -> String {
        let address = host.contains(":") ? "[\(host)]" : host
        return "curl -N \(tlsOptions.curlPrefix)\(address):\(port)/v1/completions \(keyOptions.curlHeader)"
            + "-H 'content-type: application/json' -d '{\"prompt\":\"\(prompt)\",\"max_tokens\":150,\"temperature\":0.8,\"stream\":true}'"
    }
}
