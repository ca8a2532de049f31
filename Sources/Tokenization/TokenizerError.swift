/// Why a tokeniser's files were refused: which file or key, what was expected, what was found. Bounded in length.
package struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
    package var message: String

    package init(_ message: String) { self.message = message }

    package var description: String { message }
}
