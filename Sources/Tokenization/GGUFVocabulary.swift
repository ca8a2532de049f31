import Checkpoints

enum GGUFVocabulary {
    static func parts(_ metadata: GGUFMetadata) throws(TokenizerError) -> TokenizerParts { throw TokenizerError("later") }
}
