/// Eight floats that are worked on at once.
typealias Lanes = SIMD8<Float>

/// Adding it to a number of less than 2^22 leaves the nearest whole number in the lowest bits.
let roundingShift: Float = 0x1.8p23

/// To the nearest whole number, ties to even.
///
/// - Requires: less than 2^22 in magnitude.
@inline(__always)
func nearest(_ value: Lanes) -> Lanes { (value + roundingShift) - roundingShift }

/// As an integer, without the trap that a conversion has for NaN.
@inline(__always)
func nearestInteger(_ value: Float, _ range: ClosedRange<Int32>) -> Int32 {
    let bounded = max(min(value, Float(range.upperBound)), Float(range.lowerBound))
    let bits = (bounded + roundingShift).bitPattern & 0x7F_FFFF
    return max(min(Int32(bitPattern: bits) - 0x40_0000, range.upperBound), range.lowerBound)
}

@inline(__always)
func lanes(_ values: UnsafePointer<Float>, _ index: Int) -> Lanes {
    UnsafeRawPointer(values + index).loadUnaligned(as: Lanes.self)
}

@inline(__always)
func clamped(_ value: Lanes, _ low: Float, _ high: Float) -> Lanes {
    let raised = value.replacing(with: low, where: value .< low)
    return raised.replacing(with: high, where: raised .> high)
}

/// Values and what a squared error of each costs.
struct WeightedValues {
    var values: UnsafePointer<Float>
    var weights: UnsafePointer<Float>

    /// From an element on.
    @inline(__always)
    func from(_ index: Int) -> WeightedValues {
        WeightedValues(values: values + index, weights: weights + index)
    }
}

@inline(__always)
func storeByte(_ value: Int32, _ target: UnsafeMutableRawPointer, _ offset: Int) {
    target.storeBytes(of: UInt8(truncatingIfNeeded: value), toByteOffset: offset, as: UInt8.self)
}

/// Whole numbers that have `roundingShift` added, as bytes, with an offset added.
@inline(__always)
func storeLevels(_ shifted: Lanes, offset: UInt32, _ target: UnsafeMutablePointer<UInt8>) {
    for index in 0..<Lanes.scalarCount {
        target[index] = UInt8(truncatingIfNeeded: shifted[index].bitPattern &+ offset)
    }
}
