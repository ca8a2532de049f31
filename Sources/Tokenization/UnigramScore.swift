/// Scores of `tokenizer.json` as Hugging Face tokenizers reads them.
enum UnigramScore {
    /// The value that serde_json makes of a number's digits: the digits as a whole number, divided by a power of ten.
    /// It differs from the nearest `Double` in the last bit for every fourth score, and where two segmentations have
    /// equal sums, as in a row of zeros, that bit decides.
    static func asReferenceReads(_ score: Double) -> Double {
        // The shortest digits that mean this value are what the file's writer wrote.
        let text = Array(score.magnitude.description.utf8)
        var digits: UInt64 = 0
        var scale = 1.0
        var isBehindPoint = false
        for character in text {
            if character == UInt8(ascii: "."), !isBehindPoint {
                isBehindPoint = true
                continue
            }
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= character, digits < UInt64.max / 16 else { return score }
            digits = digits * 10 + UInt64(character - UInt8(ascii: "0"))
            if isBehindPoint { scale *= 10 }
        }
        let value = Double(digits) / scale
        return score < 0 ? -value : value
    }
}
