import HTTPTypes

/// Takes a chunked body apart. Work is linear in the input and nothing is allocated per chunk.
///
/// - Source: RFC 9112 7.1. Lines end in CR LF only; trailer fields are checked and thrown away, never merged.
struct ChunkedDecoder {
    private enum State {
        case sizeLine
        case data(remainingCount: Int)
        case dataEnd
        case trailer
        case done
    }

    private var state = State.sizeLine
    private var extensionsByteCount = 0
    private var trailerByteCount = 0

    /// Moves what has come into `body`.
    /// - Returns: true when the body and its trailers are complete.
    mutating func decode(
        _ input: inout InputBuffer, into body: inout [UInt8], limits: HTTPLimits
    ) throws(HTTPError) -> Bool {
        while true {
            switch state {
            case .sizeLine:
                guard let line = try Self.nextLine(&input, limit: limits.chunkLineByteCount, .chunkLine) else {
                    return false
                }
                let size = try parseSizeLine(line, limits: limits)
                guard size <= limits.bodyByteCount - body.count else { throw .bodyTooLarge(limits) }
                state = size == 0 ? .trailer : .data(remainingCount: size)
            case .data(let remainingCount):
                let count = min(remainingCount, input.count)
                guard count > 0 else { return false }
                body += input.unread.prefix(count)
                input.consume(count)
                state = count == remainingCount ? .dataEnd : .data(remainingCount: remainingCount - count)
            case .dataEnd:
                guard try consumeDataEnd(&input) else { return false }
                state = .sizeLine
            case .trailer:
                let limit = limits.trailerSectionByteCount - trailerByteCount
                guard let line = try Self.nextLine(&input, limit: max(limit, 0), .trailer) else { return false }
                if line.isEmpty { state = .done } else { try checkTrailer(line, limits: limits) }
            case .done:
                return true
            }
        }
    }

    private static func nextLine(
        _ input: inout InputBuffer, limit: Int, _ tooLong: HTTPError
    ) throws(HTTPError) -> ArraySlice<UInt8>? {
        switch input.nextLine(limit: limit) {
        case .line(let line): return line
        case .incomplete: return nil
        case .tooLong: throw tooLong
        case .bareLineFeed: throw .malformed("Lines of a chunked body must end in CR LF.")
        }
    }

    private func consumeDataEnd(_ input: inout InputBuffer) throws(HTTPError) -> Bool {
        let end = input.unread.prefix(2)
        guard end.elementsEqual([.cr, .lf].prefix(end.count)) else {
            throw .malformed("A chunk is longer than its size.")
        }
        guard end.count == 2 else { return false }
        input.consume(2)
        return true
    }

    private mutating func parseSizeLine(_ line: ArraySlice<UInt8>, limits: HTTPLimits) throws(HTTPError) -> Int {
        var size = 0
        var index = line.startIndex
        while index < line.endIndex, let digit = line[index].hexValue {
            // Saturates, see FramingFields.
            size = size > Int.max >> 4 ? .max : size << 4 | Int(digit)
            index += 1
        }
        guard index > line.startIndex else { throw .malformed("A chunk has no size.") }
        let extensions = line[index...]
        guard ChunkExtensions.accepts(extensions) else { throw .malformed("A chunk's size line is malformed.") }
        extensionsByteCount += extensions.count
        guard extensionsByteCount <= limits.chunkExtensionsByteCount else { throw .chunkLine }
        return size
    }

    private mutating func checkTrailer(_ line: ArraySlice<UInt8>, limits: HTTPLimits) throws(HTTPError) {
        trailerByteCount += line.count + 2
        guard trailerByteCount <= limits.trailerSectionByteCount else { throw .trailer }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.startIndex
        guard colon > line.startIndex, line[..<colon].allSatisfy(ByteSet.token.contains),
            line[colon...].allSatisfy(\.isFieldContent)
        else { throw .malformed("A trailer line is malformed.") }
    }
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`, where a value is a token or a quoted string. Read only to be refused
/// when malformed: what an extension says is ignored.
private enum ChunkExtensions {
    static func accepts(_ text: ArraySlice<UInt8>) -> Bool {
        var rest = text
        while !rest.isEmpty {
            guard take(UInt8(ascii: ";"), &rest), takeToken(&rest) else { return false }
            guard take(UInt8(ascii: "="), &rest) else { continue }
            guard takeToken(&rest) || takeQuotedString(&rest) else { return false }
        }
        return true
    }

    /// A separator, with the whitespace on both sides of it. Takes nothing when it is not there.
    private static func take(_ separator: UInt8, _ rest: inout ArraySlice<UInt8>) -> Bool {
        let found = rest.drop(while: \.isWhitespace)
        guard found.first == separator else { return false }
        rest = found.dropFirst().drop(while: \.isWhitespace)
        return true
    }

    private static func takeToken(_ rest: inout ArraySlice<UInt8>) -> Bool {
        let token = rest.prefix(while: ByteSet.token.contains)
        rest = rest[token.endIndex...]
        return !token.isEmpty
    }

    private static func takeQuotedString(_ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.first == UInt8(ascii: "\"") else { return false }
        var index = rest.startIndex + 1
        while index < rest.endIndex, rest[index].isFieldContent {
            if rest[index] == UInt8(ascii: "\"") {
                rest = rest[(index + 1)...]
                return true
            }
            if rest[index] == UInt8(ascii: "\\") {
                index += 1
                guard index < rest.endIndex, rest[index].isFieldContent else { return false }
            }
            index += 1
        }
        return false
    }
}

extension HTTPError {
    fileprivate static let chunkLine = HTTPError(.contentTooLarge, "The chunk extensions are too long.")
    fileprivate static let trailer = HTTPError(.requestHeaderFieldsTooLarge, "The trailer section is too long.")
}
