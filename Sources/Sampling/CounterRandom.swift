/// Random numbers without state: each is a function of a seed, a choice and a position, so a token does not depend on
/// what was drawn before it, by whom, or in which order.
///
/// - Source: Philox4x32-10, J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
package enum CounterRandom {
    /// A number for the token at `position` of a choice.
    ///
    /// Choice `i` of seed `s` draws what choice 0 of seed `s + i` draws, so each of `n` choices can be repeated alone.
    ///
    /// - Units: 24 bits, all that a `Float` holds evenly: `0 ..< 1`.
    package static func uniform(seed: UInt64, choice: Int, position: Int) -> Float {
        let key = seed &+ UInt64(bitPattern: Int64(choice))
        let counter = UInt64(bitPattern: Int64(position))
        let block = philox(
            counter: SIMD4(UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), 0, 0),
            key: SIMD2(UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32)))
        return Float(block.x >> 8) * 0x1p-24
    }

    /// Ten rounds of Philox over one counter block.
    static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (block, key) = (counter, key)
        for _ in 0..<10 {
            let even = UInt64(block.x) * 0xD251_1F53
            let odd = UInt64(block.z) * 0xCD9E_8D57
            block = SIMD4(
                UInt32(odd >> 32) ^ block.y ^ key.x, UInt32(truncatingIfNeeded: odd),
                UInt32(even >> 32) ^ block.w ^ key.y, UInt32(truncatingIfNeeded: even))
            key = key &+ SIMD2(0x9E37_79B9, 0xBB67_AE85)
        }
        return block
    }
}
