import Kernels
import TestSupport
import Testing

@Suite("Checksums")
struct DigestTests {
    private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * 131 + 7) } }

    /// What Python's `xxhash` 4.1.0 (the library of xxHash's author, 0.8.4) says of these bytes.
    @Test(
        "XXH64 of every kind of length",
        arguments: [
            (0, 0xef46_db37_51d8_e999), (1, 0xa96c_7f0c_e858_bbb7), (3, 0xbed4_3740_ee63_32bb),
            (4, 0xfa21_2ae4_4b3b_b23d), (7, 0x2744_460d_d675_d2c0), (8, 0x994b_676b_71ce_94dd),
            (11, 0x97f0_78da_7a1a_590c), (31, 0x6711_d55e_306b_5d8f), (32, 0x07f7_b8e3_bc5d_6e25),
            (33, 0x09f8_5eeb_4e1c_be9f), (63, 0xb7c9_968c_066c_b6a5), (64, 0x50d4_159a_0411_632e),
            (100, 0x9dda_da11_d3dc_2d8f), (1000, 0x0bf0_bdbc_c82e_b373),
        ] as [(Int, UInt64)])
    func vectors(count: Int, expected: UInt64) {
        #expect(Self.bytes(count).withUnsafeBytes { digest($0) } == expected)
    }

    /// The same library's, of the checksums of the pieces of 1 MiB.
    @Test("of pieces, in one run or several, by any number of threads", arguments: [1, 2, 3])
    func pieces(threadCount: Int) throws {
        let workers = try Workers(threadCount: threadCount, scratchFloatCount: 0)
        var bytes = Self.bytes(5 << 19)
        func value(_ cuts: [Int]) -> UInt64 {
            bytes.withUnsafeBytes { all in
                var digest = PieceDigest()
                for (start, end) in zip([0] + cuts, cuts + [all.count]) {
                    digest.add(UnsafeRawBufferPointer(rebasing: all[start..<end]), workers)
                }
                return digest.value
            }
        }
        #expect(value([]) == 0xb3c7_8678_d977_9b2e)
        #expect(value([1 << 20]) == value([]) && value([1 << 20, 2 << 20]) == value([]))
        for place in [0, 1 << 20, bytes.count - 1] {
            let before = value([])
            bytes[place] ^= 0x10
            #expect(value([]) != before)
        }
    }
}
