/// IEEE half precision by integer arithmetic: the same on every processor, to nearest, ties to even.
enum Half {
    /// Past the largest, infinity; NaN stays NaN.
    static func bits(_ value: Float) -> UInt16 {
        let pattern = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: pattern >> 16) & 0x8000
        let magnitude = pattern & 0x7FFF_FFFF
        if magnitude >= 0x7F80_0000 { return sign | (magnitude > 0x7F80_0000 ? 0x7E00 : 0x7C00) }
        if magnitude >= 0x4780_0000 { return sign | 0x7C00 }
        if magnitude < 0x3880_0000 {
            // Subnormal: adding 0.5 leaves units of 2^-24 in the lowest bits of the sum, rounded.
            let shifted = Float(bitPattern: magnitude) + 0.5
            return sign | UInt16(truncatingIfNeeded: shifted.bitPattern &- Float(0.5).bitPattern)
        }
        let rounded = magnitude &+ 0xFFF &+ (magnitude >> 13 & 1)
        return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
    }

    static func value(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10 & 0x1F)
        let fraction = UInt32(bits & 0x3FF)
        if exponent == 0x1F { return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13) }
        if exponent == 0 { return Float(bitPattern: (Float(fraction) * 0x1p-24).bitPattern | sign) }
        return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
}

/// The upper half of a single, to nearest, ties to even.
enum BrainFloat {
    static func bits(_ value: Float) -> UInt16 {
        let pattern = value.bitPattern
        if pattern & 0x7FFF_FFFF > 0x7F80_0000 { return UInt16(truncatingIfNeeded: pattern >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16)
    }
}
