import Engine
import HTTPCodec
import HTTPTypes
import Tenancy

/// Who asks, decided in one place, on the parsed path that routing uses; no field but `Authorization` has a say.
extension CompletionsService {
    /// - Returns: nil where nobody needs a key for this.
    /// - Throws: 401 without a key that holds, 403 with one that may not.
    func holder(asking request: ServerRequest) async throws(APIError) -> APIKey? {
        guard let tenants else { return nil }
        let access = Router.access(to: request.path)
        guard access != .anybody else { return nil }
        guard let credentials = BearerCredentials(request.head.headerFields) else { throw .keyMissing }
        guard let key = await tenants.holder(of: credentials.key) else { throw .keyUnknown }
        return try key.checked(for: access)
    }

    /// One more request of a key that is not a completion.
    func count(_ key: APIKey) async throws(APIError) {
        do throws(Tenants.Refusal) { try await tenants?.count(key, now: environment.uptime()) } catch {
            throw APIError(error)
        }
    }

    /// A place among the requests of a key; nil where there are no keys.
    func ticket(for key: APIKey?) async throws(APIError) -> Ticket? {
        guard let key, let tenants else { return nil }
        do throws(Tenants.Refusal) { return try await tenants.admit(key, now: environment.uptime()) } catch {
            throw APIError(error)
        }
    }

    /// Makes the call one of the key's holder.
    func hold(_ call: inout CompletionCall, to ticket: Ticket) async throws(APIError) {
        try call.belong(to: ticket.key)
        do throws(Tenants.Refusal) {
            try await ticket.reserve(tokens: call.tokenLimit, now: environment.uptime())
        } catch {
            throw APIError(error)
        }
    }
}

extension APIKey {
    func checked(for access: Access) throws(APIError) -> APIKey {
        guard access != .administrator || isAdmin else { throw .notAdministrator }
        return self
    }
}

/// `Authorization: Bearer KEY`.
struct BearerCredentials: Equatable {
    var key: [UInt8]

    private static let keyByteLimit = 512

    /// Nil unless there is one such field of that form, and nothing after it.
    ///
    /// - Source: RFC 9110 section 11.4, RFC 6750 section 2.1: the scheme's case does not count; one `token68`.
    init?(_ fields: HTTPFields) {
        let values = fields[values: .authorization]
        guard values.count == 1 else { return nil }
        let bytes = Array(values[0].utf8)
        let scheme = bytes.prefix { $0 != UInt8(ascii: " ") }
        guard scheme.map({ $0 | 0x20 }).elementsEqual("bearer".utf8) else { return nil }
        let key = bytes.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") }
        guard (1...Self.keyByteLimit).contains(key.count), key.allSatisfy(Self.isToken68) else { return nil }
        self.key = Array(key)
    }

    private static func isToken68(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: "-._~+/=".utf8.contains(byte)
        }
    }
}

extension CompletionCall {
    /// The most tokens that it can take.
    var tokenLimit: Int {
        runs.reduce(0) { $0 + $1.request.promptTokens.count + $1.request.width * $1.request.stop.maxTokens }
    }

    /// Puts the call on the account of the key, and keeps its prefixes apart from those of other keys: the time to a
    /// first token would tell what others asked. `user` stays for the log.
    ///
    /// - Throws: what the key does not allow. Nothing is made to fit silently.
    mutating func belong(to key: APIKey) throws(APIError) {
        for place in runs.indices {
            try Self.check(runs[place].request.stop.maxTokens, key)
            var scheduling = runs[place].request.scheduling
            scheduling.priority = saysPriority ? scheduling.priority : max(scheduling.priority, key.limits.priority)
            guard scheduling.priority >= key.limits.priority else { throw .tooUrgent(key.limits.priority) }
            let name = Array(key.name.utf8)
            scheduling.account = name
            if case .shared(let salt) = scheduling.prefixCaching {
                scheduling.prefixCaching = .shared(salt: name + [0] + salt)
            }
            runs[place].request.scheduling = scheduling
        }
    }

    private static func check(_ maxTokens: Int, _ key: APIKey) throws(APIError) {
        guard let limit = key.limits.maxTokens, maxTokens > limit else { return }
        throw .invalid(
            "'max_tokens' must be at most \(limit) with this key, got \(maxTokens).", parameter: "max_tokens")
    }
}

// MARK: - What is refused

extension APIError {
    /// - Source: RFC 9110 section 11.6.1.
    private static let challenge: HTTPFields = [.wwwAuthenticate: "Bearer"]

    static let keyMissing = APIError(
        .unauthorized, .authentication, "An API key is needed: send one header 'Authorization: Bearer KEY'.",
        code: .invalidAPIKey, fields: challenge)

    static let keyUnknown = APIError(
        .unauthorized, .authentication, "The API key is not known here.", code: .invalidAPIKey, fields: challenge)

    static let notAdministrator = APIError(.forbidden, .permission, "This API key may not ask for that.")

    static func tooUrgent(_ limit: Int) -> APIError {
        APIError(
            .forbidden, .permission, "'priority' must be at least \(limit) with this API key.", parameter: "priority")
    }

    init(_ refusal: Tenants.Refusal) {
        let what: String
        switch refusal.limit {
        case .requests(let perMinute): what = "\(perMinute) requests a minute"
        case .tokens(let perMinute): what = "\(perMinute) tokens a minute"
        case .concurrent(let count): what = "\(count) requests at once"
        case .tokensOfOneRequest(let count, let perMinute):
            self = .invalid(
                "The request can take \(count) tokens, prompt included, and this API key has \(perMinute) a minute: "
                    + "lower 'max_tokens'.", parameter: "max_tokens")
            return
        }
        self.init(
            .tooManyRequests, .rateLimit, "This API key has \(what). Try again in \(refusal.retryAfter) s.",
            code: .rateLimitExceeded, fields: [.retryAfter: "\(refusal.retryAfter)"])
    }
}
