import InferenceTypes

/// The body of `POST /v1/completions` as sent: every field optional, each one of the right type and in range. Whether
/// they fit together is `CompletionCall`'s to say.
struct CompletionRequest: Sendable, Equatable {
    enum Prompt: Sendable, Equatable {
        case texts([[UInt8]])
        case tokens([[TokenID]])
    }

    struct StreamOptions: Sendable, Equatable {
        var includeUsage = false
        var continuousUsageStats = false
    }

    /// Which end of a prompt is cut off.
    enum TruncationSide: Sendable, Equatable {
        case left
        case right
    }

    // The prompt.
    var prompt: Prompt?
    var suffix: [UInt8]?
    var addSpecialTokens: Bool?
    /// -1 is what the context leaves beside `max_tokens`.
    var truncatePromptTokens: Int?
    var truncationSide: TruncationSide?

    // How many, and how long.
    var count: Int?
    var returnSequenceCount: Int?
    var bestOf: Int?
    var maxTokens: Int?
    var minTokens: Int?
    /// - Units: seconds.
    var maxTime: Double?
    var stop: [[UInt8]]?
    var stopTokens: [TokenID]?
    var includeStop: Bool?
    var ignoreEndOfSequence: Bool?

    // Drawing.
    var seed: Int64?
    var temperature: Double?
    var doSample: Bool?
    var topK: Int64?
    var topP: Double?
    var minP: Double?
    var typicalP: Double?
    var topH: Double?
    var epsilonCutoff: Double?
    var etaCutoff: Double?
    var penaltyAlpha: Double?

    // Scores.
    var logitBias: [LogitsProcessing.Bias]?
    var presencePenalty: Double?
    var frequencyPenalty: Double?
    var repetitionPenalty: Double?
    var repeatPenalty: Double?
    var repeatLastCount: Int64?
    var noRepeatNgramSize: Int?
    var badWords: [[UInt8]]?
    var allowedTokens: [TokenID]?
    var suppressedTokens: [TokenID]?
    var exponentialDecay: LogitsProcessing.ExponentialDecay?

    // Beams.
    var beamCount: Int?
    var beamWidth: Int?
    var useBeamSearch: Bool?
    var lengthPenalty: Double?
    var earlyStopping: BeamParameters.EarlyStopping?
    var beamGroupCount: Int?
    var diversityPenalty: Double?

    // The answer.
    var echo: Bool?
    var logprobs: Int?
    var promptLogprobs: Int?
    var stream: Bool?
    var streamOptions: StreamOptions?
    var returnTokenIDs: Bool?
    var returnTokensAsTokenIDs: Bool?
    var skipSpecialTokens: Bool?
    var requestID: [UInt8]?

    // Beside others.
    /// On whose account the call is served; also for the log.
    var user: [UInt8]?
    /// Lower is served first.
    var priority: Int64?
    /// Only calls with the same one share computed prefixes.
    var cacheSalt: [UInt8]?
    /// Whether computed prefixes are used and kept at all.
    var cachePrompt: Bool?

    /// Names of fields that nobody knows, in the order of the document.
    var unknownFields: [[UInt8]] = []
}

extension CompletionRequest {
    /// The members of a body, read as strict JSON.
    ///
    /// - Throws: 400.
    static func members(of body: [UInt8]) throws(APIError) -> [JSONMember] {
        let document: JSONValue
        do { document = try JSONParser.parse(body, limits: .request) } catch {
            throw .invalid("The request body is not valid JSON: \(error.message) at byte \(error.offset).")
        }
        guard let members = document.asObject else {
            throw .invalid("The request body must be a JSON object, got \(RequestValue.describe(document)).")
        }
        return members
    }

    /// Reads field by field in the order of the table, so the first bad one is the one named.
    ///
    /// - Throws: 400 or, for a model that is not served, 404.
    static func decode(
        _ members: [JSONMember], for model: ServedModel, unknownFields: ServiceConfiguration.UnknownFields
    ) throws(APIError) -> CompletionRequest {
        var members = RequestMembers(members)
        var request = CompletionRequest()
        for field in RequestField.all { try field.read(members.take(field.name), model, &request) }
        request.unknownFields += try members.rest(.ignore)
        if unknownFields == .refuse, let name = request.unknownFields.first {
            throw .invalid("Unrecognized request argument supplied: \(excerpt(name))", parameter: excerpt(name))
        }
        return request
    }
}
