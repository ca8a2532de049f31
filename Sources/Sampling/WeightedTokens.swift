import InferenceTypes

/// Tokens in order of id with scores and weights, in arrays that are walked sixteen entries at a time: what `Candidates`
/// decides about.
struct WeightedTokens {
    private(set) var count = 0
    /// The arrays hold `count` values and then room up to a whole number of lanes, where the weights are 0 and the
    /// scores finite.
    private(set) var tokens: [TokenID] = []
    /// Logits over temperature.
    private(set) var scores: [Float] = []
    /// `exp(score − maximum)`.
    private(set) var weights: [Float] = []
    /// What a filter ranks by, higher first: at most 0.
    private(set) var keys: [Float] = []
    /// The highest score of those taken in.
    private(set) var maximum: Float = 0

    /// Takes in every token whose score is at least that of the logit `least`, unless it is masked.
    ///
    /// - Requires: `maximum` is the row's, at least `least`; `temperature` > 0.
    mutating func load(
        _ logits: ScoreRow, maximum: Float, temperature: Float, least: Float = -.infinity
    ) {
        let scale = Scale(temperature: temperature)
        let leastScore = scale(Lanes(repeating: least))[0]
        // Division makes equals of neighbours: what is divided is a little more than what stays.
        let loose = least - least.magnitude * 0x1p-20
        self.maximum = scale(Lanes(repeating: maximum))[0]
        grow(to: logits.count)
        count = withArrays { arrays in
            var kept = 0
            logits.walk(
                where: { $0 .>= loose },
                visit: { start, lanes in
                    let scores = scale(lanes)
                    arrays.append(scores, from: start, where: (scores .>= leastScore) .& (lanes .> -.infinity), &kept)
                })
            return kept
        }
        weigh()
    }

    /// Keeps the entries for which the mask of the lanes at a place holds.
    @inline(__always)
    mutating func retain(_ mask: (Arrays, Int) -> LaneMask) {
        let count = count
        self.count = withArrays { arrays in
            var kept = 0
            for start in stride(from: 0, to: count, by: Lanes.scalarCount) {
                arrays.move(from: start, where: mask(arrays, start).first(count - start), &kept)
            }
            return kept
        }
        pad()
    }

    /// Ranks by score.
    mutating func rankByScore() {
        let maximum = maximum
        setKeys { $0 - maximum }
    }

    /// Ranks by how near a token's surprise −log p is to `expected`.
    mutating func rankBySurprise(logNormalizer: Double, expected: Double) {
        let maximum = maximum
        let offset = Float(expected - logNormalizer)
        setKeys { scores in
            let distance = (scores - maximum) + offset
            return distance.replacing(with: -distance, where: distance .> 0)
        }
    }

    @inline(__always)
    private mutating func setKeys(_ key: (Lanes) -> Lanes) {
        let count = count
        withArrays { arrays in
            for start in stride(from: 0, to: count, by: Lanes.scalarCount) {
                arrays.keys.setLanes(key(arrays.scores.lanes(at: start)), at: start)
            }
        }
    }

    private mutating func weigh() {
        let (count, maximum) = (count, maximum)
        withArrays { arrays in
            for start in stride(from: 0, to: count, by: Lanes.scalarCount) {
                arrays.weights.setLanes((arrays.scores.lanes(at: start) - maximum).exponential, at: start)
            }
        }
        pad()
    }

    private mutating func pad() {
        for index in count..<(count + Lanes.scalarCount - 1) / Lanes.scalarCount * Lanes.scalarCount {
            scores[index] = maximum
            weights[index] = 0
        }
    }

    private mutating func grow(to wanted: Int) {
        let missing = wanted + Lanes.scalarCount - scores.count
        guard missing > 0 else { return }
        tokens.append(contentsOf: repeatElement(0, count: missing))
        scores.append(contentsOf: repeatElement(0, count: missing))
        weights.append(contentsOf: repeatElement(0, count: missing))
        keys.append(contentsOf: repeatElement(0, count: missing))
    }
}

// MARK: - Sums

extension WeightedTokens {
    /// Entries whose weights are added up before a draw looks at single ones.
    static let blockSize = 1024

