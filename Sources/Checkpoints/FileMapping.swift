import Glibc

/// The bytes of a file, mapped read-only, or bytes that are linked into the program. Unmapped when the last view of
/// it is gone.
///
/// Nothing is read before it is looked at, so a model of any size is ready in milliseconds and its pages are shared
/// between processes. The price, accepted: a file that somebody shortens while it is mapped ends the process with
/// SIGBUS. Replace a served model by renaming a new file over it, which leaves the mapped one whole.
// Unchecked: the pointer is constant and the memory behind it is never written while it lives.
package final class FileMapping: @unchecked Sendable {
    private enum Owner {
        case mapping
        case program
    }

    /// Last path component.
    package let fileName: String
    /// Valid while this object lives.
    package let bytes: UnsafeRawBufferPointer
    /// What the file was when it was mapped.
    package let source: SourceFile
    private let owner: Owner

    /// Maps a regular file that is open for reading. The descriptor stays the caller's.
    ///
    /// - Throws: when the file is empty or cannot be mapped.
    package init(descriptor: Int32, byteCount: Int, fileName: String) throws(CheckpointError) {
        guard byteCount > 0 else {
            throw CheckpointError(file: fileName, section: "file", expected: "a model", found: "no bytes")
        }
        source = try SourceFile(descriptor: descriptor, name: fileName)
        guard let base = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw CheckpointError(file: fileName, section: "file", message: "cannot be mapped: \(systemMessage())")
        }
        self.fileName = fileName
        bytes = UnsafeRawBufferPointer(start: base, count: byteCount)
        owner = .mapping
    }

    /// Bytes that live as long as the program.
    package init(embedded: UnsafeRawBufferPointer, name: String) {
        fileName = name
        source = SourceFile(embedded: embedded.count, name: name)
        bytes = embedded
        owner = .program
    }

    /// Lets the system take the pages of `range` back; who looks at them reads the file again.
    func forget(_ range: Range<Int>) {
        guard owner == .mapping, let base = bytes.baseAddress, !range.isEmpty else { return }
        let pageSize = sysconf(Int32(_SC_PAGESIZE))
        let start = range.lowerBound / pageSize * pageSize
        madvise(UnsafeMutableRawPointer(mutating: base + start), range.upperBound - start, MADV_DONTNEED)
    }

    deinit {
        guard owner == .mapping, let base = bytes.baseAddress else { return }
        munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }
}

/// What the system says about the last failed call.
func systemMessage() -> String { String(cString: strerror(errno)) }
