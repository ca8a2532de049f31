import Checkpoints

enum SentencePieceModel {
    static func parts(_ model: [UInt8], _ files: TokenizerFiles) throws(TokenizerError) -> TokenizerParts { throw TokenizerError("later") }
}
