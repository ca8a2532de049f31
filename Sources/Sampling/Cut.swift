/// Where a ranked list ends: the last key that stays, and among its equals the last entry.
struct Cut {
    var key: Float
    /// Index of that entry; nil where all of them stay.
    var lastTie: Int?

    /// The entries at `start`… that stay.
    @inline(__always)
    func mask(_ arrays: WeightedTokens.Arrays, _ start: Int) -> LaneMask {
        let keys = arrays.keys.lanes(at: start)
        guard let lastTie else { return keys .>= key }
        let ties = keys .== key
        guard any(ties) else { return keys .> key }
        return (keys .> key) .| ties.first(lastTie + 1 - start)
    }
}

extension Candidates {
    /// The `count` entries with the highest keys; ties go by id.
    mutating func cut(count: Int) -> Cut {
        guard count < self.count else { return Cut(key: -.infinity, lastTie: nil) }
        let key = threshold(count: count)
        var missing = count - entries.keys[..<self.count].withUnsafeBufferPointer { ScoreRow($0).count(above: key) }
        let last = lastTie(with: key) { _ in
            missing -= 1
            return missing == 0
        }
        return Cut(key: key, lastTie: last)
    }

    /// The `count` entries with the highest keys and all that tie with the last of them.
    mutating func cutWithTies(count: Int) -> Cut { Cut(key: threshold(count: count), lastTie: nil) }

    /// The entries with the highest keys until their weights reach `target`; ties go by id.
    mutating func cut(mass target: Double) -> Cut {
        var (key, mass) = crossing(of: target)
        let last = lastTie(with: key) { weight in
            mass += Double(weight)
            return mass >= target
        }
        return Cut(key: key, lastTie: last)
    }

    mutating func crossing(of target: Double) -> (key: Float, massAbove: Double) {
        entries.keys[..<count].withUnsafeBufferPointer { keys in
            entries.weights[..<count].withUnsafeBufferPointer {
                selection.crossing(of: target, keys: keys, weights: $0)
            }
        }
    }

    private mutating func threshold(count: Int) -> Float {
        entries.keys[..<self.count].withUnsafeBufferPointer { highest.threshold(ScoreRow($0), rank: count) }
    }

    /// The first entry with this key that is said to be the last; the very last where none is.
    private func lastTie(with key: Float, isLast: (_ weight: Float) -> Bool) -> Int? {
        entries.keys[..<count].withUnsafeBufferPointer { keys in
            var last: Int?
            for start in keys.laneStarts where any(keys.lanes(at: start) .== key) {
                for index in start..<min(start + Lanes.scalarCount, keys.count) where keys[index] == key {
                    last = index
                    if isLast(entries.weights[index]) { return last }
                }
            }
            return last
        }
    }
}
