/// Finds how far down an order one has to go for a mass, without sorting: a radix selection over the bits of the keys.
/// One histogram of masses finds the bucket in which the mass is reached; its members alone are told apart further.
///
/// Masses are added by bucket, and in a bucket by index, so the same entries give the same answer.
struct MassSelection {
    private var masses: [Double] = []
    private var members: [Member] = []
    private var memberCount = 0

    private struct Member {
        /// Bits of a key without the sign, which all keys share: they grow with the distance from 0.
        var bits: UInt32
        var weight: Float
    }

    /// A step looks at `width` bits from `shift` on: 31 in all.
    private struct Step {
        var shift: UInt32
        var width: UInt32
    }

    private static let first = Step(shift: 20, width: 11)
    private static let others = [Step(shift: 10, width: 10), Step(shift: 0, width: 10)]

    /// The highest key at and above which there is the mass `target`, and the mass above it. The lowest key with a mass
    /// where rounding keeps all of them below `target`.
    ///
    /// - Requires: keys are at most 0 and not NaN; `weights` are as many, not negative.
    mutating func crossing(
        of target: Double, keys: UnsafeBufferPointer<Float>, weights: UnsafeBufferPointer<Float>
    ) -> (key: Float, massAbove: Double) {
        var massAbove = 0.0
        weigh(keys, weights)
        var prefix = UInt32(truncatingIfNeeded: bucket(of: target, &massAbove))
        collect(keys, weights, bucket: prefix)
        if memberCount == 1 { return (-Float(bitPattern: members[0].bits), massAbove) }
        for step in Self.others {
            weighMembers(step, prefix: prefix)
            prefix = prefix << step.width | UInt32(truncatingIfNeeded: bucket(of: target, &massAbove))
        }
        return (-Float(bitPattern: prefix), massAbove)
    }

    /// The bucket in which the mass reaches `target`; the mass of those before it is added to `massAbove`.
    private func bucket(of target: Double, _ massAbove: inout Double) -> Int {
        let last = masses.lastIndex { $0 > 0 } ?? 0
        for bucket in 0..<last {
            guard massAbove + masses[bucket] < target else { return bucket }
            massAbove += masses[bucket]
        }
        return last
    }

    private mutating func weigh(_ keys: UnsafeBufferPointer<Float>, _ weights: UnsafeBufferPointer<Float>) {
        histogram(Self.first) { masses in
            for index in keys.indices {
                let bucket = Int(truncatingIfNeeded: keys[index].magnitude.bitPattern >> Self.first.shift)
                masses[2 * bucket + index & 1] += Double(weights[index])
            }
        }
    }

    private mutating func weighMembers(_ step: Step, prefix: UInt32) {
        let mask: UInt32 = 1 << step.width - 1
        let members = members[..<memberCount]
        histogram(step) { masses in
            for index in members.indices where members[index].bits >> (step.shift + step.width) == prefix {
                let bucket = Int(truncatingIfNeeded: members[index].bits >> step.shift & mask)
                masses[2 * bucket + index & 1] += Double(members[index].weight)
            }
        }
    }

    /// Even and odd entries have histograms of their own, side by side, so that neighbours with like keys need not wait
    /// for each other.
    private mutating func histogram(_ step: Step, _ fill: (UnsafeMutableBufferPointer<Double>) -> Void) {
        let bucketCount = 1 << Int(step.width)
        masses.removeAll(keepingCapacity: true)
        masses.append(contentsOf: repeatElement(0, count: 2 * bucketCount))
        masses.withUnsafeMutableBufferPointer { masses in
            fill(masses)
            for bucket in 0..<bucketCount { masses[bucket] = masses[2 * bucket] + masses[2 * bucket + 1] }
        }
        masses.removeSubrange(bucketCount...)
    }

    private mutating func collect(
        _ keys: UnsafeBufferPointer<Float>, _ weights: UnsafeBufferPointer<Float>, bucket: UInt32
    ) {
        grow(to: keys.count)
        // The last bucket, that of −∞, has no lowest number: none is below NaN.
        let highest = -Float(bitPattern: bucket << Self.first.shift)
        let lowest = -Float(bitPattern: (bucket + 1) << Self.first.shift - 1)
        memberCount = members.withUnsafeMutableBufferPointer { members in
            var count = 0
            for start in keys.laneStarts {
                let lanes = keys.lanes(at: start)
                guard any((lanes .<= highest) .& .!(lanes .< lowest)) else { continue }
                for index in start..<min(start + Lanes.scalarCount, keys.count) {
                    let bits = keys[index].magnitude.bitPattern
                    members[count] = Member(bits: bits, weight: weights[index])
                    count += bits >> Self.first.shift == bucket ? 1 : 0
                }
            }
            return count
        }
    }

    private mutating func grow(to count: Int) {
        guard members.count < count else { return }
        members.append(contentsOf: repeatElement(Member(bits: 0, weight: 0), count: count - members.count))
    }
}
