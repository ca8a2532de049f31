import Glibc

/// Writes a GGUF file of version 3, tensor by tensor, under a temporary name beside its own, which it takes when it is whole.
/// Whoever drops a writer that is not finished leaves nothing behind.
package final class GGUFWriter {
    /// What happens to a file that has the name already.
    package enum Existing: Sendable {
        case refused, replaced
    }

    /// Where the bytes go until the file is whole.
    package let temporaryPath: String
    private let path: String
    private let fileName: String
    private let existing: Existing
    private let tensors: [GGUFTensorEntry]
    private let descriptor: Int32
    private var isFinished = false
    /// The tensor that is being written and how much of it is there.
    private var tensorIndex = 0
    private var tensorByteCount = 0
    private var buffer: [UInt8] = []
    package private(set) var byteCount = 0

    /// Bytes that are gathered before they are written.
    private static let bufferByteCount = 1 << 20

    /// Creates the temporary file and writes everything before the tensors' bytes.
    ///
    /// - Throws: when the file may not or cannot be made.
    package init(
        path: String, existing: Existing, entries: [GGUFEntry], tensors: [GGUFTensorEntry]
    ) throws(CheckpointError) {
        fileName = lastPathComponent(path)
        try Self.requireFree(path, existing)
        var template = Array((path + ".XXXXXX").utf8CString)
        let descriptor = template.withUnsafeMutableBufferPointer { $0.baseAddress.map { mkstemp($0) } ?? -1 }
        guard descriptor >= 0 else { throw Self.failure(path, "cannot be created: \(systemMessage())") }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.descriptor = descriptor
        self.path = path
        self.existing = existing
        self.tensors = tensors
        temporaryPath = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let header = GGUFEncoder.header(entries, tensors)
        try write(header)
    }

    private static func failure(_ path: String, _ message: String) -> CheckpointError {
        CheckpointError(file: lastPathComponent(path), section: "file", message: message)
    }

    /// - Throws: where something else than a regular file has the name, or a file that may not be replaced.
    package static func requireFree(_ path: String, _ existing: Existing) throws(CheckpointError) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure(path, "exists and is no regular file") }
        guard existing == .replaced else { throw failure(path, "exists already") }
    }

    /// The next bytes of the tensors, in the order of the table; a tensor may come in several parts.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        precondition(tensorIndex < tensors.count, "more bytes than tensors")
        precondition(bytes.count <= tensors[tensorIndex].byteCount - tensorByteCount, "more bytes than the tensor has")
        try write(bytes)
        tensorByteCount += bytes.count
        guard tensorByteCount == tensors[tensorIndex].byteCount else { return }
        try write([UInt8](repeating: 0, count: GGUFEncoder.padded(tensorByteCount) - tensorByteCount))
        tensorIndex += 1
        tensorByteCount = 0
    }

    /// Brings the file to the disk and gives it its name.
    ///
    /// - Parameter check: sees the whole file under its temporary name, and may refuse it.
    package func finish<Failure: Error>(
        check: (_ path: String) throws(Failure) -> Void
    ) throws {
        precondition(tensorIndex == tensors.count, "a tensor without its bytes")
        try flush()
        // mkstemp makes files for their owner alone.
        let mask = umask(0)
        umask(mask)
        guard fchmod(descriptor, 0o666 & ~mask) == 0, fsync(descriptor) == 0 else { throw writingFailure() }
        try check(temporaryPath)
        try Self.requireFree(path, existing)
        guard rename(temporaryPath, path) == 0 else {
            throw Self.failure(path, "cannot take its name: \(systemMessage())")
        }
        isFinished = true
        syncDirectory()
    }

    /// So that the name is on the disk too. What cannot be synced (some network disks) is no reason to fail.
    private func syncDirectory() {
        let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let directory = end.map { String(decoding: path.utf8[...$0], as: UTF8.self) } ?? "."
        let opened = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0 else { return }
        fsync(opened)
        close(opened)
    }

    private func write(_ bytes: [UInt8]) throws(CheckpointError) {
        byteCount += bytes.count
        buffer += bytes
        if buffer.count > Self.bufferByteCount { try flush() }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        byteCount += bytes.count
        if buffer.count + bytes.count > Self.bufferByteCount { try flush() }
        if bytes.count <= Self.bufferByteCount {
            buffer += bytes
        } else {
            guard put(bytes) else { throw writingFailure() }
        }
    }

    private func flush() throws(CheckpointError) {
        guard buffer.withUnsafeBytes({ put($0) }) else { throw writingFailure() }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Whether all of it could be written; `errno` says why not.
    private func put(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private func writingFailure() -> CheckpointError {
        Self.failure(path, "cannot be written: \(systemMessage())")
    }

    deinit {
        close(descriptor)
        if !isFinished { unlink(temporaryPath) }
    }
}
