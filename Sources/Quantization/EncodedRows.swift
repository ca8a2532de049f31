import Checkpoints
import Dispatch
import InferenceTypes
import Kernels

/// What became of weights when they were written.
package struct RoundingError: Sendable {
    /// Σ(x' - x)² and Σx².
    package var squares: Double = 0
    package var reference: Double = 0

    package init() {}

    /// Root mean square of the error over that of the weights; 0 for nothing.
    package var relative: Double { reference > 0 ? (squares / reference).squareRoot() : 0 }

    package mutating func add(_ other: RoundingError) {
        squares += other.squares
        reference += other.reference
    }
}

/// A stretch of a tensor's rows on their way from one type to another, shared among threads.
struct EncodedRows {
    let type: ElementType
    let tensorName: String
    let columnCount: Int
    let threadCount: Int

    private var rowByteCount: Int { type.byteCount(elementCount: columnCount) ?? 0 }

    /// Reads rows, each thread some of them.
    ///
    /// - Throws: where a weight is no finite number.
    func read(
        _ reader: FloatRowReader, _ rows: Range<Int>, into floats: UnsafeMutableBufferPointer<Float>
    ) throws(QuantizationError) {
        let isFinite = share(rows.count) { part in
            let values = UnsafeMutableBufferPointer(
                rebasing: floats[part.lowerBound * columnCount..<part.upperBound * columnCount])
            reader.read(rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound, into: values)
            return allFinite(UnsafeBufferPointer(values))
        }
        guard isFinite.allSatisfy(\.self) else {
            throw QuantizationError("tensor \(tensorName) has a weight that is no finite number")
        }
    }

    /// Encodes rows, each thread some of them, and says how far off they are.
    ///
    /// - Throws: where the type cannot hold a weight.
    func encode(
        _ floats: UnsafeMutableBufferPointer<Float>, into bytes: UnsafeMutableRawBufferPointer
    ) throws(QuantizationError) -> RoundingError {
        let errors = share(floats.count / columnCount) { part in encode(part, UnsafeBufferPointer(floats), bytes) }
        var total = RoundingError()
        for error in errors { total.add(error) }
        guard total.squares.isFinite else {
            throw QuantizationError("tensor \(tensorName) has a weight that is too large for \(type.name)")
        }
        return total
    }

    private func encode(
        _ rows: Range<Int>, _ floats: UnsafeBufferPointer<Float>, _ bytes: UnsafeMutableRawBufferPointer
    ) -> RoundingError {
        let quantizer = RowQuantizer(type)
        var error = RoundingError()
        withUnsafeTemporaryAllocation(of: Float.self, capacity: columnCount) { back in
            for row in rows {
                let values = UnsafeBufferPointer(rebasing: floats[row * columnCount..<(row + 1) * columnCount])
                let target = UnsafeMutableRawBufferPointer(
                    rebasing: bytes[row * rowByteCount..<(row + 1) * rowByteCount])
                quantizer.encode(values, into: target)
                dequantize(type, UnsafeRawBufferPointer(target), into: back)
                error.add(distance(values, UnsafeBufferPointer(back)))
            }
        }
        return error
    }

    /// Cuts `count` rows into a part for each thread and gives their results in order.
    private func share<Result>(_ count: Int, _ body: (Range<Int>) -> Result) -> [Result] {
        let partCount = max(min(threadCount, count), 1)
        var results = [Result?](repeating: nil, count: partCount)
        results.withUnsafeMutableBufferPointer { results in
            withoutActuallyEscaping(body) { body in
                let parts = ThreadParts(results: results, body: body)
                DispatchQueue.concurrentPerform(iterations: partCount) { index in
                    parts.results[index] = parts.body(count * index / partCount..<count * (index + 1) / partCount)
                }
            }
        }
        return results.compactMap(\.self)
    }
}

/// What threads share while their caller waits for them.
// Unchecked: each index of `results` is written by one thread, and what `body` writes are the rows of that index.
private struct ThreadParts<Result>: @unchecked Sendable {
    let results: UnsafeMutableBufferPointer<Result?>
    let body: (Range<Int>) -> Result
}

private func allFinite(_ values: UnsafeBufferPointer<Float>) -> Bool {
    // A number times 0 is 0, but for those that are none.
    var sum: Float = 0
    for value in values { sum += value * 0 }
    return sum == 0
}

/// Single precision within 32 elements, double beyond.
private func distance(_ values: UnsafeBufferPointer<Float>, _ other: UnsafeBufferPointer<Float>) -> RoundingError {
    var error = RoundingError()
    var index = 0
    while index < values.count {
        var (squares, reference): (Float, Float) = (0, 0)
        let end = min(index + 32, values.count)
        while index < end {
            let off = other[index] - values[index]
            squares += off * off
            reference += values[index] * values[index]
            index += 1
        }
        error.squares += Double(squares)
        error.reference += Double(reference)
    }
    return error
}
