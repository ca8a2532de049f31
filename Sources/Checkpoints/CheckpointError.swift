/// Why a checkpoint was refused: which file, which section of it, what was expected and what was found.
package struct CheckpointError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Last path component only: messages reach clients and logs.
    package var file: String
    /// `header`, `tensor table`, `config`, …
    package var section: String
    package var message: String

    package init(file: String, section: String, message: String) {
        self.file = file
        self.section = section
        self.message = message
    }

    package init(file: String, section: String, expected: String, found: String) {
        self.init(file: file, section: section, message: "expected \(expected), found \(found)")
    }

    package var description: String { "\(file): \(section): \(message)" }
}

/// Bytes of a file as an error message may show them: printable ASCII, at most 64 of them.
///
/// - Source: reliability.md section 3, line 12, for the bound.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    let shown = bytes.prefix(64).map { 0x20 <= $0 && $0 < 0x7F ? Character(Unicode.Scalar($0)) : "?" }
    return "'" + String(shown) + (bytes.count > 64 ? "…'" : "'")
}

func quoted(_ text: String) -> String { quoted(text.utf8) }
