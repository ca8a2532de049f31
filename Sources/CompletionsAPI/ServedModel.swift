package import Engine
package import InferenceTypes

/// The model that a service answers for, as far as the wire needs to know it.
package struct ServedModel: Sendable {
    /// The name that clients ask for.
    package var name: String
    /// - Units: seconds since 1970.
    package var created: Int64
    /// Tokens of prompt and completion together.
    package var contextCount: Int
    package var vocabularyCount: Int
    /// Text to prompt tokens, special spellings parsed and the tokens that start a document added.
    package var tokenize: @Sendable ([UInt8]) -> [TokenID]
    /// The engine's door, stored as a function so that tests script it. Dropping the stream cancels the request.
    package var generate: @Sendable (GenerationRequest) throws(AdmissionError) -> AsyncStream<GenerationEvent>
    package var readiness: @Sendable () -> Readiness

    package enum Readiness: Sendable, Equatable {
        case ready
        case draining
        /// The engine made no progress for too long.
        case broken
    }

    package init(
        name: String, created: Int64, contextCount: Int, vocabularyCount: Int,
        tokenize: @escaping @Sendable ([UInt8]) -> [TokenID],
        generate: @escaping @Sendable (GenerationRequest) throws(AdmissionError) -> AsyncStream<GenerationEvent>,
        readiness: @escaping @Sendable () -> Readiness
    ) {
        self.name = name
        self.created = created
        self.contextCount = contextCount
        self.vocabularyCount = vocabularyCount
        self.tokenize = tokenize
        self.generate = generate
        self.readiness = readiness
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
