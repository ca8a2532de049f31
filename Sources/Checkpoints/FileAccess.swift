import Glibc

/// An open regular file.
struct OpenFile: ~Copyable {
    let descriptor: Int32
    let byteCount: Int
    let name: String

    /// - Parameter name: last path component, for messages.
    /// - Parameter flags: added to reading, non-blocking, so that a pipe in the place of a file cannot hang us.
    init(path: String, name: String, flags: Int32 = 0) throws(CheckpointError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags)
        guard descriptor >= 0 else {
            throw CheckpointError(file: name, section: "file", message: "cannot be opened: \(systemMessage())")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            let byteCount = Int(exactly: status.st_size)
        else {
            close(descriptor)
            throw CheckpointError(file: name, section: "file", expected: "a regular file", found: "something else")
        }
        self.descriptor = descriptor
        self.byteCount = byteCount
        self.name = name
    }

    deinit { close(descriptor) }

    func map() throws(CheckpointError) -> FileMapping {
        try FileMapping(descriptor: descriptor, byteCount: byteCount, fileName: name)
    }

    /// The whole file.
    func read(limit: Int) throws(CheckpointError) -> [UInt8] {
        guard byteCount <= limit else {
            throw CheckpointError(
                file: name, section: "file", expected: "at most \(limit) bytes", found: "\(byteCount)")
        }
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            while count < byteCount {
                let got = pread(descriptor, buffer.baseAddress?.advanced(by: count), byteCount - count, count)
                if got < 0 && errno == EINTR { continue }
                guard got > 0 else { break }
                count += got
            }
            failed = count < byteCount
        }
        guard !failed else { throw CheckpointError(file: name, section: "file", message: "cannot be read whole") }
        return bytes
    }
}

extension FileMapping {
    /// Maps the regular file at `path`.
    package convenience init(path: String) throws(CheckpointError) {
        let file = try OpenFile(path: path, name: lastPathComponent(path))
        try self.init(descriptor: file.descriptor, byteCount: file.byteCount, fileName: file.name)
    }
}

/// `c` of `/a/b/c` and of `/a/b/c/`; the path itself when it has no other part.
func lastPathComponent(_ path: String) -> String {
    let parts = path.utf8.split(separator: UInt8(ascii: "/"))
    return parts.last.map { String(decoding: $0, as: UTF8.self) } ?? path
}
