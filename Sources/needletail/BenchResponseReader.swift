/// What a server sent is no HTTP/1.1 response that this client reads.
struct BenchResponseError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Takes one HTTP/1.1 response apart, in whatever pieces it comes: a value without socket or clock.
///
/// - Source: RFC 9112 4, 6.3 and 7.1. Extensions of chunks and trailers are passed over.
struct BenchResponseReader {
    private enum State {
        case statusLine
        case fields
        case sizeLine
        case chunk(remainingCount: Int)
        case chunkEnd
        case trailer
        case body(remainingCount: Int)
        /// To the end of the connection.
        case rest
        case complete
    }

    private var state = State.statusLine
    /// Of a line that is not complete.
    private var line: [UInt8] = []
    private var lineByteCount = 0
    private var contentLength: Int?
    private var isChunked = false
    private(set) var status = 0
    /// Whether the connection may carry another request.
    private(set) var keepsAlive = true

    /// - Source: what nginx and our own server send is far below.
    static let maxLineByteCount = 64 << 10
    static let maxHeadByteCount = 256 << 10
    /// - Source: more than any answer: 2^31 − 1.
    static let maxBodyByteCount = 0x7FFF_FFFF

    var isComplete: Bool { if case .complete = state { true } else { false } }
    /// Whether anything has come.
    var hasBegun: Bool { if case .statusLine = state { !line.isEmpty } else { true } }

    /// Appends what the response's body holds of `bytes` to `body`.
    ///
    /// - Throws: for what is no response, and for bytes after its end.
    mutating func receive(_ bytes: ArraySlice<UInt8>, into body: inout [UInt8]) throws(BenchResponseError) {
        var rest = bytes
        while !rest.isEmpty {
            switch state {
            case .chunk(let remainingCount):
                let count = take(remainingCount, of: &rest, into: &body)
                state = count == remainingCount ? .chunkEnd : .chunk(remainingCount: remainingCount - count)
            case .body(let remainingCount):
                let count = take(remainingCount, of: &rest, into: &body)
                state = count == remainingCount ? .complete : .body(remainingCount: remainingCount - count)
            case .rest: _ = take(rest.count, of: &rest, into: &body)
            case .complete: throw BenchResponseError("\(rest.count) bytes after the end of a response")
            case .statusLine, .fields, .sizeLine, .chunkEnd, .trailer:
                guard try takeLine(&rest) else { return }
                let complete = line
                line.removeAll(keepingCapacity: true)
                try take(complete)
            }
        }
    }

    /// The server has closed the connection.
    mutating func receiveEnd() throws(BenchResponseError) {
        keepsAlive = false
        if case .rest = state { state = .complete }
        guard isComplete else { throw BenchResponseError("the connection ended inside a response") }
    }

    private func take(_ count: Int, of rest: inout ArraySlice<UInt8>, into body: inout [UInt8]) -> Int {
        let piece = rest.prefix(count)
        body += piece
        rest = rest.dropFirst(piece.count)
        return piece.count
    }

    /// - Returns: whether `line` is complete, its end taken off.
    private mutating func takeLine(_ rest: inout ArraySlice<UInt8>) throws(BenchResponseError) -> Bool {
        let end = rest.firstIndex(of: UInt8(ascii: "\n"))
        line += rest[..<(end ?? rest.endIndex)]
        rest = end.map { rest[($0 + 1)...] } ?? rest[rest.endIndex...]
        guard line.count <= Self.maxLineByteCount else {
            throw BenchResponseError("a line of more than \(Self.maxLineByteCount) bytes")
        }
        guard end != nil else { return false }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return true
    }

    private mutating func take(_ line: [UInt8]) throws(BenchResponseError) {
        switch state {
        case .statusLine: try takeStatus(line)
        case .fields: try takeField(line)
        case .sizeLine: try takeSize(line)
        case .chunkEnd:
            guard line.isEmpty else { throw BenchResponseError("a chunk is longer than its size") }
            state = .sizeLine
        case .trailer: if line.isEmpty { state = .complete }
        case .chunk, .body, .rest, .complete: break
        }
    }
}

// MARK: - The head

