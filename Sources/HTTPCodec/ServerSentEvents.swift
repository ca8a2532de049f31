import HTTPTypes

/// The bytes of `text/event-stream`.
///
/// - Source: WHATWG HTML 9.2.5 and 9.2.6.
package enum ServerSentEvents {
    /// The event that ends a stream of the completions API.
    package static let done = [UInt8]("data: [DONE]\n\n".utf8)
    /// A comment, sent while nothing else is, so that proxies keep the connection.
    package static let ping = [UInt8](": ping\n\n".utf8)

    /// One event. JSON is one line; a payload of several lines becomes several `data` lines, which a client joins again.
    package static func event(_ payload: [UInt8]) -> [UInt8] {
        var event: [UInt8] = []
        event.reserveCapacity(payload.count + 8)
        event += "data: ".utf8
        for byte in payload {
            switch byte {
            case .lf: event += "\ndata: ".utf8
            // A carriage return would end the line, too.
            case .cr: break
            default: event.append(byte)
            }
        }
        event += "\n\n".utf8
        return event
    }

    /// A successful answer whose body the events are.
    package static func response(_ events: AsyncStream<[UInt8]>) -> ServerResponse {
        var head = HTTPResponse(status: .ok)
        head.headerFields[.contentType] = "text/event-stream"
        head.headerFields[.cacheControl] = "no-cache"
        return ServerResponse(head: head, body: .stream(events))
    }
}
