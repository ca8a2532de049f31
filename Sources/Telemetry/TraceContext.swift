/// A request's place in a trace that spans several programs.
///
/// - Source: W3C Trace Context, `traceparent`, version 00.
package struct TraceContext: Sendable, Equatable {
    /// 32 hexadecimal digits: the client's, or new.
    package var traceID: String
    /// 16 hexadecimal digits, ours.
    package var spanID: String
    /// As sent: whether the caller records the trace. We record none.
    package var isSampled: Bool

    /// - Parameters:
    ///   - sent: the request's `traceparent`. One that is not exactly as the standard says is ignored, and a trace begins
    ///     here.
    ///   - random: 64 bits.
    package init(sent: String?, random: () -> UInt64) {
        let parent = sent.flatMap(Self.parent)
        traceID = parent?.traceID ?? Self.identifier(random) + Self.identifier(random)
        isSampled = parent?.isSampled ?? false
        spanID = Self.identifier(random)
    }

    /// For the answer, and for whom we would call.
    package var field: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

    /// `00-` 32 digits `-` 16 digits `-` 2 digits, all of them lower-case hexadecimal, neither id all zeros. Flags that
    /// version 00 does not know are not passed on.
    private static func parent(_ field: String) -> (traceID: String, isSampled: Bool)? {
        let bytes = Array(field.utf8)
        guard bytes.count == 55, bytes[0..<3].elementsEqual("00-".utf8), bytes[35] == UInt8(ascii: "-"),
            bytes[52] == UInt8(ascii: "-"), isIdentifier(bytes[3..<35]), isIdentifier(bytes[36..<52]),
            digit(bytes[53]) != nil, let flags = digit(bytes[54])
        else { return nil }
        return (String(decoding: bytes[3..<35], as: UTF8.self), flags & 1 == 1)
    }

    private static func isIdentifier(_ digits: ArraySlice<UInt8>) -> Bool {
        digits.allSatisfy { digit($0) != nil } && digits.contains { $0 != UInt8(ascii: "0") }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    /// 16 digits, never all zeros.
    private static func identifier(_ random: () -> UInt64) -> String {
        let digits = String(max(1, random()), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
