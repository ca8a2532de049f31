package import Engine
package import Tokenization

/// The model that a service answers for, as far as the wire needs to know it.
package struct ServedModel: Sendable {
    /// The name that clients ask for.
    package var name: String
    /// - Units: seconds since 1970.
    package var created: Int64
    /// Tokens of prompt and completion together.
    package var contextCount: Int
    package var vocabularyCount: Int
    package var tokenizer: Tokenizer
    /// The engine's door, stored as a function so that tests script it. Dropping the events cancels the request.
    package var generate: @Sendable (GenerationRequest) throws(AdmissionError) -> Generation
    /// The most sequences of such a request that can ever run together; at least 1 if one fits.
    package var sequenceCapacity: @Sendable (GenerationRequest) -> Int
    /// Beams of one request.
    ///
    /// - Source: api.md A.3.
    package var maxBeamCount: Int
    /// Logprobs of one position.
    ///
    /// - Source: api.md A.1: vLLM's default maximum, four times OpenAI's.
    package var maxLogprobs: Int
    package var readiness: @Sendable () -> Readiness
    package var statistics: @Sendable () -> EngineStatistics
    /// How long a request may wait for its turn; nil for ever.
    package var maxQueueTime: Duration?
    /// The KV cache's settings as labels of `cache_config_info`; empty where nobody said.
    package var cacheLabels: [(String, String)] = []
    /// Where no more requests may wait now: the seconds after which one may be tried again. Asked before a body is read;
    /// the engine has the last word.
    package var queueFullRetry: @Sendable () -> Int?

    package enum Readiness: Sendable, Equatable {
        case ready
        case draining
        /// The engine made no progress for too long.
        case broken
    }

    package init(
        name: String, created: Int64, contextCount: Int, vocabularyCount: Int, tokenizer: Tokenizer,
        maxBeamCount: Int = 16, maxLogprobs: Int = 20,
        generate: @escaping @Sendable (GenerationRequest) throws(AdmissionError) -> Generation,
        sequenceCapacity: @escaping @Sendable (GenerationRequest) -> Int,
        readiness: @escaping @Sendable () -> Readiness,
        statistics: @escaping @Sendable () -> EngineStatistics, maxQueueTime: Duration? = nil,
        queueFullRetry: @escaping @Sendable () -> Int? = { nil }
    ) {
        self.name = name
        self.created = created
        self.contextCount = contextCount
        self.vocabularyCount = vocabularyCount
        self.tokenizer = tokenizer
        self.maxBeamCount = maxBeamCount
        self.maxLogprobs = maxLogprobs
        self.generate = generate
        self.sequenceCapacity = sequenceCapacity
        self.readiness = readiness
        self.statistics = statistics
        self.maxQueueTime = maxQueueTime
        self.queueFullRetry = queueFullRetry
    }

    /// Why nothing can be generated now, nil when it can.
    var outage: APIError? {
        switch readiness() {
        case .ready: nil
        case .draining: .draining
        case .broken: .unavailable
        }
    }

    /// Names are compared as bytes: Swift's `==` on strings is canonical equivalence.
    func isNamed(_ bytes: [UInt8]) -> Bool { name.utf8.elementsEqual(bytes) }
}
