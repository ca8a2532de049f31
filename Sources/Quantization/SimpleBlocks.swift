/// Blocks of 32 whose scale follows from their extremes alone.
///
/// - Source: gguf-py `quants.py`: single precision throughout, scales applied before they are rounded to half precision.
enum SimpleBlocks {
    /// Q8_0: `d = max|x| / 127`, to nearest, ties away from zero.
    static func eightBits(_ x: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer) {
        var largest: Float = 0
        for index in 0..<32 { largest = max(largest, abs(x[index])) }
        let scale = largest / 127
        let inverse: Float = scale == 0 ? 0 : 1 / scale
        store(Half.bits(scale), out, 0)
        for index in 0..<32 {
            let value = x[index] * inverse
            let whole = wholePart(abs(value))
            let magnitude = abs(value) - Float(whole) >= 0.5 ? whole + 1 : whole
            storeByte(value < 0 ? -magnitude : magnitude, out, 2 + index)
        }
    }

    /// Q4_0: `d` is the element of largest magnitude over -8, so that it becomes level 0.
    static func fourBits(_ x: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer) {
        let scale = extreme(x) / -8
        let inverse: Float = scale == 0 ? 0 : 1 / scale
        store(Half.bits(scale), out, 0)
        for index in 0..<16 {
            let low = min(wholePart(x[index] * inverse + 8.5), 15)
            let high = min(wholePart(x[index + 16] * inverse + 8.5), 15)
            storeByte(low | high << 4, out, 2 + index)
        }
    }

    /// Q5_0: as Q4_0, over -16.
    static func fiveBits(_ x: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer) {
        let scale = extreme(x) / -16
        let inverse: Float = scale == 0 ? 0 : 1 / scale
        store(Half.bits(scale), out, 0)
        packFive(out, 2) { min(wholePart(x[$0] * inverse + 16.5), 31) }
    }

    /// Q4_1: `d = (max - min) / 15`, levels from the minimum.
    static func fourBitsMinimum(_ x: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer) {
        let (low, high) = range(x)
        let scale = (high - low) / 15
        let inverse: Float = scale == 0 ? 0 : 1 / scale
        store(Half.bits(scale), out, 0)
        store(Half.bits(low), out, 2)
        for index in 0..<16 {
            let first = min(wholePart((x[index] - low) * inverse + 0.5), 15)
            let second = min(wholePart((x[index + 16] - low) * inverse + 0.5), 15)
            storeByte(first | second << 4, out, 4 + index)
        }
    }

    /// Q5_1: as Q4_1, over 31.
    static func fiveBitsMinimum(_ x: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer) {
        let (low, high) = range(x)
        let scale = (high - low) / 31
        let inverse: Float = scale == 0 ? 0 : 1 / scale
        store(Half.bits(scale), out, 0)
        store(Half.bits(low), out, 2)
        packFive(out, 4) { min(wholePart((x[$0] - low) * inverse + 0.5), 31) }
    }

    /// Four bytes of fifth bits, then sixteen of the lower four: element i and i + 16 share one.
    @inline(__always)
    private static func packFive(_ out: UnsafeMutableRawPointer, _ offset: Int, _ level: (Int) -> Int32) {
        var fifth: UInt32 = 0
        for index in 0..<16 {
            let (low, high) = (level(index), level(index + 16))
            fifth |= UInt32(truncatingIfNeeded: low >> 4 & 1) << UInt32(index)
            fifth |= UInt32(truncatingIfNeeded: high >> 4 & 1) << UInt32(index + 16)
            storeByte(low & 15 | (high & 15) << 4, out, offset + 4 + index)
        }
        out.storeBytes(of: fifth.littleEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// The first element of largest magnitude.
    @inline(__always)
    private static func extreme(_ x: UnsafePointer<Float>) -> Float {
        var (largest, found): (Float, Float) = (0, x[0])
        for index in 0..<32 where abs(x[index]) > largest { (largest, found) = (abs(x[index]), x[index]) }
        return found
    }

    @inline(__always)
    private static func range(_ x: UnsafePointer<Float>) -> (low: Float, high: Float) {
        var (low, high) = (x[0], x[0])
        for index in 1..<32 {
            low = min(low, x[index])
            high = max(high, x[index])
        }
        return (low, high)
    }

    /// Towards zero, of a number from 0 on. What is no small number becomes some small one: a conversion would trap.
    @inline(__always)
    private static func wholePart(_ value: Float) -> Int32 {
        let bounded = max(min(value, 255), 0)
        let rounded = (bounded + roundingShift) - roundingShift
        let bits = (bounded + roundingShift).bitPattern & 0xFFFF
        return Int32(truncatingIfNeeded: bits) - (rounded > bounded ? 1 : 0)
    }
}
