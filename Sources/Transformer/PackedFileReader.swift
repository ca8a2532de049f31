import Glibc
import Kernels

/// Reads a file of packed weights.
struct PackedFileReader {
    let name: String
    /// What the file has to be.
    let header: PackedFileHeader
    /// Users whose file is trusted: ourselves, the system's, and who could as well have changed the model.
    let owners: Set<UInt32>

    /// Bytes that are brought into memory before all threads look through them.
    private static let runByteCount = 64 << 20

    /// The panels, mapped, in memory, and free of damage; nil where there is no such file.
    ///
    /// Every byte is looked at, always: the pages are wanted in memory before the first request anyway, and what the
    /// checksum adds to that is one pass as fast as memory is read. Bytes that were changed to deceive would pass. They
    /// can make answers wrong, as the model file could, and no more: panels hold numbers and no places.
    ///
    /// Mapping rather than reading into memory of our own: servers of one model share the pages, and the system takes
    /// them back without writing them anywhere. The price is that of every mapped file: who shortens it while it is in
    /// use ends the process with SIGBUS, which only its owner could do. We never do: a file is replaced as a whole.
    ///
    /// Large pages, which memory of our own has everywhere, the mapping has where the file system keeps large folios: on
    /// ext4 of Linux 6.18 all of it lay in them, just written or read from the disk. Elsewhere it has small ones, which
    /// costs up to 5 % where one row is computed, and nothing with more (kernels.md, section 1).
    ///
    /// - Parameter progress: bytes that were looked at.
    /// - Throws: where there is one that is not to be used.
    func map(
        in folder: borrowing PackedFolder, _ workers: Workers, progress: (Int) -> Void
    ) throws(PackedFileError) -> MappedPages? {
        guard let file = folder.open(name, O_RDONLY) else {
            if errno == ENOENT { return nil }
            throw PackedFileError(errno == ELOOP ? "it is a link" : "it cannot be opened: \(systemMessage())")
        }
        let byteCount = try checkedByteCount(file)
        let checksum = try header.checksum(in: readHeader(file))
        guard byteCount == PackedFileHeader.panelsOffset + header.panelByteCount else {
            throw PackedFileError("it is cut short, or longer than it was")
        }
        guard
            let pages = MappedPages(
                descriptor: file.number, offset: PackedFileHeader.panelsOffset, byteCount: header.panelByteCount)
        else { throw PackedFileError("it cannot be mapped: \(systemMessage())") }
        var digest = PieceDigest()
        for start in stride(from: 0, to: header.panelByteCount, by: Self.runByteCount) {
            let run = start..<min(start + Self.runByteCount, header.panelByteCount)
            guard pages.populate(run) else { throw PackedFileError("it cannot be read: \(systemMessage())") }
            digest.add(UnsafeRawBufferPointer(rebasing: pages.bytes[run]), workers)
            progress(run.upperBound)
        }
        guard digest.value == checksum else { throw PackedFileError("it is damaged") }
        return pages
    }

    /// - Throws: unless it is a regular file that nobody else may write.
    private func checkedByteCount(_ file: borrowing PackedDescriptor) throws(PackedFileError) -> Int {
        var status = stat()
        guard fstat(file.number, &status) == 0 else { throw PackedFileError("it cannot be read: \(systemMessage())") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw PackedFileError("it is no regular file") }
        guard owners.contains(status.st_uid), status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
            throw PackedFileError("others may write it")
        }
        return Int(status.st_size)
    }

    private func readHeader(_ file: borrowing PackedDescriptor) throws(PackedFileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: PackedFileHeader.byteCount)
        let count = bytes.withUnsafeMutableBytes { pread(file.number, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw PackedFileError("it cannot be read: \(systemMessage())") }
        guard count == bytes.count else { throw PackedFileError("it is cut short") }
        return bytes
    }
}