extension BenchResponseReader {
    /// `HTTP/1.1 200 OK`
    private mutating func takeStatus(_ line: [UInt8]) throws(BenchResponseError) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0].starts(with: "HTTP/1.".utf8), parts[0].count == 8, parts[1].count == 3,
            let code = Self.digits(parts[1])
        else {
            throw BenchResponseError("no HTTP/1.1 status line: \(String(decoding: line.prefix(60), as: UTF8.self))")
        }
        status = code
        keepsAlive = parts[0].last == UInt8(ascii: "1")
        (contentLength, isChunked, lineByteCount) = (nil, false, 0)
        state = .fields
    }

    private mutating func takeField(_ line: [UInt8]) throws(BenchResponseError) {
        guard !line.isEmpty else { return endHead() }
        lineByteCount += line.count
        guard lineByteCount <= Self.maxHeadByteCount else {
            throw BenchResponseError("a head of more than \(Self.maxHeadByteCount) bytes")
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw BenchResponseError("a line of the head without a colon")
        }
        let name = Self.lowercased(line[..<colon])
        let value = Self.lowercased(Self.trimmed(line[(colon + 1)...]))
        if name.elementsEqual("content-length".utf8) {
            guard let count = Self.digits(value[...]), count <= Self.maxBodyByteCount else {
                throw BenchResponseError("a content-length that is no length")
            }
            contentLength = count
        } else if name.elementsEqual("transfer-encoding".utf8) {
            guard value.elementsEqual("chunked".utf8) else {
                throw BenchResponseError("transfer-encoding \(String(decoding: value.prefix(60), as: UTF8.self))")
            }
            isChunked = true
        } else if name.elementsEqual("connection".utf8) {
            if value.elementsEqual("close".utf8) { keepsAlive = false }
        }
    }

    /// - Source: RFC 9112 6.3: chunks before a length, no body for 204 and 304, to the end without either.
    private mutating func endHead() {
        switch status {
        case 100..<200: state = .statusLine
        case 204, 304: state = .complete
        default:
            if isChunked {
                state = .sizeLine
            } else if let contentLength {
                state = contentLength == 0 ? .complete : .body(remainingCount: contentLength)
            } else {
                state = .rest
                keepsAlive = false
            }
        }
    }

    /// Up to nine digits alone.
    private static func digits(_ text: ArraySlice<UInt8>) -> Int? {
        guard (1...9).contains(text.count), text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return text.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private static func lowercased(_ text: ArraySlice<UInt8>) -> [UInt8] {
        text.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var text = text.drop(while: isSpace)
        while text.last.map(isSpace) ?? false { text.removeLast() }
        return text
    }
}

// MARK: - Chunks

extension BenchResponseReader {
    private mutating func takeSize(_ line: [UInt8]) throws(BenchResponseError) {
        let digits = line.prefix { Self.hexadecimal($0) != nil }
        let next = line.dropFirst(digits.count).first
        guard (1...8).contains(digits.count), next == nil || next == 0x3B || next == 0x20 || next == 0x09 else {
            throw BenchResponseError("no size of a chunk: \(String(decoding: line.prefix(60), as: UTF8.self))")
        }
        let size = digits.reduce(0) { $0 << 4 | (Self.hexadecimal($1) ?? 0) }
        guard size <= Self.maxBodyByteCount else {
            throw BenchResponseError("a chunk of more than \(Self.maxBodyByteCount) bytes")
        }
        state = size == 0 ? .trailer : .chunk(remainingCount: size)
    }

    private static func hexadecimal(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte) - 0x30
        case 0x41...0x46: Int(byte) - 0x41 + 10
        case 0x61...0x66: Int(byte) - 0x61 + 10
        default: nil
        }
    }
}

/// Cuts a body of server-sent events into the data of each, in whatever pieces it comes.
///
/// - Source: WHATWG HTML 9.2.6, of which servers of completions use one `data` line an event.
struct BenchEventReader {
    private var line: [UInt8] = []

    /// The data of the events that are complete now.
    mutating func receive(_ bytes: [UInt8]) throws(BenchResponseError) -> [[UInt8]] {
        var events: [[UInt8]] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            line += rest[..<end]
            rest = rest[(end + 1)...]
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            if line.starts(with: "data:".utf8) {
                let data = line.dropFirst(5)
                events.append(Array(data.first == 0x20 ? data.dropFirst() : data))
            }
            line.removeAll(keepingCapacity: true)
        }
        line += rest
        guard line.count <= Self.maxByteCount else {
            throw BenchResponseError("an event of more than \(Self.maxByteCount) bytes")
        }
        return events
    }

    /// - Source: an event of a hundred tokens with twenty logprobs each is a tenth of it.
    static let maxByteCount = 4 << 20
}
