import Foundation
import InferenceTypes
import Tokenization

/// A text of which a model's likelihood is asked, as tokens.
struct PerplexityText: Sendable {
    /// Last path component.
    var name: String
    var byteCount: Int
    /// With what the tokeniser puts around a text.
    var tokens: [TokenID]

    /// - Throws: `StartError`: one line that says what is wrong with the file.
    init(path: String, _ tokenizer: Tokenizer, spellings: SpecialSpellings = .parse) throws(StartError) {
        let text = try Self.read(path)
        name = path.split(separator: "/").last.map(String.init) ?? path
        byteCount = text.count
        tokens = tokenizer.encode(text, addSpecialTokens: .add, spellings: spellings)
    }

    /// Text in UTF-8.
    ///
    /// - Throws: `StartError` where the file cannot be read, is empty, too long, or no UTF-8.
    static func read(_ path: String, maxByteCount: Int = Tokenizer.maximumByteCount) throws(StartError) -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else { throw StartError("cannot read \(path)") }
        // One more than allowed tells, and a device without end does not hold us.
        guard let data = try? file.read(upToCount: maxByteCount + 1) ?? Data() else {
            throw StartError("cannot read \(path)")
        }
        let text = [UInt8](data)
        guard !text.isEmpty else { throw StartError("\(path) is empty") }
        guard text.count <= maxByteCount else { throw StartError("\(path) is longer than \(maxByteCount) bytes") }
        guard text.isValidUTF8 else { throw StartError("\(path) is no text in UTF-8") }
        return text
    }

    /// The bytes that some of the tokens stand for: their share of the text's bytes, since normalisation may make a text
    /// longer or shorter than its tokens; nil where they stand for none.
    func byteCount(of windows: [PerplexityWindow], _ tokenizer: Tokenizer) -> Double? {
        let lengths = (0..<tokenizer.vocabularyCount).map { index in
            let token = TokenID(index)
            return tokenizer.isSpecial(token) ? 0 : tokenizer.bytes(of: token).count
        }
        func sum(_ range: Range<Int>) -> Int { tokens[range].reduce(0) { $0 + lengths[Int($1)] } }
        let all = sum(tokens.indices)
        let scored = windows.reduce(0) { $0 + sum($1.scored) }
        return all > 0 && scored > 0 ? Double(byteCount) * Double(scored) / Double(all) : nil
    }
}
