/// Memory for floats, 64-byte aligned, zeroed, freed when the arena goes. Allocated once, before the first step.
package final class Arena {
    private let memory: UnsafeMutableRawPointer
    private var used = 0
    private let capacity: Int

    /// - Parameter capacity: Floats; each `allocate` rounds up to 16.
    package init(capacity: Int) {
        self.capacity = capacity
        memory = .allocate(byteCount: max(capacity, 1) * MemoryLayout<Float>.stride, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: capacity * MemoryLayout<Float>.stride)
    }

    deinit { memory.deallocate() }

    /// Floats that `allocate(count)` takes.
    package static func footprint(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    package func allocate(_ count: Int) -> UnsafeMutablePointer<Float> {
        let start = used
        used += Self.footprint(count)
        precondition(used <= capacity, "arena too small")
        return (memory + start * MemoryLayout<Float>.stride).bindMemory(to: Float.self, capacity: Self.footprint(count))
    }

    package func allocateRows(_ rowCount: Int, _ columnCount: Int) -> FloatRows {
        FloatRows(allocate(rowCount * columnCount), rowCount: rowCount, columnCount: columnCount)
    }
}
