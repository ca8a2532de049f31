/// Sums over a group of 32 values `x`, their levels `q` and weights `w` that a fit of scale and minimum needs.
struct ScaleMinimumSums {
    /// Σw, Σwx, Σwx²
    var w: Float = 0
    var wx: Float = 0
    var wxx: Float = 0
    /// Σwq, Σwq², Σwxq
    var wq: Float = 0
    var wqq: Float = 0
    var wxq: Float = 0

    static let elementCount = 32

    /// The sums that need no levels.
    @inline(__always)
    init(_ group: WeightedValues) {
        var (w, wx, wxx) = (Lanes.zero, Lanes.zero, Lanes.zero)
        for index in stride(from: 0, to: Self.elementCount, by: Lanes.scalarCount) {
            let (x, weight) = (lanes(group.values, index), lanes(group.weights, index))
            w += weight
            wx += weight * x
            wxx += weight * x * x
        }
        (self.w, self.wx, self.wxx) = (w.sum(), wx.sum(), wxx.sum())
    }

    /// The others, for levels `round((x - low) · inverse)` in `0...top`.
    @inline(__always)
    mutating func quantize(_ group: WeightedValues, low: Float, inverse: Float, top: Float) {
        var (wq, wqq, wxq) = (Lanes.zero, Lanes.zero, Lanes.zero)
        for index in stride(from: 0, to: Self.elementCount, by: Lanes.scalarCount) {
            let (x, weight) = (lanes(group.values, index), lanes(group.weights, index))
            let level = nearest(clamped((x - low) * inverse, 0, top))
            let weighted = weight * level
            wq += weighted
            wqq += weighted * level
            wxq += weighted * x
        }
        (self.wq, self.wqq, self.wxq) = (wq.sum(), wqq.sum(), wxq.sum())
    }

    /// The least squares fit `x ≈ scale · q + low` with `low` at most 0, and its error.
    @inline(__always)
    func fit() -> ScaleMinimumFit {
        let determinant = w * wqq - wq * wq
        var fit = ScaleMinimumFit()
        if determinant > 0 {
            fit.scale = (w * wxq - wx * wq) / determinant
            fit.low = (wx - fit.scale * wq) / w
        }
        if determinant <= 0 || fit.low > 0 {
            fit.low = 0
            fit.scale = wqq > 0 ? wxq / wqq : 0
        }
        let (s, m) = (fit.scale, fit.low)
        let cross = s * wxq + m * wx
        fit.error = wxx - 2 * cross + s * s * wqq + 2 * s * m * wq + m * m * w
        return fit
    }
}

/// A scale of at least 0 and a lowest value of at most 0.
struct ScaleMinimumFit {
    var scale: Float = 0
    var low: Float = 0
    var error = Float.infinity

    /// What the range, made wider or narrower by so many levels, is tried as.
    private static let widths: [Float] = [-1.2, -0.7, -0.2, 0.2, 0.6, 1.1]
    /// Turns of levels and fit after the best of them.
    private static let turnCount = 3

    /// The best that the search finds for 32 values with levels `0...top`.
    static func search(_ group: WeightedValues, top: Float) -> ScaleMinimumFit {
        var (least, greatest): (Float, Float) = (0, group.values[0])
        for index in 0..<ScaleMinimumSums.elementCount {
            least = min(least, group.values[index])
            greatest = max(greatest, group.values[index])
        }
        var sums = ScaleMinimumSums(group)
        guard greatest > least else {
            return ScaleMinimumFit(scale: 0, low: least, error: 0)
        }
        var best = ScaleMinimumFit()
        for width in widths {
            sums.quantize(group, low: least, inverse: (top + width) / (greatest - least), top: top)
            let fit = sums.fit()
            best.keep(fit)
            if fit.scale > 0 {
                sums.quantize(group, low: fit.low, inverse: 1 / fit.scale, top: top)
                best.keep(sums.fit())
            }
        }
        for _ in 0..<turnCount where best.scale > 0 {
            sums.quantize(group, low: best.low, inverse: 1 / best.scale, top: top)
            best.keep(sums.fit())
        }
        return best
    }

    @inline(__always)
    private mutating func keep(_ other: ScaleMinimumFit) {
        if other.error < error, other.scale >= 0 { self = other }
    }
}
