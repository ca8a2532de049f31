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
