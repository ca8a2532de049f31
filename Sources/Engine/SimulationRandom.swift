/// Seeded random numbers, so that a simulation is its seed.
///
/// - Source: SplitMix64, Steele, Lea, Flood (2014).
struct SimulationRandom: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = Self.mix(seed) }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// A number of `0 ..< bound`.
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    mutating func within(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// True so many times out of a thousand.
    mutating func chance(_ permille: Int) -> Bool { below(1000) < permille }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    /// A permutation of the 64-bit numbers in which every bit of the result depends on every bit of the argument.
    static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
