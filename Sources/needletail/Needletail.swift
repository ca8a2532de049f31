import ArgumentParser
import Glibc
import Telemetry

/// The program: reads its options, builds everything, owns `main`.
@main
struct Needletail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "needletail",
        abstract: "Continues prompts with a language model, over HTTP or in the terminal.",
        version: Build.version,
        subcommands: [
            ServeCommand.self, GenerateCommand.self, QuantizeCommand.self, BenchCommand.self, InspectCommand.self,
            KeyCommand.self,
        ])

    static func main() async {
        StandardStreams.secure()
        do {
            var command = try parseAsRoot()
            if var asyncCommand = command as? any AsyncParsableCommand {
                try await asyncCommand.run()
            } else {
                try command.run()
            }
        } catch let error as StartError {
            Console.say(error.description)
            Glibc.exit(StartError.status)
        } catch let error where exitCode(for: error) == .validationFailure {
            Console.say("\(message(for: error)); see --help")
            Glibc.exit(StartError.status)
        } catch {
            exit(withError: error)
        }
    }
}

/// What this build is.
enum Build {
    static let version = "0.1.0"
}

/// The program cannot do what it was asked: one line that says what and why.
struct StartError: Error, CustomStringConvertible {
    /// - Source: reliability.md section 16: bad flags, a port in use, a missing model.
    static let status: Int32 = 2

    let description: String

    init(_ description: String) { self.description = description }
}
