import Engine
import Foundation
import HTTPCodec
import TestSupport
import Testing

@testable import needletail

struct EchoOffsetTests {
    @Test(
        "offsets find the sent text again after a token that is unknown",
        .enabled(if: SharedData.isAvailable, "needs ../shared/data"))
    func unknown() async throws {
        let folder = try #require(SharedData.directory).appending(path: "tinystories-656k/hf").path
        let server = try await StoryServer(["--model", folder])
        let body: [String: Any] = [
            "prompt": "é日a dog", "max_tokens": 1, "temperature": 0, "echo": true, "logprobs": 0,
        ]
        guard case .bytes(let bytes) = try await server.respond(body).body else {
            throw CocoaError(.fileReadCorruptFile)
        }
        let document = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
        let choice = (document?["choices"] as? [[String: Any]])?.first
        let logprobs = choice?["logprobs"] as? [String: Any]
        // BOS, the space that SentencePiece puts first, both unknown characters as one, "a ", "dog", and what follows.
        #expect(logprobs?["text_offset"] as? [Int] == [0, 0, 0, 2, 4, 7])
        await server.engine.drain()
    }
}
