import HTTPTypes

// The literals are valid field names, so the unwrapping cannot fail.
extension HTTPField.Name {
    static let requestID = HTTPField.Name("x-request-id")!
    /// - Source: W3C Trace Context.
    static let traceParent = HTTPField.Name("traceparent")!
    static let ignoredParameters = HTTPField.Name("x-ignored-params")!
    /// Tells nginx to pass a stream on as it comes.
    static let accelBuffering = HTTPField.Name("x-accel-buffering")!
}

enum MediaType {
    static let json = "application/json"

    /// Whether a `Content-Type` is JSON's, with any parameters.
    ///
    /// - Source: RFC 9110 section 8.3.1: case does not count, and white space may stand before the semicolon.
    static func isJSON(_ field: String) -> Bool {
        var type = field.utf8.prefix { $0 != UInt8(ascii: ";") }
        while let last = type.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") { type.removeLast() }
        return type.lazy.map(lowercased).elementsEqual(json.utf8)
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
