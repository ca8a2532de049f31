import Glibc

/// Writes a file of packed weights: as a whole, or not at all.
struct PackedFileWriter {
    let name: String
    /// Who may read it.
    let mode: mode_t

    enum Outcome: Equatable {
        case written
        /// Another process writes it at this moment.
        case busy
    }

    /// Bytes of one call: large pages, which the file system keeps together.
    private static let pieceByteCount = 8 << 20
    /// Bytes after which we wait for the disk, so that progress is the disk's and memory does not fill with what waits.
    private static let syncedByteCount = 64 << 20

    /// Under a name of its own, which then takes the place of the file: whoever opens that has the old one or the new
    /// one. What a process leaves behind that is ended meanwhile, the next writer finds without a lock, and removes.
    ///
    /// - Parameter progress: bytes that are written.
    /// - Throws: where the folder does not take it; nothing stays then.
    func write(
        _ header: PackedFileHeader, _ panels: UnsafeRawBufferPointer, in folder: borrowing PackedFolder,
        progress: (Int) -> Void
    ) throws(PackedFileError) -> Outcome {
        try requireSpace(PackedFileHeader.panelsOffset + panels.count, in: folder)
        guard let file = try create(in: folder) else { return .busy }
        do throws(PackedFileError) {
            try write(header.bytes, panels, to: file, progress)
            guard renameat(folder.descriptor, partialName, folder.descriptor, name) == 0 else { throw Self.failure }
        } catch {
            folder.remove(partialName)
            throw error
        }
        // Where the system loses power before it knows the name, the next start packs again.
        fsync(folder.descriptor)
        return .written
    }

    var partialName: String { name + ".partial" }

    /// Without this the disk would be full for as long as it takes to fill it.
    private func requireSpace(_ byteCount: Int, in folder: borrowing PackedFolder) throws(PackedFileError) {
        var status = statvfs()
        // Some file systems do not know how large they are.
        guard fstatvfs(folder.descriptor, &status) == 0, status.f_blocks > 0 else { return }
        let (free, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        guard overflow || free >= UInt64(byteCount) else {
            throw PackedFileError("it takes \(byteCount) bytes, and \(free) are free")
        }
    }

    /// A new file, locked; nil where another process has one.
    private func create(in folder: borrowing PackedFolder) throws(PackedFileError) -> PackedDescriptor? {
        for _ in 0..<2 {
            if let file = folder.open(partialName, O_RDWR | O_CREAT | O_EXCL, mode: mode) {
                // In between somebody may have taken it for one that was left behind. From here on nobody can.
                guard file.lock(), folder.holds(partialName, file) else { return nil }
                return file
            }
            guard errno == EEXIST else { throw Self.failure }
            guard let left = folder.open(partialName, O_RDONLY) else {
                if errno == ENOENT { continue }
                throw Self.failure
            }
            guard left.lock() else { return nil }
            if folder.holds(partialName, left) { folder.remove(partialName) }
        }
        return nil
    }

    private func write(
        _ header: [UInt8], _ panels: UnsafeRawBufferPointer, to file: borrowing PackedDescriptor,
        _ progress: (Int) -> Void
    ) throws(PackedFileError) {
        for start in stride(from: 0, to: panels.count, by: Self.pieceByteCount) {
            let end = min(start + Self.pieceByteCount, panels.count)
            try put(
                UnsafeRawBufferPointer(rebasing: panels[start..<end]), at: PackedFileHeader.panelsOffset + start,
                into: file)
            if end % Self.syncedByteCount == 0, fdatasync(file.number) != 0 { throw Self.failure }
            progress(end)
        }
        var failed: PackedFileError?
        header.withUnsafeBytes { bytes in
            do throws(PackedFileError) { try put(bytes, at: 0, into: file) } catch { failed = error }
        }
        if let failed { throw failed }
        guard fsync(file.number) == 0 else { throw Self.failure }
    }

    private func put(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, into file: borrowing PackedDescriptor
    ) throws(PackedFileError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                file.number, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Self.failure }
            done += count
        }
    }

    private static var failure: PackedFileError { PackedFileError(systemMessage()) }
}
