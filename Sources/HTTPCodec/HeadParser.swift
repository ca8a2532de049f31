import HTTPTypes

/// A request's head as read and judged: nothing in it is left to interpret.
struct RequestHead {
    var request: HTTPRequest
    var path: [UInt8]
    var query: [UInt8]?
    var version: HTTPVersion
    var framing: BodyFraming
    var contentCoding: ContentCoding
    var expectsContinue: Bool
    var wantsClose: Bool
}

/// Reads a head line by line. The first line that is wrong ends it.
///
/// - Source: RFC 9112 3 and 5, RFC 9110 5.
struct HeadParser {
    /// Nil until the request line has come.
    private(set) var requestLine: RequestLine?
    private var fields = HTTPFields()
    private var framing = FramingFields()
    private var host: ArraySlice<UInt8>?
    private var coding: ContentCoding?
    private var expectation: ArraySlice<UInt8>?
    private var wantsClose = false
    private var fieldCount = 0
    private var sectionByteCount = 0
    private var hasSkippedEmptyLine = false

    var isHead: Bool { requestLine?.method == .head }

    /// Takes lines from the buffer until the head is whole.
    /// - Returns: nil when more bytes are needed.
    mutating func parse(_ input: inout InputBuffer, limits: HTTPLimits) throws(HTTPError) -> RequestHead? {
        while requestLine == nil {
            guard try parseFirstLine(&input, limits: limits) else { return nil }
        }
        while true {
            let limit = limits.headerSectionByteCount - sectionByteCount
            guard let line = try Self.nextLine(&input, limit: limit, tooLong: .fieldsTooLarge) else { return nil }
            if line.isEmpty { return try finish(limits: limits) }
            sectionByteCount += line.count + 2
            fieldCount += 1
            guard fieldCount <= limits.fieldCount, sectionByteCount <= limits.headerSectionByteCount else {
                throw .fieldsTooLarge
            }
            try parseField(line)
        }
    }

    /// - Returns: false when more bytes are needed.
    private mutating func parseFirstLine(_ input: inout InputBuffer, limits: HTTPLimits) throws(HTTPError) -> Bool {
        // Judged on the first byte, so that a TLS greeting on the clear port is answered at once and not by a timeout.
        guard let first = input.first else { return false }
        guard ByteSet.token.contains(first) || (first == .cr && !hasSkippedEmptyLine) else {
            throw .malformed("This is no HTTP request.")
        }
        let tooLong = HTTPError(.uriTooLong, "The request line is longer than \(limits.requestLineByteCount) bytes.")
        guard let line = try Self.nextLine(&input, limit: limits.requestLineByteCount, tooLong: tooLong) else {
            return false
        }
        if line.isEmpty {
            hasSkippedEmptyLine = true  // One is forgiven: old clients end a body with it (RFC 9112 2.2).
        } else {
            requestLine = try RequestLine(line, limits: limits)
        }
        return true
    }

    private static func nextLine(
        _ input: inout InputBuffer, limit: Int, tooLong: HTTPError
    ) throws(HTTPError) -> ArraySlice<UInt8>? {
        switch input.nextLine(limit: max(limit, 0)) {
        case .line(let line): return line
        case .incomplete: return nil
        case .tooLong: throw tooLong
        case .bareLineFeed: throw .malformed("Lines must end in CR LF.")
        }
    }

    private mutating func parseField(_ line: ArraySlice<UInt8>) throws(HTTPError) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw .malformed("A header line has no colon.")
        }
        let name = line[..<colon]
        let value = line[(colon + 1)...].trimmed
        guard !name.isEmpty, name.allSatisfy(ByteSet.token.contains),
            let fieldName = HTTPField.Name(String(decoding: name, as: UTF8.self))
        else { throw .malformed("A header name is not a token.") }
        guard value.allSatisfy(\.isFieldContent) else { throw .malformed("A header value holds a control byte.") }
        try interpret(name, value, fieldName)
        fields.append(HTTPField(name: fieldName, value: value))
    }

    /// Fields that this layer acts on.
    private mutating func interpret(
        _ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>, _ fieldName: HTTPField.Name
    ) throws(HTTPError) {
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"):
            guard host == nil else { throw .malformed("Host must be sent once.") }
            guard HostGrammar.accepts(value) else { throw .malformed("Host is not a host and port.") }
            host = value
        case 6 where name.equalsIgnoringCase("expect"):
            guard expectation == nil else { throw .expectationFailed }
            expectation = value
        case 10 where name.equalsIgnoringCase("connection"):
            wantsClose = wantsClose || value.listElements.contains { $0.equalsIgnoringCase("close") }
        case 12 where name.equalsIgnoringCase("content-type"), 13 where name.equalsIgnoringCase("authorization"):
            // Two of them are read differently by different parsers: the first, the last, or joined.
            guard !fields.contains(fieldName) else { throw .malformed("\(fieldName.canonicalName) must be sent once.") }
        case 14 where name.equalsIgnoringCase("content-length"):
            try framing.addContentLength(value)
        case 16 where name.equalsIgnoringCase("content-encoding"):
            guard coding == nil, let known = ContentCoding(value) else { throw .codingNotSupported }
            coding = known
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            try framing.addTransferEncoding(value)
        default:
            break
        }
    }

    private func finish(limits: HTTPLimits) throws(HTTPError) -> RequestHead {
        guard let line = requestLine else { throw .malformed("The request has no first line.") }
        guard host != nil || line.version == .http10 else { throw .malformed("HTTP/1.1 requires a Host.") }
        let framing = try framing.framing(version: line.version, limits: limits)
        return RequestHead(
            request: request(line), path: [UInt8](line.target.path), query: line.target.query.map { [UInt8]($0) },
            version: line.version, framing: framing, contentCoding: coding ?? .identity,
            expectsContinue: try expectsContinue(line.version) && framing != .none,
            wantsClose: wantsClose || line.version == .http10)
    }

    /// An HTTP/1.0 client's expectation is ignored (RFC 9110 10.1.1).
    private func expectsContinue(_ version: HTTPVersion) throws(HTTPError) -> Bool {
        guard let expectation, version == .http11 else { return false }
        guard expectation.equalsIgnoringCase("100-continue") else { throw .expectationFailed }
        return true
    }

    private func request(_ line: RequestLine) -> HTTPRequest {
        var path = line.target.path
        if let query = line.target.query { path += [UInt8(ascii: "?")] + query }
        return HTTPRequest(
            method: line.method, scheme: nil,
            authority: (line.target.authority ?? host).map { String(decoding: $0, as: UTF8.self) },
            path: String(decoding: path, as: UTF8.self), headerFields: fields)
    }
}

extension HTTPError {
    fileprivate static let fieldsTooLarge = HTTPError(
        .requestHeaderFieldsTooLarge, "The request has too many header fields, or too large ones.")
    fileprivate static let expectationFailed = HTTPError(
        .expectationFailed, "The only expectation met here is 100-continue.")
    fileprivate static let codingNotSupported = HTTPError(
        .unsupportedMediaType, "The content codings accepted here are gzip and deflate.",
        fields: [.acceptEncoding: "gzip, deflate"])
}
