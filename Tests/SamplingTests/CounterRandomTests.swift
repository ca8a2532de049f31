import Testing

@testable import Sampling

struct CounterRandomTests {
    /// Known answers published with Random123 (`kat_vectors`, philox4x32 with 10 rounds).
    @Test(
        "Philox gives the published blocks",
        arguments: [
            ([0, 0, 0, 0], [0, 0], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            (
                [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], [0xFFFF_FFFF, 0xFFFF_FFFF],
                [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
            ),
            (
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], [0xA409_3822, 0x299F_31D0],
                [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
            ),
        ] as [([UInt32], [UInt32], [UInt32])])
    func knownAnswers(counter: [UInt32], key: [UInt32], expected: [UInt32]) {
        #expect(CounterRandom.philox(counter: SIMD4(counter), key: SIMD2(key)) == SIMD4(expected))
    }

    @Test("numbers are 24 bits of 0 ..< 1 and spread over sixteen bins")
    func uniformBins() {
        var bins = Array(repeating: 0, count: 16)
        for position in 0..<160_000 {
            let number = CounterRandom.uniform(seed: 42, choice: 0, position: position)
            #expect(number >= 0 && number < 1 && (number * 0x1p24).rounded() == number * 0x1p24)
            bins[Int(exactly: (number * 16).rounded(.down)) ?? 16] += 1
        }
        // 15 degrees of freedom: 37.70 is passed once in a thousand.
        let chiSquare = bins.reduce(0.0) { $0 + Double(($1 - 10_000) * ($1 - 10_000)) / 10_000 }
        #expect(chiSquare < 37.70)
    }

    @Test("choice i of seed s is choice 0 of seed s + i, and choices differ")
    func choices() {
        let numbers = (0..<4).map { CounterRandom.uniform(seed: .max, choice: $0, position: 9) }
        #expect(Set(numbers).count == 4)
        #expect(numbers[2] == CounterRandom.uniform(seed: 1, choice: 0, position: 9))
    }
}
