import CompletionsAPI
import Engine
import HTTPCodec
import Logging
import ServiceLifecycle
import Telemetry
import Tenancy
import Tokenization

/// Who answers: nobody but "loading" at first, the model's service once it is there.
actor Reception {
    private let environment: ServiceEnvironment
    private let loading: LoadingService
    private var service: CompletionsService?
    private var engine: GenerationEngine?
    private let tenants: Tenants?

    /// - Parameter metrics: nil counts nothing.
    init(_ logger: Logger, metrics: MetricRegistry?, tenants: Tenants?) {
        self.tenants = tenants
        var environment = ServiceEnvironment.system { logger.info("completion", metadata: $0.metadata) }
        environment.reportOther = { record in
            logger.log(level: record.level, "request", metadata: record.metadata)
        }
        environment.metrics = metrics
        self.environment = environment
        loading = LoadingService(environment: environment)
    }

    func open(_ model: LoadedModel, _ engine: GenerationEngine, _ settings: ServiceConfiguration) {
        self.engine = engine
        service = CompletionsService(
            model: ServedModel(model, engine), configuration: settings, environment: environment,
            tenants: tenants)
    }

    nonisolated func respond(to request: ServerRequest) async -> ServerResponse {
        guard let service = await service else { return loading.respond(to: request) }
        return await service.respond(to: request)
    }

    nonisolated func respondToScrape(_ request: ServerRequest) async -> ServerResponse {
        guard let service = await service else { return loading.respond(to: request) }
        return service.respondToScrape(request)
    }

    func drainEngine() async { await engine?.drain() }

    func stopEngine() { engine?.stop() }
}

/// Loads the model, and ends its engine after the clients have been served.
struct ModelService: Service {
    let reception: Reception
    let load: @Sendable () async throws -> Void

    func run() async throws {
        try await load()
        try? await gracefulShutdown()
        await reception.drainEngine()
    }
}

extension ServedModel {
    /// How long the engine may be silent while it has work before it counts as broken: far above the longest step of a
    /// large model on a small machine.
    private static let stallNanoseconds: UInt64 = 60_000_000_000

    init(_ model: LoadedModel, _ engine: GenerationEngine) {
        self.init(
            name: model.name, created: Int64(Clock.secondsSince1970()), contextCount: model.contextCount,
            vocabularyCount: model.tokenizer.vocabularyCount,
            tokenizer: model.tokenizer, maxBeamCount: model.maxBeamCount, maxLogprobs: model.maxLogprobs,
            generate: { request throws(AdmissionError) in try engine.generate(request) },
            sequenceCapacity: { [configuration = model.engineConfiguration] in configuration.sequenceCapacity($0) },
            readiness: {
                let statistics = engine.statistics
                if statistics.isDraining { return .draining }
                if statistics.isEnded { return .broken }
                let now = EngineStatistics.monotonicNanoseconds()
                let isStalled = !statistics.isIdle && now &- statistics.lastProgressNanoseconds > Self.stallNanoseconds
                return isStalled ? .broken : .ready
            },
            statistics: { engine.statistics }, maxQueueTime: model.engineConfiguration.maxQueueTime,
            queueFullRetry: { [sizes = model.engineConfiguration] in
                let statistics = engine.statistics
                let isFull =
                    statistics.waitingCount >= sizes.maxWaitingRequests
                    || statistics.waitingTokenCount >= sizes.maxWaitingTokens
                return isFull ? statistics.retryAfterSeconds : nil
            })
        cacheLabels = model.cacheLabels
    }
}
