package import InferenceTypes

/// Turns rows of floats into the bytes of an element type.
///
/// F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 are what the gguf package makes, byte for byte. Q4_K, Q5_K and Q6_K leave the
/// choice of scales to the writer: here it is a search for the least (weighted) squared error. A value of no state: any
/// thread may use it, and the same row gives the same bytes on each.
///
/// - Source: GGUF specification, `ggml_type`, for the layouts; gguf-py `quants.py` for the rounding of the simple types.
package struct RowQuantizer: Sendable {
    package let elementType: ElementType

    package init(_ type: ElementType) { elementType = type }

    /// Writes one row.
    ///
    /// - Parameters:
    ///   - row: whole blocks of finite floats. Others give blocks of no meaning, but no trap.
    ///   - importance: what a squared error at each input costs, at least 0; all the same when nil. K types alone heed it.
    ///   - bytes: exactly the bytes of `row`.
    package func encode(
        _ row: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>? = nil,
        into bytes: UnsafeMutableRawBufferPointer
    ) {
        precondition(elementType.byteCount(elementCount: row.count) == bytes.count, "bytes that are not a row's")
        precondition(importance.map { $0.count == row.count } ?? true, "an importance that is not a row's")
        guard let source = row.baseAddress, let target = bytes.baseAddress else { return }
        let blockCount = row.count / elementType.blockElementCount
        switch elementType {
        case .f32: target.copyMemory(from: source, byteCount: bytes.count)
        case .f16: for index in 0..<row.count { store(Half.bits(source[index]), target, index * 2) }
        case .bf16: for index in 0..<row.count { store(BrainFloat.bits(source[index]), target, index * 2) }
        case .q8_0: each(blockCount, source, target, SimpleBlocks.eightBits)
        case .q4_0: each(blockCount, source, target, SimpleBlocks.fourBits)
        case .q4_1: each(blockCount, source, target, SimpleBlocks.fourBitsMinimum)
        case .q5_0: each(blockCount, source, target, SimpleBlocks.fiveBits)
        case .q5_1: each(blockCount, source, target, SimpleBlocks.fiveBitsMinimum)
        case .q4_K, .q5_K:
            weighted(blockCount, source, importance, target) { ScaleMinimumBlock.encode(elementType, $0, $1) }
        case .q6_K: weighted(blockCount, source, importance, target, ScaleBlock.encode)
        }
    }

    @inline(__always)
    private func each(
        _ count: Int, _ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer,
        _ encode: (UnsafePointer<Float>, UnsafeMutableRawPointer) -> Void
    ) {
        let (elements, bytes) = (elementType.blockElementCount, elementType.blockByteCount)
        for block in 0..<count { encode(source + block * elements, target + block * bytes) }
    }

    private func weighted(
        _ count: Int, _ source: UnsafePointer<Float>, _ importance: UnsafeBufferPointer<Float>?,
        _ target: UnsafeMutableRawPointer, _ encode: (WeightedValues, UnsafeMutableRawPointer) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 256) { weights in
            guard let base = weights.baseAddress else { return }
            weights.initialize(repeating: 1)
            for block in 0..<count {
                if let importance { fill(weights, from: importance, at: block * 256) }
                encode(
                    WeightedValues(values: source + block * 256, weights: UnsafePointer(base)),
                    target + block * elementType.blockByteCount)
            }
        }
    }

    /// Brought to a mean of 1, so that sums of them are no stranger to single precision than those of the values. No input
    /// counts for nothing: a column that was never seen is still rounded to what is near.
    private func fill(
        _ weights: UnsafeMutableBufferPointer<Float>, from importance: UnsafeBufferPointer<Float>, at start: Int
    ) {
        var sum: Float = 0
        for index in 0..<256 { sum += max(importance[start + index], 0) }
        let scale = sum > 0 && sum.isFinite ? 256 / sum : 0
        for index in 0..<256 {
            weights[index] = scale > 0 ? max(importance[start + index], 0) * scale + 1e-4 : 1
        }
    }
}

@inline(__always)
func store(_ value: UInt16, _ target: UnsafeMutableRawPointer, _ offset: Int) {
    target.storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt16.self)
}
