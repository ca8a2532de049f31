/// Sixteen floats side by side: how this module walks over a row.
///
/// Sums keep one part per lane and add the parts in one order, so that they are the same bits on every machine and at
/// every width of its registers. Nothing here is a fused multiply-add.
typealias Lanes = SIMD16<Float>
typealias LaneMask = SIMDMask<SIMD16<Int32>>

extension UnsafeBufferPointer<Float> {
    /// The 16 values from `start` on; −∞ past the end.
    @inline(__always)
    func lanes(at start: Int) -> Lanes {
        if start + Lanes.scalarCount <= count {
            return UnsafeRawPointer(self.baseAddress.unsafelyUnwrapped + start).loadUnaligned(as: Lanes.self)
        }
        var lanes = Lanes(repeating: -.infinity)
        for index in start..<count { lanes[index - start] = self[index] }
        return lanes
    }

    /// Where each group of 16 starts.
    @inline(__always)
    var laneStarts: StrideTo<Int> { stride(from: 0, to: count, by: Lanes.scalarCount) }
}

extension Lanes {
    /// The higher one in each lane; not for NaN.
    @inline(__always)
    func higher(_ other: Lanes) -> Lanes { replacing(with: other, where: other .> self) }

    @inline(__always)
    private var bits: SIMD16<Int32> {
        withUnsafeBytes(of: self) { $0.loadUnaligned(as: SIMD16<Int32>.self) }
    }

    @inline(__always)
    private init(bits: SIMD16<Int32>) {
        self = withUnsafeBytes(of: bits) { $0.loadUnaligned(as: Lanes.self) }
    }

    /// e to the power of each lane, off by less than 3e-7 of it; 0 below the smallest normal number.
    ///
    /// x = n ln 2 + r with |r| at most half of ln 2: the first eight terms of the series for r, times 2^n.
    ///
    /// - Requires: no lane is above 0.
    @inline(__always)
    var exponential: Lanes {
        // Adding 1.5 × 2^23 rounds to an integer, which the low bits of the sum then hold.
        let shifted = self * 0x1.715476p0 + 0x1.8p23
        let n = shifted - 0x1.8p23
        // ln 2 in two parts: the first has so few bits that n times it is exact.
        let r = (self - n * 0x1.63p-1) - n * -0x1.bd0106p-13
        var series = r * (1 / 5040) + (1 / 720)
        series = series * r + (1 / 120)
        series = series * r + (1 / 24)
        series = series * r + (1 / 6)
        series = series * r + 0.5
        series = series * r + 1
        series = series * r + 1
        let bits = series.bits &+ shifted.bits &<< 23
        // ln 2^-126 = -87.3365; also what came of −∞.
        return Lanes(bits: bits).replacing(with: 0, where: self .< -87.33)
    }
}

/// A sum of floats in double precision: a vocabulary's small members are not lost in it.
struct LaneSum {
    private var low = SIMD8<Double>()
    private var high = SIMD8<Double>()

    @inline(__always)
    mutating func add(_ lanes: Lanes) {
        low += SIMD8<Double>(lanes.lowHalf)
        high += SIMD8<Double>(lanes.highHalf)
    }

    var total: Double {
        let eight = low + high
        let four = eight.lowHalf + eight.highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}

extension LaneMask {
    /// This mask where the lane is one of the first `count`, which may be all or none of them.
    ///
    /// Only one block of a walk needs to look at its lanes; comparing integers lane by lane is slow.
    @inline(__always)
    func first(_ count: Int) -> LaneMask {
        guard count < Lanes.scalarCount else { return self }
        guard count > 0 else { return LaneMask(repeating: false) }
        var mask = self
        for lane in count..<Lanes.scalarCount { mask[lane] = false }
        return mask
    }
}

extension LaneMask {
    /// 1 where the mask holds, otherwise 0, without a branch.
    @inline(__always)
    func count(at lane: Int) -> Int { self[lane] ? 1 : 0 }
}

extension SIMD16<Int32> {
    /// `start` and the 15 numbers after it.
    @inline(__always)
    static func from(_ start: Int) -> SIMD16<Int32> {
        SIMD16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) &+ Int32(truncatingIfNeeded: start)
    }
}

extension UnsafeMutablePointer {
    @inline(__always)
    func setLanes(_ lanes: SIMD16<Pointee>, at start: Int) where Pointee: SIMDScalar & BitwiseCopyable {
        UnsafeMutableRawPointer(self + start).storeBytes(of: lanes, as: SIMD16<Pointee>.self)
    }

    @inline(__always)
    func lanes(at start: Int) -> SIMD16<Pointee> where Pointee: SIMDScalar & BitwiseCopyable {
        UnsafeRawPointer(self + start).loadUnaligned(as: SIMD16<Pointee>.self)
    }
}
