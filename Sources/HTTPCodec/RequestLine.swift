import HTTPTypes

/// `method SP request-target SP HTTP-version`, exactly (RFC 9112 3).
struct RequestLine {
    var method: HTTPRequest.Method
    var target: RequestTarget
    var version: HTTPVersion

    init(_ line: ArraySlice<UInt8>, limits: HTTPLimits) throws(HTTPError) {
        let words = line.split(separator: .space, maxSplits: 3, omittingEmptySubsequences: false)
        guard words.count == 3 else {
            throw .malformed("The request line must be a method, a target and a version with one space between them.")
        }
        version = try HTTPVersion(words[2])
        method = try Self.method(words[0], limits: limits)
        target = try RequestTarget(words[1], isOptions: method == .options)
    }

    private static func method(_ word: ArraySlice<UInt8>, limits: HTTPLimits) throws(HTTPError) -> HTTPRequest.Method {
        guard !word.isEmpty, word.allSatisfy(ByteSet.token.contains) else {
            throw .malformed("The request method is not a token.")
        }
        guard word.count <= limits.methodByteCount, !word.elementsEqual("CONNECT".utf8),
            let method = HTTPRequest.Method(rawValue: String(decoding: word, as: UTF8.self))
        else { throw HTTPError(.notImplemented, "The request method is not implemented.") }
        return method
    }
}

/// The two versions that are told apart. A higher minor version of 1 is read as 1.1 (RFC 9110 2.5).
enum HTTPVersion {
    case http10
    case http11

    init(_ word: ArraySlice<UInt8>) throws(HTTPError) {
        let prefix = "HTTP/".utf8
        let digits = word.dropFirst(prefix.count)
        guard word.starts(with: prefix), digits.count == 3, let major = digits.first, let minor = digits.last,
            major.isDigit, minor.isDigit, digits[digits.startIndex + 1] == UInt8(ascii: ".")
        else { throw .malformed("The request line does not end in an HTTP version.") }
        guard major == UInt8(ascii: "1") else {
            throw HTTPError(.httpVersionNotSupported, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        }
        self = minor == UInt8(ascii: "0") ? .http10 : .http11
    }
}

/// What the request is about: a path, with the query apart. Nothing is decoded: routes are compared byte by byte.
struct RequestTarget {
    /// Begins with a slash, or is `*` (only with OPTIONS).
    var path: ArraySlice<UInt8>
    var query: ArraySlice<UInt8>?
    /// Of the absolute form, where it takes the place of `Host` (RFC 9112 3.2.2).
    var authority: ArraySlice<UInt8>?

    init(_ word: ArraySlice<UInt8>, isOptions: Bool) throws(HTTPError) {
        if isOptions, word.elementsEqual("*".utf8) {
            (path, query, authority) = (word, nil, nil)
            return
        }
        var origin = word
        if word.first != UInt8(ascii: "/") { (authority, origin) = try Self.splitAbsoluteForm(word) }
        let mark = origin.firstIndex(of: UInt8(ascii: "?")) ?? origin.endIndex
        path = origin[..<mark]
        query = mark < origin.endIndex ? origin[(mark + 1)...] : nil
        if path.isEmpty { path = isOptions ? [UInt8(ascii: "*")] : [UInt8(ascii: "/")] }
        guard path.consistsOfEscapes(or: .path), query?.allSatisfy(ByteSet.query.contains) ?? true else {
            throw .malformed("The request target holds a byte that must be percent-encoded.")
        }
    }

    private static func splitAbsoluteForm(
        _ word: ArraySlice<UInt8>
    ) throws(HTTPError) -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
        let error = HTTPError.malformed("The request target must be a path that begins with a slash, or an http URL.")
        for scheme in ["http://", "https://"] as [StaticString] {
            let length = scheme.utf8CodeUnitCount
            guard word.prefix(length).equalsIgnoringCase(scheme) else { continue }
            let rest = word.dropFirst(length)
            let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
            guard HostGrammar.accepts(rest[..<end]) else { throw error }
            return (rest[..<end], rest[end...])
        }
        throw error
    }
}
