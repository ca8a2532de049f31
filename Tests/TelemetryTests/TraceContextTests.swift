import Telemetry
import Testing

@Suite("Traces")
struct TraceContextTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let parent = "00f067aa0ba902b7"

    private func context(_ sent: String?) -> TraceContext {
        var next: UInt64 = 0
        return TraceContext(sent: sent) {
            next += 1
            return next
        }
    }

    @Test("a traceparent is taken on, with a span of our own", arguments: ["00", "01", "02", "03", "ff"])
    func kept(flags: String) {
        let found = context("00-\(Self.trace)-\(Self.parent)-\(flags)")
        #expect(found.traceID == Self.trace)
        #expect(found.spanID == "0000000000000001")
        let sampled = ["01", "03", "ff"].contains(flags) ? "01" : "00"
        #expect(found.field == "00-\(Self.trace)-0000000000000001-\(sampled)")
    }

    @Test(
        "what is not exactly version 00 begins a new trace",
        arguments: [
            nil, "", "00", "00-\(Self.trace)-\(Self.parent)", "00-\(Self.trace)-\(Self.parent)-0",
            "00-\(Self.trace)-\(Self.parent)-011",
            "00-\(Self.trace)-\(Self.parent)-01-x", "01-\(Self.trace)-\(Self.parent)-01",
            "ff-\(Self.trace)-\(Self.parent)-01",
            "00-\(Self.trace.uppercased())-\(Self.parent)-01", "00-\(Self.trace)-\(Self.parent.uppercased())-01",
            "00-\(Self.trace)-\(Self.parent)-0A", "00-\(Self.trace)-\(Self.parent)-0g",
            "00-\(Self.trace)-\(Self.parent)-g0",
            "00-00000000000000000000000000000000-\(Self.parent)-01", "00-\(Self.trace)-0000000000000000-01",
            "00_\(Self.trace)-\(Self.parent)-01", "00-\(Self.trace)_\(Self.parent)-01",
            "00-\(Self.trace)-\(Self.parent)_01",
            " 00-\(Self.trace)-\(Self.parent)-01", "00-\(Self.trace)-\(Self.parent)-01 ",
            "00-\(Self.trace)-\(Self.parent)-01, 00-\(Self.trace)-\(Self.parent)-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-\(Self.parent)-01", "00-\(Self.trace.dropLast())-0\(Self.parent)-01",
        ])
    func fresh(sent: String?) {
        #expect(context(sent).field == "00-00000000000000010000000000000002-0000000000000003-00")
    }

    @Test("ids are never all zeros")
    func zero() {
        let found = TraceContext(sent: nil) { 0 }
        #expect(found.field == "00-00000000000000010000000000000001-0000000000000001-00")
    }
}
