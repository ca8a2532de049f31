/// What a token is for.
///
/// - Source: SentencePiece `ModelProto.SentencePiece.Type`; raw values are its numbers, GGUF uses the same.
enum TokenKind: UInt8, Sendable {
    /// No token has this id.
    case none = 0
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
}
