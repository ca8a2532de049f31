import HTTPTypes

/// How long the body of a request is.
enum BodyFraming: Equatable {
    case none
    case length(Int)
    case chunked
}

/// The fields that frame a body, collected while the head is read, judged at its end.
///
/// Stricter than the RFC where it leaves a choice: what two parsers could read in two ways is refused.
///
/// - Source: RFC 9112 6.1 to 6.3, RFC 9110 8.6.
struct FramingFields {
    private var length: Int?
    private var transferEncodingCount = 0

    mutating func addContentLength(_ value: ArraySlice<UInt8>) throws(HTTPError) {
        guard length == nil else { throw .malformed("Content-Length must be sent once.") }
        guard !value.isEmpty, value.allSatisfy(\.isDigit) else {
            throw .malformed("Content-Length must be a decimal number.")
        }
        length = value.reduce(0) { total, digit in
            // Saturates: what does not fit is far above every limit and refused as too large.
            let (tens, overflow) = total.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(digit - 0x30))
            return overflow || carry || total == .max ? .max : sum
        }
    }

    mutating func addTransferEncoding(_ value: ArraySlice<UInt8>) throws(HTTPError) {
        transferEncodingCount += 1
        guard transferEncodingCount == 1 else { throw .malformed("Transfer-Encoding must be sent once.") }
        if value.equalsIgnoringCase("chunked") { return }
        let codings = value.listElements
        let isForeign = codings.contains { !$0.equalsIgnoringCase("chunked") }
        if isForeign, codings.allSatisfy({ $0.allSatisfy(ByteSet.token.contains) }) {
            throw HTTPError(.notImplemented, "The only transfer coding spoken here is chunked.")
        }
        throw .malformed("Transfer-Encoding must be exactly: chunked.")
    }

    func framing(version: HTTPVersion, limits: HTTPLimits) throws(HTTPError) -> BodyFraming {
        if transferEncodingCount > 0 {
            guard length == nil else {
                throw .malformed("Content-Length and Transfer-Encoding must not be sent together.")
            }
            guard version == .http11 else { throw .malformed("Transfer-Encoding is not part of HTTP/1.0.") }
            return .chunked
        }
        guard let length, length > 0 else { return .none }
        guard length <= limits.bodyByteCount else { throw .bodyTooLarge(limits) }
        return .length(length)
    }
}

extension HTTPError {
    static func bodyTooLarge(_ limits: HTTPLimits) -> HTTPError {
        HTTPError(.contentTooLarge, "The request body is larger than the limit of \(limits.bodyByteCount) bytes.")
    }
}