    /// The weights of the block of entries from `start` on.
    func blockWeight(_ start: Int) -> Double {
        let end = min(start + Self.blockSize, count)
        return weights.withUnsafeBufferPointer { weights in
            var sum = LaneSum()
            for index in stride(from: start, to: end, by: Lanes.scalarCount) { sum.add(weights.lanes(at: index)) }
            return sum.total
        }
    }

    /// Block by block, as a draw walks over them.
    var totalWeight: Double {
        stride(from: 0, to: count, by: Self.blockSize).reduce(0) { $0 + blockWeight($1) }
    }

    var highestWeight: Float {
        weights.withUnsafeBufferPointer { weights in
            var highest = Lanes()
            for start in stride(from: 0, to: count, by: Lanes.scalarCount) {
                highest = highest.higher(weights.lanes(at: start))
            }
            return highest.max()
        }
    }

    /// Σ weight × (score − maximum).
    var weightedDistance: Double {
        weights.withUnsafeBufferPointer { weights in
            scores.withUnsafeBufferPointer { scores in
                var sum = LaneSum()
                for start in stride(from: 0, to: count, by: Lanes.scalarCount) {
                    let lanes = weights.lanes(at: start)
                    // A distance may be too large for its type: 0 × −∞.
                    sum.add((lanes * (scores.lanes(at: start) - maximum)).replacing(with: 0, where: lanes .== 0))
                }
                return sum.total
            }
        }
    }
}

// MARK: - Arrays

extension WeightedTokens {
    /// The four arrays, for the time of one walk.
    struct Arrays {
        var tokens: UnsafeMutablePointer<TokenID>
        var scores: UnsafeMutablePointer<Float>
        var weights: UnsafeMutablePointer<Float>
        var keys: UnsafeMutablePointer<Float>

        init(
            _ tokens: UnsafeMutablePointer<TokenID>, _ scores: UnsafeMutablePointer<Float>,
            _ weights: UnsafeMutablePointer<Float>, _ keys: UnsafeMutablePointer<Float>
        ) {
            self.tokens = tokens
            self.scores = scores
            self.weights = weights
            self.keys = keys
        }

        /// Puts scores of the tokens `from`… behind the `kept` first entries.
        @inline(__always)
        func append(_ lanes: Lanes, from token: Int, where mask: LaneMask, _ kept: inout Int) {
            let ids = SIMD16<Int32>.from(token)
            if all(mask) {
                scores.setLanes(lanes, at: kept)
                tokens.setLanes(ids, at: kept)
                kept += Lanes.scalarCount
                return
            }
            for lane in 0..<Lanes.scalarCount {
                scores[kept] = lanes[lane]
                tokens[kept] = ids[lane]
                kept += mask.count(at: lane)
            }
        }

        /// Moves entries up behind the `kept` first ones. Keys are not moved: each filter makes its own. What is not
        /// kept is written all the same and then written over: a branch for each lane costs more.
        @inline(__always)
        func move(from start: Int, where mask: LaneMask, _ kept: inout Int) {
            guard any(mask) else { return }
            if all(mask) {
                tokens.setLanes(tokens.lanes(at: start), at: kept)
                scores.setLanes(scores.lanes(at: start), at: kept)
                weights.setLanes(weights.lanes(at: start), at: kept)
                kept += Lanes.scalarCount
                return
            }
            for lane in 0..<Lanes.scalarCount {
                tokens[kept] = tokens[start + lane]
                scores[kept] = scores[start + lane]
                weights[kept] = weights[start + lane]
                kept += mask.count(at: lane)
            }
        }
    }

    private mutating func withArrays<Result>(_ body: (Arrays) -> Result) -> Result {
        tokens.withUnsafeMutableBufferPointer { tokens in
            scores.withUnsafeMutableBufferPointer { scores in
                weights.withUnsafeMutableBufferPointer { weights in
                    keys.withUnsafeMutableBufferPointer { keys in
                        body(Arrays(tokens.start, scores.start, weights.start, keys.start))
                    }
                }
            }
        }
    }
}

extension UnsafeMutableBufferPointer {
    /// Of an array that `load` has given room.
    fileprivate var start: UnsafeMutablePointer<Element> { baseAddress.unsafelyUnwrapped }
}
