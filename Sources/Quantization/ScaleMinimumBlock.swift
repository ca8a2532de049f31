import InferenceTypes

/// A block of 256 in 8 groups of 32: `x ≈ d · scale · level - dMinimum · minimum`, scales and minima of 6 bits. Q4_K has
/// levels of 4 bits, Q5_K of 5.
///
/// The search, for the least weighted squared error: each group finds the scale and minimum that it would like best; `d`
/// and `dMinimum` bring the largest of them to 63; groups choose whole numbers for the `d` and `dMinimum` that there are,
/// and these are fitted to the groups' choices, by turns.
struct ScaleMinimumBlock {
    private static let groupCount = 8
    private static let elementCount = 32
    /// How often `d` and `dMinimum` are fitted to the choices of the groups.
    private static let roundCount = 1

    private struct Group {
        /// 0 to 63.
        var scale: Int32 = 0
        var minimum: Int32 = 0
    }

    /// Half precision.
    private var d: UInt16
    private var dMinimum: UInt16
    private var groups: InlineArray<8, Group>
    private var error: Float = 0

    static func encode(_ type: ElementType, _ block: WeightedValues, _ out: UnsafeMutableRawPointer) {
        let top: Float = type == .q4_K ? 15 : 31
        let found = search(block, top)
        found.writeHead(out)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { levels in
            guard let base = levels.baseAddress else { return }
            found.writeLevels(block, top, base)
            if type == .q4_K { packFourBits(base, out + 16) } else { packFiveBits(base, out + 16) }
        }
    }

    // MARK: - Search

    private static func search(_ block: WeightedValues, _ top: Float) -> ScaleMinimumBlock {
        var wishes = InlineArray<8, ScaleMinimumFit>(repeating: ScaleMinimumFit())
        var (scale, minimum): (Float, Float) = (0, 0)
        for group in 0..<groupCount {
            wishes[group] = ScaleMinimumFit.search(block.from(group * elementCount), top: top)
            scale = max(scale, wishes[group].scale)
            minimum = max(minimum, -wishes[group].low)
        }
        var best = ScaleMinimumBlock(block, top, wishes, d: Half.bits(scale / 63), dMinimum: Half.bits(minimum / 63))
        for _ in 0..<roundCount {
            let (d, dMinimum) = best.refit(block, top)
            if d == best.d && dMinimum == best.dMinimum { break }
            let next = ScaleMinimumBlock(block, top, wishes, d: d, dMinimum: dMinimum)
            guard next.error < best.error else { break }
            best = next
        }
        return best
    }

    /// The choices of the groups for given `d` and `dMinimum`.
    private init(
        _ block: WeightedValues, _ top: Float, _ wishes: InlineArray<8, ScaleMinimumFit>, d: UInt16, dMinimum: UInt16
    ) {
        self.d = d
        self.dMinimum = dMinimum
        groups = InlineArray(repeating: Group())
        for group in 0..<Self.groupCount {
            let (choice, error) = choose(block.from(group * Self.elementCount), top, wishes[group])
            groups[group] = choice
            self.error += error
        }
    }

    /// Of the scale nearest to the wish and its neighbours, each with the minimum nearest to the wish and with the one
    /// that fits its levels, the best.
    private func choose(_ group: WeightedValues, _ top: Float, _ wish: ScaleMinimumFit) -> (Group, Float) {
        let (step, minimumStep) = (Half.value(d), Half.value(dMinimum))
        let wished = step > 0 ? nearestInteger(wish.scale / step, 0...63) : 0
        let minimum = minimumStep > 0 ? nearestInteger(-wish.low / minimumStep, 0...63) : 0
        var best = (choice: Group(), error: Float.infinity)
        for scale in max(wished - 1, 0)...min(wished + 1, 63) {
            let tried = Group(scale: scale, minimum: minimum)
            let first = measure(group, top, tried)
            if first.error < best.error { best = (tried, first.error) }
            guard minimumStep > 0 else { continue }
            let better = nearestInteger(first.bestMinimum / minimumStep, 0...63)
            guard better != minimum else { continue }
            let second = Group(scale: scale, minimum: better)
            let error = measure(group, top, second).error
            if error < best.error { best = (second, error) }
        }
        return best
    }

