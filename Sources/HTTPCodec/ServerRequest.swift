package import HTTPTypes

/// A whole request, as a handler gets it.
package struct ServerRequest: Sendable {
    /// Method, authority, target as sent (path and query), fields. Field values may hold bytes that are no UTF-8.
    package var head: HTTPRequest
    /// The path alone, not decoded: routes and the key check compare these bytes.
    package var path: [UInt8]
    /// What follows the question mark.
    package var query: [UInt8]?
    /// Freed of chunks; still compressed as `contentCoding` says until `inflate` has been called.
    package var body: [UInt8]
    package var contentCoding: ContentCoding

    package init(
        head: HTTPRequest, path: [UInt8], query: [UInt8]? = nil, body: [UInt8] = [],
        contentCoding: ContentCoding = .identity
    ) {
        self.head = head
        self.path = path
        self.query = query
        self.body = body
        self.contentCoding = contentCoding
    }

    /// Takes the content coding off the body. Apart from the connection machine, because it is the one step that costs
    /// time beyond copying and so does not belong on a network queue.
    package mutating func inflate(limits: HTTPLimits) throws(HTTPError) {
        guard contentCoding != .identity else { return }
        body = try contentCoding.decode(body, limits: limits)
        contentCoding = .identity
        head.headerFields[.contentEncoding] = nil
    }
}
