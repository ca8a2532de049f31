import HTTPTypes

/// How a response's end is found by the client.
enum ResponseFraming: Equatable {
    /// Neither length nor body: 204, 304.
    case none
    case length(Int)
    case chunked
    /// HTTP/1.0 knows no chunks: the body ends with the connection.
    case untilClose
}

/// Writes response heads and chunks.
///
/// - Source: RFC 9112 4, 6 and 7.1; RFC 9110 8.6 for the statuses without a length.
enum ResponseEncoder {
    static let continueHead = [UInt8]("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// Fields that only this layer writes; a handler's are left out.
    private static let ownFields: Set<HTTPField.Name> = [
        .contentLength, .transferEncoding, .connection, .date, .server, .upgrade, .trailer,
    ]

    /// A status and fields that may go on the wire. `HTTPField` already turns line ends into spaces; what is left to
    /// refuse are other control bytes.
    static func accepts(_ head: HTTPResponse) -> Bool {
        (200...599).contains(head.status.code)
            && head.status.reasonPhrase.utf8.allSatisfy(\.isFieldContent)
            && head.headerFields.allSatisfy { $0.withUnsafeBytesOfValue { $0.allSatisfy(\.isFieldContent) } }
    }

    /// - Requires: `accepts(head)`.
    static func append(
        _ head: HTTPResponse, framing: ResponseFraming, keepsOpen: Bool, date: HTTPDate, to output: inout [UInt8]
    ) {
        output += "HTTP/1.1 ".utf8
        output += decimal(head.status.code)
        output.append(.space)
        output += head.status.reasonPhrase.utf8
        output += "\r\nDate: ".utf8
        output += date.bytes
        output += "\r\nServer: needletail\r\n".utf8
        for field in head.headerFields where !ownFields.contains(field.name) {
            output += field.name.rawName.utf8
            output += ": ".utf8
            field.withUnsafeBytesOfValue { output += $0 }
            output += "\r\n".utf8
        }
        switch framing {
        case .length(let length):
            output += "Content-Length: ".utf8
            output += decimal(length)
            output += "\r\n".utf8
        case .chunked:
            output += "Transfer-Encoding: chunked\r\n".utf8
        case .none, .untilClose:
            break
        }
        if !keepsOpen { output += "Connection: close\r\n".utf8 }
        output += "\r\n".utf8
    }

    static let lastChunk = [UInt8]("0\r\n\r\n".utf8)

    static func appendChunk(_ bytes: [UInt8], to output: inout [UInt8]) {
        guard !bytes.isEmpty else { return }  // An empty chunk would end the body.
        appendHex(bytes.count, to: &output)
        output += "\r\n".utf8
        output += bytes
        output += "\r\n".utf8
    }

    private static func appendHex(_ number: Int, to output: inout [UInt8]) {
        if number >= 16 { appendHex(number / 16, to: &output) }
        let digit = UInt8(number & 15)
        output.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    }

    private static func decimal(_ number: Int) -> String.UTF8View { String(number).utf8 }
}