    /// The error of a choice, and the minimum that would suit its levels best.
    @inline(__always)
    private func measure(_ group: WeightedValues, _ top: Float, _ choice: Group) -> (error: Float, bestMinimum: Float) {
        let scale = Half.value(d) * Float(choice.scale)
        let minimum = Half.value(dMinimum) * Float(choice.minimum)
        let inverse = scale > 0 ? 1 / scale : 0
        var (squares, differences, weights) = (Lanes.zero, Lanes.zero, Lanes.zero)
        for index in stride(from: 0, to: Self.elementCount, by: Lanes.scalarCount) {
            let (x, weight) = (lanes(group.values, index), lanes(group.weights, index))
            let level = nearest(clamped((x + minimum) * inverse, 0, top))
            let difference = level * scale - x
            let off = difference - minimum
            squares += weight * off * off
            differences += weight * difference
            weights += weight
        }
        return (squares.sum(), differences.sum() / weights.sum())
    }

    /// `d` and `dMinimum` that suit the levels of all groups best.
    private func refit(_ block: WeightedValues, _ top: Float) -> (d: UInt16, dMinimum: UInt16) {
        // x ≈ d · a - dMinimum · b, with a = scale · level and b = minimum: sums of aa, ab, bb, xa, xb.
        var (aa, ab, bb, xa, xb): (Float, Float, Float, Float, Float) = (0, 0, 0, 0, 0)
        for group in 0..<Self.groupCount {
            let values = block.from(group * Self.elementCount)
            let (scale, minimum) = (Float(groups[group].scale), Float(groups[group].minimum))
            var sums = ScaleMinimumSums(values)
            sums.quantize(
                values, low: -Half.value(dMinimum) * minimum,
                inverse: groups[group].scale > 0 ? 1 / (Half.value(d) * scale) : 0, top: top)
            aa += scale * scale * sums.wqq
            ab += scale * minimum * sums.wq
            bb += minimum * minimum * sums.w
            xa += scale * sums.wxq
            xb += minimum * sums.wx
        }
        let determinant = aa * bb - ab * ab
        guard determinant > 0 else { return aa > 0 ? (Half.bits(max(xa / aa, 0)), dMinimum) : (d, dMinimum) }
        let (scale, minimum) = ((xa * bb - xb * ab) / determinant, (xa * ab - xb * aa) / determinant)
        guard scale > 0, minimum >= 0 else { return (d, dMinimum) }
        return (Half.bits(scale), Half.bits(minimum))
    }
}

// MARK: - Bytes

extension ScaleMinimumBlock {
    /// `d`, `dMinimum`, then 8 scales and 8 minima of 6 bits: the first four of each lie whole; of the others the lower
    /// four bits share bytes 8 to 11, the upper two are the spare bits of the first.
    private func writeHead(_ out: UnsafeMutableRawPointer) {
        store(d, out, 0)
        store(dMinimum, out, 2)
        for index in 0..<4 {
            let (first, second) = (groups[index], groups[index + 4])
            storeByte(first.scale | (second.scale & 48) << 2, out, 4 + index)
            storeByte(first.minimum | (second.minimum & 48) << 2, out, 8 + index)
            storeByte(second.scale & 15 | (second.minimum & 15) << 4, out, 12 + index)
        }
    }

    private func writeLevels(_ block: WeightedValues, _ top: Float, _ levels: UnsafeMutablePointer<UInt8>) {
        for group in 0..<Self.groupCount {
            let scale = Half.value(d) * Float(groups[group].scale)
            let minimum = Half.value(dMinimum) * Float(groups[group].minimum)
            let inverse = scale > 0 ? 1 / scale : 0
            let values = block.values + group * Self.elementCount
            for index in stride(from: 0, to: Self.elementCount, by: Lanes.scalarCount) {
                let shifted = clamped((lanes(values, index) + minimum) * inverse, 0, top) + roundingShift
                storeLevels(shifted, offset: 0, levels + group * Self.elementCount + index)
            }
        }
    }

    /// 64 levels share 32 bytes.
    private static func packFourBits(_ levels: UnsafePointer<UInt8>, _ out: UnsafeMutableRawPointer) {
        for pair in 0..<4 {
            for index in 0..<32 {
                let (low, high) = (levels[pair * 64 + index], levels[pair * 64 + 32 + index])
                out.storeBytes(of: low & 15 | high << 4, toByteOffset: pair * 32 + index, as: UInt8.self)
            }
        }
    }

    /// 32 bytes of fifth bits, bit g of byte i for element i of group g; then the lower four.
    private static func packFiveBits(_ levels: UnsafePointer<UInt8>, _ out: UnsafeMutableRawPointer) {
        for index in 0..<32 {
            var byte: UInt8 = 0
            for group in 0..<8 { byte |= (levels[group * 32 + index] >> 4 & 1) << UInt8(group) }
            out.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        packFourBits(levels, out + 32)
    }
}
