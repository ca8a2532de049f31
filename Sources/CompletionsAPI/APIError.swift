import HTTPCodec
import HTTPTypes
import InferenceTypes

/// What a client is told when its request is not answered: OpenAI's error body and the status that goes with it.
///
/// - Source: api.md A.5; OpenAI `openapi.yaml`, schema `Error` (all four members are always present).
package struct APIError: Error, Sendable, Equatable {
    enum Kind: String, Sendable {
        case invalidRequest = "invalid_request_error"
        case server = "server_error"
        case authentication = "authentication_error"
        case permission = "permission_error"
        case rateLimit = "rate_limit_error"
    }

    enum Code: String, Sendable {
        case contextLengthExceeded = "context_length_exceeded"
        case modelNotFound = "model_not_found"
        case serverOverloaded = "server_overloaded"
        case serverShuttingDown = "server_shutting_down"
        case modelLoading = "model_loading"
        case invalidAPIKey = "invalid_api_key"
        case rateLimitExceeded = "rate_limit_exceeded"
    }

    var status: HTTPResponse.Status
    var kind: Kind
    var code: Code?
    /// The request field at fault, as the client spells it.
    package var parameter: String?
    package var message: String
    /// Further fields of the answer, such as `Retry-After`.
    var fields: HTTPFields
    /// A completion's record tells of it.
    var isRecorded = false

    init(
        _ status: HTTPResponse.Status, _ kind: Kind, _ message: String, code: Code? = nil, parameter: String? = nil,
        fields: HTTPFields = [:]
    ) {
        self.status = status
        self.kind = kind
        self.code = code
        self.parameter = parameter
        self.message = message
        self.fields = fields
    }
}

// MARK: - Their fault

extension APIError {
    /// A field of the wrong type or out of range, or a body that is no JSON object (then without a parameter).
    static func invalid(_ message: String, parameter: String? = nil) -> APIError {
        APIError(.badRequest, .invalidRequest, message, parameter: parameter)
    }

    /// A field that we know and do not do yet.
    static func unsupported(_ name: String) -> APIError {
        .invalid("'\(name)' is not supported yet: leave it out or send the value that turns it off.", parameter: name)
    }

    /// - Source: OpenAI's sentence for this case.
    static func contextExceeded(contextCount: Int, promptCount: Int, maxTokens: Int) -> APIError {
        let requested = promptCount + maxTokens
        return APIError(
            .badRequest, .invalidRequest,
            "This model's maximum context length is \(contextCount) tokens, however you requested \(requested) tokens "
                + "(\(promptCount) in your prompt; \(maxTokens) for the completion). "
                + "Please reduce your prompt; or completion length.",
            code: .contextLengthExceeded, parameter: "prompt")
    }

    static func modelNotFound(_ name: [UInt8]) -> APIError {
        APIError(
            .notFound, .invalidRequest, "The model `\(excerpt(name))` does not exist.", code: .modelNotFound,
            parameter: "model")
    }

    static func pathNotFound(_ path: [UInt8]) -> APIError {
        APIError(.notFound, .invalidRequest, "There is nothing at '\(excerpt(path))'.")
    }

    static func methodNotAllowed(_ allow: String) -> APIError {
        APIError(.methodNotAllowed, .invalidRequest, "This path has only: \(allow).", fields: [.allow: allow])
    }

    /// What the HTTP layer found while it inflated a body: 400 or 413.
    init(_ error: HTTPError) {
        self.init(
            error.status, error.status.kind == .serverError ? .server : .invalidRequest, error.message,
            fields: error.fields)
    }

    static func unsupportedMediaType(_ message: String) -> APIError {
        APIError(.unsupportedMediaType, .invalidRequest, message)
    }
}

// MARK: - Our load, our fault

extension APIError {
    private static let outageRetry: HTTPFields = [.retryAfter: "5"]

    /// - Parameter retryAfter: seconds after which a refused client may try again. The OpenAI SDK obeys 0 < x ≤ 120.
    static func queueFull(retryAfter: Int) -> APIError {
        overloaded(.tooManyRequests, "Too many requests are waiting.", retryAfter: retryAfter)
    }

    /// - Parameter limit: what a request may wait at most.
    static func queueTimeout(after limit: Duration?, retryAfter: Int) -> APIError {
        let time = limit.map { "\($0.components.seconds) s, the longest that one may," } ?? "too long"
        return overloaded(
            .serviceUnavailable, "The request waited \(time) and its turn did not come.", retryAfter: retryAfter)
    }

    private static func overloaded(_ status: HTTPResponse.Status, _ what: String, retryAfter: Int) -> APIError {
        APIError(
            status, .server, "\(what) Try again in \(retryAfter) s.", code: .serverOverloaded,
            fields: [.retryAfter: "\(retryAfter)"])
    }

    static let draining = APIError(
        .serviceUnavailable, .server, "The server is shutting down.", code: .serverShuttingDown,
        fields: outageRetry)

    static let loading = APIError(
        .serviceUnavailable, .server, "The model is still loading.", code: .modelLoading, fields: outageRetry)

    static let unavailable = APIError(
        .serviceUnavailable, .server, "The engine does not answer.", fields: outageRetry)

    static func internalError(_ message: String) -> APIError { APIError(.internalServerError, .server, message) }
}

// MARK: - On the wire

extension APIError {
    /// The body of an answer, and the form of an error inside a stream before its code is made a number.
    var body: [UInt8] {
        JSONWriter.bytes(of: document(type: kind.rawValue, code: code.map { .text($0.rawValue) } ?? .null))
    }

    /// An error inside a stream, whose status is already sent: vLLM's words, which have the status as `code`.
    ///
    /// - Source: api.md B.3.
    var eventBody: [UInt8] {
        let type = status == .serviceUnavailable ? "ServiceUnavailableError" : "InternalServerError"
        return JSONWriter.bytes(of: document(type: type, code: .count(status.code)))
    }

    private func document(type: String, code: JSONValue) -> JSONValue {
        .members([
            "error": .members([
                "message": .text(message), "type": .text(type), "param": parameter.map(JSONValue.text) ?? .null,
                "code": code,
            ])
        ])
    }

    var response: ServerResponse {
        var fields = fields
        fields[.contentType] = MediaType.json
        return ServerResponse(head: HTTPResponse(status: status, headerFields: fields), body: .bytes(body))
    }
}

/// The start of something that a client sent, to quote in a message.
///
/// - Source: reliability.md section 8: at most 64 bytes are echoed. Cut between scalars.
func excerpt(_ bytes: [UInt8]) -> String {
    let limit = 64
    guard bytes.count > limit else { return String(decoding: bytes, as: UTF8.self) }
    var end = limit
    while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    return String(decoding: bytes[..<end], as: UTF8.self) + "…"
}
