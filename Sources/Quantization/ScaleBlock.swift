/// A block of 256 in 16 groups of 16: `x ≈ d · scale · (level - 32)`, scales signed bytes, levels of 6 bits: Q6_K.
///
/// The search is that of `ScaleMinimumBlock`, without minima.
struct ScaleBlock {
    private static let groupCount = 16
    private static let elementCount = 16
    private static let roundCount = 2

    /// Half precision.
    private var d: UInt16
    private var scales: InlineArray<16, Int32>
    private var error: Float = 0

    static func encode(_ block: WeightedValues, _ out: UnsafeMutableRawPointer) {
        let found = search(block)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { levels in
            guard let base = levels.baseAddress else { return }
            found.writeLevels(block, base)
            pack(base, out)
        }
        for group in 0..<groupCount { storeByte(found.scales[group], out, 192 + group) }
        store(found.d, out, 208)
    }

    // MARK: - Search

    private static func search(_ block: WeightedValues) -> ScaleBlock {
        var wishes = InlineArray<16, Float>(repeating: 0)
        var extreme: Float = 0
        for group in 0..<groupCount {
            wishes[group] = ScaleFit.search(block.from(group * elementCount)).scale
            if abs(wishes[group]) > abs(extreme) { extreme = wishes[group] }
        }
        var best = ScaleBlock(block, wishes, d: Half.bits(extreme / -128))
        for _ in 0..<roundCount {
            let d = best.refit(block)
            if d == best.d { break }
            let next = ScaleBlock(block, wishes, d: d)
            guard next.error < best.error else { break }
            best = next
        }
        return best
    }

    private init(_ block: WeightedValues, _ wishes: InlineArray<16, Float>, d: UInt16) {
        self.d = d
        scales = InlineArray(repeating: 0)
        let step = Half.value(d)
        for group in 0..<Self.groupCount {
            let wished = step == 0 ? 0 : nearestInteger(wishes[group] / step, -128...127)
            let values = block.from(group * Self.elementCount)
            var least = Float.infinity
            for scale in max(wished - 1, -128)...min(wished + 1, 127) {
                let error = ScaleFit.error(values, scale: step * Float(scale))
                if error < least { (least, scales[group]) = (error, scale) }
            }
            error += least
        }
    }

    /// The `d` that suits the levels of all groups best.
    private func refit(_ block: WeightedValues) -> UInt16 {
        var (aa, xa): (Float, Float) = (0, 0)
        for group in 0..<Self.groupCount where scales[group] != 0 {
            let scale = Float(scales[group])
            let sums = ScaleFit.sums(block.from(group * Self.elementCount), inverse: 1 / (Half.value(d) * scale))
            aa += scale * scale * sums.wqq
            xa += scale * sums.wxq
        }
        return aa > 0 ? Half.bits(xa / aa) : d
    }

    // MARK: - Bytes

    private func writeLevels(_ block: WeightedValues, _ levels: UnsafeMutablePointer<UInt8>) {
        for group in 0..<Self.groupCount {
            let scale = Half.value(d) * Float(scales[group])
            let inverse = scale != 0 ? 1 / scale : 0
            let start = group * Self.elementCount
            for index in stride(from: start, to: start + Self.elementCount, by: Lanes.scalarCount) {
                let shifted = clamped(lanes(block.values, index) * inverse, -32, 31) + roundingShift
                storeLevels(shifted, offset: 32, levels + index)
            }
        }
    }

    /// Halves of 128: 64 bytes of lower fours, elements i and i + 64 in one; 32 of upper twos, elements i, i + 32, i + 64
    /// and i + 96 in one.
    private static func pack(_ levels: UnsafePointer<UInt8>, _ out: UnsafeMutableRawPointer) {
        for half in 0..<2 {
            let part = levels + half * 128
            for index in 0..<64 {
                let byte = part[index] & 15 | part[index + 64] << 4
                out.storeBytes(of: byte, toByteOffset: half * 64 + index, as: UInt8.self)
            }
            for index in 0..<32 {
                let low = part[index] >> 4 | (part[index + 32] & 48) >> 2
                let high = part[index + 64] & 48 | (part[index + 96] & 48) << 2
                out.storeBytes(of: low | high, toByteOffset: 128 + half * 32 + index, as: UInt8.self)
            }
        }
    }
}

/// The scale of 16 values with levels -32 to 31. It may be negative: the side with the larger values has the more levels.
struct ScaleFit {
    var scale: Float = 0
    /// How much less the error is than that of zeros; larger is better.
    private var gain: Float = 0

    /// What the largest value is tried as, in levels.
    private static let heights: [Float] = [30.2, 30.8, 31.3, 31.7, 32, 32.5, 33.1, 33.8]

    static func search(_ group: WeightedValues) -> ScaleFit {
        var (largest, extreme): (Float, Float) = (0, 0)
        for index in 0..<16 where abs(group.values[index]) > largest {
            (largest, extreme) = (abs(group.values[index]), group.values[index])
        }
        var best = ScaleFit()
        guard largest > 0 else { return best }
        for height in heights {
            best.keep(sums(group, inverse: -height / extreme))
            if height < 32 { best.keep(sums(group, inverse: height / extreme)) }
        }
        if best.scale != 0 { best.keep(sums(group, inverse: 1 / best.scale)) }
        return best
    }

    /// Σwq² and Σwxq for levels `round(x · inverse)`.
    @inline(__always)
    static func sums(_ group: WeightedValues, inverse: Float) -> (wqq: Float, wxq: Float) {
        var (wqq, wxq) = (Lanes.zero, Lanes.zero)
        for index in stride(from: 0, to: 16, by: Lanes.scalarCount) {
            let (x, weight) = (lanes(group.values, index), lanes(group.weights, index))
            let level = nearest(clamped(x * inverse, -32, 31))
            let weighted = weight * level
            wqq += weighted * level
            wxq += weighted * x
        }
        return (wqq.sum(), wxq.sum())
    }

    @inline(__always)
    static func error(_ group: WeightedValues, scale: Float) -> Float {
        let inverse = scale != 0 ? 1 / scale : 0
        var squares = Lanes.zero
        for index in stride(from: 0, to: 16, by: Lanes.scalarCount) {
            let (x, weight) = (lanes(group.values, index), lanes(group.weights, index))
            let off = nearest(clamped(x * inverse, -32, 31)) * scale - x
            squares += weight * off * off
        }
        return squares.sum()
    }

    @inline(__always)
    private mutating func keep(_ sums: (wqq: Float, wxq: Float)) {
        guard sums.wqq > 0 else { return }
        let gain = sums.wxq * sums.wxq / sums.wqq
        if gain > self.gain { (self.gain, scale) = (gain, sums.wxq / sums.wqq) }
    }
}
