import Glibc

/// A file of keys: in each line a name, the key's hash, and settings.
///
///     # name  hash                settings
///     alice   sha256:9f86d0…      requests-per-minute=60 tokens-per-minute=100000
///     ops     sha256:60303a…      role=admin
package struct KeyFile: Sendable {
    /// At least one.
    package let keys: [APIKey]
    /// Everybody on the machine may read it.
    package let isReadableByOthers: Bool

    /// Longest file: some 8,000 keys, all of which are compared for each request.
    private static let byteLimit = 1 << 20

    package init(path: String) throws(KeyFileError) {
        // Not blocking: a pipe without a writer must not hold up the start.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw KeyFileError("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw KeyFileError("\(path) is no regular file")
        }
        isReadableByOthers = status.st_mode & S_IROTH != 0
        let bytes = try Self.read(descriptor, path)
        do throws(KeyFileError) { keys = try Self.keys(in: bytes) } catch {
            throw KeyFileError("\(path): \(error.description)")
        }
    }

    private static func read(_ descriptor: Int32, _ path: String) throws(KeyFileError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw KeyFileError("cannot read \(path): \(String(cString: strerror(errno)))")
            }
            guard count > 0 else { return bytes }
            bytes += piece[..<count]
            guard bytes.count <= byteLimit else { throw KeyFileError("\(path) is larger than \(byteLimit) bytes") }
        }
    }

    /// Reads a file's text.
    ///
    /// - Throws: what is wrong with the first line that is, with its number. No error quotes a hash or what may be a key.
    package static func keys(in bytes: [UInt8]) throws(KeyFileError) -> [APIKey] {
        var keys: [APIKey] = []
        var names: Set<String> = []
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            guard let key = try KeyLine.parse(line, number: index + 1) else { continue }
            guard names.insert(key.name).inserted else {
                throw KeyFileError(line: index + 1, "there is a key named \(key.name) above")
            }
            guard !keys.contains(where: { $0.digest == key.digest }) else {
                throw KeyFileError(line: index + 1, "\(key.name) has the same key as one above")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw KeyFileError("there is no key in it") }
        return keys
    }
}

/// What is wrong with a file of keys, in one line.
package struct KeyFileError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    init(line: Int, _ message: String) { self.init("line \(line): \(message)") }
}
