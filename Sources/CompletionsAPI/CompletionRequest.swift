import InferenceTypes

/// The body of `POST /v1/completions` as sent: every field optional, each one of the right type and in range.
struct CompletionRequest: Sendable, Equatable {
    enum Prompt: Sendable, Equatable {
        case texts([[UInt8]])
        case tokens([[TokenID]])
    }

    struct StreamOptions: Sendable, Equatable {
        var includeUsage = false
        var continuousUsageStats = false
    }

    var prompt: Prompt?
    var maxTokens: Int?
    var seed: Int64?
    var stop: [[UInt8]]?
    var stream: Bool?
    var streamOptions: StreamOptions?
    var temperature: Double?
    var topK: Int64?
    var topP: Double?
    var minP: Double?
    var returnTokenIDs: Bool?
    /// For the log; nothing is done with it.
    var user: [UInt8]?
    /// Names of fields that nobody knows, in the order of the document.
    var unknownFields: [[UInt8]] = []
}

/// Bounds on one request.
enum RequestLimits {
    /// - Source: reliability.md section 14 (vLLM 16384, TGI 4).
    static let promptCount = 512
    /// - Source: OpenAI's schema.
    static let maxTokensDefault = 16
    static let temperature = 0.0...2.0
    static let choiceCount: ClosedRange<Int64> = 1...128
    static let bestOf: ClosedRange<Int64> = 1...20
    static let penalty = -2.0...2.0
    static let bias = -100.0...100.0
    /// - Source: api.md A.1: vLLM's default maximum, four times OpenAI's.
    static let logprobs: ClosedRange<Int64> = 0...20
    /// - Source: api.md A.1: lm-eval sends more than OpenAI's 4.
    static let stopCount = 64
    static let stopByteCount = 1024
    /// - Source: reliability.md section 14.
    static let biasCount = 1024
    static let beamCount: ClosedRange<Int64> = 1...16
}

extension CompletionRequest {
    /// Reads a body: strict JSON, then field by field in the order of the table, so the first bad one is the one named.
    ///
    /// - Throws: 400 or, for a model that is not served, 404.
    static func decode(
        _ body: [UInt8], for model: ServedModel, unknownFields: ServiceConfiguration.UnknownFields
    ) throws(APIError) -> CompletionRequest {
        var members = try objectMembers(body)
        var request = CompletionRequest()
        for field in RequestField.all {
            let value = members.removeValue(forKey: field.key)
            try field.read(RequestValue(field.name, value ?? .null), model, &request)
        }
        request.unknownFields += members.keys
        if unknownFields == .refuse, let name = request.unknownFields.first {
            throw .invalid("Unrecognized request argument supplied: \(excerpt(name))", parameter: excerpt(name))
        }
        return request
    }

    private static func objectMembers(_ body: [UInt8]) throws(APIError) -> Members {
        let document: JSONValue
        do { document = try JSONParser.parse(body, limits: .request) } catch {
            throw .invalid("The request body is not valid JSON: \(error.message) at byte \(error.offset).")
        }
        guard let members = document.asObject else {
            throw .invalid("The request body must be a JSON object, got \(RequestValue.describe(document)).")
        }
        return Members(members)
    }
}

/// The members of the body, taken out one by one; what is left is unknown.
private struct Members {
    private var values: [[UInt8]: JSONValue]
    private let order: [[UInt8]]

    init(_ members: [JSONMember]) {
        values = Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        order = members.map(\.key)
    }

    mutating func removeValue(forKey key: [UInt8]) -> JSONValue? { values.removeValue(forKey: key) }

    var keys: [[UInt8]] { order.filter { values[$0] != nil } }
}
