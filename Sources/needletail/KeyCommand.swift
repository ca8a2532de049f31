import ArgumentParser
import Tenancy

/// `needletail key new NAME`: makes a key for the file of keys.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Makes keys for serve --api-keys.", subcommands: [New.self])

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "new",
            abstract: "Makes a random key.",
            discussion: """
                The key is printed once, on standard error; it is kept nowhere. The line for the file goes to standard \
                output: needletail key new alice requests-per-minute=60 >> keys
                """)

        @Argument(help: "Whose key it is: letters, digits, '.', '_' and '-'.")
        var name: String

        @Argument(
            help: """
                What it may: requests-per-minute=N, tokens-per-minute=N, concurrent=N, max-tokens=N, priority=N, \
                role=admin.
                """)
        var settings: [String] = []

        func run() throws {
            let (line, key) = try made()
            Console.say("the key of \(name), shown this once: \(key.text)")
            guard Console.put(Array("\(line)\n".utf8)) else {
                throw StartError("the key's line could not be written")
            }
        }

        /// The line for the file, read as the server will read it.
        func made() throws(StartError) -> (line: String, key: NewKey) {
            let key = NewKey()
            let line = ([name, "sha256:\(key.digest.hex)"] + settings).joined(separator: " ")
            // A word with a space or a number sign in it would be another line than the one that is meant.
            guard !line.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "#") }) else {
                throw StartError("a name or setting of a key has no '#', tab or line end")
            }
            let keys: [APIKey]
            do throws(KeyFileError) { keys = try KeyFile.keys(in: Array(line.utf8)) } catch {
                throw StartError(error.description)
            }
            guard keys.first?.name == name else { throw StartError("a name of a key has no space") }
            return (line, key)
        }
    }
}
