/// Takes out spaces that word-level tokenisers leave before punctuation.
///
/// - Source: llama.cpp `llama_vocab::impl::detokenize`, `clean_spaces`, whose three passes these are.
enum SpaceCleaner {
    static func clean(_ text: [UInt8]) -> [UInt8] { beforeContractions(aroundApostrophes(beforeMarks(text))) }

    private static let space = UInt8(ascii: " ")
    private static let apostrophe = UInt8(ascii: "'")

    /// " ?", " !", " .", " ," lose their space.
    private static func beforeMarks(_ text: [UInt8]) -> [UInt8] {
        let marks: [UInt8] = [UInt8(ascii: "?"), UInt8(ascii: "!"), UInt8(ascii: "."), UInt8(ascii: ",")]
        var result: [UInt8] = []
        for (index, byte) in text.enumerated() {
            if index > 0, text[index - 1] == space, marks.contains(byte) { result.removeLast() }
            result.append(byte)
        }
        return result
    }

    /// " ' " becomes "'".
    private static func aroundApostrophes(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte == apostrophe, index > 0, index + 1 < text.count, text[index - 1] == space, text[index + 1] == space
            {
                result.removeLast()
                index += 1
            }
            result.append(byte)
            index += 1
        }
        return result
    }

    /// " 's", " 'm", " 're", " 've" lose their space.
    private static func beforeContractions(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for (index, byte) in text.enumerated() {
            if byte == apostrophe, index > 0, text[index - 1] == space, isJoined(text[(index + 1)...]) {
                result.removeLast()
            }
            result.append(byte)
        }
        return result
    }

    private static func isJoined(_ rest: ArraySlice<UInt8>) -> Bool {
        guard let first = rest.first else { return false }
        if first == UInt8(ascii: "s") || first == UInt8(ascii: "m") { return true }
        let isVerb = first == UInt8(ascii: "r") || first == UInt8(ascii: "v")
        return isVerb && rest.dropFirst().first == UInt8(ascii: "e")
    }
}
