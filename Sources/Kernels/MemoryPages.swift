import CKernels

/// Zeroed memory for weights, keys and values: page-aligned, in large pages where the system has them, freed when this goes.
package final class MemoryPages {
    package let bytes: UnsafeMutableRawBufferPointer

    /// - Returns: nil when there is not so much memory.
    package init?(byteCount: Int) {
        guard let base = nt_pages_allocate(byteCount) else { return nil }
        bytes = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
    }

    deinit { nt_pages_free(bytes.baseAddress, bytes.count) }
}

/// A part of a file, mapped to read: clean pages that all processes share and that the system may take back, in large ones
/// where the file system keeps such. Unmapped when this goes.
package final class MappedPages {
    /// Aligned to `alignment`.
    package let bytes: UnsafeRawBufferPointer

    /// Of the memory, and of where the part begins in its file.
    package static let alignment = 2 << 20

    /// - Parameter offset: a multiple of `alignment`.
    /// - Returns: nil, and `errno`, where the system does not map it.
    package init?(descriptor: Int32, offset: Int, byteCount: Int) {
        guard let base = nt_pages_map(descriptor, offset, byteCount) else { return nil }
        bytes = UnsafeRawBufferPointer(start: base, count: byteCount)
    }

    /// Brings `range` into memory, so that whoever looks at it first does not wait.
    ///
    /// - Requires: the range begins on a page.
    /// - Returns: whether all of it can be read.
    package func populate(_ range: Range<Int>) -> Bool {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        guard let base = bytes.baseAddress, !range.isEmpty else { return true }
        return nt_pages_populate(base + range.lowerBound, range.count) != 0
    }

    deinit { nt_pages_free(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }
}
