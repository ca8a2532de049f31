package import HTTPTypes

/// Why a request is refused before a handler sees it. Its answer has the body of `api.md` A.5.
///
/// - Source: RFC 9110 15.5 and 15.6 for the statuses.
package struct HTTPError: Error, Sendable, Equatable {
    package var status: HTTPResponse.Status
    /// Plain English, never the input itself.
    package var message: String
    /// Further fields of the answer, such as `Accept-Encoding`.
    package var fields: HTTPFields

    package init(_ status: HTTPResponse.Status, _ message: String, fields: HTTPFields = [:]) {
        self.status = status
        self.message = message
        self.fields = fields
    }

    static func malformed(_ message: String) -> HTTPError { HTTPError(.badRequest, message) }

    /// The answer that tells the client.
    package var response: ServerResponse {
        var head = HTTPResponse(status: status, headerFields: fields)
        head.headerFields[.contentType] = "application/json"
        return ServerResponse(head: head, body: .bytes(jsonBody))
    }

    private var jsonBody: [UInt8] {
        let type = status.code >= 500 && status != .notImplemented && status.code != 505
        var json = [UInt8](#"{"error":{"message":""#.utf8)
        for byte in message.utf8 where byte >= 0x20 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { json.append(UInt8(ascii: "\\")) }
            json.append(byte)
        }
        json += #"","type":""#.utf8
        json += (type ? "server_error" : "invalid_request_error").utf8
        json += #"","param":null,"code":"#.utf8
        json += (status == .requestTimeout ? #""request_timeout""# : "null").utf8
        json += "}}".utf8
        return json
    }
}
