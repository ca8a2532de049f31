import Glibc

/// A file that weights come from, as it was when it was opened: enough to say whether another one is the same.
package struct SourceFile: Sendable, Equatable {
    /// What the file system says. Neither inode nor device: a copy has others, and so has the same file in another
    /// container.
    package struct Status: Sendable, Equatable {
        package let modificationSeconds: Int
        package let modificationNanoseconds: Int
        package let owner: UInt32
        /// Everybody may read it.
        package let isPublic: Bool
    }

    /// Last path component.
    package let name: String
    package let byteCount: Int
    /// Nil for what is linked into the program.
    package let status: Status?

    init(descriptor: Int32, name: String) throws(CheckpointError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw CheckpointError(file: name, section: "file", message: "cannot be read: \(systemMessage())")
        }
        self.name = name
        byteCount = Int(status.st_size)
        self.status = Status(
            modificationSeconds: status.st_mtim.tv_sec, modificationNanoseconds: status.st_mtim.tv_nsec,
            owner: status.st_uid, isPublic: status.st_mode & S_IROTH != 0)
    }

    init(embedded byteCount: Int, name: String) {
        self.name = name
        self.byteCount = byteCount
        status = nil
    }
}
