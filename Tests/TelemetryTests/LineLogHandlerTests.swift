import Foundation
import Glibc
import Logging
import Telemetry
import Testing

@Suite("Log lines")
struct LineLogHandlerTests {
    /// What one call writes.
    private func line(_ format: LineLogHandler.Format, _ log: (Logger) -> Void) -> String {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let writer = ends[1]
        log(Logger(label: "test") { LineLogHandler(label: $0, format: format, descriptor: writer) })
        close(ends[1])
        let data = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true).readDataToEndOfFile()
        return String(decoding: data, as: UTF8.self)
    }

    @Test("JSON lines are one object a line, whatever the values hold")
    func json() throws {
        let text = line(.json) { $0.info("said", metadata: ["user": "a\n\"b\" \u{1B}[2J", "n": "3"]) }
        #expect(text.hasSuffix("\n") && text.filter(\.isNewline).count == 1)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String]
        #expect(object?["message"] == "said")
        #expect(object?["level"] == "info")
        #expect(object?["user"] == "a\n\"b\" \u{1B}[2J")
        #expect(object?["n"] == "3")
    }

    @Test("a value can neither forge a plain line nor reach the terminal")
    func plain() {
        let text = line(.plain) { $0.warning("said", metadata: ["user": "x\n2026 info forged\u{1B}[2J"]) }
        #expect(text.filter(\.isNewline).count == 1)
        #expect(text.contains(" warning said "))
        #expect(!text.contains("\u{1B}"))
    }

    @Test("levels below the handler's are not written")
    func levels() { #expect(line(.plain) { $0.debug("quiet") } == "") }

    @Test("a descriptor that takes nothing is no trap")
    func closed() {
        Logger(label: "test") { LineLogHandler(label: $0, format: .plain, descriptor: -1) }.error("lost")
        #expect(line(.plain) { $0.error("heard") }.contains("error heard"))
    }
}
